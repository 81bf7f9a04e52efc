"""The whole step from hand to command: poses, limits, holds and a real video."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.hand_frame import Side, hand_frame
from amt_retarget.retarget.kinematics import FINGERTIP_RADIUS_M
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.retarget.solver import ELBOW_MARGIN_RAD, Retargeter
from amt_retarget.robot.robot import Robot
from amt_retarget.safety.limits import CommandGuard
from amt_retarget.safety.plausibility import OUT_OF_REACH_S, REACH_M, SETTLED_S
from amt_retarget.safety.state import NO_REASON, Reason

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
VIDEO_JOINTS = SHARED / "videos" / "hand_right.joints.npz"
FRAME_S = 1.0 / 30.0
GAPS = slice(4, 7)
"""The kernel's vectors from the thumb to the other fingers."""
FULL_SPEED = RetargetSettings(arm_velocity_scale=1.0, ramp_time_s=0.0)


@pytest.fixture(scope="module")
def robot() -> Robot:
    return Robot.load("ur5e", "right")


def engaged(robot: Robot, settings: RetargetSettings = FULL_SPEED) -> Retargeter:
    retargeter = Retargeter(robot, settings)
    retargeter.engage(robot.home)
    return retargeter


def follow(retargeter: Retargeter, joints: np.ndarray, side: Side = Side.RIGHT, steps: int = 120):
    for _ in range(steps):
        result = retargeter.step(joints, side, FRAME_S)
    return result


def move(retargeter: Retargeter, joints: np.ndarray, way: np.ndarray, seconds: float):
    """The hand goes this way evenly; every result."""
    steps = round(seconds / FRAME_S)
    hands = [joints + way * i / steps for i in range(1, steps + 1)]
    return [retargeter.step(hand, Side.RIGHT, FRAME_S) for hand in hands]


def wrist(retargeter: Retargeter, positions: np.ndarray) -> np.ndarray:
    return retargeter.kernel.palm(positions)[1]


@pytest.mark.parametrize("robot_side", ["right", "left"])
@pytest.mark.parametrize("human_side", [Side.RIGHT, Side.LEFT])
def test_open_hand_opens_the_robot_hand_with_the_palm_the_same_way(
    robot_side, human_side, make_hand
):
    robot = Robot.load("ur5e", robot_side)
    retargeter = engaged(robot)
    joints = make_hand() * ([1.0, 1.0, 1.0] if human_side == Side.RIGHT else [1.0, -1.0, 1.0])
    result = follow(retargeter, joints, human_side)
    rotation, position = retargeter.kernel.palm(result.positions)
    np.testing.assert_allclose(rotation, np.eye(3), atol=1e-3)
    np.testing.assert_allclose(position, wrist(retargeter, robot.home), atol=1e-3)
    tips = retargeter.kernel.vectors(result.positions)[:4]
    assert np.all(tips[1:, 2] > 0.10)  # fingers up
    thumb_side = 1.0 if robot_side == "right" else -1.0
    assert thumb_side * tips[0, 1] > 0.08  # thumb out, on its own side
    assert np.max(result.tip_residual) < 0.02


def test_fist_closes_every_finger(robot, make_hand):
    stretched = follow(engaged(robot), make_hand(curl=0.1)).positions[6:18].reshape(3, 4)
    fist = follow(engaged(robot), make_hand(curl=1.2)).positions[6:18].reshape(3, 4)
    assert np.all(fist[:, 1:].sum(axis=1) > stretched[:, 1:].sum(axis=1) + 1.5)


@pytest.mark.parametrize("finger", [1, 2, 3])
def test_pinch_closes(robot, finger, make_hand):
    joints = make_hand(curl=0.9)
    tip = 4 * finger + 4
    place = 0.25 * joints[4] + 0.75 * joints[tip] + [0.01, 0.0, 0.0]
    joints[4], joints[tip] = place, place + np.array([0.0, 0.0, 0.012])
    retargeter = engaged(robot)
    result = follow(retargeter, joints)
    gaps = np.linalg.norm(retargeter.kernel.vectors(result.positions)[GAPS], axis=1)
    assert gaps[finger - 1] == pytest.approx(2 * FINGERTIP_RADIUS_M, abs=0.001)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("angle", [np.pi / 2, np.pi, -0.99 * np.pi])
