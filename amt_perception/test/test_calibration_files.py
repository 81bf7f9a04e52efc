"""Files of the calibration: pairs, result, what the pipeline takes from it; the commands."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from amt_perception.calibration.__main__ import main
from amt_perception.calibration.camera_pose import camera_pose_numbers, read_camera_pose
from amt_perception.calibration.pairs import load_recording, save_recording
from amt_perception.calibration.result import tf_command
from amt_perception.calibration.synthetic import made_recording, result_error
from amt_perception.errors import AmtError
from amt_perception.pipeline.arguments import complete, numbers

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
ZED = SHARED / "calibration" / "zed_camera_to_robot.json"


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """A folder with pairs.yaml, camera.yaml and residuals.png, and the truth."""
    folder = tmp_path_factory.mktemp("calibration")
    made = made_recording(21, 12)
    save_recording(made.recording, folder / "pairs.yaml")
    words = ["solve", f"{folder}/pairs.yaml", "--out", f"{folder}/camera.yaml"]
    assert main([*words, "--plot", f"{folder}/residuals.png"]) == 0
    return folder, made


def test_pairs_survive_their_file(tmp_path):
    made = made_recording(1, 3)
    recording = replace(made.recording, base_frame="base", flange_frame="palm_link")
    save_recording(recording, tmp_path / "pairs.yaml")
    read = load_recording(tmp_path / "pairs.yaml")
    assert (read.mode, read.board, read.intrinsics) == (
        recording.mode, recording.board, recording.intrinsics,
    )  # fmt: skip
    assert (read.base_frame, read.flange_frame) == ("base", "palm_link")
    for one, other in zip(read.pairs, recording.pairs, strict=True):
        np.testing.assert_allclose(one.flange, other.flange, atol=1e-6)
        np.testing.assert_allclose(one.pixels, other.pixels, atol=1e-3)
        np.testing.assert_array_equal(one.ids, other.ids)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: d.pop("format"), "holds no calibration pairs"),
        (lambda d: d.update(mode="both"), "mode 'both'"),
        (lambda d: d.update(pairs=3), "no list 'pairs'"),
        (lambda d: d["pairs"][1].pop("flange_in_base"), "Pair 1 .* needs flange_in_base"),
        (lambda d: d["pairs"][1]["corners"]["ids"].pop(), "23 corner ids but 24 pixels"),
        (lambda d: d["pairs"][0]["corners"]["pixels"][0].__setitem__(0, float("nan")), "pixel"),
        (lambda d: d["pairs"][0]["corners"]["ids"].__setitem__(0, 99), "is it this board"),
        (
            lambda d: d["pairs"][2]["flange_in_base"].update(quaternion_xyzw=[0, 0, 0, 1.1]),
            "Pair 2 .*length 1.1, not 1",
        ),
        (
            lambda d: d["pairs"][2]["flange_in_base"].update(xyz=[0, 0, float("inf")]),
            "not finite",
        ),
        (lambda d: d["pairs"][2]["flange_in_base"].update(xyz=[0, 0]), "three numbers"),
        (lambda d: d["pairs"].__setitem__(0, 7), "Pair 0 .* mapping"),
        (lambda d: d["board"].update(marker_m=1.0), "smaller than its squares"),
        (lambda d: d["intrinsics"].pop("fx"), "intrinsics"),
    ],
)
def test_wrong_pairs_files_are_one_sentence(tmp_path, change, match):
    path = tmp_path / "pairs.yaml"
    save_recording(made_recording(1, 3).recording, path)
    document = yaml.safe_load(path.read_text())
    change(document)
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(AmtError, match=match) as error:
        load_recording(path)
    assert "\n" not in str(error.value)


def test_missing_and_foreign_files(tmp_path, capsys):
    assert main(["solve", str(tmp_path / "none.yaml"), "--out", str(tmp_path / "out.yaml")]) == 1
    assert "No such file" in capsys.readouterr().err
    (tmp_path / "bad.yaml").write_text(": : :")
    assert main(["solve", str(tmp_path / "bad.yaml"), "--out", str(tmp_path / "out.yaml")]) == 1
    assert "is not YAML" in capsys.readouterr().err
    assert not (tmp_path / "out.yaml").exists()


def test_result_file(solved):
    folder, made = solved
    document = yaml.safe_load((folder / "camera.yaml").read_text())
    assert (document["parent_frame"], document["camera_frame"]) == (
        "base_link", "camera_optical_frame",
    )  # fmt: skip
    from_quaternion = Rotation.from_quat(document["quaternion_xyzw"]).as_matrix()
    from_rpy = Rotation.from_euler("xyz", document["rpy"]).as_matrix()
    np.testing.assert_allclose(from_quaternion, from_rpy, atol=1e-6)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = from_rpy, document["xyz"]
    turn, shift = result_error(pose, made.camera)
    assert shift < 4.0 * document["uncertainty"]["position_mm"] < 20.0
    assert turn < 4.0 * document["uncertainty"]["rotation_deg"] < 2.0
    assert 0.5 < document["noise"]["corner_px"] < 1.5
    assert document["residuals"]["reprojection_px"] > document["noise"]["corner_px"]
    assert len(document["residuals"]["per_pair"]["translation_mm"]) == 12
    assert (folder / "residuals.png").stat().st_size > 10_000
    x, y, z = document["xyz"]
    command = tf_command(document)
    assert f"--x {x:.6f} --y {y:.6f} --z {z:.6f} --qx" in command
    assert command.endswith("--frame-id base_link --child-frame-id camera_optical_frame")


def test_transform_points_from_camera_to_base(solved):
    """What the camera sees at p_camera is at R p_camera + xyz in the base: the board is there."""
    folder, made = solved
    six = read_camera_pose(folder / "camera.yaml")
    rotation = Rotation.from_euler("xyz", six[3:]).as_matrix()
    for pair, seen in zip(made.recording.pairs, made.boards_in_camera, strict=True):
        in_base = (pair.flange @ made.board)[:3, 3]
        np.testing.assert_allclose(rotation @ seen[:3, 3] + six[:3], in_base, atol=0.012)


def test_pipeline_takes_the_file(solved):
    folder, _ = solved
    path = folder / "camera.yaml"
    given = complete({"camera_pose": str(path)})["camera_pose"]
    np.testing.assert_allclose(numbers(given), read_camera_pose(path), atol=1e-8)
    assert complete({"camera_pose": ""})["camera_pose"] == ""
    with pytest.raises(AmtError, match="pipeline wants it in base;"):
        complete({"camera_pose": str(path), "base_frame": "base"})
    with pytest.raises(AmtError, match="pipeline wants it in left_base_link;"):
        complete({"camera_pose": str(path), "tf_prefix": "left_"})


def test_camera_pose_errors(solved, tmp_path):
    folder, _ = solved
    document = yaml.safe_load((folder / "camera.yaml").read_text())
    path = tmp_path / "camera.yaml"
    for change, match in (
        ({"rpy": [0.0, 0.0, 0.0]}, "rpy and a quaternion that differ"),
        ({"rpy": "up"}, "rpy that is not three numbers"),
        ({"quaternion_xyzw": [1, 1, 1, 1]}, "length 2, not 1"),
        ({"xyz": [0, 0]}, "three numbers"),
        ({"format": "other"}, "no camera pose"),
        ({"mode": "eye_in_hand", "parent_frame": "tool0"}, "camera on the arm"),
    ):
        path.write_text(yaml.safe_dump({**document, **change}))
        with pytest.raises(AmtError, match=match) as error:
            camera_pose_numbers(str(path), "base_link")
        assert "\n" not in str(error.value)
    with pytest.raises(AmtError, match="neither x y z roll pitch yaw nor a file"):
        camera_pose_numbers("camera.yam", "base_link")


def test_mistakes_on_the_command_line(capsys, tmp_path):
    for words, match in (
        (["solve", "pairs.yaml"], "--out"),
        (["solve", "p.yaml", "--out", "c.yaml", "--plot", "c.doc"], "must be one of .png"),
        (["board", f"{tmp_path}/b.png", "--square", "0.1"], "room for"),
        (["board", f"{tmp_path}/b.png", "--dictionary", "DICT_9"], "no marker dictionary"),
        (["board", f"{tmp_path}/b.png", "--square", "nan"], "not a positive number"),
        (["draw"], "invalid choice"),
    ):
        assert main(words) == 1
        error = capsys.readouterr().err
        assert match in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not ZED.is_file(), reason="the shared calibration files are not here")
def test_zed_extrinsics_read_our_way_round():
    """`camera_base_*` of a real calibration is the camera's pose in the base, as our files have it.

    The program that wrote it projects a marker on the end effector by
    p_camera = R^T (p_base - camera_base_pos). Read so, the camera stands upright: its x axis is
    level and its y axis (down in the image) points down. Read as the inverse it hangs upside down.
    """
    entry = json.loads(ZED.read_text())[0]
    rotation = np.array(entry["camera_base_ori"])
    quaternion = Rotation.from_quat(entry["camera_base_quat"]).as_matrix()
    np.testing.assert_allclose(quaternion, rotation, atol=1e-6)  # xyzw, like ours
    right, down, forward = rotation.T
    assert abs(right[2]) < 0.02
    assert down[2] < -0.9
    assert forward[2] < -0.3  # looks down at the table from 0.4 m above the base
    inverse_down = rotation[1]
    assert inverse_down[2] > 0.9

    position = np.array(entry["camera_base_pos"])
    six = [*position, *Rotation.from_matrix(rotation).as_euler("xyz")]
    marker = np.array([0.45, 0.05, 0.2])
    by_them = rotation.T @ (marker - position)
    by_us = Rotation.from_euler("xyz", six[3:]).inv().apply(marker - six[:3])
    np.testing.assert_allclose(by_us, by_them, atol=1e-9)
    assert by_them[2] > 0.3  # in front of the camera
