"""Limits hold for any sequence of steps; the guard lets nothing else through."""

import numpy as np
import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.safety.limits import KNOT_GAP_S, CommandGuard, JointLimits


def make_limits() -> JointLimits:
    return JointLimits(
        names=("slow", "fast", "narrow"),
        lower=np.array([-3.0, -0.5, 0.1]),
        upper=np.array([3.0, 1.7, 0.4]),
        velocity=np.array([0.8, 7.0, 3.0]),
        acceleration=np.array([5.0, 100.0, 2.0]),
    )


def assert_within_limits(limits, before, velocity_before, after, dt) -> np.ndarray:
    """Checks a step with nothing but the definition of the limits; returns its velocity."""
    velocity = (after - before) / dt
    assert np.all(after >= limits.lower - 1e-9)
    assert np.all(after <= limits.upper + 1e-9)
    assert np.all(np.abs(velocity) <= limits.velocity + 1e-9)
    assert np.all(np.abs(velocity - velocity_before) <= limits.acceleration * dt + 1e-9)
    return velocity


def test_twenty_thousand_random_steps_keep_every_limit():
    limits, random = make_limits(), np.random.default_rng(0)
    positions, velocities = np.array([0.0, 0.0, 0.2]), np.zeros(3)
    for _ in range(20_000):
        dt = random.uniform(0.005, 0.2)
        if random.random() < 0.1:
            new, reported = limits.brake(positions, velocities, dt)
        else:
            new, reported = limits.move_toward(
                goal=random.uniform(-4.0, 4.0, 3),
                goal_velocity=random.normal(0.0, 5.0, 3),
                positions=positions,
                velocities=velocities,
                dt=dt,
                speed=random.choice([0.0, 0.1, 1.0]),
                together=slice(0, 2),
            )
        velocity = assert_within_limits(limits, positions, velocities, new, dt)
        np.testing.assert_allclose(reported, velocity, atol=1e-12)
        positions, velocities = new, reported


@pytest.mark.parametrize("dt", [0.005, 0.033, 0.2])
def test_a_goal_at_rest_is_reached_without_overshoot(dt):
    limits = make_limits()
    goal = np.array([1.0, -0.45, 0.39])
    positions, velocities = np.array([0.0, 1.5, 0.2]), np.zeros(3)
    direction = np.sign(goal - positions)
    for _ in range(round(6.0 / dt)):
        positions, velocities = limits.move_toward(goal, np.zeros(3), positions, velocities, dt)
        assert np.all(direction * (goal - positions) >= -1e-12)
    np.testing.assert_allclose(positions, goal, atol=1e-3)


def test_a_goal_in_steady_motion_is_followed_without_lag():
    limits, dt = make_limits(), 0.033
    speed = np.array([0.5, 0.3, 0.02])
    goal, positions, velocities = np.array([0.0, 0.0, 0.15]), np.array([0.0, 0.0, 0.15]), 0.0
    velocities = np.zeros(3)
    for _ in range(90):
        goal = goal + speed * dt
        positions, velocities = limits.move_toward(goal, speed, positions, velocities, dt)
    np.testing.assert_allclose(positions, goal, atol=1e-6)


def test_joints_moved_together_arrive_together():
    limits = make_limits()
    positions, velocities = np.array([0.0, 0.0, 0.2]), np.zeros(3)
    goal = np.array([2.0, 1.0, 0.2])
    arm = slice(0, 2)
    for _ in range(40):
        positions, velocities = limits.move_toward(
            goal, np.zeros(3), positions, velocities, 0.03, together=arm
        )
    share = positions[arm] / goal[arm]
    assert 0.3 < share[0] < 0.9
    assert share[1] == pytest.approx(share[0], abs=0.05)


def test_a_joint_beyond_its_limit_may_only_come_back():
    limits = make_limits()
    positions, velocities = np.array([0.0, 0.0, -0.05]), np.zeros(3)  # "narrow" starts at 0.1
    travelled = [positions[2]]
    for _ in range(60):
        positions, velocities = limits.move_toward(
            np.array([0.0, 0.0, 0.3]), np.zeros(3), positions, velocities, 0.03
        )
        travelled.append(positions[2])
    assert np.all(np.diff(travelled) >= 0.0)
    assert travelled[-1] == pytest.approx(0.3, abs=1e-3)


def test_wrong_limits_are_named():
    with pytest.raises(RetargetError, match="b needs a velocity limit above zero"):
        JointLimits(("a", "b"), np.zeros(2), np.ones(2), np.array([1.0, 0.0]), np.ones(2))
    with pytest.raises(RetargetError, match="one finite upper"):
        JointLimits(("a",), np.zeros(1), np.array([np.inf]), np.ones(1), np.ones(1))


def test_guard_passes_what_is_within_the_limits():
    limits = make_limits()
    guard = CommandGuard(limits)
    start = np.array([0.0, 0.0, 0.2])
    guard.start(start)
    positions, velocities = start, np.zeros(3)
    for _ in range(200):
        positions, velocities = limits.move_toward(
            np.array([1.0, 1.7, 0.4]), np.zeros(3), positions, velocities, 0.01
        )
        checked = guard.check(positions, 0.01)
        assert checked.accepted, checked.violations
        np.testing.assert_array_equal(checked.positions, positions)


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ([np.nan, 0.0, 0.2], "slow: not finite"),
        ([0.0, 0.0, 0.05], "narrow: position"),
        ([0.1, 0.0, 0.2], "slow: velocity 10"),
        ([0.0, 0.03, 0.2], "fast: acceleration 300"),
        ([0.0, 0.0], "2 joints instead of 3"),
    ],
)
def test_guard_refuses_and_says_why(command, complaint):
    guard = CommandGuard(make_limits())
    start = np.array([0.0, 0.0, 0.2])
    guard.start(start)
    checked = guard.check(np.array(command), 0.01)
    assert not checked.accepted
    assert any(complaint in violation for violation in checked.violations), checked.violations
    np.testing.assert_array_equal(checked.positions, start)


