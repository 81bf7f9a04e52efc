"""Ctrl-C and SIGTERM: finish the step, then stop."""

from __future__ import annotations

import signal
import time
from types import FrameType, TracebackType

_ECHO_S = 5.0
"""Ctrl-C reaches a process from the terminal and once more from torchrun: one wish, two signals."""


class Interruption:
    """Listens for SIGINT and SIGTERM inside its context; another one later acts at once."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        """The one that came."""
        self._came = 0.0
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Interruption:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.signal is None:
            self.signal, self._came = signal.Signals(number), now
        elif now - self._came > _ECHO_S:
            self._restore()
            signal.raise_signal(number)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
