"""HO3D in its real layout: what comes back is what the writer knew."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import MANO_TIP_VERTICES, Side
from amt_perception.hand.joints import TIPS as TIP_JOINTS
from amt_perception.hand.skinning import hand_vertices
from amt_perception.model.hand_layer import HandLayer
from amt_training.data.ho3d import Ho3d
from amt_training.data.sample import (
    Entry,
    HandDataset,
    HandSample,
    SampleError,
    UnlabelledError,
)

from .fixtures.hands import MILLIMETRE, SAME, WRIST_COLOUR, project, write_box
from .fixtures.ho3d import CAMERA, OBJECT_CLASS, OBJECT_NAME, TIPS, UNANNOTATED, Truth, write_ho3d

RIGHT = generic_hand(Side.RIGHT)
LAYER = HandLayer(RIGHT)


@pytest.fixture(scope="module", params=["v2", "v3"])
def version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def written(
    version: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Truth]]:
    root = tmp_path_factory.mktemp(f"ho3d_{version}")
    return root, write_ho3d(root, version)


@pytest.fixture(scope="module")
def pairs(version: str, written: tuple[Path, dict[str, Truth]]) -> list[tuple[HandSample, Truth]]:
    """Every annotated sample of the training part, with what the writer knew."""
    data = Ho3d(written[0], version, "train", RIGHT)
    samples = [
        data.sample(index)
        for index, entry in enumerate(data.entries)
        if entry.frame != int(UNANNOTATED)
    ]
    assert [sample.key for sample in samples] == ["ABF10/0000", "ABF10/0007", "SS2/0120"]
    return [(sample, written[1][sample.key]) for sample in samples]


def largest(difference: np.ndarray) -> float:
    return float(np.linalg.norm(difference, axis=-1).max())


def test_joints_are_the_generators(pairs):
    """In the project's order and OpenCV's axes."""
    for sample, truth in pairs:
        assert sample.side == Side.RIGHT
        assert largest(sample.joints - truth.joints) < SAME


def test_fingertips_are_ho3ds(version, written, pairs):
    data = Ho3d(written[0], version, "train", RIGHT)
    assert data.tip_vertices == {Side.RIGHT: TIPS}
    for sample, truth in pairs:
        tips = sample.joints[list(TIP_JOINTS)]
        assert largest(truth.hand.vertices[list(data.tip_vertices[Side.RIGHT])] - tips) < SAME
        assert largest(truth.hand.vertices[list(MANO_TIP_VERTICES)] - tips) > 1.0 * MILLIMETRE


def test_mano_label_gives_the_joints_through_the_network(pairs):
    """The mean is not added a second time, and the hand is turned out of OpenGL's axes."""
    for sample, truth in pairs:
        rotation = torch.tensor(Rotation.from_rotvec(sample.mano.pose).as_matrix())[None]
        joints = LAYER(rotation, torch.tensor(sample.mano.shape)[None]).joints[0].numpy()
        expected = truth.hand.joints21(MANO_TIP_VERTICES)
        assert largest(joints - joints[0] + sample.joints[0] - expected) < SAME
        vertices = hand_vertices(RIGHT, sample.mano.pose, sample.mano.shape, np.zeros(3))
        offset = truth.hand.vertices - vertices
        assert largest(offset - offset[0]) < SAME


def test_camera_picture_and_box_belong_together(pairs):
    for sample, truth in pairs:
        assert np.array_equal(sample.camera, CAMERA)
        assert sample.image.shape == (480, 640, 3)
        pixels = project(truth.joints, CAMERA)
        column, row = np.round(pixels[0]).astype(int)
        difference = sample.image[row, column].astype(int) - np.array(WRIST_COLOUR)
        assert np.abs(difference).max() < 30
        assert np.allclose(sample.hand_box[:2], pixels.min(axis=0), atol=1e-2)
        assert np.allclose(sample.hand_box[2:], np.ptp(pixels, axis=0), atol=1e-2)


def test_object_has_its_class_and_pose(pairs):
    for sample, truth in pairs:
        (one,) = sample.objects
        assert one.class_index == OBJECT_CLASS
        assert np.allclose(one.pose, truth.object_pose, atol=1e-9)
        assert np.linalg.det(one.pose[:3, :3]) == pytest.approx(1.0)