def test_guard_refuses_a_speed_that_cannot_be_stopped_before_the_limit():
    limits = make_limits()
    guard = CommandGuard(limits)
    positions = np.array([0.0, 0.0, 0.2])
    guard.start(positions)
    complaints = []
    for step in range(1, 60):  # accelerates into the limit with 2 rad/s^2
        positions = positions + np.array([0.0, 0.0, 2.0 * 0.01**2 * step])
        complaints += guard.check(positions, 0.01).violations
    assert complaints[0].startswith("narrow: stopping distance")


def test_guard_output_keeps_every_limit_whatever_comes():
    limits, random = make_limits(), np.random.default_rng(1)
    guard = CommandGuard(limits)
    positions, velocities = np.array([0.0, 0.0, 0.2]), np.zeros(3)
    guard.start(positions)
    accepted = 0
    for _ in range(20_000):
        dt = random.uniform(0.005, 0.2)
        if random.random() < 0.8:
            goal = random.uniform(limits.lower, limits.upper)
            command, _ = limits.move_toward(goal, np.zeros(3), positions, velocities, dt)
        else:
            command = random.choice([np.nan, np.inf, 1e9, 1.0]) * random.normal(size=3)
        checked = guard.check(command, dt)
        accepted += checked.accepted
        velocities = assert_within_limits(limits, positions, velocities, checked.positions, dt)
        positions = checked.positions
    assert 15_000 < accepted < 17_000


def test_guard_needs_a_start_and_a_time_step():
    guard = CommandGuard(make_limits())
    with pytest.raises(RetargetError, match="start"):
        guard.check(np.zeros(3), 0.01)
    with pytest.raises(RetargetError, match="joint states"):
        guard.start(np.array([0.0, np.nan, 0.2]))
    guard.start(np.array([0.0, 0.0, 0.2]))
    with pytest.raises(RetargetError, match="time step"):
        guard.check(np.zeros(3), 0.0)


def test_the_way_to_a_standstill_keeps_every_limit():
    """Of random commands that the guard let pass, interpolated cubically as a controller does."""
    limits, random = make_limits(), np.random.default_rng(1)
    guard = CommandGuard(limits)
    positions, velocities = np.array([0.0, 0.0, 0.2]), np.zeros(3)
    guard.start(positions)
    lengths = set()
    for _ in range(500):
        goal = random.uniform(-4.0, 4.0, 3)
        dt = random.choice([0.002, 0.008, 0.05])
        positions, velocities = limits.move_toward(goal, np.zeros(3), positions, velocities, dt)
        assert guard.check(positions, dt).accepted
        times, way, moving = limits.stopping_way(positions, velocities)
        lengths.add(len(times))
        assert np.all(np.diff(times, prepend=0.0) > 0.0)
        if len(times) == 0:
            assert not velocities.any()
            continue
        assert not moving[-1].any()
        p, v = np.vstack([positions, way]), np.vstack([velocities, moving])
        for k, (start, h) in enumerate(
            zip([0.0, *times], np.diff(times, prepend=0.0), strict=False)
        ):
            s = np.linspace(0.0, 1.0, 9)[:, None]
            cubic = (
                (1 + 2 * s) * (1 - s) ** 2 * p[k]
                + s**2 * (3 - 2 * s) * p[k + 1]
                + s * (1 - s) * ((1 - s) * v[k] - s * v[k + 1]) * h
            )
            braking = np.minimum(start + s * h, np.abs(velocities) / limits.acceleration)
            exact = positions + velocities * braking
            exact -= np.copysign(limits.acceleration, velocities) * braking**2 / 2
            # Two joints that come to rest almost together share a moment.
            assert np.all(np.abs(cubic - exact) <= limits.acceleration * KNOT_GAP_S**2)
        assert np.all(way >= limits.lower - 1e-9)
        assert np.all(way <= limits.upper + 1e-9)
        assert np.all(np.abs(way[-1] - positions) <= velocities**2 / 2 / limits.acceleration + 1e-9)
    assert max(lengths) == 3


def test_the_way_to_a_standstill_of_some_joints():
    limits = make_limits()
    positions, velocities = np.array([0.0, 0.0, 0.2]), np.array([0.5, -5.0, 0.0])
    times, way, moving = limits.stopping_way(positions, velocities, slice(0, 2))
    np.testing.assert_allclose(times, [0.05, 0.1])
    np.testing.assert_allclose(way[-1], [0.5**2 / 10, -(5.0**2) / 200])
    np.testing.assert_allclose(moving, [[0.25, 0.0], [0.0, 0.0]])
    assert len(limits.stopping_way(positions, np.zeros(3))[0]) == 0


def test_a_joint_that_hardly_moves_makes_no_knot_of_its_own():
    limits = JointLimits(
        ("a", "b"), np.full(2, -1.0), np.full(2, 1.0), np.full(2, 2.0), np.full(2, 5.0)
    )
    times, way, moving = limits.stopping_way(np.zeros(2), np.array([1e-11, 0.5]))
    assert times.tolist() == [0.1]
    assert moving.tolist() == [[0.0, 0.0]]
    np.testing.assert_allclose(way, [[0.0, 0.025]], atol=1e-12)
    assert len(limits.stopping_way(np.zeros(2), np.array([1e-11, -1e-13]))[0]) == 0
