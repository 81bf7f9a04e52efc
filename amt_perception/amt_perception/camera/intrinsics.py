"""Pinhole intrinsics. Camera frame: OpenCV axes (x right, y down, z forward), metres; pixels in u, v."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DEFAULT_HORIZONTAL_FOV_DEG = 60.0
"""Assumed when nobody gives intrinsics: the middle of webcams and phones (55 to 70 degrees)."""


@dataclass(frozen=True)
class Intrinsics:
    """Focal lengths and principal point of an undistorted image, in pixels."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    assumed: bool = False
    """True when no calibration was given and the field of view was assumed."""

    @classmethod
    def from_field_of_view(
        cls, width: int, height: int, horizontal_fov_deg: float = DEFAULT_HORIZONTAL_FOV_DEG
    ) -> Intrinsics:
        """Square pixels, centred principal point, and the given horizontal field of view."""
        focal = 0.5 * width / np.tan(0.5 * np.radians(horizontal_fov_deg))
        return cls(focal, focal, 0.5 * width, 0.5 * height, width, height, assumed=True)

    @property
    def matrix(self) -> np.ndarray:
        """The 3x3 camera matrix."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels [..., 2] of points [..., 3] in the camera frame; NaN for points not in front of it."""
        points = np.asarray(points, dtype=float)
        depth = np.where(points[..., 2:3] > 1e-6, points[..., 2:3], np.nan)
        return points[..., :2] / depth * (self.fx, self.fy) + (self.cx, self.cy)
