"""The smoothing against SciPy's Butterworth filter, at several rates of frames."""

import numpy as np
import pytest
from scipy.signal import butter, freqs_zpk, step

from amt_retarget.retarget.smoothing import Smoothing

CUTOFF_HZ = 3.2
RATES_HZ = [30.0, 60.0, 120.0]


def follow(goals: np.ndarray, rate: float, cutoff: float = CUTOFF_HZ) -> np.ndarray:
    """The motion [t] from rest at 0 toward goals [t], one a frame."""
    smoothing, dt = Smoothing(np.array([cutoff]), 1.0 / rate), 1.0 / rate
    positions, velocities, accelerations = np.zeros(1), np.zeros(1), np.zeros(1)
    motion = []
    for goal in goals:
        reached = smoothing.next(np.array([goal]), positions, velocities, accelerations)
        new = (reached - positions) / dt
        accelerations, velocities, positions = (new - velocities) / dt, new, reached
        motion.append(reached[0])
    return np.array(motion)


@pytest.mark.parametrize("rate", RATES_HZ)
@pytest.mark.parametrize("cutoff", [1.0, 3.2, 8.0])
def test_poles_are_those_of_a_butterworth_filter(rate, cutoff):
    """An impulse response is a sum of powers of the poles: their polynomial takes it to zero."""
    _, poles, _ = butter(3, 2.0 * np.pi * cutoff, analog=True, output="zpk")
    polynomial = np.poly(np.exp(poles / rate)).real
    impulse = np.zeros(60)
    impulse[0] = 1.0
    response = follow(impulse, rate, cutoff)
    remainder = np.convolve(response, polynomial)[1 : response.size]
    np.testing.assert_allclose(remainder, 0.0, atol=1e-12)
    assert response[0] == pytest.approx(polynomial.sum(), rel=1e-9)  # and so its gain is one


@pytest.mark.parametrize("rate", RATES_HZ)
def test_a_goal_at_rest_is_reached_and_kept_exactly(rate):
    motion = follow(np.ones(round(4.0 * rate)), rate)
    assert motion.max() < 1.10  # a third-order Butterworth filter overshoots by 8 %
    np.testing.assert_allclose(motion[round(2.0 * rate) :], 1.0, atol=1e-6)
    at_rest = Smoothing(np.array([CUTOFF_HZ]), 1.0 / rate)
    there = np.array([0.7])
    for _ in range(10_000):
        there = at_rest.next(np.array([0.7]), there, np.zeros(1), np.zeros(1))
    assert there[0] == 0.7


@pytest.mark.parametrize("rate", RATES_HZ)
def test_the_lag_is_that_behind_a_ramp(rate):
    """`lag` counts from where the motion is before the step; after it, it is a frame shorter."""
    speed = 0.8
    goals = speed * np.arange(1, round(3.0 * rate)) / rate
    motion = follow(goals, rate)
    lag = Smoothing(np.array([CUTOFF_HZ]), 1.0 / rate).lag[0]
    assert goals[-1] - motion[-2] == pytest.approx(speed * lag, abs=1e-6)
    assert lag == pytest.approx(1.0 / (np.pi * CUTOFF_HZ), abs=0.5 / rate)  # continuous: 2 / w


@pytest.mark.parametrize("rate", RATES_HZ)
def test_the_motion_does_not_depend_on_the_rate(rate):
    """Step responses are the continuous one's, which they are ahead of by most of a frame."""
    _, poles, gain = butter(3, 2.0 * np.pi * CUTOFF_HZ, analog=True, output="zpk")
    times = np.arange(1, round(rate) + 1) / rate
    _, continuous = step(([], poles, gain), T=np.linspace(0.0, 1.1, 1101))
    expected = np.interp(times + 0.9 / rate, np.linspace(0.0, 1.1, 1101), continuous)
    np.testing.assert_allclose(follow(np.ones(times.size), rate), expected, atol=0.03)


@pytest.mark.parametrize("frequency", [0.5, 1.0, 2.0, 3.2, 5.0])
def test_frequencies_pass_as_in_the_continuous_filter(frequency):
    rate = 120.0
    _, poles, gain = butter(3, 2.0 * np.pi * CUTOFF_HZ, analog=True, output="zpk")
    _, expected = freqs_zpk([], poles, gain, worN=[2.0 * np.pi * frequency])
    times = np.arange(round(8.0 * rate)) / rate
    goals = np.sin(2.0 * np.pi * frequency * times)
    settled = times >= 4.0  # whole periods of every frequency
    passed = follow(goals, rate)[settled] @ np.exp(-2j * np.pi * frequency * times[settled])
    amplitude = 2.0 * np.abs(passed) / np.count_nonzero(settled)
    assert amplitude == pytest.approx(np.abs(expected[0]), abs=0.02)


def test_each_joint_has_its_own_cutoff():
    cutoffs, dt = np.array([1.0, 3.2, 8.0]), 1.0 / 30.0
    together = Smoothing(cutoffs, dt)
    goal, rest = np.ones(3), np.zeros(3)
    reached = together.next(goal, rest, np.array([0.1, 0.2, 0.3]), np.array([1.0, -1.0, 2.0]))
    for i, (velocity, acceleration) in enumerate([(0.1, 1.0), (0.2, -1.0), (0.3, 2.0)]):
        alone = Smoothing(cutoffs[i : i + 1], dt)
        expected = alone.next(goal[:1], rest[:1], np.array([velocity]), np.array([acceleration]))
        assert reached[i] == expected[0]
        assert together.lag[i] == alone.lag[0]
    assert np.all(np.diff(together.lag) < 0.0)
