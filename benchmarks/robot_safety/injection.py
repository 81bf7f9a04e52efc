"""One injection: bring the robot to where the fault shall find it, inject, judge, recover."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from amt_retarget.safety.state import Reason, State
from benchmarks.robot_safety.faults import Fault
from benchmarks.robot_safety.judge import JUMP_RAD, answers, broken_limits, jumps, reaction
from benchmarks.robot_safety.recording import JointStream
from benchmarks.robot_safety.setups import Setup
from benchmarks.robot_safety.world import World, WorldError

RECOVERY_S = 8.0
"""Ramp and all, until a hand is followed at full speed again."""
SETTLE_S = 0.3
OPERATOR_S = 0.3
"""Between the end of a fault and the operator's hand on the button, at least."""
RAMP_PART_S = 0.4
"""After engaging, of a ramp of a second."""
DRIFT_RAD = 0.8
"""Every engagement ties the hand to where the robot stands; far from home it starts anew. Of the
arm's first three joints: the others turn as the hand is held."""


@dataclass(frozen=True)
class Injection:
    """One fault in one motion under one setup."""

    fault: Fault
    motion: str
    setup: Setup

    @property
    def name(self) -> str:
        """Unique, and what a person reads."""
        return f"{self.fault.name}, {self.motion}, {self.setup.name}"


def inject(world: World, injection: Injection) -> dict[str, Any]:
    """Run one injection in a running world; its row of results.

    Raises WorldError when the world must be started anew; the row is lost then.
    """
    fault = injection.fault
    engage(world, injection.motion)
    if fault.name.startswith("the source"):
        world.start_source()
    world.forget()
    world.wait(SETTLE_S if injection.motion == "standing" else float(world.rng.uniform(0.1, 0.4)))
    begin = time.monotonic()
    world.mark()
    fault.begin(world)
    world.wait(max(0.0, fault.lasts_s - (time.monotonic() - begin)))
    ended, began = time.monotonic(), world.fault_time(fault.stream)
    problem = fault.check(world)
    stamps = set(world.images.good_stamps), set(world.images.bad_stamps)
    world.restore()
    restored = time.monotonic()
    if fault.rearm:
        world.wait(OPERATOR_S)
        arm(world)
    recovered_s = _until_tracking(world)
    world.wait(0.1)

    commands = JointStream.read(world.commands)
    measured = JointStream.read_each(world.measured)
    statuses = answers(world.statuses)
    result = reaction(fault, statuses, commands, began, ended, *stamps)
    judged = [] if injection.setup.interface in fault.unbraked else measured
    violations = broken_limits(commands, judged, world.limits, world.period_s)
    jump = jumps(commands, measured)
    problems = [*result.problems, *([problem] if problem else []), *violations]
    if recovered_s is None:
        problems.append(f"did not recover: {world.state_text}")
    if jump > JUMP_RAD:
        problems.append(f"jumped by {jump:.3f} rad")
    if not np.isfinite(began):
        problems.append("the fault did not begin")
    return {
        "name": injection.name,
        "family": fault.family,
        "expected": expected_text(fault),
        "got": result.got,
        "stated_time_s": fault.within_s,
        "time_s": _rounded(result.time_s),
        "published_s": _rounded(result.published_s),
        "followed_s": _rounded(result.followed_s),
        "limits_kept": not violations,
        "recovered_s": _rounded(recovered_s),
        "recovered_without_jump": recovered_s is not None and jump <= JUMP_RAD,
        "jump_rad": _rounded(jump),
        "longest_gap_s": _rounded(_longest_gap(commands, began, ended)),
        "passed": not problems,
        "detail": "; ".join(problems),
        "lasted_s": _rounded(restored - begin),
    }


def expected_text(fault: Fault) -> str:
    """States and reasons of which one of each must come."""
    states = " or ".join(state.name for state in fault.states) or "silence"
    reasons = " or ".join(reason.name or "" for reason in Reason if reason in fault.reasons)
    return f"{states}: {reasons}" if reasons else states


def engage(world: World, motion: str) -> None:
    """The robot follows a hand in this motion; at "ramp" it has only just begun to."""
    if not world.processes["mujoco_node"].running or _drifted(world):
        start_anew(world)
    world.motion = "fast" if motion == "ramp" else motion
    if motion == "ramp" and world.state in (State.TRACK, State.RAMP, State.HOLD):
        world.set_enabled(False)
        world.wait_until(lambda: world.state == State.INACTIVE, "INACTIVE when disarmed", 5.0)
    if world.state not in (State.TRACK, State.RAMP, State.HOLD):
        arm(world)
    if motion == "ramp":
        world.wait_until(lambda: world.state == State.RAMP, "RAMP", RECOVERY_S)
        world.wait(RAMP_PART_S - 0.3)
    elif _until_tracking(world) is None:
        raise WorldError(f"the hand is not followed: {world.state_text}")
    else:
        world.wait(0.4)  # the hand's motion has begun


def arm(world: World) -> None:
    """As an operator does: until it is accepted."""
    deadline = time.monotonic() + RECOVERY_S
    while True:
        accepted, sentence = world.set_enabled(True)
        if accepted:
            return
        if time.monotonic() > deadline:
            raise WorldError(f"could not be armed: {sentence}")
        world.wait(0.1)


def start_anew(world: World) -> None:
    """The robot's node is started again, at home; the retarget node is disarmed for it."""
    if world.state not in (State.INACTIVE, State.FAULT, None):
        world.set_enabled(False)
        world.wait_until(lambda: world.state == State.INACTIVE, "INACTIVE when disarmed", 5.0)
    world.processes["mujoco_node"].kill()
    world.measured.keep_last(0)
    world.restore()
    world.wait_for_nodes()


def _drifted(world: World) -> bool:
    first = dict(zip(world.limits.names[:3], world.home[:3], strict=True))
    return any(
        abs(value - first[name]) > DRIFT_RAD
        for stream in JointStream.read_each(world.measured)
        for name, value in zip(stream.names, stream.positions[-1], strict=True)
        if name in first
    )


def _until_tracking(world: World) -> float | None:
    """Seconds until TRACK; None when it does not come."""
    try:
        return world.wait_until(lambda: world.state == State.TRACK, "TRACK", RECOVERY_S)
    except WorldError:
        return None


def _longest_gap(commands: JointStream, began: float, ended: float) -> float:
    """Between two commands (s) around the fault: how well the machine kept up."""
    near = commands.times[(commands.times > began - 0.1) & (commands.times < ended)]
    return float(np.diff(near).max(initial=0.0))


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(value, 4)