def test_evaluation_knows_the_wrist_and_a_box(version, written):
    data = Ho3d(written[0], version, "evaluation", RIGHT)
    assert [entry.frame for entry in data.entries] == [3, 4]
    assert data.name == f"HO3D {version} evaluation"
    for index in range(2):
        sample = data.sample(index)
        truth = written[1][sample.key]
        assert largest(sample.joints[:1] - truth.joints[:1]) < SAME
        assert np.isnan(sample.joints[1:]).all()
        assert sample.mano is None
        assert np.array_equal(sample.hand_box, truth.box)
        assert np.allclose(sample.objects[0].pose, truth.object_pose)


def test_entries_are_the_list_in_order(version, written):
    data: HandDataset = Ho3d(written[0], version, "train", RIGHT)
    assert list(data.entries) == [
        Entry("ABF10", 0, Side.RIGHT),
        Entry("ABF10", 1, Side.RIGHT),
        Entry("ABF10", 7, Side.RIGHT),
        Entry("SS2", 120, Side.RIGHT),
    ]


def test_a_frame_without_annotation_is_refused(version, written):
    data = Ho3d(written[0], version, "train", RIGHT)
    with pytest.raises(UnlabelledError, match=rf"{UNANNOTATED}\.pkl is not annotated"):
        data.sample(1)


def test_object_models_come_from_the_folder_given(version, written, tmp_path):
    write_box(tmp_path / OBJECT_NAME / "textured_simple.obj", (0.02, 0.05, 0.1))
    data = Ho3d(written[0], version, "train", RIGHT, tmp_path)
    assert set(data.object_models) == {OBJECT_CLASS}
    assert Ho3d(written[0], version, "train", RIGHT).object_models == {}


# What goes wrong on a disk.


def test_missing_folder_other_version_and_unknown_parts_are_refused(version, written, tmp_path):
    other = {"v2": "v3", "v3": "v2"}[version]
    with pytest.raises(AmtError, match=f"is not HO3D {other}"):
        Ho3d(written[0], other, "train", RIGHT)
    with pytest.raises(AmtError, match=r"train\.txt .*https://www\.tugraz\.at"):
        Ho3d(tmp_path, version, "train", RIGHT)
    with pytest.raises(AmtError, match="v2, v3 and a part of train, evaluation"):
        Ho3d(written[0], version, "test", RIGHT)
    (tmp_path / "train.txt").write_text("1, 2, 3")
    with pytest.raises(AmtError, match="not a list of frames"):
        Ho3d(tmp_path, version, "train", RIGHT)


class Payload:
    """Pickles as a call of os.system."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_pickles_are_not_trusted(version, written, tmp_path):
    data, path = first_of_a_copy(version, written, tmp_path)
    mark = tmp_path / "mark"
    path.write_bytes(pickle.dumps({"camMat": Payload(f"touch {mark}")}))
    with pytest.raises(SampleError, match=r"not to be trusted.*nothing was run"):
        data.sample(0)
    assert not mark.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"handPose": np.zeros(51)},
        {"handPose": None},
        {"handJoints3D": np.full((21, 3), np.nan)},
        {"objName": "036_other_block"},
        {"camMat": "none"},
    ],
)
def test_fields_that_cannot_be_are_refused(version, written, tmp_path, change):
    data, path = first_of_a_copy(version, written, tmp_path)
    path.write_bytes(pickle.dumps(pickle.loads(path.read_bytes()) | change))
    with pytest.raises(SampleError, match=path.name):
        data.sample(0)


def test_damaged_files_are_named(version, written, tmp_path):
    data, path = first_of_a_copy(version, written, tmp_path)
    (picture,) = (path.parent.parent / "rgb").glob("0000.*")
    for one in (path, picture):
        content = one.read_bytes()
        one.write_bytes(content[: len(content) // 2])
        with pytest.raises(SampleError, match=one.name):
            data.sample(0)
        one.unlink()
        with pytest.raises(SampleError, match=one.name):
            data.sample(0)
        one.write_bytes(content)
    assert data.sample(0).key == "ABF10/0000"


def first_of_a_copy(
    version: str, written: tuple[Path, dict[str, Truth]], tmp_path: Path
) -> tuple[Ho3d, Path]:
    """A data set that a test may damage, and the labels of its first frame."""
    root = shutil.copytree(written[0], tmp_path / "copy")
    return Ho3d(root, version, "train", RIGHT), root / "train" / "ABF10" / "meta" / "0000.pkl"
