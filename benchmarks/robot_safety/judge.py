"""What came of one injection: the recordings of a World against what the table expects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amt_msgs.msg import RetargetStatus
from rclpy.serialization import deserialize_message

from amt_retarget.safety.limits import JointLimits
from amt_retarget.safety.state import Reason, State
from benchmarks.robot_safety.faults import STAYS, Fault
from benchmarks.robot_safety.limits import PAUSE_S, command_violations, measured_violations
from benchmarks.robot_safety.recording import JointStream, Recording

JUMP_RAD = 0.02
"""Most that the first command after a pause may be away from the measured joints."""
LAG_S = 0.05
QUIET_S = 0.15
"""A robot that was told to be silent has had no command for so long at the end of the fault."""


@dataclass(frozen=True)
class Answer:
    """One status that was published."""

    received: float
    sent: float
    state: State
    reasons: Reason

    @property
    def text(self) -> str:
        """As it goes into the results."""
        names = "|".join(reason.name or "" for reason in Reason if reason in self.reasons)
        return f"{self.state.name} {names}".strip()


def answers(statuses: Recording) -> list[Answer]:
    """All statuses, in the order in which they came."""
    messages = [deserialize_message(raw, RetargetStatus) for raw in statuses.raw]
    return [
        Answer(received, sent, State(message.state), Reason(message.reasons))
        for received, sent, message in zip(statuses.received, statuses.sent, messages, strict=True)
    ]


@dataclass(frozen=True)
class Reaction:
    """How a fault was answered."""

    got: str
    time_s: float | None
    """From the beginning of the fault to the receipt of the first status that answers it."""
    published_s: float | None
    """The same to when the node published that status."""
    followed_s: float | None
    """How long after the beginning of the fault the last command that follows a hand was sent."""
    problems: tuple[str, ...]


def reaction(
    fault: Fault,
    statuses: list[Answer],
    commands: JointStream,
    began: float,
    ended: float,
    good_stamps: set[int],
    bad_stamps: set[int],
) -> Reaction:
    """Judge the time from the beginning of the fault to its end (steady clock, s)."""
    during = [a for a in statuses if began < a.sent and a.received <= ended]
    if fault.stays:
        return _undisturbed(fault, during)
    fitting = [
        a for a in during
        if a.state in fault.states and (a.reasons & fault.reasons or not fault.reasons)
    ]  # fmt: skip
    problems: list[str] = []
    got, time_s, published_s = "", None, None
    if not fault.states:  # the node itself is gone
        got = "no status" if not during else during[-1].text
    elif fitting:
        first = fitting[0]
        got, time_s, published_s = first.text, first.received - began, first.sent - began
        if time_s > fault.within_s:
            problems.append(f"answered after {1e3 * time_s:.0f} ms")
    else:
        got = " > ".join(dict.fromkeys(a.text for a in during)) or "no status"
        problems.append("was not answered as expected")
    followed_s = _followed(fault, commands, began, ended, good_stamps, bad_stamps)
    if followed_s is not None and followed_s > fault.within_s and fault.reasons:
        problems.append(f"followed the hand for {1e3 * followed_s:.0f} ms")
    problems += _at_the_end(fault, commands, ended)
    return Reaction(got, time_s, published_s, followed_s, tuple(problems))


def _undisturbed(fault: Fault, during: list[Answer]) -> Reaction:
    other = [a for a in during if a.state not in STAYS]
    got = other[0].text if other else (during[-1].text if during else "no status")
    problems = ("did not go on following",) if other or not during else ()
    return Reaction(got, None, None, None, problems)


def _followed(
    fault: Fault,
    commands: JointStream,
    began: float,
    ended: float,
    good_stamps: set[int],
    bad_stamps: set[int],
) -> float | None:
    """See Reaction.followed_s; None when nothing was followed any more."""
    last_good = [
        time for time, stamp in zip(commands.times, commands.stamps, strict=True)
        if began < time <= ended and int(stamp) in (good_stamps | bad_stamps)
        and not (fault.passing and time > began + 2 * fault.within_s)
    ]  # fmt: skip
    if fault.passing:  # later good hands are followed again; what counts is a break in between
        times = np.array([began, *last_good])
        breaks = np.flatnonzero(np.diff(times) > 0.003 + 1.5 * _period(commands))
        return float(times[breaks[0]] - began) if len(breaks) else None
    return float(last_good[-1] - began) if last_good else None


def _period(commands: JointStream) -> float:
    return float(np.median(np.diff(commands.times))) if len(commands.times) > 1 else 0.0


def _at_the_end(fault: Fault, commands: JointStream, ended: float) -> list[str]:
    """A fault that lasts: the robot stands, and where it must be silent it gets no commands."""
    late = (commands.times > ended - QUIET_S) & (commands.times <= ended)
    if fault.silent:
        return ["commands were still sent at its end"] if late.any() else []
    if fault.passing or not late.any():
        return []
    moved = np.ptp(commands.positions[late], axis=0).max()
    return [] if moved < 1e-6 else [f"the robot was still moved by {moved:.2g} rad at its end"]


def jumps(commands: JointStream, measured: list[JointStream]) -> float:
    """Largest distance (rad) of a first command after a pause from the joints measured then.

    measured: of the arm and the hand, or of both together.

    What a robot in motion covers in LAG_S is taken off: its measured joints are so old.
    """
    largest = 0.0
    starts = (np.flatnonzero(np.diff(commands.times) > PAUSE_S) + 1).tolist()
    if _fresh(commands, measured):
        starts.insert(0, 0)
    for index in starts:
        for part in measured:
            now = int(np.searchsorted(part.times, commands.times[index])) - 1
            if now < 0:
                continue
            order = [commands.names.index(name) for name in part.names]
            away = np.abs(commands.positions[index][order] - part.positions[now])
            lag = np.abs(part.velocities[now]) * LAG_S
            largest = max(largest, float((away - lag).max()))
    return largest


def _fresh(commands: JointStream, measured: list[JointStream]) -> bool:
    """Whether the recording holds the beginning of the stream of commands, not its middle."""
    if not len(commands.times) or not measured:
        return False
    return bool(commands.times[0] - min(part.times[0] for part in measured) > PAUSE_S)


def broken_limits(
    commands: JointStream, measured: list[JointStream], limits: JointLimits, period_s: float
) -> list[str]:
    """All limits, of commands and of measured joints; each kind and joint once."""
    fresh = _fresh(commands, measured)
    found = command_violations(commands, limits, period_s, at_rest=fresh)
    for part in measured:
        found += measured_violations(part, limits)
    worst: dict[tuple[str, str], str] = {}
    for violation in found:
        worst.setdefault((violation.kind, violation.joint), str(violation))
    return list(worst.values())
