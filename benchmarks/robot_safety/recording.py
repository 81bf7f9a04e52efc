"""Messages as they came over DDS: kept as bytes while it matters, made into arrays afterwards."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from sensor_msgs.msg import JointState

from amt_retarget.robot.joint_orders import project_names

PROJECT_NAMES = project_names("right")
"""Of the joints of other software's hands."""
STAMP = struct.Struct("<iI")
STAMP_OFFSET = 4
"""header.stamp is the first field after the CDR encapsulation's four bytes."""


def raw_stamp_ns(raw: bytes) -> int:
    """header.stamp (ns) of a serialized message whose first field is a header."""
    seconds, nanoseconds = STAMP.unpack_from(raw, STAMP_OFFSET)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def wall_minus_steady() -> float:
    """Seconds between this machine's two clocks; a pause between two looks at them is left out."""
    pairs = []
    for _ in range(5):
        before, wall, after = time.monotonic(), time.time(), time.monotonic()
        pairs.append((after - before, wall - before))
    return min(pairs)[1]


@dataclass
class Recording:
    """Serialized messages of one topic, with times on this machine's steady clock (s)."""

    received: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    """When the publisher handed it to DDS."""
    numbers: list[int] = field(default_factory=list)
    """The publisher's own count: a step above 1 is a message that was lost on the way."""
    raw: list[bytes] = field(default_factory=list)
    wall_minus_steady: float = field(default_factory=wall_minus_steady)

    def add(self, raw: bytes, info: dict[str, int]) -> None:
        """Keep one message (a callback of a raw subscription)."""
        self.received.append(info["received_timestamp"] * 1e-9 - self.wall_minus_steady)
        self.sent.append(info["source_timestamp"] * 1e-9 - self.wall_minus_steady)
        self.numbers.append(info["publication_sequence_number"])
        self.raw.append(bytes(raw))

    def keep_last(self, count: int) -> None:
        """Forget all but the last so many."""
        self.wall_minus_steady = wall_minus_steady()
        first = max(0, len(self.raw) - count)
        del self.received[:first], self.sent[:first], self.numbers[:first], self.raw[:first]

    def __len__(self) -> int:
        return len(self.raw)


def take_all(subscription: Subscription, recording: Recording) -> None:
    """Take what has come for a raw subscription of a node that no executor spins.

    An executor's turn for every message would cost ten times as much.
    """
    handle = subscription.handle
    with handle:
        while (taken := handle.take_message(subscription.msg_type, True)) is not None:
            recording.add(*taken)


def record(
    node: Node, kind: type, topic: str, keep: Callable[[bytes, dict[str, int]], None] | None = None
) -> Recording:
    """Subscribe to a topic without deserializing it. keep: what is called instead of `add`."""
    recording = Recording()
    callback: Any = keep or recording.add  # rclpy's own annotation knows one argument only
    node.create_subscription(kind, topic, callback, QoSProfile(depth=1000), raw=True)
    return recording


@dataclass(frozen=True)
class JointStream:
    """k joint states of the same n joints in time order."""

    names: tuple[str, ...]
    times: np.ndarray
    """[k] s, when they were sent, steady clock."""
    numbers: np.ndarray
    """[k] the publisher's count."""
    stamps: np.ndarray
    """[k] header.stamp, ns."""
    positions: np.ndarray
    """[k, n] rad."""
    velocities: np.ndarray
    """[k, n] rad/s."""

    @classmethod
    def read(cls, recording: Recording) -> JointStream:
        """Messages that are all of one kind; without any, a stream of no joints."""
        streams = cls.read_each(recording)
        none, empty = np.zeros(0), np.zeros((0, 0))
        return streams[0] if streams else cls((), none, none, none, empty, empty)

    @classmethod
    def read_each(cls, recording: Recording) -> list[JointStream]:
        """A stream for each kind of message: arm and hand may have drivers of their own.

        Names are the project's, whatever the drivers call their joints. Kinds are told apart by the
        length of their messages, which the names decide.
        """
        by_length: dict[int, list[int]] = {}
        for index, raw in enumerate(recording.raw):
            by_length.setdefault(len(raw), []).append(index)
        return [cls._read(recording, kept) for kept in by_length.values()]

    @classmethod
    def _read(cls, recording: Recording, kept: list[int]) -> JointStream:
        raws = [recording.raw[index] for index in kept]
        head: Any = deserialize_message(raws[0], JointState)
        count = len(head.position)
        start = raws[0].find(struct.pack(f"<{count}d", *head.position))
        table = np.frombuffer(b"".join(raws), np.uint8).reshape(len(raws), -1)
        gap = 8  # the length of the next sequence, and its alignment

        def doubles(offset: int) -> np.ndarray:
            block = np.ascontiguousarray(table[:, offset : offset + 8 * count])
            return block.view("<f8")

        return cls(
            tuple(PROJECT_NAMES.get(name, name) for name in head.name),
            np.array([recording.sent[index] for index in kept]),
            np.array([recording.numbers[index] for index in kept]),
            np.array([raw_stamp_ns(raw) for raw in raws]),
            doubles(start),
            doubles(start + 8 * count + gap) if head.velocity else np.zeros((len(raws), count)),
        )

    def after(self, time_s: float) -> JointStream:
        """The part that was sent after a time (steady clock)."""
        keep = self.times > time_s
        return JointStream(
            self.names,
            self.times[keep],
            self.numbers[keep],
            self.stamps[keep],
            self.positions[keep],
            self.velocities[keep],
        )
