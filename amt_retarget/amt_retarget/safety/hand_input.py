"""The hand to follow, as the last images showed it, and why there is none."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from amt_retarget.safety.state import NO_REASON, Reason
from amt_retarget.safety.watchdog import InputWatchdog


@dataclass(frozen=True)
class SeenHand:
    """A hand of one image.

    Attributes:
        joints: [21, 3] in the robot's base frame (m).
        side: as of hand_frame.Side.
        time: when it came, on the steady clock (s).
        confidence: 0..1.
    """

    joints: np.ndarray
    side: int
    time: float
    confidence: float


class HandInput:
    """Images with and without a hand, and the watchdog over their source.

    A source may live and see no hand; that is told from one that is dead.
    """

    def __init__(
        self, watchdog: InputWatchdog, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.watchdog = watchdog
        self._clock = clock
        self._seen: SeenHand | None = None
        self._taken = True
        self._missing = Reason.NO_INPUT_YET
        self._refused = NO_REASON

    def see(
        self,
        joints: np.ndarray,
        side: int,
        stamp_s: float,
        now_s: float,
        confidence: float,
        waited_s: float = 0.0,
    ) -> bool:
        """Note a hand to follow; its fields are SeenHand's. Returns whether it counts.

        stamp_s: of its image; now_s: the time by the same kind of clock; waited_s: since it came.
        """
        self._refused = self.watchdog.received(stamp_s, now_s, waited_s)
        if self._refused:
            return False
        self._seen = SeenHand(joints, side, self._clock() - waited_s, confidence)
        self._taken = False
        self._missing = NO_REASON
        return True

    def miss(self, reason: Reason, stamp_s: float, now_s: float, waited_s: float = 0.0) -> None:
        """Note an image without a hand to follow, and why."""
        self._refused = self.watchdog.received(stamp_s, now_s, waited_s)
        if not self._refused:
            self._missing = reason

    def take(self) -> SeenHand | None:
        """The last hand, once."""
        if self._taken:
            return None
        self._taken = True
        return self._seen

    @property
    def confidence(self) -> float:
        """Of the hand in the last image; NaN when there was none."""
        return np.nan if self._seen is None or self._missing else self._seen.confidence

    def reasons(self) -> Reason:
        """All that speaks against following."""
        if not self.watchdog.started:
            return Reason.NO_INPUT_YET | self._refused
        if self.watchdog.expired():
            return Reason.INPUT_STALE | self._refused
        if self._seen is None or self._clock() - self._seen.time > self.watchdog.timeout_s:
            return self._missing or Reason.INPUT_STALE
        return NO_REASON
