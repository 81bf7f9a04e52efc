"""What goes wrong with messages on their way: each function makes of one message those that arrive.

A disturbance is called with every message that should be sent, as (message, count, rng): count goes
up from 0 where the fault begins. It returns what is sent in its place: (delay in s, message) pairs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from amt_msgs.msg import HandPose, HandPoseArray
from builtin_interfaces.msg import Time
from sensor_msgs.msg import JointState

from benchmarks.robot_safety.hands import get_joints, set_joints, turned_about_the_wrist
from benchmarks.robot_safety.recording import PROJECT_NAMES

ASIDE = np.array([0.2, 0.0, 0.0])
"""m, where another person's hand is."""
Sent = list[tuple[float, Any]]
Disturbance = Callable[[Any, int, np.random.Generator], Sent]


def changed(change: Callable[[Any, np.random.Generator], None]) -> Disturbance:
    """Every message, with something in it changed in place."""

    def disturb(message: Any, count: int, rng: np.random.Generator) -> Sent:
        change(message, rng)
        return [(0.0, message)]

    return disturb


# Any stream.


def silent(message: Any, count: int, rng: np.random.Generator) -> Sent:
    """Nothing comes any more."""
    return []


def only_one(disturbance: Disturbance) -> Disturbance:
    """The first message alone is disturbed."""

    def disturb(message: Any, count: int, rng: np.random.Generator) -> Sent:
        return disturbance(message, count, rng) if count == 0 else [(0.0, message)]

    return disturb


def drops(lost: int, of: int) -> Disturbance:
    """Of so many messages the first ones are lost."""

    def disturb(message: Any, count: int, rng: np.random.Generator) -> Sent:
        return [] if count % of < lost else [(0.0, message)]

    return disturb


def delayed(seconds: float) -> Disturbance:
    """Every message arrives later."""

    def disturb(message: Any, count: int, rng: np.random.Generator) -> Sent:
        return [(seconds, message)]

    return disturb


def twice(message: Any, count: int, rng: np.random.Generator) -> Sent:
    """Every message arrives twice."""
    return [(0.0, message), (0.0, copy.deepcopy(message))]


def repeating() -> Disturbance:
    """The first message comes again and again: a source that has frozen."""
    kept: dict[tuple[str, ...], Any] = {}

    def disturb(message: Any, count: int, rng: np.random.Generator) -> Sent:
        return [(0.0, kept.setdefault(_kind(message), message))]

    return disturb


def older_ones_between() -> Disturbance:
    """After every message the one before it arrives once more: overtaking on the way."""
    before: dict[tuple[str, ...], Any] = {}

    def disturb(message: Any, count: int, rng: np.random.Generator) -> Sent:
        old = before.get(_kind(message))
        before[_kind(message)] = copy.deepcopy(message)
        return [(0.0, message)] if old is None else [(0.0, message), (0.005, old)]

    return disturb


def stamped(offset_s: float) -> Disturbance:
    """Every stamp is off by so much: a clock that was set, or images that are old."""

    def disturb(message: Any, count: int, rng: np.random.Generator) -> Sent:
        _set_stamp(message, _stamp_ns(message) + int(offset_s * 1e9))
        return [(0.0, message)]

    return disturb


def stamps_run_backwards() -> Disturbance:
    """Every message is stamped 10 ms earlier than the one before it."""
    first: list[int] = []

    def disturb(message: Any, count: int, rng: np.random.Generator) -> Sent:
        if count == 0:
            first[:] = [_stamp_ns(message)]
        _set_stamp(message, first[0] - (count + 4) * 10_000_000)
        return [(0.0, message)]

    return disturb


def stamped_zero(message: Any, count: int, rng: np.random.Generator) -> Sent:
    """A source that does not stamp its messages."""
    _set_stamp(message, 0)
    return [(0.0, message)]


def _kind(message: Any) -> tuple[str, ...]:
    """Arm and hand have joint states of their own on the same topic."""
    return tuple(getattr(message, "name", ()))


def _stamp_ns(message: Any) -> int:
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)


def _set_stamp(message: Any, nanoseconds: int) -> None:
    stamp = Time(sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)
    message.header.stamp = stamp
    for hand in getattr(message, "hands", ()):
        hand.header.stamp = stamp


# Hands.


