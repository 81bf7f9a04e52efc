"""A picture of where each part of a hand is expected to touch an object."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.grasp.object_input import ObjectCloud

PART_COLOURS = np.array(
    [
        (0.45, 0.47, 0.55),
        (0.86, 0.15, 0.20),
        (0.96, 0.58, 0.12),
        (0.22, 0.64, 0.30),
        (0.15, 0.42, 0.80),
        (0.55, 0.27, 0.68),
    ]
)
"""[6, 3] RGB in 0..1 in the order of HAND_PARTS."""
UNTOUCHED = np.array([0.88, 0.88, 0.86])
BACKGROUND = (246, 248, 250)
PIXELS, SUPERSAMPLING = 560, 2
FIELD_OF_VIEW_DEG = 30.0
MARGIN = 1.08
TILT_DEG = 25.0
"""The camera looks down by this."""
ASIDE_DEG = 35.0
"""The first view is so far beside the one that faces the contacts."""
PIECE_M = 0.003
"""Triangles are cut until their sides are at most this long; each piece has one colour."""
NEIGHBOURS = 4
POINT_M = 0.003
"""Radius of the discs that show an object without a mesh."""
OPPOSITE_M = 0.05
"""By so much a point that looks the other way counts as farther: walls are thin."""
AMBIENT = 0.65
LIGHT = np.array([-0.35, -0.55, -0.75]) / np.linalg.norm([-0.35, -0.55, -0.75])
"""Direction to the lamp in the camera frame."""


def draw_contact(cloud: ObjectCloud, contact: np.ndarray) -> list[np.ndarray]:
    """Two pictures [560, 560, 3] uint8 RGB of a contact map, from its side and from the opposite.

    contact: [1024, 6] probabilities of the cloud's points. Colours are the likeliest part's, paler
    where it is less likely; the map's own maximum has the full colour, so what is seen is where,
    not how sure.
    """
    strength = contact.max(axis=1) / max(float(contact.max()), 1e-9)
    colours = UNTOUCHED + strength[:, None] * (PART_COLOURS[contact.argmax(axis=1)] - UNTOUCHED)
    pieces, normals = _pieces(cloud)  # [F, K, 3], [F, 3]
    painted = _interpolated(cloud, colours, pieces.mean(axis=1), normals)
    x, y, _ = (strength[:, None] ** 2 * cloud.points).sum(axis=0)
    facing = float(np.degrees(np.arctan2(y, x))) + ASIDE_DEG
    return [_paint(pieces, normals, painted, facing + turn) for turn in (0.0, 180.0)]


def _pieces(cloud: ObjectCloud) -> tuple[np.ndarray, np.ndarray]:
    """The surface as small polygons [F, K, 3] (m) with normals [F, 3]: cut triangles, or discs."""
    if cloud.vertices is not None and cloud.faces is not None:
        import trimesh

        vertices, faces = trimesh.remesh.subdivide_to_size(
            cloud.vertices, cloud.faces, PIECE_M, max_iter=12
        )
        corners = np.asarray(vertices)[faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        length = np.linalg.norm(normals, axis=1)
        return corners[length > 0.0], normals[length > 0.0] / length[length > 0.0, None]
    normals = cloud.normals.astype(float)
    side = np.cross(normals, np.eye(3)[np.abs(normals).argmin(axis=1)])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(normals, side)
    angles = 2.0 * np.pi * np.arange(12)[:, None] / 12
    circle = np.cos(angles) * side[:, None] + np.sin(angles) * other[:, None]
    return cloud.points[:, None] + POINT_M * circle, normals


def _interpolated(
    cloud: ObjectCloud, colours: np.ndarray, places: np.ndarray, normals: np.ndarray
) -> np.ndarray:
    """[F, 3] colours at places [F, 3] (m): means of the nearest points that look the same way."""
    known = np.hstack([cloud.points, OPPOSITE_M * cloud.normals])
    distance, nearest = cKDTree(known).query(np.hstack([places, OPPOSITE_M * normals]), NEIGHBOURS)
    weight = 1.0 / np.maximum(distance, 1e-4)
    mean: np.ndarray = (weight[..., None] * colours[nearest]).sum(axis=1) / weight.sum(axis=1)[
        :, None
    ]
    return mean


def _paint(
    pieces: np.ndarray, normals: np.ndarray, colours: np.ndarray, azimuth: float
) -> np.ndarray:
    """What a camera sees that stands at this azimuth (degrees about z), pieces far to near."""
    import cv2

    upright = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])
    tilt = Rotation.from_euler("x", TILT_DEG, degrees=True).as_matrix()
    turn = Rotation.from_euler("z", azimuth, degrees=True).as_matrix()
    rotation = tilt @ upright @ turn.T
    size = SUPERSAMPLING * PIXELS
    camera = Intrinsics.from_field_of_view(size, size, FIELD_OF_VIEW_DEG)
    radius = float(np.linalg.norm(pieces, axis=2).max())
    distance = MARGIN * radius / np.sin(np.radians(FIELD_OF_VIEW_DEG / 2.0))
    seen, facing = pieces @ rotation.T + (0.0, 0.0, distance), normals @ rotation.T
    middles = seen.mean(axis=1)
    front = np.flatnonzero((middles * facing).sum(axis=1) < 0.0)
    front = front[np.argsort(-middles[front, 2])]
    shade = AMBIENT + (1.0 - AMBIENT) * np.clip(facing[front] @ LIGHT, 0.0, 1.0)
    shaded = np.round(255.0 * np.clip(colours[front] * shade[:, None], 0.0, 1.0)).tolist()
    canvas = np.full((size, size, 3), BACKGROUND, np.uint8)
    polygons = np.round(camera.project(seen[front])).astype(np.int32)
    for polygon, colour in zip(polygons, shaded, strict=True):
        cv2.fillConvexPoly(canvas, polygon, colour)
    return cv2.resize(canvas, (PIXELS, PIXELS), interpolation=cv2.INTER_AREA)
