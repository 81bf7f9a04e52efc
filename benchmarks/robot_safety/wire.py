"""A topic on its way to the node under test: messages pass, or are disturbed."""

from __future__ import annotations

import heapq
import math
import time
from typing import Any

import numpy as np
from rclpy.publisher import Publisher

from benchmarks.robot_safety.disturbances import Disturbance


class Wire:
    """Carries messages to a publisher.

    Attributes:
        last_good: when the last message passed undisturbed (steady clock, s); NaN before.
        fault_time: `last_good` when the disturbance met its first message; NaN before.
        good_stamps, bad_stamps: header.stamp (ns) of what was sent undisturbed, and disturbed.
    """

    def __init__(self, publisher: Publisher, rng: np.random.Generator) -> None:
        self._publisher = publisher
        self._rng = rng
        self._disturbance: Disturbance | None = None
        self._count = 0
        self._waiting: list[tuple[float, int, Any]] = []
        self._serial = 0
        self.last_good = self.fault_time = math.nan
        self.good_stamps: set[int] = set()
        self.bad_stamps: set[int] = set()

    def disturb(self, disturbance: Disturbance) -> None:
        """From the next message on."""
        self._disturbance, self._count = disturbance, 0

    @property
    def disturbed(self) -> bool:
        """Whether messages are disturbed now."""
        return self._disturbance is not None

    def pass_on(self, message: Any, stamp_ns: int) -> None:
        """Send one message, which may be serialized, as it is."""
        self.last_good = time.monotonic()
        self.good_stamps.add(stamp_ns)
        self._publisher.publish(message)

    def carry(self, message: Any) -> None:
        """Send what the disturbance makes of one message."""
        assert self._disturbance is not None
        if self._count == 0:
            self.fault_time = self.last_good
        sent = self._disturbance(message, self._count, self._rng)
        self._count += 1
        for delay, each in sent:
            self.bad_stamps.add(stamp_ns(each))
            if delay <= 0.0:
                self._publisher.publish(each)
            else:
                self._serial += 1
                heapq.heappush(self._waiting, (time.monotonic() + delay, self._serial, each))

    def send_due(self, now: float) -> float:
        """Send what was delayed until now (steady clock, s); when the next one is due."""
        while self._waiting and self._waiting[0][0] <= now:
            self._publisher.publish(heapq.heappop(self._waiting)[2])
        return self._waiting[0][0] if self._waiting else math.inf

    def restore(self) -> None:
        """No disturbance any more; what was delayed is lost."""
        self._disturbance = None
        self._waiting.clear()

    def forget(self) -> None:
        """Forget stamps and the last fault's time."""
        self.good_stamps.clear()
        self.bad_stamps.clear()
        self.fault_time = math.nan


def stamp_ns(message: Any) -> int:
    """header.stamp in ns."""
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)
