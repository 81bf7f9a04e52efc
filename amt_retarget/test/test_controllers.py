"""The simulated controllers move as the real ones do."""

from __future__ import annotations

import numpy as np

from amt_retarget.safety.limits import JointLimits
from amt_retarget.simulation.controllers import PositionController, TrajectoryController

STEP_S = 0.002


def run(controller: TrajectoryController, start: float, seconds: float, scaling: float = 1.0):
    """Desired positions [k, n] and velocities [k, n] at every step after `start`."""
    positions, velocities = [], []
    for step in range(1, round(seconds / STEP_S) + 1):
        positions.append(controller.update(start + step * STEP_S, scaling).copy())
        velocities.append(controller.velocities.copy())
    return np.array(positions), np.array(velocities)


def test_points_with_velocities_are_joined_by_cubics():
    """A parabola is a cubic, too: it is met exactly, and so is its velocity."""
    controller = TrajectoryController([1.0, -1.0], now=5.0)
    times = np.array([0.1, 0.3, 0.6])
    acceleration = np.array([2.0, -4.0])
    way = [1.0, -1.0] + 0.5 * acceleration * times[:, None] ** 2
    controller.replace(5.0, times, way, acceleration * times[:, None])
    positions, velocities = run(controller, 5.0, 0.598)
    t = STEP_S * np.arange(1, 300)[:, None]
    np.testing.assert_allclose(positions, [1.0, -1.0] + 0.5 * acceleration * t**2, atol=1e-9)
    np.testing.assert_allclose(velocities, acceleration * t, atol=1e-6)
    # At the end it stands, whatever the velocity there.
    positions, velocities = run(controller, 5.598, 0.1)
    np.testing.assert_allclose(positions[-1], way[-1])
    assert not velocities[-1].any()


def test_points_without_velocities_are_joined_by_lines():
    controller = TrajectoryController([0.0], now=0.0)
    controller.replace(0.0, [0.1, 0.2], [[1.0], [0.0]], None)
    positions, velocities = run(controller, 0.0, 0.2)
    np.testing.assert_allclose(positions[[24, 49, 74]], [[0.5], [1.0], [0.5]], atol=1e-9)
    np.testing.assert_allclose(velocities[10], [10.0])


def test_a_new_trajectory_starts_from_the_desired_state():
    controller = TrajectoryController([0.0], now=0.0)
    controller.replace(0.0, [0.1, 0.2], [[0.1], [0.2]], [[1.0], [0.0]])
    before, _ = run(controller, 0.0, 0.1)
    controller.replace(0.1, [0.5], [[-1.0]], [[0.0]])
    after, velocities = run(controller, 0.1, 0.6)
    assert abs(after[0] - before[-1]) < 2 * STEP_S  # goes on at about 1 rad/s
    assert abs(velocities[0] - 1.0) < 0.1
    np.testing.assert_allclose(after[-1], -1.0)
    # One in the future: until then it goes there, and one of the past is jumped into.
    controller.replace(1.0, [0.1], [[0.0]], None)
    np.testing.assert_allclose(run(controller, 0.7, 0.2)[0][-1], -0.5)
    controller.replace(0.5, [0.3, 0.5], [[5.0], [6.0]], None)
    np.testing.assert_allclose(run(controller, 0.9, STEP_S)[0][-1], 5.51)


def test_speed_scaling_slows_and_stops():
    way = [0.2, 0.4], [[0.2], [0.4]], None
    for scaling, reached in ((1.0, 0.2), (0.5, 0.1), (0.0, 0.0)):
        controller = TrajectoryController([0.0], now=0.0)
        controller.replace(0.0, *way)
        np.testing.assert_allclose(run(controller, 0.0, 0.2, scaling)[0][-1], reached, atol=1e-9)


def test_a_stream_that_ends_brakes_within_limits():
    """Commands at 125 Hz with their ways to a standstill, then silence in full motion."""
    limits = JointLimits(
        ("a", "b"),
        np.full(2, -3.0),
        np.full(2, 3.0),
        np.array([0.8, 1.6]),
        np.array([5.0, 5.0]),
    )
    period = 0.008
    position, velocity = np.zeros(2), np.zeros(2)
    controller = TrajectoryController(position, now=0.0)
    all_positions = [position]
    for cycle in range(60):
        position, velocity = limits.move_toward(
            np.array([2.0, -2.0]), np.zeros(2), position, velocity, period
        )
        times, way, speeds = limits.stopping_way(position, velocity)
        controller.replace(
            cycle * period,
            period + np.append(0.0, times),
            np.vstack([position, way]),
            np.vstack([velocity, speeds]),
        )
        all_positions.extend(run(controller, cycle * period, period)[0])
    assert abs(velocity).max() > 1.0
    all_positions.extend(run(controller, 60 * period, 0.5)[0])
    velocities = np.diff(all_positions, axis=0) / STEP_S
    assert (np.abs(velocities) <= limits.velocity + 0.02).all()
    braking = np.diff(velocities[60 * 4 :], axis=0) / STEP_S
    assert (np.abs(braking) <= limits.acceleration + 0.01).all()
    assert not velocities[-1].any()
    stop = position + np.sign(velocity) * velocity**2 / 2 / limits.acceleration
    np.testing.assert_allclose(all_positions[-1], stop, atol=1e-9)


def test_positions_are_held_without_a_time_limit():
    controller = PositionController([1.0, 2.0])
    command = np.array([3.0, 4.0])
    controller.hold(command)
    command[:] = 9.0
    np.testing.assert_array_equal(controller.update(1e6, 0.0), [3.0, 4.0])
