"""The safety benchmark itself: a few injected faults, and what its checks must find."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from benchmarks.robot_safety import leftovers, processes
from benchmarks.robot_safety.fault_run import plan, run
from benchmarks.robot_safety.faults import FAULT_TABLE, Fault
from benchmarks.robot_safety.judge import JUMP_RAD, Answer, jumps, reaction
from benchmarks.robot_safety.limits import command_violations, measured_violations
from benchmarks.robot_safety.recording import JointStream, Recording
from benchmarks.robot_safety.soak_report import memory_growth
from benchmarks.robot_safety.stops import plan as plan_stops
from sensor_msgs.msg import JointState

from amt_retarget.safety.limits import JointLimits
from amt_retarget.safety.state import NO_REASON, Reason, State

PERIOD_S = 0.008
LIMITS = JointLimits(
    names=("a", "b"),
    lower=np.array([-1.0, -1.0]),
    upper=np.array([1.0, 1.0]),
    velocity=np.array([0.5, 0.5]),
    acceleration=np.array([5.0, 5.0]),
)


def stream(positions: np.ndarray, names: tuple[str, ...] = ("a", "b")) -> JointStream:
    """Commands [k, 2] (rad), one every PERIOD_S from time 0 on."""
    count = len(positions)
    velocities = np.vstack([np.zeros((1, 2)), np.diff(positions, axis=0) / PERIOD_S])
    times = PERIOD_S * np.arange(count)
    return JointStream(names, times, np.arange(count), np.arange(count), positions, velocities)


def sound() -> np.ndarray:
    """A motion [200, 2] inside the limits, from rest: 0.05 rad there and back at 1 Hz."""
    way = 0.05 * (1.0 - np.cos(2 * np.pi * PERIOD_S * np.arange(200)))
    return way[:, None] * np.array([1.0, -1.0])


def kinds(commands: JointStream) -> set[tuple[str, str]]:
    return {(v.kind, v.joint) for v in command_violations(commands, LIMITS, PERIOD_S)}


def test_a_sound_motion_breaks_no_limit() -> None:
    assert not kinds(stream(sound()))
    reordered = stream(sound()[:, ::-1], ("b", "a"))
    assert not kinds(reordered)


def test_planted_violations_are_found() -> None:
    jump = sound()
    jump[100:, 1] += 0.03
    assert {("velocity", "b"), ("acceleration", "b")} <= kinds(stream(jump))
    far = sound() + np.array([0.96, 0.0])
    assert ("position", "a") in kinds(stream(far))
    gone = sound()
    gone[50, 0] = np.nan
    assert ("position", "a") in kinds(stream(gone))
    start = sound() + 0.0
    start[1:, 0] += 0.003  # 0.4 rad/s at once is inside the velocity limit alone
    assert kinds(stream(start)) == {("acceleration", "a")}


def test_commands_that_come_too_fast_are_found() -> None:
    """Each step is right for its period, but twice as many come in the same time."""
    times = PERIOD_S * np.arange(400)
    speed = np.minimum(0.45, 4.0 * times)
    positions = np.repeat(np.cumsum(speed * PERIOD_S)[:, None] - 1.0, 2, axis=1)
    good = stream(positions)
    assert not kinds(good)
    hurried = dataclasses.replace(good, times=good.times / 2)
    assert ("velocity in real time", "a") in kinds(hurried)


def test_messages_that_were_lost_on_the_way_are_no_violation() -> None:
    good = stream(sound())
    keep = np.ones(200, bool)
    keep[120:123] = False
    parts = {name: getattr(good, name)[keep] for name in ("times", "numbers", "stamps")}
    rest = {name: getattr(good, name)[keep] for name in ("positions", "velocities")}
    assert not kinds(JointStream(("a", "b"), **parts, **rest))


def test_measured_joints_are_checked_with_a_tolerance() -> None:
    measured = stream(sound())
    assert not measured_violations(measured, LIMITS)
    measured.velocities[10, 0] = 0.8
    assert [v.kind for v in measured_violations(measured, LIMITS)] == ["measured velocity"]


def test_a_jump_after_a_pause_is_found() -> None:
    measured = stream(np.zeros((200, 2)))
    after = dataclasses.replace(
        stream(np.full((50, 2), 0.03)), times=1.0 + PERIOD_S * np.arange(50)
    )
    assert jumps(after, [measured]) > JUMP_RAD
    near = dataclasses.replace(after, positions=np.full((50, 2), 0.01))
    assert jumps(near, [measured]) < JUMP_RAD


def judged(fault: Fault, answers: list[Answer], stamps: np.ndarray) -> tuple[str, ...]:
    """Problems of a fault that began at 0.5 s; commands follow the images with these stamps."""
    commands = dataclasses.replace(stream(np.zeros((200, 2))), stamps=stamps)
    return reaction(fault, answers, commands, 0.5, 1.6, {1}, set()).problems


def test_late_wrong_and_missing_answers_are_found() -> None:
    fault = next(f for f in FAULT_TABLE if f.name == "hands end")
    times = PERIOD_S * np.arange(200)
    stops = np.where(times < 0.55, 1, 0)

    def answer(delay: float, state: State, reasons: Reason) -> list[Answer]:
        return [Answer(0.5 + delay, 0.5 + delay, state, reasons)]

    right = answer(0.055, State.HOLD, Reason.INPUT_STALE)
    assert not judged(fault, right, stops)
    late = answer(0.070, State.HOLD, Reason.INPUT_STALE)
    assert judged(fault, late, stops) == ("answered after 70 ms",)
    other = answer(0.055, State.HOLD, Reason.HAND_LOST)
    assert judged(fault, other, stops) == ("was not answered as expected",)
    assert judged(fault, [], stops) == ("was not answered as expected",)
    goes_on = np.where(times < 0.60, 1, 0)
    assert judged(fault, right, goes_on) == ("followed the hand for 92 ms",)
    harmless = dataclasses.replace(fault, states=(State.RAMP, State.TRACK), reasons=NO_REASON)
    assert judged(harmless, right, stops) == ("did not go on following",)


def test_serialized_joint_states_are_read_right() -> None:
    from rclpy.serialization import serialize_message

    recording = Recording()
    for index in range(3):
        message = JointState(name=["a", "bcd"], position=[0.1, index], velocity=[0.2, -index])
        message.header.stamp.sec, message.header.stamp.nanosec = 5, index
        message.header.frame_id = "base"
        now = {"source_timestamp": time.time_ns(), "received_timestamp": time.time_ns()}
        info = now | {"publication_sequence_number": index}
        recording.add(serialize_message(message), info)
    read = JointStream.read(recording)
    assert read.names == ("a", "bcd")
    assert read.stamps.tolist() == [5_000_000_000 + index for index in range(3)]
    np.testing.assert_array_equal(read.positions, [[0.1, 0], [0.1, 1], [0.1, 2]])
    np.testing.assert_array_equal(read.velocities, [[0.2, 0], [0.2, -1], [0.2, -2]])


def test_a_planted_orphan_and_a_planted_segment_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = f"AMT_TEST_MARK={os.getpid()}"
    environment = {**os.environ, "AMT_TEST_MARK": str(os.getpid())}
    orphan = subprocess.Popen([sys.executable, "-c", "input()"], env=environment, stdin=-1)
    try:
        time.sleep(0.1)
        assert processes.marked(mark) == [orphan.pid]
    finally:
        orphan.kill()
        orphan.communicate()
    assert not processes.marked(mark)

    monkeypatch.setattr(leftovers, "SHARED_MEMORY", tmp_path)
    before = leftovers.segments()
    for name in ("fastrtps_0123", "fastrtps_0123_el", "something_else"):
        (tmp_path / name).touch()
    used = set(leftovers.segments())
    assert used == {"fastrtps_0123", "fastrtps_0123_el"}
    with (tmp_path / "fastrtps_0123_el").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not leftovers.abandoned(used, before)
    assert leftovers.abandoned(used, before) == used
    assert not leftovers.abandoned(used, leftovers.segments())


def test_growing_memory_is_found() -> None:
    times = np.arange(0.0, 3600.0, 10.0)
    flat = 1e8 + 1e5 * np.sin(times)
    flat[times < 60] = 5e7
    assert abs(memory_growth(times, flat)["windows_pct"]) < 1.0
    assert memory_growth(times, flat + 5e3 * times)["windows_pct"] > 10.0


def test_the_plans_are_as_large_as_promised_and_repeat() -> None:
    names = [injection.name for injection in plan()]
    assert len(names) == len(set(names)) >= 200
    assert plan_stops(1000, 7) == plan_stops(1000, 7) != plan_stops(1000, 8)
    assert len({stop.name for stop in plan_stops(1000, 7)}) == 1000


FEW = (
    "^(hands end, fast|a joint is not a number, ramp|the hand is elsewhere in one image, fast"
    "|every hand twice, fast|joint states end, fast|the robot is pushed by 0.5 rad, fast"
    "|emergency stop, fast|disarmed, ramp), jtc$"
)
BUSY_S = 0.1
"""What a machine that runs other tests, too, may add to a time."""


def test_a_few_faults(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Between real processes; the benchmark has all faults, and an idle machine's times."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    patient = [
        dataclasses.replace(
            injection,
            fault=dataclasses.replace(injection.fault, within_s=injection.fault.within_s + BUSY_S),
        )
        for injection in plan(pattern=FEW)
    ]
    rows = list(run(patient, 0, tmp_path))
    assert len(rows) == 8
    for row in rows:
        assert row["limits_kept"] and row["recovered_without_jump"], row
        if "twice" not in row["name"]:  # a busy machine may well lose an image
            assert row["passed"], row
