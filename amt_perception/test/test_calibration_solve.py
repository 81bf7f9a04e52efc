"""Hand-eye calibration on virtual recordings whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from amt_perception.calibration.observations import Observations, read_corners
from amt_perception.calibration.pairs import MODES, Pair, Recording, recording_from_poses
from amt_perception.calibration.solve import solve
from amt_perception.calibration.start import (
    closed_form,
    pose_difference,
    predicted_boards,
    robust_start,
)
from amt_perception.calibration.synthetic import CAMERA, made_recording, result_error
from amt_perception.errors import AmtError

SIGMA = np.repeat([0.01, 0.003], 3)


def rows(poses):
    """[N, 7] position and quaternion of poses [N, 4, 4]."""
    quaternions = Rotation.from_matrix(poses[:, :3, :3]).as_quat()
    return np.hstack([poses[:, :3, 3], quaternions])


def moved(recording, index, shift):
    """The recording with one flange pose moved by shift [3] (m)."""
    pairs = list(recording.pairs)
    flange = pairs[index].flange.copy()
    flange[:3, 3] += shift
    pairs[index] = replace(pairs[index], flange=flange)
    return replace(recording, pairs=pairs)


@pytest.mark.parametrize("mode", MODES)
def test_exact_pairs_give_the_exact_camera(mode):
    made = made_recording(3, 6, mode, pixel_sigma=0.0, position_sigma=0.0)
    solution = solve(made.recording)
    np.testing.assert_allclose(solution.camera, made.camera, atol=1e-6)
    np.testing.assert_allclose(solution.board, made.board, atol=1e-6)
    assert len(solution.kept) == 6
    assert solution.reprojection_px.max() < 1e-3


@pytest.mark.parametrize("mode", MODES)
def test_closed_form(mode):
    made = made_recording(4, 5, mode, pixel_sigma=0.0, position_sigma=0.0)
    observations = Observations(made.recording)
    camera, board = closed_form(observations.a, made.boards_in_camera)
    np.testing.assert_allclose(camera, made.camera, atol=1e-9)
    np.testing.assert_allclose(board, made.board, atol=1e-9)


def test_start_withstands_a_third_of_wrong_pairs():
    made = made_recording(5, 12, pixel_sigma=0.2, position_sigma=5e-4)
    b = made.boards_in_camera.copy()
    b[[1, 4, 7, 10], :3, 3] += [[0.2, 0, 0], [0, -0.3, 0.1], [0.1, 0.1, 0.1], [0, 0, -0.2]]
    observations = Observations(made.recording)
    wrong, _ = closed_form(observations.a, b)
    camera, _ = robust_start(observations.a, b, SIGMA)
    assert result_error(wrong, made.camera)[1] > 25.0
    assert result_error(camera, made.camera)[1] < 10.0


@pytest.mark.parametrize("mode", MODES)
def test_noisy_pairs_and_the_uncertainty_that_is_reported(mode):
    """1 px on each corner, 2 mm on the robot: the errors are small, and as large as is said."""
    surprise, shifts, turns, noises = [], [], [], []
    for seed in range(6):
        made = made_recording(seed, 20, mode)
        solution = solve(made.recording)
        turn, shift = result_error(solution.camera, made.camera)
        turns.append(turn)
        shifts.append(shift)
        noises.append([solution.noise.pixels, solution.noise.position])
        difference = solution.camera[:3, :3] @ made.camera[:3, :3].T
        error = np.hstack(
            [
                Rotation.from_matrix(difference).as_rotvec(),
                solution.camera[:3, 3] - made.camera[:3, 3],
            ]
        )
        surprise.append(error @ np.linalg.solve(solution.covariance, error))
    assert np.median(shifts) < 2.5
    assert np.max(turns) < 0.5
    # Chi-square of 6 a seed: of 36 degrees of freedom, the mean is 6 +- 1.4.
    assert 2.5 < np.mean(surprise) < 10.0
    np.testing.assert_allclose(np.mean(noises, axis=0), [1.0, 2e-3], rtol=0.15)


@pytest.mark.parametrize("mode", MODES)
def test_agrees_with_bundle_adjustment(mode):
    """The same optimum as all corners together with every robot position as unknowns."""
    made = made_recording(11, 8, mode)
    recording = made.recording
    solution = solve(recording)
    assert len(solution.kept) == 8
    pixels, position = solution.noise.pixels, solution.noise.position
    rotation = solution.noise.rotation
    points = recording.board.points

    def residuals(step):
        camera, board = (
            np.block(
                [
                    [
                        Rotation.from_rotvec(part[:3]).as_matrix() @ pose[:3, :3],
                        (pose[:3, 3] + part[3:])[:, None],
                    ],
                    [np.zeros((1, 3)), np.ones((1, 1))],
                ]
            )
            for pose, part in ((made.camera, step[:6]), (made.board, step[6:12]))
        )
        robot = step[12:].reshape(-1, 6)
        errors = [(robot / np.repeat([rotation, position], 3)).ravel()]
        for pair, wrong in zip(recording.pairs, robot, strict=True):
            flange = pair.flange.copy()
            flange[:3, :3] = Rotation.from_rotvec(wrong[:3]).as_matrix() @ flange[:3, :3]
            flange[:3, 3] += wrong[3:]
            a = np.linalg.inv(flange) if mode == "eye_in_hand" else flange
            seen = np.linalg.inv(camera) @ a @ board
            projected = CAMERA.project(points @ seen[:3, :3].T + seen[:3, 3])
            errors.append(((pair.pixels - projected) / pixels).ravel())
        return np.concatenate(errors)

    step = least_squares(residuals, np.zeros(12 + 6 * 8), method="lm", max_nfev=600).x
    expected = made.camera[:3, 3] + step[3:6]
    assert (np.abs(solution.camera[:3, 3] - expected) < 0.15 * solution.sigma_position).all()


@pytest.mark.parametrize("mode", MODES)
def test_robot_noise_is_carried_to_the_board(mode):
    """Against finite differences of the predicted board over turns and shifts of the flange."""
    made = made_recording(12, 3, mode)
    x, y = made.camera, made.board
    observations = Observations(made.recording)
    carried = observations.robot_to_board(x, y)
    before = predicted_boards(x, y, observations.a)
    for column in range(6):
        step = np.zeros(6)
        step[column] = 1e-6
        flanges = observations.flanges.copy()
        flanges[:, :3, :3] = Rotation.from_rotvec(step[:3]).as_matrix() @ flanges[:, :3, :3]
        flanges[:, :3, 3] += step[3:]
        a = np.linalg.inv(flanges) if mode == "eye_in_hand" else flanges
        change = pose_difference(predicted_boards(x, y, a), before) / 1e-6
        np.testing.assert_allclose(carried[:, :, column], change, atol=1e-5)


def test_wrong_pairs_are_left_out_and_named():
    made = made_recording(2, 16)
    recording = moved(moved(made.recording, 3, [0.04, 0.0, 0.0]), 9, [0.0, -0.03, 0.02])
    solution = solve(recording)
    assert {3, 9} <= set(solution.left_out)
    assert len(solution.left_out) <= 3
    assert "contradicts the others" in solution.left_out[3]
    assert result_error(solution.camera, made.camera)[1] < 5.0


def test_corners_of_another_board_are_left_out():
    made = made_recording(6, 12)
    pairs = list(made.recording.pairs)
    pixels = pairs[5].pixels.copy()
    pixels[:8] += np.random.default_rng(0).normal(0.0, 30.0, (8, 2))
    pairs[5] = replace(pairs[5], pixels=pixels)
    solution = solve(replace(made.recording, pairs=pairs))
    assert "corners fit the board with" in solution.left_out[5]


def test_distorted_corners():
    lens = replace(CAMERA, distortion=(-0.3, 0.1, 0.001, -0.002, 0.0))
    made = made_recording(7, 10, pixel_sigma=0.1, position_sigma=1e-4, intrinsics=lens)
    assert result_error(solve(made.recording).camera, made.camera)[1] < 1.0
    straight = solve(replace(made.recording, intrinsics=CAMERA))
    assert straight.noise.pixels > 1.0  # a lens that is ignored shows


@pytest.mark.parametrize("mode", MODES)
def test_poses_without_corners(mode):
    made = made_recording(8, 15, mode)
    corners = read_corners(made.recording)
    boards = np.array([one.poses[0][0] for one in corners])
    flanges = np.array([pair.flange for pair in made.recording.pairs])
    solution = solve(recording_from_poses(rows(flanges), rows(boards), mode))
    assert solution.reprojection_px is None
    assert result_error(solution.camera, made.camera)[1] < 12.0


def refused(recording, match):
    with pytest.raises(AmtError, match=match) as error:
        solve(recording)
    assert "\n" not in str(error.value)


def test_what_cannot_be_solved_is_refused_in_one_sentence():
    made = made_recording(9, 6)
    recording = made.recording
    refused(replace(recording, pairs=recording.pairs[:2]), "at least 3 are needed, 10 or more")

    def turned(vectors):
        pairs = [Pair(np.eye(4), np.eye(4)) for _ in vectors]
        for pair, vector in zip(pairs, vectors, strict=True):
            pair.flange[:3, :3] = Rotation.from_rotvec(vector).as_matrix()
        return Recording("eye_to_hand", pairs)

    one_axis = [[0.0, 0.0, angle] for angle in (0.0, 0.4, 0.9, 1.4)]
    refused(turned(one_axis), "one axis only.*40 degrees or more about at least two axes")
    small = [[0.0, 0.05, 0.0], [0.1, 0.0, 0.0], [0.0, 0.0, 0.1], [0.05, 0.05, 0.0]]
    refused(turned(small), r"turned by only \d+ degrees.*turn it by 40 degrees")


def test_pairs_that_have_nothing_to_do_with_each_other():
    made, other = made_recording(1, 10), made_recording(2, 10)
    pairs = [
        replace(pair, flange=wrong.flange)
        for pair, wrong in zip(made.recording.pairs, other.recording.pairs, strict=True)
    ]
    refused(replace(made.recording, pairs=pairs), "agree with each other")


def test_lists_of_poses_are_checked():
    poses = np.tile([0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], (4, 1))
    for flange, board, match in (
        (poses, poses[:3], "4 poses of the flange but 3 of the board"),
        (poses[:, :6], poses, "flange poses must be rows"),
        (poses, poses * [1, 1, np.nan, 1, 1, 1, 1], "not finite"),
        (poses, poses * [1, 1, 1, 1, 1, 1, 2], "length 2, not 1"),
        (poses, "board", "board poses must be rows"),
    ):
        with pytest.raises(AmtError, match=match):
            recording_from_poses(flange, board)
    with pytest.raises(AmtError, match="choose one of eye_to_hand, eye_in_hand"):
        recording_from_poses(poses, poses, "hand_to_eye")