def test_any_orientation_is_reached_with_the_elbow_up(robot, axis, angle, make_hand):
    """Where the arm is in its own way, with it out of mind."""
    blocked = (axis, angle) in [(0, np.pi / 2), (1, -0.99 * np.pi)]
    retargeter = engaged(robot, replace(FULL_SPEED, avoid_collisions=not blocked))
    rotation = Rotation.from_rotvec(angle * np.eye(3)[axis]).as_matrix()
    result = follow(retargeter, make_hand() @ rotation.T, steps=240)
    now, _ = retargeter.kernel.palm(result.positions)
    assert np.degrees(Rotation.from_matrix(now @ rotation.T).magnitude()) < 0.5
    assert result.positions[robot.joint_names.index("elbow_joint")] > 0.1


def test_wrist_follows_and_stays_in_the_workspace(robot, make_hand):
    settings = replace(FULL_SPEED, workspace_min=(-1.0, -1.0, 0.3))
    retargeter = engaged(robot, settings)
    start, way = wrist(retargeter, robot.home), np.array([0.05, -0.1, 0.1])
    follow(retargeter, make_hand(), steps=1)
    result = follow(retargeter, make_hand() + way)
    np.testing.assert_allclose(wrist(retargeter, result.positions), start + way, atol=1e-3)
    results = move(retargeter, make_hand() + way, np.array([0.0, 0.0, -2.0]), seconds=4.0)
    assert results[-1].reasons == NO_REASON
    assert wrist(retargeter, results[-1].positions)[2] == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_position_scale_is_the_way_of_the_wrist(robot, scale, make_hand):
    retargeter = engaged(robot, replace(FULL_SPEED, position_scale=scale))
    start, way = wrist(retargeter, robot.home), np.array([0.03, -0.05, 0.04])
    follow(retargeter, make_hand(), steps=1)
    result = follow(retargeter, make_hand() + way)
    reached = wrist(retargeter, result.positions)
    np.testing.assert_allclose(reached, start + scale * way, atol=1e-3)


@pytest.mark.parametrize("mode", ["relative", "absolute"])
@pytest.mark.parametrize("ramp", [0.0, 1.0])
def test_a_target_out_of_reach_is_given_up_and_taken_up_again(robot, mode, ramp, make_hand):
    """1 m away from the robot in 1 s, and back after 3 s: the elbow stays bent, nothing jumps."""
    settings = RetargetSettings(
        ramp_time_s=ramp, position_mode=mode, workspace_max=(3.0, 1.0, 1.2), arm_velocity_scale=1.0
    )
    retargeter = engaged(robot, settings)
    guard = CommandGuard(retargeter.limits)
    guard.start(robot.home)
    elbow = robot.joint_names.index("elbow_joint")
    joints, way = make_hand() + wrist(retargeter, robot.home), np.array([1.0, 0.0, 0.0])
    near = move(retargeter, joints, np.zeros(3), seconds=2.0)
    out = move(retargeter, joints, way, seconds=1.0)
    waiting = move(retargeter, joints + way, np.zeros(3), seconds=3.0)
    back = move(retargeter, joints + way, -way, seconds=2.0)
    there = move(retargeter, joints, np.zeros(3), seconds=4.0)

    reasons = [result.reasons for result in out + waiting]
    lost = reasons.index(Reason.TARGET_UNREACHABLE)
    assert set(reasons) == {NO_REASON, Reason.TARGET_UNREACHABLE}
    outside = [
        np.linalg.norm(wrist(retargeter, result.goal) - wrist(retargeter, robot.home) - way * share)
        for result, share in zip(out, np.linspace(0.0, 1.0, 31)[1:], strict=True)
    ]
    first = int(np.argmax(np.array(outside) > REACH_M))
    assert lost - first == pytest.approx(OUT_OF_REACH_S / FRAME_S, abs=1.01)
    for result in near + out + waiting + back + there:
        checked = guard.check(result.positions, FRAME_S)
        assert checked.accepted, checked.violations
        assert result.positions[elbow] >= ELBOW_MARGIN_RAD - 1e-9
    if mode == "absolute":
        assert waiting[-1].reasons == Reason.TARGET_UNREACHABLE
        assert np.max(np.abs(waiting[-1].velocities)) == pytest.approx(0.0, abs=1e-9)
        expected = wrist(retargeter, robot.home)
        np.testing.assert_allclose(wrist(retargeter, there[-1].positions), expected, atol=1e-3)
    assert there[-1].reasons == NO_REASON


def test_absolute_mode_goes_to_the_wrist(robot, make_hand):
    retargeter = engaged(robot, replace(FULL_SPEED, position_mode="absolute"))
    result = follow(retargeter, make_hand() + np.array([0.45, 0.2, 0.4]))
    reached = wrist(retargeter, result.positions)
    np.testing.assert_allclose(reached, [0.45, 0.2, 0.4], atol=1e-3)


