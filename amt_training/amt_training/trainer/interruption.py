"""Ctrl-C and SIGTERM: finish the step, then stop."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType


class Interruption:
    """Listens for SIGINT and SIGTERM inside its context; a second one acts at once."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        """The one that came."""
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
        self.signal = signal.Signals(number)
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
