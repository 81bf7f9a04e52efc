"""The whole step from hand to command: exact Jacobians, limits, poses, holds and a real video."""

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
from amt_retarget.safety.state import NO_REASON, Reason

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
VIDEO_JOINTS = SHARED / "videos" / "hand_right.joints.npz"
FRAME_S = 1.0 / 30.0
FULL_SPEED = RetargetSettings(arm_velocity_scale=1.0, ramp_time_s=0.0)


def make_hand(curl: float = 0.2) -> np.ndarray:
    """[21, 3] an upright right hand, palm to x, fingers bent by `curl` rad at every joint."""
    joints = np.zeros((21, 3))
    thumb = np.cumsum(
        [[0.01, 0.03, 0.02], [0.005, 0.025, 0.02], [0.0, 0.02, 0.02], [0, 0.015, 0.02]], 0
    )
    joints[1:5] = thumb
    angles = curl * np.arange(1, 4)
    bones = np.array([0.045, 0.025, 0.022])[:, None]
    steps = bones * np.column_stack([np.sin(angles), np.zeros(3), np.cos(angles)])
    for finger, y in enumerate((0.025, 0.0, -0.020, -0.040)):
        first = 5 + 4 * finger
        joints[first] = [0.0, y, 0.09]
        joints[first + 1 : first + 4] = joints[first] + np.cumsum(steps, axis=0)
    return joints


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


@pytest.mark.parametrize("robot_side", ["right", "left"])
@pytest.mark.parametrize("human_side", [Side.RIGHT, Side.LEFT])
def test_open_hand_opens_the_robot_hand_with_the_palm_the_same_way(robot_side, human_side):
    robot = Robot.load("ur5e", robot_side)
    retargeter = engaged(robot)
    joints = make_hand() * ([1.0, 1.0, 1.0] if human_side == Side.RIGHT else [1.0, -1.0, 1.0])
    result = follow(retargeter, joints, human_side)
    rotation, wrist = retargeter.kernel.palm(result.positions)
    np.testing.assert_allclose(rotation, np.eye(3), atol=1e-3)
    np.testing.assert_allclose(wrist, retargeter.kernel.palm(robot.home)[1], atol=1e-3)
    tips = retargeter.kernel.vectors(result.positions)[:4]
    assert np.all(tips[1:, 2] > 0.10)  # fingers up
    thumb_side = 1.0 if robot_side == "right" else -1.0
    assert thumb_side * tips[0, 1] > 0.08  # thumb out, on its own side
    assert np.max(result.tip_residual) < 0.02


def test_fist_closes_every_finger(robot):
    stretched = follow(engaged(robot), make_hand(curl=0.1)).positions[6:18].reshape(3, 4)
    fist = follow(engaged(robot), make_hand(curl=1.2)).positions[6:18].reshape(3, 4)
    assert np.all(fist[:, 1:].sum(axis=1) > stretched[:, 1:].sum(axis=1) + 1.5)


@pytest.mark.parametrize("finger", [1, 2, 3])
def test_pinch_closes(robot, finger):
    joints = make_hand(curl=0.9)
    tip = 4 * finger + 4
    middle = 0.5 * (joints[4] + joints[tip]) + [0.01, 0.0, 0.0]
    joints[4], joints[tip] = middle, middle + np.array([0.0, 0.0, 0.012])
    result = follow(engaged(robot), joints)
    centres = HandArmKinematics(robot)(result.positions).centres
    gap = np.linalg.norm(centres[finger] - centres[0])
    assert gap == pytest.approx(2 * FINGERTIP_RADIUS_M, abs=0.002)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("angle", [np.pi / 2, np.pi, -0.99 * np.pi])
def test_any_orientation_is_reached_with_the_elbow_up(robot, axis, angle):
    rotation = Rotation.from_rotvec(angle * np.eye(3)[axis]).as_matrix()
    result = follow(engaged(robot), make_hand() @ rotation.T, steps=240)
    now = HandArmKinematics(robot)(result.positions)
    error = Rotation.from_matrix(now.rotation @ rotation.T).magnitude()
    assert np.degrees(error) < 0.5
    assert result.positions[robot.joint_names.index("elbow_joint")] > 0.1


def test_wrist_follows_and_stays_in_the_workspace(robot):
    settings = replace(FULL_SPEED, workspace_min=(-1.0, -1.0, 0.3))
    retargeter = engaged(robot, settings)
    start = HandArmKinematics(robot)(robot.home).wrist
    follow(retargeter, make_hand(), steps=1)
    result = follow(retargeter, make_hand() + np.array([0.05, -0.1, 0.1]))
    np.testing.assert_allclose(
        HandArmKinematics(robot)(result.positions).wrist,
        start + np.array([0.05, -0.1, 0.1]),
        atol=1e-3,
    )
    result = follow(retargeter, make_hand() - [0.0, 0.0, 2.0])
    assert HandArmKinematics(robot)(result.positions).wrist[2] == pytest.approx(0.3, abs=1e-3)


