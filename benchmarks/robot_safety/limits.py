"""Do streams of commands and of measured joints keep the limits? Written apart from the guard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amt_retarget.safety.limits import JointLimits
from benchmarks.robot_safety.recording import JointStream

PAUSE_S = 0.1
"""After this long without a command the robot is at rest, and a new stream must begin so."""
ROUNDING = 1e-6
"""Relative, of limits; commands are sent as doubles."""
WINDOW = 25
"""Commands over which the speed in real time is looked at (0.2 s at 125 Hz)."""
WINDOW_SLACK_S = 0.012
"""How much earlier than its turn a command may be sent: the jitter of a shared machine."""
MEASURED_POSITION_RAD = 2e-3
"""How far MuJoCo's soft joint limits give way."""
MEASURED_SPEED = 0.25, 0.1
"""Share of the limit, and rad/s, by which a simulated controller may overshoot in speed: commands
of a forward controller act when they arrive, with the jitter of their way."""


@dataclass(frozen=True)
class Violation:
    """One joint beyond one limit."""

    kind: str
    joint: str
    value: float
    limit: float
    time_s: float
    """Of the command, steady clock."""

    def __str__(self) -> str:
        return f"{self.kind} of {self.joint} {self.value:.4g}, limit {self.limit:.4g}"


def command_violations(
    stream: JointStream, limits: JointLimits, period_s: float, at_rest: bool = True
) -> list[Violation]:
    """Where consecutive commands break a position, velocity or acceleration limit.

    Velocity is the change of position over period_s, acceleration the change of velocity over
    period_s; a stream begins at rest, and again after PAUSE_S without a command (that it begins
    where the robot is, is another check: judge.jumps). Over WINDOW commands the speed in real time
    is checked, too: commands that are right one by one must not be sent too fast. at_rest: False
    for the continuation of a stream that has been checked.
    """
    if len(stream.times) < 2:
        return []
    order = [stream.names.index(name) for name in limits.names]
    positions = stream.positions[:, order]
    steps = np.diff(positions, axis=0)
    lost = np.diff(stream.numbers) > 1  # by the listener; the step across is not one step
    pause = np.diff(stream.times) > PAUSE_S
    velocity = np.where((lost | pause)[:, None], 0.0, steps / period_s)
    before = np.vstack([np.zeros((1, steps.shape[1])), velocity[:-1]])
    before[pause] = 0.0
    after_loss = np.concatenate([[False], lost[:-1]])
    acceleration = np.where((lost | after_loss)[:, None], 0.0, (velocity - before) / period_s)
    if not at_rest:
        acceleration[0] = 0.0
    times = stream.times[1:]
    # A joint that starts beyond a limit may stay there or move back.
    low = np.minimum(limits.lower, positions[:-1]) - 1e-9
    high = np.maximum(limits.upper, positions[:-1]) + 1e-9
    found = _outside("position", positions[1:], low, high, times, limits.names)
    for kind, value, limit in (
        ("velocity", velocity, limits.velocity),
        ("acceleration", acceleration, limits.acceleration),
    ):
        most = limit * (1.0 + ROUNDING)
        found += _outside(kind, value, -most, most, times, limits.names)
    return found + _window_violations(stream.times, positions, limits, pause | lost)


def _window_violations(
    times: np.ndarray, positions: np.ndarray, limits: JointLimits, breaks: np.ndarray
) -> list[Violation]:
    if len(times) <= WINDOW:
        return []
    way = positions[WINDOW:] - positions[:-WINDOW]
    duration = (times[WINDOW:] - times[:-WINDOW])[:, None] + WINDOW_SLACK_S
    broken = np.convolve(breaks, np.ones(WINDOW), "valid") > 0
    speed = np.where(broken[:, None], 0.0, way / duration)
    most = limits.velocity * (1.0 + ROUNDING)
    return _outside("velocity in real time", speed, -most, most, times[WINDOW:], limits.names)


def measured_violations(stream: JointStream, limits: JointLimits) -> list[Violation]:
    """Where measured joints are beyond position or velocity limits, with a simulation's tolerance.

    The stream may be of some of the joints.

    Accelerations are not looked at: contacts and a stiff position controller have peaks of theirs.
    """
    if not len(stream.times):
        return []
    order = [limits.names.index(name) for name in stream.names]
    share, more = MEASURED_SPEED
    most = (limits.velocity * (1.0 + share) + more)[order]
    low, high = (limits.lower - MEASURED_POSITION_RAD)[order], limits.upper[order]
    names, times = stream.names, stream.times
    return _outside(
        "measured position", stream.positions, low, high + MEASURED_POSITION_RAD, times, names
    ) + _outside("measured velocity", stream.velocities, -most, most, times, names)


def _outside(
    kind: str,
    values: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    times: np.ndarray,
    names: tuple[str, ...],
) -> list[Violation]:
    """Violations of values [k, n] outside of low and high (also NaN, which no limit lets pass)."""
    bad = ~((values >= low) & (values <= high))
    low, high = np.broadcast_to(low, values.shape), np.broadcast_to(high, values.shape)
    return [
        Violation(
            kind,
            names[j],
            float(values[i, j]),
            float(low[i, j] if values[i, j] < low[i, j] else high[i, j]),
            float(times[i]),
        )
        for i, j in zip(*np.nonzero(bad), strict=True)
    ]
