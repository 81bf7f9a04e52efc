"""`python -m amt_retarget.grasp`: its files, its table, and every mistake that a user can make."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from amt_retarget.grasp.__main__ import main
from amt_retarget.grasp.sequence import read_joints

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
SEQUENCE = SHARED / "sequences" / "dexmv_mustard.npz"
BOTTLE = SHARED / "meshes" / "ycb_006_mustard_bottle.obj"


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    """Two frames of a hand that is far from its object; in the second the object is missing."""
    joints = np.zeros((2, 21, 3))
    for finger in range(5):
        base = np.array([0.03 * (2 - finger), 0.0, 0.09])
        for bone in range(4):
            joints[:, 1 + 4 * finger + bone] = base + np.array([0.0, 0.0, 0.02 * bone])
    pose = np.eye(3, 4)
    pose[:, 3] = [1.0, 0.0, 0.0]
    path = tmp_path / "sequence.npz"
    np.savez(path, joints=joints, object_pose=np.stack([pose, np.full((3, 4), np.nan)]))
    return path


@pytest.fixture
def mesh(tmp_path: Path) -> Path:
    path = tmp_path / "tetrahedron.obj"
    path.write_text(
        "v 0 0 0\nv 0.1 0 0\nv 0 0.1 0\nv 0 0 0.1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"
    )
    return path


def test_joints_come_in_the_objects_frame(sequence: Path) -> None:
    joints = read_joints(sequence, 0)
    np.testing.assert_allclose(joints[0], [-1.0, 0.0, 0.0])
    np.testing.assert_allclose(joints[4], [-0.94, 0.0, 0.15])


@pytest.mark.skipif(not SEQUENCE.is_file(), reason="needs the shared data")
def test_two_cameras_see_one_scene() -> None:
    """DexMV's hand, brought into the bottle's frame, is at the bottle once it holds it."""
    distances = [np.linalg.norm(read_joints(SEQUENCE, frame), axis=1).min() for frame in (0, 87)]
    assert distances[0] > 0.3 and distances[1] < 0.08


@pytest.mark.skipif(not SEQUENCE.is_file(), reason="needs the shared data")
def test_files_and_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    main([str(SEQUENCE), "--object", str(BOTTLE), "--frame", "107", "--out", str(out)])
    printed = capsys.readouterr().out
    assert "contact error" in printed and "reached                  yes" in printed
    assert (out / "grasp.png").read_bytes().startswith(b"\x89PNG")
    with np.load(out / "grasp.npz") as saved:
        assert saved["joints"].shape == saved["squeeze"].shape == saved["pre_grasp"].shape == (16,)
        assert list(saved["joint_names"][:2]) == ["index_joint_0", "index_joint_1"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sequence": "none.npz"}, "does not exist"),
        ({"sequence": "tetrahedron.obj"}, "is no sequence"),
        ({"--object": "none.obj"}, "does not exist"),
        ({"--object": "sequence.npz"}, "no mesh"),
        ({"--frame": "2"}, "frames 0 to 1"),
        ({"--frame": "-1"}, "frames 0 to 1"),
        ({"--frame": "1"}, "missing in frame 1"),
        ({"--frame": "one"}, "--help"),
        ({"--hand": "middle"}, "--help"),
        ({"--touch": "-3"}, "more than 0 mm"),
        ({}, "touches nothing"),
    ],
)
def test_mistakes_are_one_sentence(
    sequence: Path, mesh: Path, tmp_path: Path, change: dict[str, str], sentence: str
) -> None:
    options = {"--object": str(mesh), "--frame": "0", "--out": str(tmp_path / "out")}
    paths = {
        k: str(tmp_path / v) if k in ("sequence", "--object") else v for k, v in change.items()
    }
    chosen = paths.pop("sequence", str(sequence))
    arguments = [chosen] + [part for pair in (options | paths).items() for part in pair]
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    message = str(stopped.value)
    assert message.startswith("error: ") and sentence in message and "\n" not in message
    assert not (tmp_path / "out").exists()
