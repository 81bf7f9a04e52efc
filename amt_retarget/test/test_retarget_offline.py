"""Whole sequences: smooth, close, without lag, inside every limit; gaps, errors, the command."""

import os
from pathlib import Path

import numpy as np
import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.hand_frame import Side
from amt_retarget.retarget.offline import retarget_sequence
from amt_retarget.retarget.offline.__main__ import main
from amt_retarget.retarget.offline.banded import BandedMatrix, differences, pulled_back
from amt_retarget.retarget.offline.barrier import difference_bounds, shrunk_into
from amt_retarget.retarget.offline.figures import figures, lag_seconds
from amt_retarget.retarget.offline.goals import at_even_times
from amt_retarget.retarget.offline.problem import smoothing_weights
from amt_retarget.retarget.offline.sequence import inside_limits
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.robot.robot import Robot
from amt_retarget.safety.limits import CommandGuard

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
VIDEO_JOINTS = SHARED / "videos" / "hand_right.joints.npz"
RATE_HZ = 30.0
PEER_JERK, PEER_ERROR_M = 1279.0, 0.0107
"""Of dex-retargeting's offline objective ("position") on the same frames."""

needs_video = pytest.mark.skipif(not VIDEO_JOINTS.is_file(), reason="no shared data")


@pytest.fixture(scope="module")
def robot():
    return Robot.load("ur5e", "right")


@pytest.fixture(scope="module")
def video():
    with np.load(VIDEO_JOINTS) as file:
        return file["joints"].astype(float)


@pytest.fixture(scope="module")
def whole(robot, video):
    return retarget_sequence(robot, video, Side.RIGHT, RATE_HZ)


def waving_hand(frames: int = 90) -> np.ndarray:
    """[T, 21, 3] an upright right hand, palm to x, that curls and stretches once a second."""
    hand = []
    for curl in 0.6 - 0.4 * np.cos(2 * np.pi * np.arange(frames) / RATE_HZ):
        joints = np.zeros((21, 3))
        joints[1:5] = np.cumsum([[0.01, 0.03, 0.02], *[[0.0, 0.02, 0.02]] * 3], 0)
        angles = curl * np.arange(1, 4)
        bones = np.array([0.045, 0.025, 0.022])[:, None]
        steps = bones * np.column_stack([np.sin(angles), np.zeros(3), np.cos(angles)])
        for finger, y in enumerate((0.025, 0.0, -0.020, -0.040)):
            first = 5 + 4 * finger
            joints[first] = [0.0, y, 0.09]
            joints[first + 1 : first + 4] = joints[first] + np.cumsum(steps, axis=0)
        hand.append(joints)
    return np.array(hand)


def refused(trajectory) -> list[str]:
    """What the guard before a real robot has against the trajectory."""
    guard = CommandGuard(RetargetSettings().joint_limits(Robot.load("ur5e", "right")))
    guard.start(trajectory.positions[0])
    checked = [guard.check(q, 1.0 / trajectory.rate_hz) for q in trajectory.positions[1:]]
    return [violation for one in checked for violation in one.violations]


@needs_video
def test_a_real_video_is_smooth_close_and_on_time(robot, video, whole):
    numbers = figures(robot, whole, video)
    assert numbers.jerk <= 0.2 * PEER_JERK
    assert numbers.tip_error_person <= 0.65 * PEER_ERROR_M
    assert abs(numbers.lag) <= 0.005
    assert numbers.pinches > 50
    assert numbers.pinches_closed >= 0.98
    assert numbers.least_slack >= -2e-4
    assert numbers.bridged == 0


@needs_video
def test_a_real_video_keeps_every_limit(whole):
    assert refused(whole) == []
    # It could be stopped at once where it ends, as it started from rest.
    assert np.all(np.abs(whole.velocities[-1]) * RATE_HZ <= whole.limits.acceleration + 1e-6)


@needs_video
def test_gaps_are_bridged_and_the_rest_stays(robot, video, whole):
    joints = video[:200].copy()
    joints[60:80] = np.nan
    joints[:5] = np.nan
    joints[120] += 0.5  # the tracker took something else for the hand
    trajectory = retarget_sequence(robot, joints, Side.RIGHT, RATE_HZ, cutoff_hz=1.75)
    missing = np.zeros(200, dtype=bool)
    missing[60:80] = missing[:5] = missing[120] = True
    np.testing.assert_array_equal(trajectory.seen, ~missing)
    assert np.all(np.isnan(trajectory.tip_residual[missing]))
    assert np.all(np.isfinite(trajectory.tip_residual[~missing]))
    assert refused(trajectory) == []
    away = np.abs(trajectory.positions - whole.positions[:200])
    assert np.mean(away[10:50]) < 0.05 and np.mean(away[90:115]) < 0.05
    gap = trajectory.positions[60:80]
    ends = trajectory.positions[[59, 80]]
    assert np.all(gap > ends.min(axis=0) - 0.3) and np.all(gap < ends.max(axis=0) + 0.3)


