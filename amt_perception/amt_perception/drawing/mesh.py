"""Draws a hand's skin as a soft, shaded surface; no OpenGL."""

from __future__ import annotations

import numpy as np

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.drawing.text import Colour

NEAREST_M = 0.02
"""Triangles nearer to the camera than this are left out."""
SUPERSAMPLING = 2
"""Drawn so many times larger and scaled down: smooth edges."""
LIGHT = np.array([-0.35, -0.55, -0.75]) / np.linalg.norm([-0.35, -0.55, -0.75])
"""Direction to the lamp in the camera frame: above the camera, on its left."""
AMBIENT, DIFFUSE, GLOSS = 0.45, 0.60, 0.15
GLOSS_EXPONENT = 24
EDGE_SHADE = 0.35
"""How much darker the surface is where it turns away: the outline reads on any background."""
FIXED_POINT_BITS = 4
"""OpenCV takes fixed-point coordinates: 1/16 pixel."""


def draw_mesh(
    canvas: np.ndarray,
    vertices: np.ndarray,
    faces: np.ndarray,
    intrinsics: Intrinsics,
    colour: Colour,
    opacity: float,
) -> None:
    """Blend the surface into the canvas [H, W, 3] uint8 RGB.

    vertices: [V, 3] in the camera frame (m); faces: [F, 3] counter-clockwise seen from outside.
    Triangles that face the camera are painted from far to near, each in one shade (Blinn-Phong),
    and the shades are smoothed over about a triangle.
    """
    import cv2

    front, normals = _front_faces(vertices, faces)
    pixels = intrinsics.project(vertices)[front]
    box = _box(pixels, canvas.shape[:2]) if len(front) else None
    if box is None:
        return
    left, top, right, bottom = box
    scale = SUPERSAMPLING * 2**FIXED_POINT_BITS
    corners = np.round((pixels - (left, top) + 0.5) * scale).astype(np.int32)
    shades = np.round(_shades(vertices[front].mean(axis=1), normals)).astype(int).tolist()
    size = (SUPERSAMPLING * (bottom - top), SUPERSAMPLING * (right - left))
    surface, cover = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    for corner, shade in zip(corners, shades, strict=True):
        cv2.fillConvexPoly(surface, corner, shade, cv2.LINE_8, FIXED_POINT_BITS)
        cv2.fillConvexPoly(cover, corner, 255, cv2.LINE_8, FIXED_POINT_BITS)

    reach = 2 * round(0.018 * max(size)) + 1
    # Blurring shade and cover alike and dividing keeps the background out of the edges.
    weight = cv2.GaussianBlur(cover, (reach, reach), 0).astype(np.float32)
    shaded = cv2.GaussianBlur(surface, (reach, reach), 0) / np.maximum(weight, 1.0)
    shape = (right - left, bottom - top)
    shade = cv2.resize(shaded, shape, interpolation=cv2.INTER_AREA)[..., None]
    alpha = cv2.resize(cover, shape, interpolation=cv2.INTER_AREA)[..., None] * (opacity / 255.0)
    part = canvas[top:bottom, left:right]
    painted = np.minimum(2.0 * shade * np.array(colour, np.float32), 255.0)
    part[...] = np.round(part + alpha * (painted - part)).astype(np.uint8)


def _front_faces(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles [N, 3] that face the camera, far ones first, with smooth unit normals [N, 3]."""
    a, b, c = vertices[faces].swapaxes(0, 1)
    flat = np.cross(b - a, c - a)
    at_vertices = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(at_vertices, faces[:, corner], flat)
    normals = at_vertices[faces].sum(axis=1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    visible = (np.einsum("ij,ij->i", flat, a) < 0.0) & (
        vertices[faces][..., 2].min(axis=1) > NEAREST_M
    )
    chosen = np.flatnonzero(visible)
    chosen = chosen[np.argsort(-vertices[faces[chosen]][..., 2].mean(axis=1))]
    return faces[chosen], normals[chosen]


def _shades(centres: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """[N] brightness, 0 to 255; 127 leaves the colour as it is."""
    to_camera = -centres / np.linalg.norm(centres, axis=1, keepdims=True)
    half = to_camera + LIGHT
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    facing = np.clip(np.einsum("ij,ij->i", normals, to_camera), 0.0, 1.0)
    lit = np.clip(normals @ LIGHT, 0.0, 1.0)
    glossy = np.clip(np.einsum("ij,ij->i", normals, half), 0.0, 1.0) ** GLOSS_EXPONENT
    edge = 1.0 - EDGE_SHADE * (1.0 - facing) ** 2
    return np.clip(127.0 * ((AMBIENT + DIFFUSE * lit) * edge + GLOSS * glossy), 1.0, 255.0)


def _box(pixels: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of the part of the image that is covered; None for none."""
    low = np.floor(np.clip(pixels.min(axis=(0, 1)), 0, shape[::-1])).astype(int)
    high = np.ceil(np.clip(pixels.max(axis=(0, 1)) + 1, 0, shape[::-1])).astype(int)
    if np.any(high <= low):
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