def test_a_target_out_of_reach_does_not_straighten_the_elbow(robot):
    retargeter = engaged(robot, replace(FULL_SPEED, workspace_max=(2.0, 1.0, 1.2)))
    elbow = robot.joint_names.index("elbow_joint")
    follow(retargeter, make_hand(), steps=1)
    for i in range(90):  # away from the robot at 1 m/s, far beyond its reach
        result = retargeter.step(make_hand() + np.array([i / 30, 0.0, 0.0]), Side.RIGHT, FRAME_S)
        assert result.positions[elbow] >= ELBOW_MARGIN_RAD - 1e-9
    assert "elbow_joint" in result.clamped
    back = follow(retargeter, make_hand())
    np.testing.assert_allclose(
        HandArmKinematics(robot)(back.positions).wrist,
        HandArmKinematics(robot)(robot.home).wrist,
        atol=1e-3,
    )


def test_absolute_mode_goes_to_the_wrist(robot):
    retargeter = engaged(robot, replace(FULL_SPEED, position_mode="absolute"))
    result = follow(retargeter, make_hand() + np.array([0.45, 0.2, 0.4]))
    wrist = HandArmKinematics(robot)(result.positions).wrist
    np.testing.assert_allclose(wrist, [0.45, 0.2, 0.4], atol=1e-3)


def test_ramp_grows_the_speed(robot):
    retargeter = engaged(robot, RetargetSettings(ramp_time_s=1.0))
    limits, ramps = retargeter.limits, []
    for _ in range(40):
        result = retargeter.step(
            make_hand(curl=1.2) + np.array([0.0, 1.0, 0.0]), Side.RIGHT, FRAME_S
        )
        assert np.all(np.abs(result.velocities) <= limits.velocity * result.ramp + 1e-9)
        ramps.append(result.ramp)
    assert ramps[0] == pytest.approx(FRAME_S) and ramps[28] < 1.0 and ramps[-1] == 1.0


def test_hold_brakes_and_a_later_start_does_not_jump(robot):
    settings = RetargetSettings(ramp_time_s=0.5)
    retargeter = engaged(robot, settings)
    follow(retargeter, make_hand(), steps=20)
    follow(retargeter, make_hand() + np.array([0.0, 0.3, 0.0]), steps=15)
    velocities = [np.abs(retargeter.hold(FRAME_S).velocities).max() for _ in range(30)]
    assert velocities[0] > 0.05 and velocities[-1] == 0.0
    assert np.all(np.diff(velocities) <= 0.0)
    held = retargeter.hold(FRAME_S)
    assert np.all(np.isnan(held.tip_residual)) and held.ramp == 0.0

    elsewhere = make_hand() + np.array([0.5, -0.4, 0.2])
    result = follow(retargeter, elsewhere, steps=60)
    kinematics = HandArmKinematics(robot)
    np.testing.assert_allclose(
        kinematics(result.positions).wrist, kinematics(held.positions).wrist, atol=2e-3
    )


def test_a_short_hold_keeps_the_tie_to_the_wrist(robot):
    retargeter = engaged(robot, RetargetSettings(arm_velocity_scale=1.0, ramp_time_s=0.5))
    start = HandArmKinematics(robot)(robot.home).wrist
    follow(retargeter, make_hand(), steps=30)
    for _ in range(4):
        retargeter.hold(FRAME_S)
    result = follow(retargeter, make_hand() + np.array([0.0, 0.1, 0.0]))
    wrist = HandArmKinematics(robot)(result.positions).wrist
    np.testing.assert_allclose(wrist, start + np.array([0.0, 0.1, 0.0]), atol=2e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_joints_that_make_no_hand_hold(robot, bad):
    retargeter = engaged(robot)
    before = follow(retargeter, make_hand())
    result = retargeter.step(np.full((21, 3), bad), Side.RIGHT, FRAME_S)
    assert result.reasons == Reason.INPUT_NOT_FINITE
    np.testing.assert_allclose(result.positions, before.positions, atol=1e-3)
    assert retargeter.step(make_hand(), Side.UNKNOWN, FRAME_S).reasons == Reason.WRONG_SIDE
    assert retargeter.step(make_hand(), Side.RIGHT, FRAME_S).reasons == NO_REASON


def test_random_input_never_breaks_a_limit(robot):
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


def test_same_input_gives_the_same_output(robot):
    first = follow(engaged(robot), make_hand(0.7), steps=10).positions
    retargeter = engaged(robot)
    follow(retargeter, make_hand(0.1) + np.array([0.1, 0.1, 0.1]), steps=10)
    retargeter.reset()
    retargeter.engage(robot.home)
    np.testing.assert_array_equal(follow(retargeter, make_hand(0.7), steps=10).positions, first)


def test_misuse_is_an_error(robot):
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
    retargeter, kinematics = engaged(robot), HandArmKinematics(robot)
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
            centres = kinematics(result.positions).centres
            closed.append(np.linalg.norm(centres[1] - centres[0]) < 0.026)
    assert 1.4 < result.scale < 1.6
    assert np.mean(residuals[30:]) < 0.010
    assert np.all(closed)
