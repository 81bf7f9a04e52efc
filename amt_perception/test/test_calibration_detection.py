"""The board: printed in its true size, found in images, with and without a lens's distortion."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from amt_perception.calibration.board import BoardSpec, board_image, write_page
from amt_perception.calibration.detection import (
    board_poses,
    detect_board,
    enough_corners,
    undistorted,
)
from amt_perception.calibration.stillness import STILL_TIME_S, Stillness, is_new
from amt_perception.calibration.synthetic import (
    CAMERA,
    made_image,
    made_recording,
    result_error,
)
from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError

CHARUCO = BoardSpec()
GRID = BoardSpec("aruco", 4, 3, 0.06, 0.045)


@pytest.mark.parametrize(("spec", "px"), [(CHARUCO, 0.15), (GRID, 0.5)], ids=["charuco", "aruco"])
def test_board_is_found_where_it_is(spec, px):
    for pose in made_recording(0, 3).boards_in_camera:
        view = detect_board(made_image(spec, pose, CAMERA), spec, CAMERA)
        expected = CAMERA.project(spec.points[view.ids] @ pose[:3, :3].T + pose[:3, 3])
        assert len(view.ids) == len(spec.points)
        assert np.sqrt(((view.pixels - expected) ** 2).mean()) < px
        turn, shift = result_error(view.pose, pose)
        assert turn < 0.6 and shift < 2.0


def test_lens_distortion_is_undone_as_in_the_images():
    camera = Intrinsics(fx=500.0, fy=500.0, cx=321.0, cy=179.0, width=640, height=360)
    lens = replace(camera, distortion=(-0.3, 0.1, 0.001, -0.002, 0.0))
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(np.array([0.4, -0.3, 0.2]))[0]
    pose[:3, 3] = [0.12, 0.03, 0.55]
    pixels = np.stack(np.meshgrid(np.arange(640.0), np.arange(360.0)), axis=-1)
    ideal = undistorted(pixels.reshape(-1, 2), lens).reshape(360, 640, 2).astype(np.float32)
    flat = made_image(CHARUCO, pose, camera)
    raw = cv2.remap(flat, ideal[..., 0], ideal[..., 1], cv2.INTER_LINEAR)
    view = detect_board(raw, CHARUCO, lens)
    turn, shift = result_error(view.pose, pose)
    assert turn < 0.6 and shift < 2.0
    straight = detect_board(lens.undistort(raw), CHARUCO, camera)
    by_id = dict(zip(straight.ids, straight.pixels, strict=True))
    both = [i for i, number in enumerate(view.ids) if number in by_id]
    expected = np.array([by_id[view.ids[i]] for i in both])
    moved = undistorted(view.pixels, lens)[both]
    assert np.abs(view.pixels[both] - expected).max() > 3.0
    assert np.sqrt(((moved - expected) ** 2).mean()) < 0.3


def test_nothing_is_found_where_no_board_is():
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    assert detect_board(noise, CHARUCO, CAMERA) is None
    assert detect_board(noise, GRID, CAMERA) is None
    assert not enough_corners(CHARUCO.points[:5])
    assert not enough_corners(CHARUCO.points[:6])  # one row
    assert enough_corners(CHARUCO.points[:12])


def test_flat_board_has_two_poses_best_first():
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(np.array([0.25, 0.0, 0.0]))[0]
    pose[:3, 3] = [0.0, 0.0, 3.0]  # so far away that both look alike
    pixels = CAMERA.project(CHARUCO.points @ pose[:3, :3].T + pose[:3, 3])
    poses = board_poses(CHARUCO.points, pixels, CAMERA)
    assert len(poses) == 2
    assert result_error(poses[0][0], pose)[0] < 0.01
    assert poses[0][1] < poses[1][1] < 1.0
    assert result_error(poses[1][0], pose)[0] > 5.0


def test_page_has_its_true_size(tmp_path):
    write_page(CHARUCO, tmp_path / "board.png")
    with Image.open(tmp_path / "board.png") as page:
        dots_per_mm = page.info["dpi"][0] / 25.4
        pixels = np.array(page)
    assert pixels.shape[1] / dots_per_mm == pytest.approx(297.0, abs=0.1)
    board = np.argwhere(pixels[: round(195 * dots_per_mm)] < 128)
    height, width = (np.ptp(board, axis=0) + 1) / dots_per_mm
    assert (width, height) == pytest.approx((252.0, 180.0), abs=0.2)
    beside_the_text = round((0.5 * (297.0 - 252.0) + 102.0) * dots_per_mm)
    ruler = np.argwhere(pixels[round(203 * dots_per_mm), :beside_the_text] < 128)
    assert np.ptp(ruler) / dots_per_mm == pytest.approx(100.0, abs=0.3)


def test_boards_that_cannot_be():
    for fields, match in (
        ({"kind": "chess"}, "charuco, aruco"),
        ({"marker_m": 0.04}, "smaller than its squares"),
        ({"columns": 1}, "2 to 50"),
        ({"columns": 20, "rows": 20}, "take a larger dictionary"),
        ({"dictionary": "__file__"}, "no marker dictionary"),
    ):
        with pytest.raises(AmtError, match=match):
            BoardSpec(**fields)


def test_board_frame_is_in_its_middle():
    for spec in (CHARUCO, GRID):
        np.testing.assert_allclose(spec.points.mean(axis=0), 0.0, atol=1e-7)
        height, width = board_image(spec, 2000.0).shape
        assert (width, height) == pytest.approx(tuple(2000.0 * side for side in spec.size_m), abs=1)


def test_robot_must_stand_still_for_a_while():
    stillness, corner = Stillness(), np.array([100.0, 100.0])
    flange = np.eye(4)
    for step in range(8):
        stillness.add(0.1 * step, flange, corner)
    assert STILL_TIME_S <= 0.7 and stillness.still
    moving = flange.copy()
    moving[0, 3] = 2e-3
    stillness.add(0.8, moving, corner)
    assert not stillness.still
    for step in range(9, 22):
        stillness.add(0.1 * step, moving, corner)
    assert stillness.still
    stillness.add(2.2, moving, corner + 5.0)  # the board moves though the robot says that it stands
    assert not stillness.still
    stillness.clear()
    assert not stillness.still
    assert is_new(flange, []) and not is_new(moving, [flange])
