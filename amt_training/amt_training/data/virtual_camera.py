"""A pinhole camera in the place of a fisheye one that looks straight at a hand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from amt_training.data.boxes import joints_box
from amt_training.data.fisheye import Fisheye624

_WIDEST = np.tan(np.radians(60.0))
"""Half a picture is at most so wide at the distance 1: beyond that a plane stretches too much."""
_MAP_STEP = 4
"""Every so many pixels the lens is computed; between them the map is linear."""


@dataclass(frozen=True)
class VirtualCamera:
    """A square picture without distortion, from the same place as a fisheye picture.

    Both cameras share their optical centre, so the picture is exact whatever the distances.
    """

    rotation: np.ndarray
    """[3, 3] from the fisheye camera's frame to this one's."""
    focal: float
    """Focal length (pixels)."""
    size: int
    """Side of the picture (pixels)."""

    @classmethod
    def looking_at(
        cls, joints: np.ndarray, focal: float, margin: float, down: np.ndarray
    ) -> VirtualCamera:
        """Its optical axis passes the middle of the joints' box, which takes 1 / margin of it.

        joints: [J, 3] in the fisheye camera's frame (m); focal: pixels, the fisheye camera's own
        keeps its resolution; down: [3] direction of that frame that points down in the picture.
        """
        rays = joints / np.linalg.norm(joints, axis=-1, keepdims=True)
        aim = rays.mean(axis=0)
        for _ in range(2):  # a new aim changes the box a little
            rotation = _looking_along(aim, down)
            x, y, width, height = joints_box(np.eye(3), joints @ rotation.T)
            aim = rotation.T @ [x + 0.5 * width, y + 0.5 * height, 1.0]
        rotation = _looking_along(aim, down)
        half = 0.5 * margin * max(joints_box(np.eye(3), joints @ rotation.T)[2:])
        return cls(rotation, focal, round(2.0 * focal * min(half, _WIDEST)))

    @cached_property
    def matrix(self) -> np.ndarray:
        """[3, 3] camera matrix."""
        middle = 0.5 * (self.size - 1)
        return np.array([[self.focal, 0, middle], [0, self.focal, middle], [0, 0, 1.0]])

    def source_pixels(self, pixels: np.ndarray, lens: Fisheye624) -> np.ndarray:
        """[..., 2] where pixels [..., 2] of this picture lie in the fisheye picture."""
        ones = np.ones((*pixels.shape[:-1], 1))
        rays = np.concatenate([pixels, ones], axis=-1) @ np.linalg.inv(self.matrix).T
        return lens.project(rays @ self.rotation)

    def picture(self, image: np.ndarray, lens: Fisheye624) -> np.ndarray:
        """[size, size, 3] uint8 of a fisheye picture [H, W, 3]; black where that has nothing.

        Bilinear, on a map that is right to 0.01 pixels.
        """
        import cv2

        steps = np.arange(0, self.size + _MAP_STEP, _MAP_STEP)
        coarse = self.source_pixels(np.stack(np.meshgrid(steps, steps), axis=-1), lens)
        finer = np.array([[1 / _MAP_STEP, 0, 0], [0, 1 / _MAP_STEP, 0]])
        places = cv2.warpAffine(
            np.nan_to_num(coarse, nan=-1e4).astype(np.float32),
            finer,
            (self.size, self.size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )
        seen = cv2.remap(image, places[..., 0], places[..., 1], cv2.INTER_LINEAR)
        return np.asarray(seen)


def _looking_along(axis: np.ndarray, down: np.ndarray) -> np.ndarray:
    """[3, 3] rotation to a frame with z along axis and y as near to down as can be."""
    forward = axis / np.linalg.norm(axis)
    right = np.cross(down, forward)
    right = right / np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])
