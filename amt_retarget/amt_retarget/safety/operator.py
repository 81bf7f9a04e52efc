"""What the operator allows: armed or not, the deadman switch, the emergency stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from amt_retarget.safety.state import NO_REASON, Reason


class Operator:
    """Nothing moves before the operator has armed the robot, nor after it was disarmed.

    With a deadman switch, its heartbeat must say "held" and be fresh, too. An emergency stop is
    latched by the state machine; here it is only whether it is pressed now.

    Attributes:
        armed: whether motion is allowed.
        emergency_stop: whether the stop is pressed.
    """

    def __init__(
        self,
        require_enable: bool = True,
        require_deadman: bool = False,
        deadman_timeout_s: float = 0.15,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._require_enable = require_enable
        self._require_deadman = require_deadman
        self.deadman_timeout_s = deadman_timeout_s
        self._clock = clock
        self.armed = not require_enable
        self.emergency_stop = False
        self._held = -math.inf

    def heartbeat(self, held: bool) -> None:
        """Note a message of the deadman switch."""
        self._held = self._clock() if held else -math.inf

    def reasons(self) -> Reason:
        """All that speaks against motion."""
        reasons = NO_REASON
        if not self.armed:
            reasons |= Reason.NOT_ENABLED
        if self._require_deadman and self._clock() - self._held > self.deadman_timeout_s:
            reasons |= Reason.DEADMAN_RELEASED
        if self.emergency_stop:
            reasons |= Reason.EMERGENCY_STOP
        return reasons