def test_a_wrist_faster_than_the_arm_is_followed_on_both_sides_of_its_jump(robot):
    joints = waving_hand(91)
    joints[45:] += [0.0, 0.15, 0.0]  # in one frame: 4.5 m/s
    trajectory = retarget_sequence(robot, joints, Side.RIGHT, RATE_HZ)
    assert refused(trajectory) == []
    use = np.max(np.abs(trajectory.velocities / trajectory.limits.velocity))
    assert 0.9 < use <= 1.0 + 1e-9
    wrist = np.array([robot.frame_pose(q, "palm_link")[1][1] for q in trajectory.positions])
    halfway = np.interp(wrist[0] + 0.075, wrist, np.arange(91))
    assert halfway == pytest.approx(44.5, abs=0.1)  # before the jump as much as after it


def test_the_other_hand_mirrors(robot):
    joints = waving_hand(60)
    right = retarget_sequence(robot, joints, Side.RIGHT, RATE_HZ)
    left = retarget_sequence(
        Robot.load("ur5e", "left"), joints * [1.0, -1.0, 1.0], Side.LEFT, RATE_HZ
    )
    np.testing.assert_allclose(left.tip_residual, right.tip_residual, atol=5e-4)


def test_a_lower_cutoff_is_smoother_and_stays_farther_away(robot):
    joints = waving_hand(90)
    low, high = (
        figures(robot, retarget_sequence(robot, joints, Side.RIGHT, RATE_HZ, cutoff_hz=f), joints)
        for f in (0.7, 3.0)
    )
    assert low.jerk < 0.3 * high.jerk
    assert low.tip_error > 1.5 * high.tip_error


def test_half_of_a_swing_at_the_cutoff_is_left():
    frames, dt, cutoff = 600, 1.0 / RATE_HZ, 2.0
    stiffness = np.array([3.0, 100.0])
    swing = np.sin(2 * np.pi * cutoff * dt * np.arange(frames))[:, None] * [1.0, 1.0]
    matrix = BandedMatrix(frames, 2, 3)
    matrix.add_diagonal(stiffness)
    weights = smoothing_weights(stiffness, cutoff, dt)
    matrix.add_differences(np.broadcast_to(weights, (frames + 3, 2)), 3)
    smooth = matrix.solve(stiffness * swing)
    middle = slice(150, 450)
    np.testing.assert_allclose(smooth[middle], 0.5 * swing[middle], atol=2e-3)


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_banded_matrix_equals_the_dense_one(order):
    random = np.random.default_rng(order)
    frames, joints = 7, 2
    unknowns = frames * joints
    identity = np.eye(unknowns).reshape(unknowns, frames, joints)
    operator = np.array([differences(one, order).ravel() for one in identity]).T
    forces = random.normal(size=(frames + order, joints))
    np.testing.assert_allclose(
        pulled_back(forces, order).ravel(), operator.T @ forces.ravel(), atol=1e-12
    )
    weights = random.uniform(0.5, 2.0, forces.shape)
    blocks = random.normal(size=(frames, joints, joints))
    blocks = blocks @ blocks.swapaxes(1, 2) + np.eye(joints)
    matrix = BandedMatrix(frames, joints, 3)
    matrix.add_blocks(blocks)
    matrix.add_differences(weights, order)
    dense = operator.T @ np.diag(weights.ravel()) @ operator
    for t, block in enumerate(blocks):
        at = slice(t * joints, (t + 1) * joints)
        dense[at, at] += block
    right = random.normal(size=(frames, joints))
    np.testing.assert_allclose(matrix.solve(right).ravel(), np.linalg.solve(dense, right.ravel()))


def test_a_motion_beyond_the_limits_is_shrunk_into_them(robot):
    limits = RetargetSettings().joint_limits(robot)
    wild = robot.home + np.random.default_rng(0).normal(size=(50, 22))
    bounds = difference_bounds(limits, 1.0 / RATE_HZ)
    motion = shrunk_into(bounds, wild)
    for order, (lower, upper) in enumerate(bounds):
        values = differences(motion, order)
        assert np.all(values > lower) and np.all(values < upper)
    np.testing.assert_allclose(shrunk_into(bounds, motion), motion, atol=1e-12)


def test_commands_inside_the_limits_stay_and_others_are_brought_inside(robot):
    limits = RetargetSettings().joint_limits(robot)
    t = np.arange(90)[:, None] / RATE_HZ
    calm = robot.home + 0.05 * (1.0 - np.cos(2.0 * t))
    np.testing.assert_allclose(inside_limits(calm, limits, 1.0 / RATE_HZ), calm, atol=1e-12)
    wild = robot.home + np.random.default_rng(0).normal(size=(90, 22))
    guard = CommandGuard(limits)
    commands = inside_limits(wild, limits, 1.0 / RATE_HZ)
    guard.start(commands[0])
    assert all(guard.check(q, 1.0 / RATE_HZ).accepted for q in commands[1:])


