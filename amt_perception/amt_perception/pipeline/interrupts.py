"""Ctrl-C and SIGTERM at a convenient moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TerminationRequest(KeyboardInterrupt):
    """SIGTERM: ends a program as Ctrl-C does, so that nothing is left behind."""


def _terminate(number: int, frame: FrameType | None) -> None:
    raise TerminationRequest


def interrupt_on_sigterm() -> None:
    """Let SIGTERM raise TerminationRequest in the main thread."""
    signal.signal(signal.SIGTERM, _terminate)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let the block end before Ctrl-C or SIGTERM take effect.

    For steps that must not be left half done, and for calls into C++, which would turn the
    KeyboardInterrupt into another error. Outside the main thread there is nothing to hold back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, _: held.append(number)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        for first in held[:1]:
            signal.raise_signal(first)
