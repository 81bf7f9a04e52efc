"""The FISHEYE624 camera of Project Aria, HOT3D and UmeTrack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from amt_perception.errors import AmtError

_POWERS = np.arange(3, 15, 2)
_STEPS = 30
"""Of Newton's method at most; a lens needs 4 to 6."""


@dataclass(frozen=True)
class Fisheye624:
    """A lens with 6 radial, 2 tangential and 4 thin prism coefficients.

    Project Aria's FisheyeRadTanThinPrism model
    (facebookresearch.github.io/projectaria_tools, "Camera Intrinsic Models"): a ray that leaves
    the optical axis by the angle theta meets the plane at the distance
    r(theta) = theta + k0 theta^3 + k1 theta^5 + ... + k5 theta^13, in the ray's own direction. To
    this place q = (x, y), with r^2 = x^2 + y^2, are added
    (p0 (r^2 + 2 x^2) + 2 p1 x y + s0 r^2 + s1 r^4, p1 (r^2 + 2 y^2) + 2 p0 x y + s2 r^2 + s3 r^4);
    focal length and principal point (pixels) make pixels of it.
    """

    focal: tuple[float, float]
    principal: tuple[float, float]
    radial: tuple[float, ...]
    """k0 to k5."""
    tangential: tuple[float, float]
    """p0, p1."""
    thin_prism: tuple[float, ...]
    """s0 to s3."""

    @classmethod
    def from_parameters(cls, parameters: Sequence[float]) -> Fisheye624:
        """From the numbers of a calibration file: 15 with one focal length (Aria) or 16 with two
        (Quest 3), then principal point, radial, tangential and thin prism coefficients."""
        values = [float(value) for value in parameters]
        if len(values) == 15:
            values.insert(0, values[0])
        if len(values) != 16:
            raise AmtError(f"A FISHEYE624 camera has 15 or 16 parameters, not {len(values)}.")
        return cls(
            (values[0], values[1]),
            (values[2], values[3]),
            tuple(values[4:10]),
            (values[10], values[11]),
            tuple(values[12:]),
        )

    @cached_property
    def max_angle(self) -> float:
        """The angle from the optical axis (rad) up to which r grows, at most pi: the coefficients
        describe the lens no further."""
        slope = np.zeros(13)
        slope[0] = 1.0
        slope[_POWERS - 1] = _POWERS * np.array(self.radial)
        roots = np.roots(slope[::-1])
        turning = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0.0)]
        return float(min(turning.min(initial=np.pi), np.pi))

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels [..., 2] of points [..., 3] in the camera's frame; NaN beyond `max_angle`."""
        side = np.hypot(points[..., 0], points[..., 1])
        angle = np.arctan2(side, points[..., 2])
        # r / side tends to 1 / z on the optical axis.
        scale = np.where(side > 1e-12, self._radius(angle), 1.0)
        scale = scale / np.where(side > 1e-12, side, np.abs(points[..., 2]))
        scale = np.where(angle < self.max_angle, scale, np.nan)
        return self._shifted(points[..., :2] * scale[..., None]) * self.focal + self.principal

    def unproject(self, pixels: np.ndarray) -> np.ndarray:
        """Unit rays [..., 3] of pixels [..., 2]: `project` reversed; NaN where no ray arrives."""
        wanted = (np.asarray(pixels, dtype=float) - self.principal) / self.focal
        place = wanted.copy()
        for _ in range(_STEPS):
            jacobian = self._shifted_jacobian(place)
            step = np.linalg.solve(jacobian, (self._shifted(place) - wanted)[..., None])[..., 0]
            place = place - step
            if np.abs(step).max(initial=0.0) < 1e-13:
                break
        radius = np.hypot(place[..., 0], place[..., 1])
        angle = self._angle(radius)
        sine = np.sin(angle) / np.where(radius > 1e-12, radius, 1.0)
        rays = np.concatenate([place * sine[..., None], np.cos(angle)[..., None]], axis=-1)
        rays[..., :2] = np.where(radius[..., None] > 1e-12, rays[..., :2], place)
        return rays

    def _radius(self, angle: np.ndarray) -> np.ndarray:
        square = angle * angle
        factor = np.zeros_like(square)
        for coefficient in reversed(self.radial):
            factor = (factor + coefficient) * square
        return angle * (1.0 + factor)

    def _angle(self, radius: np.ndarray) -> np.ndarray:
        """`_radius` reversed by Newton's method kept inside a shrinking bracket."""
        low, high = np.zeros_like(radius), np.full_like(radius, self.max_angle)
        angle = np.clip(radius, low, high)
        for _ in range(_STEPS):
            error = self._radius(angle) - radius
            low, high = np.where(error < 0.0, angle, low), np.where(error > 0.0, angle, high)
            slope = 1.0 + sum(
                power * coefficient * angle ** (power - 1)
                for power, coefficient in zip(_POWERS, self.radial, strict=True)
            )
            following = angle - error / np.where(np.abs(slope) > 1e-9, slope, 1e-9)
            inside = (following >= low) & (following <= high)
            following = np.where(inside, following, 0.5 * (low + high))
            moved = np.abs(following - angle).max(initial=0.0)
            angle = following
            if moved < 1e-14:
                break
        return np.where(radius <= self._radius(np.array(self.max_angle)), angle, np.nan)

    def _shifted(self, place: np.ndarray) -> np.ndarray:
        """Places [..., 2] with the tangential and thin prism terms added."""
        x, y = place[..., 0], place[..., 1]
        (p0, p1), (s0, s1, s2, s3) = self.tangential, self.thin_prism
        square = x * x + y * y
        return np.stack(
            [
                x + p0 * (square + 2 * x * x) + 2 * p1 * x * y + (s0 + s1 * square) * square,
                y + p1 * (square + 2 * y * y) + 2 * p0 * x * y + (s2 + s3 * square) * square,
            ],
            axis=-1,
        )

    def _shifted_jacobian(self, place: np.ndarray) -> np.ndarray:
        """[..., 2, 2] derivative of `_shifted`."""
        x, y = place[..., 0], place[..., 1]
        (p0, p1), (s0, s1, s2, s3) = self.tangential, self.thin_prism
        square = x * x + y * y
        prism_x, prism_y = 2 * (s0 + 2 * s1 * square), 2 * (s2 + 2 * s3 * square)
        row_x = [1 + 6 * p0 * x + 2 * p1 * y + prism_x * x, 2 * p0 * y + 2 * p1 * x + prism_x * y]
        row_y = [2 * p1 * x + 2 * p0 * y + prism_y * x, 1 + 6 * p1 * y + 2 * p0 * x + prism_y * y]
        return np.stack([np.stack(row_x, axis=-1), np.stack(row_y, axis=-1)], axis=-2)