@pytest.mark.parametrize("ramp", [0.0, 1.0])
@pytest.mark.parametrize("elbow", [1.9, 0.05, -1.2])
def test_the_first_command_is_where_the_robot_stands(robot, ramp, elbow, make_hand):
    """Whatever the hand does, and wherever the elbow is."""
    settings = replace(FULL_SPEED, ramp_time_s=ramp, position_mode="absolute")
    retargeter, measured = Retargeter(robot, settings), robot.home + 0.01
    measured[robot.joint_names.index("elbow_joint")] = elbow
    for first in (
        make_hand(1.2) + np.array([0.3, 0.3, 0.8]),
        make_hand(),
    ):  # engaged again in full motion
        retargeter.engage(measured)
        result = retargeter.step(first, Side.RIGHT, FRAME_S)
        np.testing.assert_allclose(result.positions, measured, atol=1e-6)
        moved = follow(retargeter, first, steps=60)
        assert np.max(np.abs(moved.positions - measured)) > 0.1


def test_ramp_grows_the_speed(robot, make_hand):
    retargeter = engaged(robot, RetargetSettings(ramp_time_s=1.0))
    limits, ramps = retargeter.limits, []
    for _ in range(40):
        result = retargeter.step(make_hand(curl=1.2), Side.RIGHT, FRAME_S)
        assert np.all(np.abs(result.velocities) <= limits.velocity * result.ramp + 1e-9)
        ramps.append(result.ramp)
    assert ramps[0] == pytest.approx(FRAME_S) and ramps[28] < 1.0 and ramps[-1] == 1.0


def test_hold_brakes_and_a_later_start_does_not_jump(robot, make_hand):
    retargeter = engaged(robot, RetargetSettings(ramp_time_s=0.5))
    follow(retargeter, make_hand(), steps=20)
    move(retargeter, make_hand(), np.array([0.0, 0.3, 0.0]), seconds=0.5)
    velocities = [np.abs(retargeter.hold(FRAME_S).velocities).max() for _ in range(30)]
    assert velocities[0] > 0.05 and velocities[-1] < 1e-12
    assert np.all(np.diff(velocities) <= 1e-12)
    held = retargeter.hold(FRAME_S)
    assert np.all(np.isnan(held.tip_residual)) and held.ramp == 0.0

    elsewhere = make_hand() + np.array([0.5, -0.4, 0.2])
    result = follow(retargeter, elsewhere, steps=60)
    stood = wrist(retargeter, held.positions)
    np.testing.assert_allclose(wrist(retargeter, result.positions), stood, atol=2e-3)


def test_a_short_hold_keeps_the_tie_to_the_wrist(robot, make_hand):
    retargeter = engaged(robot, RetargetSettings(arm_velocity_scale=1.0, ramp_time_s=0.5))
    start, way = wrist(retargeter, robot.home), np.array([0.0, 0.1, 0.0])
    follow(retargeter, make_hand(), steps=30)
    for _ in range(4):
        retargeter.hold(FRAME_S)
    result = follow(retargeter, make_hand() + way)
    np.testing.assert_allclose(wrist(retargeter, result.positions), start + way, atol=2e-3)


def test_one_wrong_frame_is_held_and_forgotten(robot, make_hand):
    retargeter = engaged(robot, RetargetSettings(arm_velocity_scale=1.0, ramp_time_s=0.5))
    start, way = wrist(retargeter, robot.home), np.array([0.0, 0.1, 0.0])
    follow(retargeter, make_hand(), steps=30)
    wrong = retargeter.step(make_hand() + np.array([0.5, 0.0, 0.0]), Side.RIGHT, FRAME_S)
    assert wrong.reasons == Reason.INPUT_JUMPED
    result = retargeter.step(make_hand() + way, Side.RIGHT, FRAME_S)
    assert result.reasons == NO_REASON
    result = follow(retargeter, make_hand() + way)
    np.testing.assert_allclose(wrist(retargeter, result.positions), start + way, atol=2e-3)


