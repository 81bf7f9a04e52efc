"""Limits of position, velocity and acceleration as a logarithmic barrier.

The differences of order 0, 1 and 2 of a motion are kept between bounds: with `ways` to the bounds,
always positive, the barrier costs -weight sum(log(ways)), and its weight is lowered as the motion
nears the best one. The forces that the bounds exert are unknowns of their own, which follow
force * way = weight; that makes the steps far better than those of a plain barrier (the primal-dual
interior point method: Nocedal and Wright, "Numerical Optimization", 2006, chapter 19).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amt_retarget.retarget.offline.banded import BandedMatrix, differences, pulled_back
from amt_retarget.safety.limits import JointLimits

Array = NDArray[np.float64]
Bounds = list[tuple[Array, Array]]

STEP_SHARE = 0.99
"""Of the ways to the bounds, what a step uses up at most; so with the forces."""
FORCE_RANGE = 1e8
"""Most that a force is above or below weight / way (Waechter and Biegler, "On the implementation of
an interior-point filter line-search algorithm", Mathematical Programming 2006, equation 16)."""
START_SHARE = 0.95
"""Of the ways to the bounds, what the motion to start from uses up at most."""
START_INSET = 0.1
"""Of a joint's range: the middle of its swing is farther than this from both ends."""
SIGNS = np.array([1.0, -1.0])[:, None, None]
"""The ways to a lower bound grow with the differences, those to an upper bound shrink."""


def difference_bounds(limits: JointLimits, dt: float) -> Bounds:
    """Lower and upper bound [n] of differences of order 0, 1 and 2, for frames of dt seconds."""
    velocity, acceleration = limits.velocity * dt, limits.acceleration * dt**2
    return [(limits.lower, limits.upper), (-velocity, velocity), (-acceleration, acceleration)]


def shrunk_into(bounds: Bounds, motion: Array) -> Array:
    """The motion [T, n] with smaller swings of those joints that come too near to a bound."""
    lower, upper = bounds[0]
    inset = START_INSET * (upper - lower)
    middle = np.clip(motion.mean(axis=0), lower + inset, upper - inset)
    swing = motion - middle
    used = np.zeros_like(middle)
    for order, (low, high) in enumerate(bounds):
        offset = middle if order == 0 else 0.0
        values = differences(swing, order)
        shares = np.maximum(values / (low - offset), values / (high - offset))
        used = np.maximum(used, shares.max(axis=0))
    return middle + swing * np.minimum(1.0, START_SHARE / np.maximum(used, START_SHARE))


class LimitBarrier:
    """The barrier at a motion that moves step by step."""

    def __init__(self, bounds: Bounds, motion: Array, weight: float) -> None:
        """motion: [T, n] (rad), strictly inside the bounds."""
        self.weight = weight
        self._bounds = bounds
        self._ways = self._ways_of(motion)
        self._forces = [weight / way for way in self._ways]

    def cost(self, motion: Array) -> float:
        """At a motion [T, n] inside the bounds."""
        return -self.weight * sum(float(np.sum(np.log(way))) for way in self._ways_of(motion))

    def gradient(self) -> Array:
        """[T, n] of the cost."""
        pushes = [-self.weight * (SIGNS / way).sum(axis=0) for way in self._ways]
        return np.sum([pulled_back(push, order) for order, push in enumerate(pushes)], axis=0)

    def add_hessian(self, matrix: BandedMatrix) -> None:
        """Add how the forces change with the motion."""
        for order, (way, force) in enumerate(zip(self._ways, self._forces, strict=True)):
            matrix.add_differences((force / way).sum(axis=0), order)

    def share(self, step: Array) -> float:
        """How much of a step [T, n] may be taken, above 0 to 1."""
        shrinking = [
            np.max(-SIGNS * differences(step, order) / way) for order, way in enumerate(self._ways)
        ]
        return min(1.0, STEP_SHARE / max(*shrinking, STEP_SHARE))

    def move(self, motion: Array, step: Array) -> None:
        """Go to `motion` [T, n], which a step [T, n], or a share of it, has led to."""
        after = self._ways_of(motion)
        for order, (way, force) in enumerate(zip(self._ways, self._forces, strict=True)):
            change = (self.weight - force * SIGNS * differences(step, order)) / way - force
            share = min(1.0, STEP_SHARE / max(np.max(-change / force), STEP_SHARE))
            central = self.weight / after[order]
            self._forces[order] = np.clip(
                force + share * change, central / FORCE_RANGE, central * FORCE_RANGE
            )
        self._ways = after

    def _ways_of(self, motion: Array) -> list[Array]:
        """For each order [2, T + order, n] to the lower and the upper bound."""
        values = [differences(motion, order) for order in range(len(self._bounds))]
        return [
            np.stack([value - lower, upper - value])
            for value, (lower, upper) in zip(values, self._bounds, strict=True)
        ]
