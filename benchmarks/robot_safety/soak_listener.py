"""Listens to a running pipeline for hours: keeps bytes, and makes figures of them once a second."""

from __future__ import annotations

import math
import struct
import time
from array import array
from dataclasses import dataclass, field

import numpy as np
from amt_msgs.msg import HandPoseArray, RetargetStatus
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState

from amt_retarget.ros import topics
from amt_retarget.safety.limits import JointLimits
from amt_retarget.safety.state import State
from benchmarks.robot_safety.limits import PAUSE_S, command_violations, measured_violations
from benchmarks.robot_safety.recording import JointStream, raw_stamp_ns, record, take_all

WATCHDOG_S = 0.060
"""A silence of hands is answered within this time of the last hand."""
SURE_S = 0.005
"""A silence that is this little longer may have ended before the answer was due."""
OVERLAP = 2
"""Commands that are kept for the next batch, so that differences go on."""
MEMORY_S = 30.0
"""For how long stamps, states and commands are remembered to judge a silence."""
FOLLOWING = (int(State.RAMP), int(State.TRACK))


@dataclass
class Figures:
    """What has been found so far."""

    latency_s: array[float] = field(default_factory=lambda: array("f"))
    """From an image's stamp to when the first command that carries it was sent."""
    interval_s: array[float] = field(default_factory=lambda: array("f"))
    """Between commands, as they were sent."""
    published_jitter_p99_s: list[float] = field(default_factory=list)
    """The node's own figure, once a second, of when its cycles began (/diagnostics)."""
    received_interval_s: array[float] = field(default_factory=lambda: array("f"))
    """Between commands, as they came here."""
    violations: list[str] = field(default_factory=list)
    commands: int = 0
    measured: int = 0
    hands: int = 0
    lost: int = 0
    """Commands that did not reach this listener."""
    silences: int = 0
    answered_s: array[float] = field(default_factory=lambda: array("f"))
    """From the last hand before a silence to the HOLD that answers it."""
    followed_s: array[float] = field(default_factory=lambda: array("f"))
    """From the last hand before a silence to the last command that follows it."""
    missed_watchdogs: list[str] = field(default_factory=list)
    state_s: dict[str, float] = field(default_factory=dict)