def test_a_hand_that_jumped_for_good_is_followed_from_there(robot, make_hand):
    retargeter = engaged(robot, RetargetSettings(arm_velocity_scale=1.0, ramp_time_s=1.0))
    before = follow(retargeter, make_hand())
    elsewhere, way = make_hand() + np.array([0.5, -0.4, 0.3]), np.array([0.0, 0.1, 0.0])
    results = move(retargeter, elsewhere, np.zeros(3), seconds=2.0)
    held = [result.reasons == Reason.INPUT_JUMPED for result in results]
    assert sum(held) == pytest.approx(SETTLED_S / FRAME_S, abs=1.01)
    assert not any(held[sum(held) :])
    stood = wrist(retargeter, before.positions)
    for result in results:
        np.testing.assert_allclose(wrist(retargeter, result.positions), stood, atol=1e-3)
    result = follow(retargeter, elsewhere + way)
    np.testing.assert_allclose(wrist(retargeter, result.positions), stood + way, atol=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_joints_that_make_no_hand_hold(robot, bad, make_hand):
    retargeter = engaged(robot)
    before = follow(retargeter, make_hand())
    result = retargeter.step(np.full((21, 3), bad), Side.RIGHT, FRAME_S)
    assert result.reasons == Reason.INPUT_NOT_FINITE
    np.testing.assert_allclose(result.positions, before.positions, atol=1e-3)
    assert retargeter.step(make_hand(), Side.UNKNOWN, FRAME_S).reasons == Reason.WRONG_SIDE
    assert retargeter.step(make_hand(), Side.RIGHT, FRAME_S).reasons == NO_REASON


def test_random_input_never_breaks_a_limit(robot, make_hand):
    random = np.random.default_rng(2)
    settings = RetargetSettings(ramp_time_s=0.3)
    retargeter = engaged(robot, settings)
    guard = CommandGuard(settings.joint_limits(robot))
    guard.start(robot.home)
    joints, moved = make_hand(), 0.0
    for _ in range(2000):
        dt = random.uniform(0.005, 0.2)
        if random.random() < 0.2:
            turn = Rotation.random(random_state=random).as_matrix()
            joints = make_hand(random.uniform(0.0, 1.6)) @ turn.T + random.normal(0.0, 2.0, 3)
        noisy = joints + random.normal(0.0, 0.01, (21, 3))
        if random.random() < 0.05:
            noisy[random.integers(21)] = random.choice([np.nan, np.inf, 1e12])
        if random.random() < 0.1:
            result = retargeter.hold(dt)
        else:
            result = retargeter.step(noisy, random.integers(1, 3), dt)
        checked = guard.check(result.positions, dt)
        assert checked.accepted, checked.violations
        assert np.all(result.positions >= robot.lower) and np.all(result.positions <= robot.upper)
        np.testing.assert_allclose(checked.velocities, result.velocities, atol=1e-9)
        moved = max(moved, np.abs(result.velocities).max())
    assert moved > 1.0


def test_same_input_gives_the_same_output(robot, make_hand):
    first = follow(engaged(robot), make_hand(0.7), steps=10).positions
    retargeter = engaged(robot)
    follow(retargeter, make_hand(0.1) + np.array([0.1, 0.1, 0.1]), steps=10)
    retargeter.reset()
    retargeter.engage(robot.home)
    np.testing.assert_array_equal(follow(retargeter, make_hand(0.7), steps=10).positions, first)


def test_misuse_is_an_error(robot, make_hand):
    retargeter = Retargeter(robot, FULL_SPEED)
    with pytest.raises(RetargetError, match="engage"):
        retargeter.step(make_hand(), Side.RIGHT, FRAME_S)
    with pytest.raises(RetargetError, match="22 finite"):
        retargeter.engage(np.full(22, np.nan))
    retargeter.engage(robot.home)
    for dt in (0.0, 0.5, np.nan):
        with pytest.raises(RetargetError, match="step must take"):
            retargeter.hold(dt)
    with pytest.raises(ValueError, match="shape"):
        retargeter.step(np.zeros((20, 3)), Side.RIGHT, FRAME_S)


@pytest.mark.skipif(not VIDEO_JOINTS.is_file(), reason="needs the shared hand_right.joints.npz")
def test_real_video_is_followed_closely(robot):
    video = np.load(VIDEO_JOINTS)["joints"].astype(float)
    retargeter = engaged(robot)
    guard = CommandGuard(retargeter.limits)
    guard.start(robot.home)
    residuals, closed = [], []
    for i, joints in enumerate(video):
        result = retargeter.step(joints, Side.RIGHT, FRAME_S)
        assert guard.check(result.positions, FRAME_S).accepted
        residuals.append(result.tip_residual)
        tips = hand_frame(joints, Side.RIGHT).tips
        if 318 <= i <= 333:  # index finger and thumb pinch
            assert np.linalg.norm(tips[1] - tips[0]) < 0.030
            gap = np.linalg.norm(retargeter.kernel.vectors(result.positions)[GAPS][0])
            closed.append(gap < 0.026)
    assert 1.3 < result.scale < 1.5
    assert np.mean(residuals[30:]) < 0.012
    assert np.all(closed)
