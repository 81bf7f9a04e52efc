"""The watchdog on a clock that the test moves by hand."""

import math

import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.safety.state import NO_REASON, Reason
from amt_retarget.safety.watchdog import InputWatchdog


def test_nothing_received_has_expired(clock):
    watchdog = InputWatchdog(clock=clock)
    assert not watchdog.started
    assert watchdog.expired()
    assert watchdog.silence() == math.inf


def test_silence_expires_after_the_timeout_and_input_revives(clock):
    watchdog = InputWatchdog(timeout_s=0.05, clock=clock)
    assert watchdog.received(5.0, 5.03) == NO_REASON
    clock.now += 0.049
    assert not watchdog.expired()
    assert watchdog.input_age() == pytest.approx(0.079)
    clock.now += 0.002
    assert watchdog.expired()
    assert watchdog.received(5.05, 5.06) == NO_REASON
    assert not watchdog.expired()


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [
        (4.7, Reason.INPUT_STALE),  # too old
        (4.99, Reason.INPUT_STALE),  # older than the last
        (5.0, Reason.INPUT_STALE),  # the last once more
        (math.nan, Reason.CLOCK_JUMPED),
        (math.inf, Reason.CLOCK_JUMPED),
        (-10.0, Reason.CLOCK_JUMPED),
        (5.6, Reason.CLOCK_JUMPED),  # the future
    ],
)
def test_what_is_no_sign_of_life(clock, stamp, reason):
    watchdog = InputWatchdog(timeout_s=0.05, max_latency_s=0.2, clock=clock)
    assert watchdog.received(5.0, 5.0) == NO_REASON
    clock.now += 0.04
    assert watchdog.received(stamp, 5.04) == reason
    clock.now += 0.02
    assert watchdog.expired()


def test_old_input_is_stale_even_if_it_is_new(clock):
    watchdog = InputWatchdog(max_latency_s=0.2, clock=clock)
    assert watchdog.received(5.0, 5.3) == Reason.INPUT_STALE
    assert not watchdog.started


def test_a_clock_that_was_set_back_holds_from_the_next_input_on(clock):
    watchdog = InputWatchdog(clock=clock)
    assert watchdog.received(100.0, 100.0) == NO_REASON
    assert watchdog.received(40.0, 40.0) == Reason.CLOCK_JUMPED
    assert watchdog.received(40.03, 40.03) == NO_REASON


def test_one_stamp_from_the_future_does_not_make_the_rest_old(clock):
    watchdog = InputWatchdog(clock=clock)
    watchdog.received(5.0, 5.0)
    assert watchdog.received(4e9, 5.03) == Reason.CLOCK_JUMPED
    assert watchdog.received(5.06, 5.06) == NO_REASON


def test_a_stamp_a_little_ahead_of_the_clock_counts_as_new(clock):
    watchdog = InputWatchdog(clock=clock)
    assert watchdog.received(5.01, 5.0) == NO_REASON
    assert watchdog.input_age() == 0.0


def test_a_source_that_dds_has_lost_has_expired_at_once(clock):
    watchdog = InputWatchdog(clock=clock)
    watchdog.received(5.0, 5.0)
    watchdog.lose()
    assert watchdog.expired() and watchdog.started


def test_reset_forgets(clock):
    watchdog = InputWatchdog(clock=clock)
    watchdog.received(5.0, 5.0)
    watchdog.reset()
    assert not watchdog.started


@pytest.mark.parametrize("timeout", [0.0, 0.019, 0.51, math.nan])
def test_timeout_out_of_range(timeout):
    with pytest.raises(RetargetError, match="input_timeout_s"):
        InputWatchdog(timeout_s=timeout)
