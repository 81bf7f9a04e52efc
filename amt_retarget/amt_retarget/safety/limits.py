"""Position, velocity and acceleration limits that hold whatever the next time step will be.

A command is a joint position that is to be reached in ``dt`` seconds; its velocity is the change of
position over ``dt`` and its acceleration the change of that velocity over ``dt``. A state is safe
when every joint can still stop before its position limit. Braking with deceleration ``a`` from
velocity ``v`` needs at most ``v**2 / (2 a)`` for any later steps, because the stepped motion uses
each step's final velocity and so covers less than the continuous one. With ``d`` the way to the
limit, a new velocity is therefore safe when ``v dt + v**2 / (2 a) <= d``, that is

    v <= 2 d / (dt + sqrt(dt**2 + 2 d / a)).

From a safe state the strongest braking is always inside these bounds, so they are never empty.
The same bound for a finite number of fixed steps is derived in Del Prete, "Joint position and
velocity bounds in discrete-time acceleration/torque control of robot manipulators", RA-L 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amt_retarget.errors import RetargetError

KNOT_GAP_S = 1e-4
"""Joints that come to rest within so short a time share a knot of the way to a standstill."""

TOLERANCE = 1e-9
"""What rounding may add to a limit (rad, rad/s, rad/s^2), relative for limits above 1."""

MIN_DT_S = 1e-4
"""Shortest time step of a command. In a much shorter one velocities drown in rounding."""


@dataclass(frozen=True)
class JointLimits:
    """Limits of n joints, by name. All arrays are [n]: rad, rad, rad/s and rad/s^2.

    A joint that starts beyond a position limit (a hand that was switched on at zero, a sensor that
    reads a little too far) is no error: it may only move back, at the same speeds as any other.
    """

    names: tuple[str, ...]
    lower: np.ndarray
    upper: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray

    def __post_init__(self) -> None:
        for kind in ("lower", "upper", "velocity", "acceleration"):
            values = getattr(self, kind)
            if np.shape(values) != (len(self.names),) or not np.all(np.isfinite(values)):
                raise RetargetError(
                    f"Joint limits need one finite {kind} for each of the {len(self.names)} joints."
                )
        for wrong, what in (
            (self.lower >= self.upper, "a lower position limit below the upper one"),
            (self.velocity <= 0.0, "a velocity limit above zero"),
            (self.acceleration <= 0.0, "an acceleration limit above zero"),
        ):
            if np.any(wrong):
                raise RetargetError(f"Joint {self.names[int(np.argmax(wrong))]} needs {what}.")

    def velocity_bounds(
        self, positions: np.ndarray, velocities: np.ndarray, dt: float, speed: float = 1.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest safe velocity [n] (rad/s) for the next step of dt seconds.

        positions, velocities: [n] of the last command. speed: 0..1, a share of the velocity limits
        (a ramp); a joint that is faster than this share is slowed down with its acceleration limit.
        """
        slowest = np.abs(velocities) - self.acceleration * dt
        top = np.maximum(self.velocity * speed, np.minimum(slowest, self.velocity))
        upper = np.minimum(top, velocities + self.acceleration * dt)
        upper = np.minimum(upper, self.stoppable(self.upper - positions, dt))
        lower = np.maximum(-top, velocities - self.acceleration * dt)
        lower = np.maximum(lower, -self.stoppable(positions - self.lower, dt))
        return lower, np.maximum(lower, upper)  # rounding may cross them by 1e-16

    def move_toward(
        self,
        goal: np.ndarray,
        goal_velocity: np.ndarray,
        positions: np.ndarray,
        velocities: np.ndarray,
        dt: float,
        speed: float = 1.0,
        together: slice = slice(0, 0),
    ) -> tuple[np.ndarray, np.ndarray]:
        """Positions and velocities [n] of the next command on the way to a moving goal.

        goal: [n] where the joints should be after this step; goal_velocity: [n] how the goal moves
        (rad/s). Every joint goes as fast as it can while still able to come to rest relative to
        the goal: no overshoot at a goal at rest, no lag behind one in steady motion. The joints in
        `together` share the time of the slowest of them, so that an arm moves on a straight line
        in joint space.
        """
        way = goal - positions - goal_velocity * dt
        closing = np.minimum(self.stoppable(np.abs(way), dt), self.velocity * speed)
        duration = np.maximum(np.abs(way) / np.maximum(closing, 1e-12), dt)
        duration[together] = np.max(duration[together], initial=dt)
        wanted = goal_velocity + way / duration
        return self._advance(wanted, positions, velocities, dt, speed)

    def brake(
        self, positions: np.ndarray, velocities: np.ndarray, dt: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Positions and velocities [n] of the next command when all joints are to stop."""
        return self._advance(np.zeros_like(velocities), positions, velocities, dt, 1.0)

    def stopping_way(
        self, positions: np.ndarray, velocities: np.ndarray, joints: slice = slice(None)
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The way of the chosen joints to a standstill, each with its full deceleration.

        positions, velocities: [n] of the last command. Returns times [k] (s, from now, rising),
        positions [k, m] (rad) and velocities [k, m] (rad/s) of the m chosen joints at the moments
        at which one of them comes to rest; at the last one all are. Between two of these moments
        every deceleration is constant, so cubic interpolation gives exactly this motion. From a
        command that the guard let pass no joint leaves its position limits. k is 0 at rest.
        """
        start, speed, most = positions[joints], velocities[joints], self.acceleration[joints]
        duration = np.abs(speed) / most
        moments = np.sort(duration[duration > 0.0])
        if moments.size == 0:
            return moments, np.empty((0, start.size)), np.empty((0, start.size))
        times = moments[np.append(np.diff(moments) > KNOT_GAP_S, True)]
        elapsed = np.minimum(times[:, None], duration)
        deceleration = np.copysign(most, speed)
        way = (speed - 0.5 * deceleration * elapsed) * elapsed
        # At its own moment a joint rests exactly: trajectories that end otherwise are refused.
        moving = np.where(elapsed < duration, speed - deceleration * elapsed, 0.0)
        return times, start + way, moving

    def at_limit(self, positions: np.ndarray) -> list[str]:
        """Names of the joints that stand at a position limit (within 1e-6 rad) or beyond it."""
        at = (positions <= self.lower + 1e-6) | (positions >= self.upper - 1e-6)
        return [self.names[i] for i in np.flatnonzero(at)] if at.any() else []

    def _advance(
        self,
        wanted: np.ndarray,
        positions: np.ndarray,
        velocities: np.ndarray,
        dt: float,
        speed: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        step = np.clip(wanted, *self.velocity_bounds(positions, velocities, dt, speed)) * dt
        reached = np.clip(
            positions + step, np.minimum(self.lower, positions), np.maximum(self.upper, positions)
        )
        return reached, (reached - positions) / dt

    def stoppable(self, way: np.ndarray, dt: float) -> np.ndarray:
        """Highest velocity for the next dt seconds that can still be stopped within `way`."""
        way = np.maximum(way, 0.0)
        return 2.0 * way / (dt + np.sqrt(dt * dt + 2.0 * way / self.acceleration))


@dataclass(frozen=True)
class CheckedCommand:
    """What may be sent: the command itself, or a braking one where the command was refused."""

    accepted: bool
    positions: np.ndarray
    """[n] rad."""
    velocities: np.ndarray
    """[n] rad/s."""
    violations: tuple[str, ...]
    """One text for each reason of a refusal, with the joint and both numbers."""


class CommandGuard:
    """The last step before publishing. It trusts nobody, not even this package's own solver.

    Every command that leaves the guard is finite, within all limits relative to the command before,
    and leaves room to stop. It starts from a measured position at rest (`start`).
    """

    def __init__(self, limits: JointLimits) -> None:
        self.limits = limits
        self._positions: np.ndarray | None = None
        self._velocities = np.zeros(len(limits.names))

    def start(self, positions: np.ndarray) -> None:
        """Take the robot's measured joints [n] (rad) as the last command, at rest.

        Raises RetargetError when they are not n finite numbers.
        """
        positions = np.array(positions, dtype=float)
        if positions.shape != self.limits.lower.shape or not np.all(np.isfinite(positions)):
            raise RetargetError(
                f"The guard starts from {len(self.limits.names)} finite joint positions; "
                "check the robot's joint states."
            )
        self._positions = positions
        self._velocities = np.zeros_like(positions)

    def check(self, positions: np.ndarray, dt: float) -> CheckedCommand:
        """Accept a command [n] (rad) that is to be reached in dt seconds, or brake instead.

        Raises RetargetError before `start` and when dt is not a finite time of MIN_DT_S or more.
        """
        if self._positions is None:
            raise RetargetError("Call CommandGuard.start with the robot's joints before check.")
        if not MIN_DT_S <= dt < np.inf:
            raise RetargetError(f"A command's time step must be {MIN_DT_S} s or more, not {dt}.")
        violations = self._violations(np.asarray(positions, dtype=float), dt)
        if violations:
            new, velocities = self.limits.brake(self._positions, self._velocities, dt)
        else:
            new = np.array(positions, dtype=float)
            velocities = (new - self._positions) / dt
        self._positions, self._velocities = new, velocities
        return CheckedCommand(not violations, new.copy(), velocities.copy(), tuple(violations))

    def brake(self, dt: float) -> CheckedCommand:
        """The command [n] that brakes to a standstill, and then stays there, for dt seconds."""
        assert self._positions is not None
        self._positions, self._velocities = self.limits.brake(self._positions, self._velocities, dt)
        return CheckedCommand(True, self._positions.copy(), self._velocities.copy(), ())

    def _violations(self, new: np.ndarray, dt: float) -> list[str]:
        limits, last = self.limits, self._positions
        assert last is not None
        if new.shape != last.shape:
            return [f"{new.size} joints instead of {last.size}"]
        if not np.all(np.isfinite(new)):
            return [f"{limits.names[i]}: not finite" for i in np.flatnonzero(~np.isfinite(new))]
        with np.errstate(over="ignore"):  # infinite is above every limit, as it should be
            velocity = (new - last) / dt
            acceleration = (velocity - self._velocities) / dt
            stopping = velocity**2 / (2.0 * limits.acceleration)
        room = np.where(velocity > 0.0, limits.upper - new, new - limits.lower)
        lower, upper = np.minimum(limits.lower, last), np.maximum(limits.upper, last)
        checks = (
            ("position", "rad", new, lower, upper),
            ("velocity", "rad/s", velocity, -limits.velocity, limits.velocity),
            ("acceleration", "rad/s^2", acceleration, -limits.acceleration, limits.acceleration),
            ("stopping distance", "rad", stopping, -np.inf, np.maximum(room, 0.0)),
        )
        violations = []
        for kind, unit, value, low, high in checks:
            low = np.broadcast_to(low, value.shape)
            below = value < low - TOLERANCE * np.maximum(1.0, np.abs(low))
            above = value > high + TOLERANCE * np.maximum(1.0, np.abs(high))
            for i in np.flatnonzero(below | above):
                violations.append(
                    f"{limits.names[i]}: {kind} {value[i]:.4g} {unit} "
                    f"outside {low[i]:.4g} to {high[i]:.4g}"
                )
        return violations
