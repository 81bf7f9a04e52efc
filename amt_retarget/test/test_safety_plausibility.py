"""Jumps and targets out of reach, on wrists and distances made by hand."""

import numpy as np
import pytest

from amt_retarget.safety.plausibility import (
    HAND_SPEED_M_S,
    JUMP_M,
    OUT_OF_REACH_S,
    REACH_M,
    SETTLED_S,
    JumpDetector,
    ReachMonitor,
)

FRAMES = [1.0 / 120.0, 1.0 / 30.0, 0.1]
FAR = np.array([1.0, 0.0, 0.0])


@pytest.mark.parametrize("dt", FRAMES)
def test_a_fast_hand_is_no_jump(dt):
    detector, wrist = JumpDetector(), np.zeros(3)
    most = (JUMP_M + HAND_SPEED_M_S * dt) * np.array([0.0, 1.0, 0.0])
    for _ in range(50):
        wrist = wrist + 0.99 * most
        assert not detector.jumped(wrist, dt) and not detector.moved
    assert detector.jumped(wrist + 1.01 * most, dt)


@pytest.mark.parametrize("dt", FRAMES)
def test_a_hand_that_stays_elsewhere_is_believed(dt):
    detector = JumpDetector()
    assert not detector.jumped(np.zeros(3), dt)
    frames = 0
    while detector.jumped(FAR, dt):
        assert not detector.moved
        frames += 1
    assert detector.moved
    assert (frames + 1) * dt == pytest.approx(SETTLED_S, abs=dt)
    assert not detector.jumped(FAR, dt) and not detector.moved


def test_a_wrong_frame_passes_and_a_hand_all_over_the_place_is_never_believed():
    detector, dt = JumpDetector(), 1.0 / 30.0
    detector.jumped(np.zeros(3), dt)
    assert detector.jumped(FAR, dt)
    assert not detector.jumped(np.zeros(3), dt) and not detector.moved
    for i in range(100):
        assert detector.jumped(FAR * (1 + i % 2), dt)


def test_a_hand_that_was_not_seen_for_a_while_may_be_elsewhere():
    detector, dt = JumpDetector(), 1.0 / 30.0
    detector.jumped(np.zeros(3), dt)
    for _ in range(6):
        detector.unseen(dt)
    assert not detector.jumped(FAR, dt)
    assert detector.jumped(2.0 * FAR, dt)  # only once


@pytest.mark.parametrize("dt", FRAMES)
def test_a_target_out_of_reach_for_long_is_lost_until_it_is_near(dt):
    monitor = ReachMonitor()
    frames = round(OUT_OF_REACH_S / dt)
    assert not any(monitor.lost(1.01 * REACH_M, dt) for _ in range(frames - 1))
    assert not monitor.lost(0.99 * REACH_M, dt)  # a moment near: from the beginning again
    results = [monitor.lost(1.01 * REACH_M, dt) for _ in range(frames + 2)]
    assert results[-1] and not any(results[: frames - 1])
    assert not monitor.lost(0.99 * REACH_M, dt)
