"""Signed distances of points to the shapes that the hand's links are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError

if TYPE_CHECKING:
    import pinocchio

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """A sphere, a box or a cylinder about the origin of its own frame; a cylinder's axis is z."""

    kind: str
    """"sphere", "box" or "cylinder"."""
    size: tuple[float, ...]
    """Radius; half sides x, y, z; radius and half length; m."""

    @property
    def inner_radius(self) -> float:
        """Radius of the largest sphere about the centre that fits inside (m)."""
        return min(self.size)

    @property
    def outer_radius(self) -> float:
        """Radius of the smallest sphere about the centre that holds the shape (m)."""
        return float(np.linalg.norm(self.size))

    def signed_distance(self, points: Array) -> tuple[Array, Array]:
        """Distance [n] (m) of points [n, 3] to the surface, negative inside, and its gradient.

        Exact; the gradient [n, 3] is the unit vector in which the distance grows fastest.
        """
        if self.kind == "sphere":
            distance, gradient = _box_distance(_radial(points), np.array(self.size))
            return distance, gradient * _direction(points)
        if self.kind == "cylinder":
            flat = np.column_stack([_radial(points[:, :2]), points[:, 2]])
            distance, gradient = _box_distance(flat, np.array(self.size))
            around = gradient[:, :1] * _direction(points[:, :2])
            return distance, np.column_stack([around, gradient[:, 1]])
        return _box_distance(points, np.array(self.size))


def read_shape(item: pinocchio.GeometryObject) -> Shape:
    """The shape of a collision geometry; RetargetError for another kind than the three."""
    geometry = item.geometry
    kind = type(geometry).__name__.lower()
    if kind == "sphere":
        return Shape(kind, (geometry.radius,))
    if kind == "box":
        return Shape(kind, tuple(geometry.halfSide))
    if kind == "cylinder":
        return Shape(kind, (geometry.radius, geometry.halfLength))
    raise RetargetError(
        f"{item.name} is a {kind}: the hand's collision shapes must be spheres, boxes or cylinders."
    )


def _box_distance(points: Array, half: Array) -> tuple[Array, Array]:
    """Signed distance [n] of points [n, d] to the box |x| <= half [d], and its gradient [n, d]."""
    sign = np.where(points < 0.0, -1.0, 1.0)
    beyond = np.abs(points) - half
    outside = np.maximum(beyond, 0.0)
    length = np.linalg.norm(outside, axis=1)
    inside = length == 0.0
    distance = length + np.minimum(beyond.max(axis=1), 0.0)
    nearest_side = np.eye(len(half))[beyond.argmax(axis=1)]
    away = np.where(inside[:, None], nearest_side, outside / np.where(inside, 1.0, length)[:, None])
    return distance, sign * away


def _radial(points: Array) -> Array:
    """Distance [n, 1] from the origin of points [n, d]."""
    return np.linalg.norm(points, axis=1, keepdims=True)


def _direction(points: Array) -> Array:
    """Unit vectors [n, d] from the origin to points [n, d]; along the first axis at the origin."""
    length = _radial(points)
    return np.where(
        length > 0.0, points / np.where(length > 0.0, length, 1.0), np.eye(1, points.shape[1])
    )
