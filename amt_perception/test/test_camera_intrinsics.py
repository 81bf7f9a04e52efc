"""Calibration files and undistortion."""

import os
from pathlib import Path

import numpy as np
import pytest

from amt_perception.camera.intrinsics import Intrinsics, load_intrinsics
from amt_perception.errors import AmtError

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
CALIBRATION = SHARED / "calibration"
needs_calibration = pytest.mark.skipif(
    not CALIBRATION.is_dir(), reason="the shared calibration files are not here"
)

ROS_YAML = """\
image_width: 640
image_height: 480
distortion_model: plumb_bob
camera_matrix: {rows: 3, cols: 3, data: [500, 0, 320, 0, 510, 240, 0, 0, 1]}
distortion_coefficients: {rows: 1, cols: 5, data: [-0.3, 0.1, 0.001, -0.002, 0]}
"""


@needs_calibration
def test_ros_camera_info():
    intrinsics = load_intrinsics(CALIBRATION / "ros_camera_info.yaml")
    assert (intrinsics.fx, intrinsics.fy) == (1168.68, 1169.01)
    assert (intrinsics.cx, intrinsics.cy) == (295.015, 252.247)
    assert (intrinsics.width, intrinsics.height) == (640, 480)
    assert intrinsics.distortion == (-1.04482, 1.59252, -0.0196308, 0.0287906, 0)
    assert not intrinsics.assumed


@needs_calibration
def test_zed_size_follows_from_its_field_of_view():
    path = CALIBRATION / "zed_hd1080_intrinsics.json"
    intrinsics = load_intrinsics(path, "left")
    assert (intrinsics.width, intrinsics.height) == (1920, 1080)
    assert intrinsics.fx == pytest.approx(1057.7323)
    with pytest.raises(AmtError, match="choose one of left, right"):
        load_intrinsics(path)
    with pytest.raises(AmtError, match="has no 'middle'"):
        load_intrinsics(path, "middle")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a camera calibration"),
        ("- 1\n- 2\n", "not a camera calibration"),
        (": : :", "not YAML"),
        (ROS_YAML.replace("plumb_bob", "equidistant"), "equidistant"),
        (ROS_YAML.replace("image_width", "width"), "has no 'image_width'"),
        (ROS_YAML.replace("500, 0, 320, 0, 510", "500"), "not a camera calibration"),
    ],
)
def test_bad_calibration_is_one_sentence(tmp_path, text, message):
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    with pytest.raises(AmtError, match=message) as error:
        load_intrinsics(path)
    assert "\n" not in str(error.value)


def test_missing_calibration(tmp_path):
    with pytest.raises(AmtError, match="No such file"):
        load_intrinsics(tmp_path / "none.yaml")


def test_undistort_moves_a_dot_to_its_projection(tmp_path):
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "camera.yaml"
    path.write_text(ROS_YAML)
    intrinsics = load_intrinsics(path)
    point = np.array([0.3, -0.2, 1.0])
    distorted, _ = cv2.projectPoints(
        point, np.zeros(3), np.zeros(3), intrinsics.matrix, np.array(intrinsics.distortion)
    )
    image = np.zeros((480, 640, 3), np.uint8)
    u, v = np.round(distorted.ravel()).astype(int)
    image[v - 1 : v + 2, u - 1 : u + 2] = 255
    found = np.argwhere(intrinsics.undistort(image)[..., 0] > 128).mean(axis=0)[::-1]
    assert np.linalg.norm(distorted.ravel() - intrinsics.project(point)) > 5.0
    np.testing.assert_allclose(found, intrinsics.project(point), atol=1.0)


def test_undistort_refuses_another_size():
    intrinsics = Intrinsics.from_field_of_view(640, 480)
    with pytest.raises(AmtError, match="640x480 but the image is 320x240"):
        intrinsics.undistort(np.zeros((240, 320, 3), np.uint8))
    image = np.zeros((480, 640, 3), np.uint8)
    assert intrinsics.undistort(image) is image