def test_lag_is_the_shift_between_two_motions():
    motion = np.cumsum(np.random.default_rng(0).normal(size=(300, 3)), axis=0)
    assert lag_seconds(motion[:-4], motion[4:], RATE_HZ) == pytest.approx(4 / RATE_HZ, abs=0.003)


def test_uneven_times_are_made_even_and_long_pauses_are_gaps():
    joints = np.arange(6.0)[:, None, None] * np.ones((21, 3))
    even = at_even_times(joints, np.array([0.0, 0.1, 0.15, 0.2, 1.0, 1.1]), 20.0)
    assert even.shape == (23, 21, 3)
    np.testing.assert_allclose(even[:5, 0, 0], [0.0, 0.5, 1.0, 2.0, 3.0], atol=1e-9)
    assert np.all(np.isnan(even[5:20]))
    np.testing.assert_allclose(even[20:, 0, 0], [4.0, 4.5, 5.0], atol=1e-9)
    for times in (np.arange(5.0), np.zeros(6), np.arange(6.0) * 1e9):
        with pytest.raises(RetargetError, match="times"):
            at_even_times(joints, times, 20.0)


@pytest.mark.parametrize(
    ("joints", "rate", "cutoff", "message"),
    [
        (np.zeros((5, 20, 3)), 30.0, 1.7, "shape"),
        (np.full((5, 21, 3), np.nan), 30.0, 1.7, "No frame holds a hand"),
        (waving_hand(5), 0.0, 1.7, "rate"),
        (waving_hand(5), np.nan, 1.7, "rate"),
        (waving_hand(5), 30.0, 20.0, "cutoff"),
    ],
)
def test_mistakes_are_told_in_one_sentence(robot, joints, rate, cutoff, message):
    with pytest.raises(RetargetError, match=message):
        retarget_sequence(robot, joints, Side.RIGHT, rate, cutoff_hz=cutoff)


def test_command_does_the_good_tells_the_bad_and_skips_the_done(tmp_path, capsys):
    joints = waving_hand(30)
    np.savez(tmp_path / "good.npz", joints=joints)
    np.savez(tmp_path / "timed.npz", joints=joints[::2], times=np.arange(15) / 15.0)
    np.savez(tmp_path / "nobody.npz", joints=np.full_like(joints, np.nan))
    np.savez(tmp_path / "keyless.npz", hands=joints)
    np.savez(tmp_path / "flat.npz", joints=joints[0])
    (tmp_path / "torn.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:500])
    names = ["good", "timed", "nobody", "keyless", "flat", "torn", "absent"]
    out = tmp_path / "out"
    arguments = [*(str(tmp_path / f"{name}.npz") for name in names), "--out", str(out)]
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--jobs", "2"])
    assert stopped.value.code == 1
    said = capsys.readouterr()
    for name in names[2:]:
        assert sum(f"error: {tmp_path / name}.npz: " in line for line in said.err.splitlines()) == 1
    assert "Traceback" not in said.err
    files = {"good.npz", "good.png", "timed.npz", "timed.png"}
    assert {path.name for path in out.iterdir()} == files
    with np.load(out / "good.npz") as result:
        assert result["positions"].shape == (30, 22)
        assert list(result["names"]) == list(Robot.joint_names)
        assert result["figure_jerk"] > 0.0
    with np.load(out / "timed.npz") as result:
        assert result["positions"].shape == (29, 22)
        np.testing.assert_allclose(np.diff(result["times"]), 1 / 30)

    before = (out / "good.npz").stat().st_mtime_ns
    main([arguments[0], "--out", str(out)])
    assert "done before" in capsys.readouterr().out
    assert (out / "good.npz").stat().st_mtime_ns == before
    main([arguments[0], "--out", str(out), "--cutoff", "3"])
    assert (out / "good.npz").stat().st_mtime_ns > before


def test_command_never_overwrites_a_recording(tmp_path, capsys):
    path = tmp_path / "hand.npz"
    np.savez(path, joints=waving_hand(10))
    before = path.read_bytes()
    with pytest.raises(SystemExit):
        main([str(path), "--out", str(tmp_path)])
    assert "would replace it" in capsys.readouterr().err
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.npz", "b/a.npz"], "named a"),
        (["a.npz", "--jobs", "0"], "--jobs"),
        (["a.npz", "--robot", "ur3"], "--robot"),
    ],
)
def test_command_line_mistakes_end_in_one_sentence(arguments, message):
    with pytest.raises(SystemExit, match=message):
        main(arguments)
