"""The retargeting benchmark's own measures and motions, without the peers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pinocchio
import pytest
from benchmarks.retargeting import metrics, sequences
from benchmarks.retargeting.collisions import CollisionCheck
from benchmarks.retargeting.dex_peer import SCALING, operator_joints, vector_objective
from benchmarks.retargeting.floor import STRIDE, reachable_floor
from benchmarks.retargeting.hand_urdf import WRIST_LINK, hand_urdf
from benchmarks.retargeting.human_hand import (
    TIPS,
    hand_joints,
    pinch_angles,
    pinch_start,
    tracker_noise,
)
from benchmarks.retargeting.report import summary
from benchmarks.retargeting.robot_points import FINGERS, robot_points, with_arm
from benchmarks.retargeting.timing import WARM_UP_FRAMES, alternate, percentiles_ms
from scipy.spatial.transform import Rotation

from amt_perception.sample.motion import OPEN
from amt_retarget.errors import RetargetError
from amt_retarget.robot.robot import Robot

RATE = 30.0


@pytest.fixture(scope="module")
def robot() -> Robot:
    return Robot.load("ur5e", "right")


@pytest.fixture(scope="module")
def check(robot: Robot) -> CollisionCheck:
    return CollisionCheck(robot)


def waves(times: np.ndarray) -> np.ndarray:
    """[T, 2] two smooth motions that do not repeat within the test."""
    return np.column_stack([np.sin(2.1 * times), 0.5 * np.cos(3.7 * times) + 0.2 * np.sin(times)])


@pytest.mark.parametrize("delay", [0.0, 0.012, 0.087, 0.2, -0.05])
def test_lag_is_found_between_frames(delay: float) -> None:
    times = np.arange(300) / RATE
    lag = metrics.lag_seconds(waves(times - delay), waves(times), RATE)
    assert lag == pytest.approx(delay, abs=0.002)


def test_lag_of_a_low_pass_is_its_group_delay() -> None:
    """y += alpha (x - y) delays a slow motion by (1 - alpha) / alpha frames."""
    reference = waves(0.3 * np.arange(900) / RATE)
    output = reference.copy()
    for t in range(1, len(output)):
        output[t] = output[t - 1] + 0.2 * (reference[t] - output[t - 1])
    lag = metrics.lag_seconds(output[60:], reference[60:], RATE)
    assert lag == pytest.approx(4 / RATE, rel=0.03)


def test_lag_is_nan_where_it_cannot_be_known() -> None:
    still = np.ones((100, 2))
    assert np.isnan(metrics.lag_seconds(still, still, RATE))
    ramp = np.linspace(0, 1, 100)[:, None]
    assert np.isnan(metrics.lag_seconds(ramp - 10.0, ramp, RATE))
    with pytest.raises(ValueError, match="shape"):
        metrics.lag_seconds(ramp, ramp[1:], RATE)


def test_rates_of_polynomials() -> None:
    times = np.arange(50) / RATE
    cubic = np.column_stack([2.0 * times**3, -2.0 * times**3])
    assert metrics.jerk_rms(cubic, RATE) == pytest.approx(12.0)
    square = -1.5 * times[:, None] ** 2
    assert metrics.largest_rate(square, RATE, 2) == pytest.approx(3.0)
    assert metrics.largest_rate(4.0 * times[:, None], RATE, 1) == pytest.approx(4.0)


def test_limit_violations_count_frames() -> None:
    positions = np.zeros((20, 2))
    positions[5, 0] = 1.0 + 1e-6  # a jump: frame 5 is too far, 5 and 6 too fast, 5 to 7 too sudden
    one, many = np.ones(2), np.full(2, 1e9)
    found = metrics.limit_violations(positions, RATE, -one, one, 10 * one, 100 * one)
    assert (found.position, found.velocity, found.acceleration, found.any) == (1, 2, 3, 3)
    found = metrics.limit_violations(positions, RATE, -one, 1.001 * one, many, many)
    assert found.any == 0
    positions[5, 0] = 1.0 + 0.5e-9
    assert metrics.limit_violations(positions, RATE, -one, one, many, many).any == 0


def test_pinches_are_counted_where_the_person_pinches() -> None:
    joints = np.zeros((3, 21, 3))
    joints[:, [8, 12, 16], 0] = 0.1
    joints[0, 8, 0], joints[1, 16, 0] = 0.029, 0.02
    pinches = metrics.human_pinches(joints)
    assert pinches.tolist() == [[True, False, False], [False, False, True], [False] * 3]
    points = np.zeros((3, 4, 3))
    points[:, 1:, 1] = 0.5
    points[0, 1, 1] = 0.025
    assert metrics.closed_share(pinches, points) == 0.5
    assert np.isnan(metrics.closed_share(pinches[2:], points[2:]))


def test_stretch_of_straight_and_bent_fingers(robot: Robot) -> None:
    right_angle = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0]])
    assert metrics.stretch(right_angle) == pytest.approx(np.sqrt(0.5))
    assert metrics.stretch(robot_points(robot, np.zeros((1, 22))).fingers) == pytest.approx(1.0)
    joints = hand_joints(OPEN.angles(), Rotation.identity(), np.zeros(3))
    assert np.all(metrics.stretch(joints[metrics.HUMAN_FINGERS]) > 0.97)


def test_robot_points_are_the_robots_frames(robot: Robot) -> None:
    random = np.random.default_rng(0)
    positions = random.uniform(robot.lower, robot.upper, (3, 22))
    points = robot_points(robot, positions)
    for t, q in enumerate(positions):
        rotation, position = robot.frame_pose(q, robot.palm_frame)
        np.testing.assert_allclose(points.palm_rotation[t], rotation, atol=1e-12)
        for i, finger in enumerate(FINGERS):
            tip_rotation, tip = robot.frame_pose(q, robot.tip_frames[finger])
            np.testing.assert_allclose(points.tips_in_base[t, i], tip, atol=1e-12)
            inside = rotation.T @ (tip - 0.012 * tip_rotation[:, 2] - position)
            np.testing.assert_allclose(points.centres[t, i], inside, atol=1e-12)
    lengths = np.linalg.norm(np.diff(points.fingers, axis=2), axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to([0.054, 0.0384, 0.0387], (3, 3, 3)))


def test_the_hand_alone_is_the_same_hand(robot: Robot, tmp_path: Path) -> None:
    path = tmp_path / "hand.urdf"
    path.write_text(hand_urdf("ur5e", "right"))
    model = pinocchio.buildModelFromUrdf(str(path))
    assert sorted(model.names[1:]) == sorted(robot.hand_joint_names)
    hand = np.random.default_rng(0).uniform(robot.lower[6:], robot.upper[6:])
    q = np.zeros(16)
    for name, value in zip(robot.hand_joint_names, hand, strict=True):
        q[model.joints[model.getJointId(name)].idx_q] = value
    data = model.createData()
    pinocchio.framesForwardKinematics(model, data, q)
    expected = robot_points(robot, with_arm(robot, hand[None])).tips[0]
    tips = [data.oMf[model.getFrameId(f"{finger}_tip")].translation for finger in FINGERS]
    np.testing.assert_allclose(tips, expected, atol=1e-12)
    wrist = data.oMf[model.getFrameId(WRIST_LINK)].translation
    np.testing.assert_allclose(wrist, [0, 0, -0.095], atol=1e-12)


def test_operator_joints_do_not_depend_on_the_pose_of_the_hand() -> None:
    angles = pinch_start("index")
    upright = hand_joints(angles, Rotation.identity(), np.zeros(3))
    expected = operator_joints(upright, "right")
    turned = hand_joints(angles, Rotation.from_rotvec([0.4, -1.0, 2.0]), np.array([0.3, 0.1, 1.0]))
    np.testing.assert_allclose(operator_joints(turned, "right"), expected, atol=1e-12)
    stacked = operator_joints(np.stack([upright, turned]), "right")
    np.testing.assert_allclose(stacked, [expected, expected], atol=1e-12)
    assert expected[9, 2] > 0.05  # fingers along z
    assert expected[5, 1] > expected[13, 1]  # a right hand's index finger on the side of y
    left = operator_joints(upright * [1, -1, 1], "left")
    np.testing.assert_allclose(left, expected * [1, -1, 1], atol=1e-12)


def test_operator_joints_of_the_peers_own_recording(shared_videos: Path) -> None:
    joints = np.load(shared_videos / "hand_right.joints.npz")["joints"].astype(float)
    np.testing.assert_allclose(operator_joints(joints, "right"), joints, atol=1e-6)


def test_vector_objective_is_smooth_l1() -> None:
    joints = np.random.default_rng(0).normal(size=(2, 21, 3))
    vectors = SCALING * joints[:, [4, 8, 12, 16]]
    assert vector_objective(vectors, joints) == pytest.approx([0, 0])
    vectors[0, 0] += [0.01, 0, 0]  # inside beta: d^2 / (2 beta)
    vectors[1, 2] += [0, 0.1, 0]  # outside: d - beta / 2
    assert vector_objective(vectors, joints) == pytest.approx([0.0025 / 4, 0.09 / 4])


def test_collisions_with_the_table_and_between_fingertips(
    robot: Robot, check: CollisionCheck
) -> None:
    assert check.measure(robot.home[None]).depth == pytest.approx(0.0)
    low = robot.home.copy()
    low[1] = 0.0  # the upper arm horizontal: the hand goes through the table
    points = robot_points(robot, low[None])
    lowest = (points.palm_rotation[0] @ points.centres[0].T).T + points.palm_position[0]
    assert check.measure(low[None]).depth[0] >= 0.012 - lowest[:, 2].min() > 0.0

    crossed = robot.home.copy()
    crossed[robot.joint_names.index("index_joint_0")] = -0.3
    crossed[robot.joint_names.index("middle_joint_0")] = 0.3
    for finger in ("index", "middle"):
        for joint, angle in ((1, 0.9), (2, 0.9), (3, 0.6)):
            crossed[robot.joint_names.index(f"{finger}_joint_{joint}")] = angle
    centres = robot_points(robot, crossed[None]).centres[0]
    distance = np.linalg.norm(centres[1] - centres[2])
    assert distance < 0.024
    measured = check.measure(crossed[None])
    assert measured.fingertips[0] >= 0.024 - distance - 1e-4
    assert ("index_link_3", "middle_link_3") in check.pairs_deeper_than(0.001, crossed[None])


def test_floor_of_reachable_and_unreachable_targets(robot: Robot, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    hand = random.uniform(robot.lower[6:], robot.upper[6:], (2 * STRIDE, 16))
    targets = robot_points(robot, with_arm(robot, hand)).tips
    straight = 0.0007 + 0.0164 + 0.054 + 0.0384 + 0.0387
    targets[0, 2] = [0.0, 0.0, straight + 0.1]  # 10 cm beyond the middle finger's reach
    start = np.broadcast_to(robot.home[6:], (1, *hand.shape))
    floor = reachable_floor(robot, targets, start, tmp_path)
    assert floor[0, 2] == pytest.approx(0.1, abs=1e-4)
    assert floor[0, [0, 1, 3]] == pytest.approx(0.0, abs=1e-4)
    assert floor[STRIDE] == pytest.approx(0.0, abs=1e-4)
    assert np.isnan(floor[1]).all()
    np.testing.assert_array_equal(reachable_floor(robot, targets, start, tmp_path), floor)
    assert len(list(tmp_path.iterdir())) == 1


def test_generated_sequences_are_what_they_say() -> None:
    arm = sequences.load("arm_motion", None)
    np.testing.assert_array_equal(arm.joints, sequences.arm_motion().joints)
    assert not np.allclose(arm.joints[:100], sequences.arm_motion(seed=7).joints[:100])
    wrist = arm.joints[:, 0]
    assert np.all(np.ptp(wrist, axis=0) > 0.1)
    speed = np.linalg.norm(np.diff(wrist[::5], axis=0), axis=1) * arm.rate_hz / 5
    assert 0.2 < speed.max() < 1.0

    pinching = sequences.load("pinches", None)
    distances = metrics.pinch_distances(pinching.joints[:, metrics.HUMAN_TIPS])
    closed = np.any(distances < metrics.PINCH_M, axis=1)
    starts = np.count_nonzero(np.diff(closed.astype(int)) == 1)
    assert starts == sequences.PINCHES
    assert 0.2 < closed.mean() < 0.7
    assert np.all(distances.max(axis=0) > 0.06)
    with pytest.raises(RetargetError, match="--data"):
        sequences.load("hand_right", None)
    with pytest.raises(RetargetError, match="does not exist"):
        sequences.load("hand_right", Path("nowhere"))


@pytest.mark.parametrize("finger", ["index", "middle", "ring"])
@pytest.mark.parametrize("distance", [0.015, 0.08])
def test_pinch_angles_put_the_tips_at_a_distance(finger: str, distance: float) -> None:
    angles = pinch_angles(finger, distance, pinch_start(finger))
    joints = hand_joints(angles, Rotation.identity(), np.zeros(3))
    gap = np.linalg.norm(joints[TIPS[finger]] - joints[TIPS["thumb"]])
    assert gap == pytest.approx(distance, abs=0.001)


def test_tracker_noise_has_the_size_it_says() -> None:
    noise = tracker_noise(2000, RATE, 0.002, np.random.default_rng(0))
    assert np.sqrt(np.mean(np.sum(noise**2, axis=-1))) == pytest.approx(0.002, rel=0.03)
    lagged = np.mean(noise[1:] * noise[:-1]) / np.mean(noise**2)
    assert lagged == pytest.approx(0.5 * np.exp(-1 / 3), abs=0.03)


def test_methods_take_turns() -> None:
    calls = []

    def method(name: str, index: int) -> np.ndarray:
        calls.append((name, index))
        return np.array([index])

    frames = WARM_UP_FRAMES + 5
    timed = alternate({name: lambda i, n=name: method(n, i) for name in "ab"}, frames)
    assert calls[:4] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    np.testing.assert_array_equal(timed["b"].outputs[:, 0], np.arange(frames))
    seconds = np.concatenate([np.full(WARM_UP_FRAMES, 9.0), [0.001, 0.002, 0.003]])
    assert percentiles_ms(seconds)["p50"] == pytest.approx(2.0)


def test_summary_takes_ratios_of_one_sequence_and_counts_of_all() -> None:
    def method(jerk: float, closed: float, pinches: int) -> dict[str, object]:
        return {
            "tip_error_person": 2 * jerk,
            "raw_tip_error_person": jerk,
            "raw_above_floor": 0.001,
            "scale": 2.0,
            "lag": 0.1 * jerk,
            "jerk": jerk,
            "limit_violations": {"any": 1},
            "penetrating_frames": 2,
            "pinches": pinches,
            "pinch_closed": 0.5 * closed,
            "pinch_closed_tips": closed,
            "cpu_ms": {"p50": jerk, "p99": 2 * jerk},
        }

    def figures(factor: float, closed: float, pinches: int) -> dict[str, object]:
        jerks = {"vector": 4.0, "dexpilot": 2.0, "position": 5.0, "live": 1.0, "offline": 0.5}
        times = {"cpu_ms": {"p50": 1.0, "p99": 2.0}, "tip_error": 1.0}
        return {
            "methods": {
                name: method(factor * jerk, closed, pinches) for name, jerk in jerks.items()
            },
            "hand_only": {"peer_cpu_ms": {"p50": 9.0, "p99": 9.0}, "objective_ratio": 1.0, **times},
            "collision_cost": 0.001 * factor,
            "step22": dict.fromkeys(("ours", "pink", "mink"), times),
        }

    report = summary({"pinches": figures(2.0, 1.0, 30), "hand_right": figures(1.0, 0.0, 10)})
    assert report["headline_sequence"] == "hand_right"
    assert report["live"]["jerk_ratio"] == 0.25
    assert report["live_against_dexpilot"] == {"lag_ratio": 0.5, "jerk_ratio": 0.5}
    assert report["scaled_tip_error_ratio"] == 0.125
    assert report["scaled_tip_error_ratio_smoothed"] == 0.25
    assert report["above_floor_person_mm"] == 0.5
    assert report["offline"] == {"jerk_ratio": 0.1, "error_ratio": 0.1, "lag_ms": 50.0}
    assert report["limit_violations"] == 4
    assert report["penetrating_frames"] == 8
    assert report["collision_cost_mm"] == 2.0
    assert (report["pinch_closed"], report["pinch_closed_domes"]) == (0.75, 0.375)
    assert report["full"] == {"p50_ms": 2.0, "p99_ms": 4.0}
    assert report["hand_only"]["speedup_p99"] == 4.5
