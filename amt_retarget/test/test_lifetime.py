"""Signals that come while a node is being made."""

from __future__ import annotations

import signal

import pytest

from amt_retarget.ros.lifetime import _break_off_when_told


def test_only_the_first_signal_breaks_off() -> None:
    """A terminal's Ctrl-C, and then the runner's SIGTERM in the middle of the clean end."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        told = _break_off_when_told()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert told.is_set()
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
