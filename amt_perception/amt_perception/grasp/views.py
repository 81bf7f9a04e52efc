"""Six pictures of an object, from the six sides of its axes, for an encoder that looks at it."""

from __future__ import annotations

import numpy as np

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.drawing.mesh import draw_mesh
from amt_perception.grasp.object_input import ObjectCloud

PIXELS = 224
"""Eight times the 28 pixels that Qwen2.5-VL makes one token of."""
FIELD_OF_VIEW_DEG = 30.0
MARGIN = 1.1
"""Room around the object."""
BACKGROUND, COLOUR = 255, (176, 168, 158)
POINT_PIXELS = 5
"""Radius of a point of a cloud that has no mesh."""
_X, _Y, _Z = np.eye(3)
DIRECTIONS = ((_X, _Z), (-_X, _Z), (_Y, _Z), (-_Y, _Z), (_Z, _Y), (-_Z, _Y))
"""Where each camera stands, seen from the object, and which way is up in its picture."""


def draw_views(cloud: ObjectCloud) -> np.ndarray:
    """Pictures [6, 224, 224, 3] uint8 RGB along the object frame's axes, all of one scale.

    The mesh where there is one, else the points, shaded by their normals.
    """
    camera = Intrinsics.from_field_of_view(PIXELS, PIXELS, FIELD_OF_VIEW_DEG)
    radius = float(np.linalg.norm(cloud.points, axis=1).max())
    distance = MARGIN * radius / np.sin(np.radians(FIELD_OF_VIEW_DEG / 2.0))
    views = np.full((len(DIRECTIONS), PIXELS, PIXELS, 3), BACKGROUND, np.uint8)
    for view, (towards, up) in zip(views, DIRECTIONS, strict=True):
        forward, down = -towards, -up
        rotation = np.stack([np.cross(down, forward), down, forward])
        if cloud.vertices is None or cloud.faces is None:
            _draw_points(view, cloud, rotation, distance, camera)
        else:
            vertices = cloud.vertices @ rotation.T + (0.0, 0.0, distance)
            draw_mesh(view, vertices, cloud.faces, camera, COLOUR, opacity=1.0)
    return views


def _draw_points(
    view: np.ndarray,
    cloud: ObjectCloud,
    rotation: np.ndarray,
    distance: float,
    camera: Intrinsics,
) -> None:
    """Discs from far to near, lighter where the surface faces the camera."""
    import cv2

    normals = cloud.normals @ rotation.T
    front = normals[:, 2] < 0.0  # what looks away lies on the far side
    points = cloud.points[front] @ rotation.T + (0.0, 0.0, distance)
    shades = 0.5 - 0.6 * normals[front, 2]
    pixels = np.round(camera.project(points)).astype(int)
    for index in np.argsort(-points[:, 2]):
        colour = [min(255.0, float(shades[index]) * value) for value in COLOUR]
        cv2.circle(view, pixels[index].tolist(), POINT_PIXELS, colour, cv2.FILLED, cv2.LINE_AA)
