"""Is the input alive: its age on a steady clock, how old it was when it came, and its stamps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from amt_retarget.errors import RetargetError
from amt_retarget.safety.state import NO_REASON, Reason

TIMEOUT_RANGE_S = (0.02, 0.5)
CLOCK_JUMP_S = 0.5
"""Stamps that go back by more, or lie so far in the future, come from a clock that was set."""


class InputWatchdog:
    """Notices input that stops coming, comes too late, comes again, or comes from another time.

    These are different faults. A stopped stream shows on the steady clock of this machine
    (`timeout_s` since the last arrival), which no clock change or replay can fool. A late stream
    arrives regularly, but each image is old already (`max_latency_s` between the stamp and the
    arrival). A frozen or disordered source sends stamps that are not newer than the last. None of
    these inputs is a sign of life.
    """

    def __init__(
        self,
        timeout_s: float = 0.05,
        max_latency_s: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """clock gives seconds that never go back. Raises RetargetError for a bad time limit."""
        low, high = TIMEOUT_RANGE_S
        if not low <= timeout_s <= high:
            raise RetargetError(
                f"input_timeout_s must be between {low} and {high} s, not {timeout_s}."
            )
        if not (math.isfinite(max_latency_s) and max_latency_s > 0.0):
            raise RetargetError(f"max_latency_s must be above zero, not {max_latency_s}.")
        self.timeout_s = timeout_s
        self.max_latency_s = max_latency_s
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget every input, as before the first."""
        self._arrival = -math.inf
        self._latency = 0.0
        self._stamp = -math.inf

    def received(self, stamp_s: float, now_s: float, waited_s: float = 0.0) -> Reason:
        """Note an input with this stamp, taken at now_s, both of the sender's kind of clock.

        waited_s: how long ago it came.

        Returns why it does not count, if so: INPUT_STALE for one that is older than max_latency_s
        or not newer than the last, CLOCK_JUMPED where a clock was set (CLOCK_JUMP_S), or where the
        stamp is not finite. After a jump back, the new time holds from the next input on.
        """
        latency = now_s - stamp_s
        if not math.isfinite(latency) or latency < -CLOCK_JUMP_S:
            return Reason.CLOCK_JUMPED
        if stamp_s <= self._stamp:
            if stamp_s > self._stamp - CLOCK_JUMP_S:
                return Reason.INPUT_STALE
            self._stamp = stamp_s
            return Reason.CLOCK_JUMPED
        self._stamp = stamp_s
        if latency > self.max_latency_s:
            return Reason.INPUT_STALE
        self._arrival = self._clock() - waited_s
        self._latency = max(latency - waited_s, 0.0)
        return NO_REASON

    def lose(self) -> None:
        """Take the source for dead, as DDS has found out."""
        self._arrival = min(self._arrival, self._clock() - 2.0 * self.timeout_s)

    @property
    def started(self) -> bool:
        """Whether any input has counted since the start or the last reset."""
        return math.isfinite(self._arrival)

    def silence(self) -> float:
        """Seconds since the last input that counted; infinite before the first."""
        return self._clock() - self._arrival

    def input_age(self) -> float:
        """Seconds since the last input's stamp: its latency and the silence after it."""
        return self._latency + self.silence()

    def expired(self) -> bool:
        """Whether no input has counted for longer than timeout_s."""
        return self.silence() > self.timeout_s