def joint_value(value: float, joint: int | None = None) -> Disturbance:
    """One joint of the hand, or all, at (value, value, value)."""

    def change(message: HandPoseArray, rng: np.random.Generator) -> None:
        joints = get_joints(message.hands[0])
        joints[slice(None) if joint is None else joint] = value
        set_joints(message.hands[0], joints)

    return changed(change)


def resized(factor: float) -> Disturbance:
    """A hand so many times as large, about its wrist."""

    def change(message: HandPoseArray, rng: np.random.Generator) -> None:
        joints = get_joints(message.hands[0])
        set_joints(message.hands[0], joints[0] + factor * (joints - joints[0]))

    return changed(change)


def teleported(lowest: float, highest: float) -> Disturbance:
    """The hand is suddenly so far away (m, drawn once), in a direction that is drawn, too."""
    way: list[np.ndarray] = []

    def disturb(message: HandPoseArray, count: int, rng: np.random.Generator) -> Sent:
        if count == 0:
            direction = rng.normal(size=3)
            direction *= rng.uniform(lowest, highest) / np.linalg.norm(direction)
            way[:] = [direction]
        joints = get_joints(message.hands[0])
        set_joints(message.hands[0], joints + way[0])
        return [(0.0, message)]

    return disturb


def hand_field(**fields: Any) -> Disturbance:
    """Fields of the hand's message set to other values."""

    def change(message: HandPoseArray, rng: np.random.Generator) -> None:
        for name, value in fields.items():
            setattr(message.hands[0], name, value)

    return changed(change)


@changed
def no_hand(message: HandPoseArray, rng: np.random.Generator) -> None:
    """Results come, without a hand in them."""
    message.hands = []


@changed
def another_person(message: HandPoseArray, rng: np.random.Generator) -> None:
    """A left hand appears beside ours, more certain than ours."""
    other = copy.deepcopy(message.hands[0])
    other.side, other.confidence, other.track_id = HandPose.SIDE_LEFT, 0.99, 2
    set_joints(other, turned_about_the_wrist(get_joints(other), 0.5) + ASIDE)
    message.hands = [other, message.hands[0]]


@changed
def in_an_unknown_frame(message: HandPoseArray, rng: np.random.Generator) -> None:
    """Nobody publishes this camera's place on tf."""
    message.header.frame_id = message.hands[0].header.frame_id = "another_camera"


# Joint states.


def one_position(value: float) -> Disturbance:
    """One measured position, of a joint of the arm, reads this (rad)."""

    def change(message: JointState, rng: np.random.Generator) -> None:
        if "elbow_joint" in message.name:
            message.position[message.name.index("elbow_joint")] = value

    return changed(change)


def pushed(offset: float) -> Disturbance:
    """The elbow is measured so far (rad) from where it is."""

    def change(message: JointState, rng: np.random.Generator) -> None:
        if "elbow_joint" in message.name:
            message.position[message.name.index("elbow_joint")] += offset

    return changed(change)


def stuck() -> Disturbance:
    """Positions and velocities stay as they were, with new stamps."""
    values: dict[tuple[str, ...], Any] = {}

    def change(message: JointState, rng: np.random.Generator) -> None:
        now = message.position, message.velocity
        message.position, message.velocity = values.setdefault(_kind(message), now)

    return changed(change)


def without_joints(prefix: str) -> Disturbance:
    """The joints whose names, in this project, begin so are missing."""

    def change(message: JointState, rng: np.random.Generator) -> None:
        names = [PROJECT_NAMES.get(name, name) for name in message.name]
        keep = [i for i, name in enumerate(names) if not name.startswith(prefix)]
        for part in ("name", "position", "velocity"):
            values = getattr(message, part)
            setattr(message, part, [values[i] for i in keep] if len(values) else [])

    return changed(change)


@changed
def other_names(message: JointState, rng: np.random.Generator) -> None:
    """Another robot's joint names."""
    message.name = [f"other_{name}" for name in message.name]


@changed
def other_order(message: JointState, rng: np.random.Generator) -> None:
    """The same joints, listed backwards: nothing is wrong with that."""
    for part in ("name", "position", "velocity"):
        setattr(message, part, list(getattr(message, part))[::-1])


@changed
def too_few_positions(message: JointState, rng: np.random.Generator) -> None:
    """Fewer positions than names."""
    message.position = message.position[:3]