class SoakListener:
    """Keeps serialized messages as they come; `digest` makes figures of them."""

    def __init__(self, node: Node, silent: Node, limits: JointLimits, period_s: float) -> None:
        """silent: a node that nobody spins, as its messages are taken by `digest`."""
        self.figures = Figures()
        self._limits = limits
        self._period_s = period_s
        self._commands = record(silent, JointState, topics.JOINT_COMMAND)
        self._measured = record(silent, JointState, topics.JOINT_STATES)
        self._hands = record(silent, HandPoseArray, topics.HANDS)
        self._statuses = record(silent, RetargetStatus, topics.RETARGET_STATUS)
        recordings = (self._commands, self._measured, self._hands, self._statuses)
        self._topics = list(zip(silent.subscriptions, recordings, strict=False))
        node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, 10)
        self._state_offset: int | None = None
        self._states: list[tuple[float, int]] = []
        self._stamps: dict[int, float] = {}
        """Of images with a hand: when their hand was sent, until its first command has come."""
        self._image_stamps: dict[int, float] = {}
        self._following: list[float] = []
        self._last_hand = -np.inf
        self._silences: list[tuple[float, float]] = []
        self._started = False

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            for entry in status.values:
                if entry.key == "command_jitter_p99_ms" and math.isfinite(float(entry.value)):
                    self.figures.published_jitter_p99_s.append(1e-3 * float(entry.value))

    def digest(self) -> None:
        """Take in what has come since the last call."""
        for subscription, recording in self._topics:
            take_all(subscription, recording)
        self._digest_hands()
        self._digest_commands()
        self._digest_statuses()
        self._judge_silences()
        for stream in JointStream.read_each(self._measured):
            self.figures.violations += [str(v) for v in measured_violations(stream, self._limits)]
        self.figures.measured += len(self._measured)
        self._measured.keep_last(0)
        self._forget_old()

    def _digest_hands(self) -> None:
        for sent, raw in zip(self._hands.sent, self._hands.raw, strict=True):
            if not _has_hand(raw):
                continue
            self.figures.hands += 1
            stamp = raw_stamp_ns(raw)
            self._stamps[stamp] = self._image_stamps[stamp] = sent
            if sent - self._last_hand > WATCHDOG_S + SURE_S and np.isfinite(self._last_hand):
                self._silences.append((self._last_hand, sent))
            self._last_hand = sent
        self._hands.keep_last(0)

    def _digest_commands(self) -> None:
        figures = self.figures
        stream = JointStream.read(self._commands)
        if len(stream.times) <= OVERLAP:
            return
        first = OVERLAP if self._started else 0
        found = command_violations(stream, self._limits, self._period_s, not self._started)
        figures.violations += [str(v) for v in found if v.time_s >= stream.times[first]]
        before = max(0, first - 1)
        intervals = np.diff(stream.times)[before:]
        streaming = intervals < PAUSE_S
        figures.interval_s.extend(intervals[streaming].tolist())
        received = np.diff(self._commands.received)[before:]
        figures.received_interval_s.extend(received[streaming].tolist())
        figures.lost += int(np.maximum(np.diff(stream.numbers)[before:] - 1, 0).sum())
        figures.commands += len(stream.times) - first
        stamps, times = stream.stamps[first:].tolist(), stream.times[first:].tolist()
        for stamp, sent in zip(stamps, times, strict=True):
            if stamp in self._image_stamps:
                self._following.append(sent)
                if self._stamps.pop(stamp, None) is not None:
                    figures.latency_s.append(sent + self._commands.wall_minus_steady - stamp * 1e-9)
        self._started = True
        self._commands.keep_last(OVERLAP)

    def _digest_statuses(self) -> None:
        """The state is a byte behind a header that never changes its length."""
        for sent, raw in zip(self._statuses.sent, self._statuses.raw, strict=True):
            if self._state_offset is None:
                frame = deserialize_message(raw, RetargetStatus).header.frame_id
                self._state_offset = 16 + len(frame.encode()) + 1
            state = raw[self._state_offset]
            if self._states:
                before, name = self._states[-1][0], State(self._states[-1][1]).name
                total = self.figures.state_s.get(name, 0.0)
                self.figures.state_s[name] = total + sent - before
            self._states.append((sent, state))
        self._statuses.keep_last(0)

    def _judge_silences(self) -> None:
        """Each must have been answered by HOLD in time, and nothing may have been followed then."""
        for last, until in self._silences:
            self.figures.silences += 1
            held = min(
                (t for t, s in self._states if t > last and s not in FOLLOWING), default=until
            )
            followed = max((t for t in self._following if last < t < until), default=last)
            self.figures.answered_s.append(held - last)
            self.figures.followed_s.append(followed - last)
            if max(held, followed) > last + WATCHDOG_S:
                text = (
                    f"silence of {1e3 * (until - last):.0f} ms: HOLD after "
                    f"{1e3 * (held - last):.0f} ms, followed until {1e3 * (followed - last):.0f} ms"
                )
                self.figures.missed_watchdogs.append(text)
        self._silences.clear()

    def _forget_old(self) -> None:
        old = time.monotonic() - MEMORY_S
        self._states = [entry for entry in self._states[:-1] if entry[0] > old] + self._states[-1:]
        self._following = [sent for sent in self._following if sent > old]
        for stamps in (self._stamps, self._image_stamps):
            for stamp in [stamp for stamp, sent in stamps.items() if sent < old]:
                del stamps[stamp]


def _has_hand(raw: bytes) -> bool:
    """Whether a serialized HandPoseArray holds a hand: the length of its sequence is not 0."""
    (frame_length,) = struct.unpack_from("<I", raw, 12)
    offset = 16 + frame_length
    offset += -offset % 4
    return bool(struct.unpack_from("<I", raw, offset)[0])
