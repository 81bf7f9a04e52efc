"""The watchdog on a clock that the test moves by hand."""

import math

import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.safety.watchdog import InputWatchdog


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_nothing_received_has_expired():
    watchdog = InputWatchdog(clock=Clock())
    assert not watchdog.started
    assert watchdog.expired()
    assert watchdog.silence() == math.inf


def test_silence_expires_after_the_timeout_and_input_revives():
    clock = Clock()
    watchdog = InputWatchdog(timeout_s=0.05, clock=clock)
    assert watchdog.received(latency_s=0.03)
    clock.now += 0.049
    assert not watchdog.expired()
    assert watchdog.input_age() == pytest.approx(0.079)
    clock.now += 0.002
    assert watchdog.expired()
    watchdog.received()
    assert not watchdog.expired()


def test_old_input_is_no_sign_of_life():
    clock = Clock()
    watchdog = InputWatchdog(timeout_s=0.05, max_latency_s=0.2, clock=clock)
    watchdog.received()
    clock.now += 0.04
    assert not watchdog.received(latency_s=0.3)
    assert not watchdog.received(latency_s=math.nan)
    clock.now += 0.02
    assert watchdog.expired()


def test_a_stamp_ahead_of_the_clock_counts_as_new():
    watchdog = InputWatchdog(clock=Clock())
    assert watchdog.received(latency_s=-0.01)
    assert watchdog.input_age() == 0.0


def test_reset_forgets():
    watchdog = InputWatchdog(clock=Clock())
    watchdog.received()
    watchdog.reset()
    assert not watchdog.started


@pytest.mark.parametrize("timeout", [0.0, 0.019, 0.51, math.nan])
def test_timeout_out_of_range(timeout):
    with pytest.raises(RetargetError, match="input_timeout_s"):
        InputWatchdog(timeout_s=timeout)
