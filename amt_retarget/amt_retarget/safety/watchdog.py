"""Is the input alive: its age on a steady clock, and how old it was when it came."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from amt_retarget.errors import RetargetError

TIMEOUT_RANGE_S = (0.02, 0.5)


class InputWatchdog:
    """Notices input that stops coming, and input that comes too late.

    The two are different faults with different limits. A stopped stream shows on the steady clock
    of this machine (`timeout_s` since the last arrival), which no clock change or replay can fool.
    A late stream arrives regularly, but each image is old already (`max_latency_s` between the
    stamp and the arrival); such an input is not taken as a sign of life.
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
        self._arrival = -math.inf
        self._latency = 0.0

    def received(self, latency_s: float = 0.0) -> bool:
        """Note an input that was `latency_s` old on arrival (now minus its stamp).

        Returns whether it counts: False for one older than max_latency_s or with a stamp that is
        not finite. A stamp ahead of this machine's clock counts as new.
        """
        if not latency_s <= self.max_latency_s:  # also refuses NaN
            return False
        self._arrival = self._clock()
        self._latency = max(latency_s, 0.0)
        return True

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

    def reset(self) -> None:
        """Forget every input, as before the first."""
        self._arrival = -math.inf
        self._latency = 0.0
