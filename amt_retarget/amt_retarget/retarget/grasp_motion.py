"""Drives the robot along the ways of a grasp, inside all limits, one command at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from amt_retarget.retarget.grasp_plan import PEAK_OVER_MEAN_SPEED, Phase, Way
from amt_retarget.safety.limits import JointLimits

Array = NDArray[np.float64]

PLANNED_ACCELERATION = 0.5
"""Of the acceleration limits, for motion along the ways; the rest is for braking and uneven steps.
"""
PEAK_ACCELERATION = 10.0 / np.sqrt(3.0)
"""Of a minimum-jerk motion over a length of 1 in a time of 1."""


class TimedWay:
    """A way with minimum-jerk timing (Flash and Hogan, J. Neuroscience 1985) from rest to rest."""

    def __init__(self, way: Way, limits: JointLimits) -> None:
        from scipy.interpolate import CubicSpline

        self.phase = way.phase
        self._spline = CubicSpline(np.linspace(0.0, 1.0, len(way.joints)), way.joints)
        knots = self._spline.x
        between = np.sort(np.concatenate([knots, 0.5 * (knots[1:] + knots[:-1])]))
        speed, bend = np.abs(self._spline(between, 1)), np.abs(self._spline(between, 2))
        by_velocity = PEAK_OVER_MEAN_SPEED * speed / limits.velocity
        squared = PEAK_OVER_MEAN_SPEED**2 * bend + PEAK_ACCELERATION * speed
        by_acceleration = np.sqrt(squared / (PLANNED_ACCELERATION * limits.acceleration))
        self.duration = float(max(way.shortest_s, by_velocity.max(), by_acceleration.max(), 1e-3))
        """s; no joint passes its limits of velocity and of planned acceleration."""
        deceleration = (1.0 - PLANNED_ACCELERATION) * limits.acceleration
        self.braking = float((PEAK_OVER_MEAN_SPEED / self.duration * speed / deceleration).max())
        """s; from the highest speed, with the acceleration that is not planned."""

    def at(self, time: float) -> Array:
        """Joints [22] (rad) so many seconds after the start; the last ones from the end on."""
        share = min(time / self.duration, 1.0)
        return self._spline(share**3 * (10.0 - 15.0 * share + 6.0 * share**2))


class GraspMotion:
    """One command after the other on the ways of a grasp. Deterministic; it has no clock.

    Every command keeps the limits of position, velocity and acceleration relative to the one
    before, whatever the time steps. Holding brakes along the way, so that what was found clear
    stays clear, and the next step goes on from there.

    Attributes:
        positions: the last command [22] (rad).
    """

    def __init__(self, ways: Sequence[Way], limits: JointLimits) -> None:
        """ways: as from `GraspPlanner.plan`; the robot stands at the beginning of the first."""
        self._limits = limits
        self._ways = [TimedWay(way, limits) for way in ways]
        self._index = 0
        self._time = 0.0
        self.positions: Array = self._ways[0].at(0.0)
        self._wanted = self.positions
        self.rest()

    @property
    def phase(self) -> Phase:
        """The phase that is under way; DONE after the last."""
        return Phase.DONE if self._index == len(self._ways) else self._ways[self._index].phase

    @cached_property
    def duration(self) -> float:
        """Seconds that all ways take when nothing holds the robot."""
        return sum(way.duration for way in self._ways)

    def step(self, dt: float, speed: float = 1.0) -> Array:
        """The next command [22] (rad), to be reached in dt seconds.

        speed: 0..1, how fast to go along the ways; when it changes, the robot's speed follows
        within its limits.
        """
        return self._advance(dt, speed)

    def hold(self, dt: float) -> Array:
        """The same, braking along the way to a standstill and staying there."""
        return self._advance(dt, 0.0)

    def rest(self) -> None:
        """Take the robot to stand at the last command, as after a pause without commands."""
        self._velocities = np.zeros_like(self.positions)
        self._rate = 0.0

    def _advance(self, dt: float, rate: float) -> Array:
        """rate: how fast time along the way shall pass, 1 for as planned."""
        way = self._ways[min(self._index, len(self._ways) - 1)]
        change = dt / max(way.braking, dt)
        self._rate = min(max(rate, self._rate - change), self._rate + change)
        self._time += self._rate * dt
        wanted = way.at(self._time)
        if self._time >= way.duration and self._index < len(self._ways):
            self._index += 1
            self._time = 0.0 if self._index < len(self._ways) else way.duration
        self.positions, self._velocities = self._limits.move_toward(
            wanted, (wanted - self._wanted) / dt, self.positions, self._velocities, dt
        )
        self._wanted = wanted
        return self.positions.copy()
