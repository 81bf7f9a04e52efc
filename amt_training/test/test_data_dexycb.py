"""DexYCB in its real layout: what comes back is what the writer knew."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import MANO_TIP_VERTICES, Side
from amt_perception.hand.joints import TIPS as TIP_JOINTS
from amt_perception.hand.mirror import mirror_pose
from amt_perception.hand.skinning import hand_vertices
from amt_perception.model.hand_layer import HandLayer
from amt_training.data.crops import CropReader, StoredCrop, Unreadable
from amt_training.data.dexycb import CAMERAS, PARTS, SPLITS, DexYcb, part_of
from amt_training.data.sample import (
    Entry,
    HandDataset,
    HandSample,
    SampleError,
    UnlabelledError,
)
from amt_training.data.skipping import Skipping

from .fixtures.dexycb import (
    FRAMES,
    SERIALS,
    SUBJECTS,
    TIPS,
    YCB_IDS,
    Truth,
    sequence_name,
    write_dexycb,
)
from .fixtures.hands import MILLIMETRE, SAME, WRIST_COLOUR, project, uncorrected

RIGHT, LEFT = generic_hand(Side.RIGHT), generic_hand(Side.LEFT)
LAYER = HandLayer(RIGHT)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Truth]]:
    root = tmp_path_factory.mktemp("dexycb")
    return root, write_dexycb(root)


@pytest.fixture(scope="module")
def pairs(written: tuple[Path, dict[str, Truth]]) -> list[tuple[HandSample, Truth]]:
    """Every sample of split s1 that has a picture, with what the writer knew."""
    root, truth = written
    found = []
    for part in PARTS:
        data = load(root, "s1", part)
        found += [
            (data.sample(index), truth[key_of(entry)])
            for index, entry in enumerate(data.entries)
            if key_of(entry) in truth
        ]
    assert len(found) == len(truth) == 24
    return found


def load(root: Path, split: str = "s0", part: str = "train") -> DexYcb:
    return DexYcb(root, split, part, RIGHT, LEFT)


def key_of(entry: Entry) -> str:
    return f"{entry.sequence}/{entry.frame:06d}"


def largest(difference: np.ndarray) -> float:
    return float(np.linalg.norm(difference, axis=-1).max())


def of_side(pairs: list[tuple[HandSample, Truth]], side: Side) -> list[tuple[HandSample, Truth]]:
    chosen = [pair for pair in pairs if pair[0].side == side]
    assert len(chosen) == 12
    return chosen


def network_joints(sample: HandSample, shape: np.ndarray) -> np.ndarray:
    """[21, 3] from the canonical pose through the model's HandLayer, which has smplx's tips."""
    pose = mirror_pose(sample.mano.pose) if sample.side == Side.LEFT else sample.mano.pose
    rotation = torch.tensor(Rotation.from_rotvec(pose).as_matrix())[None]
    hand = LAYER(rotation, torch.tensor(shape)[None])
    joints = hand.joints[0].numpy() * ([-1.0, 1.0, 1.0] if sample.side == Side.LEFT else 1.0)
    return joints - joints[0] + sample.joints[0]


def test_joints_are_the_generators(pairs):
    for sample, truth in pairs:
        assert sample.side == truth.hand.side
        assert largest(sample.joints - truth.joints) < SAME


def test_fingertips_are_dexycbs(written, pairs):
    named = load(written[0]).tip_vertices
    assert named == TIPS
    for sample, truth in pairs:
        tips = sample.joints[list(TIP_JOINTS)]
        assert largest(truth.hand.vertices[list(named[sample.side])] - tips) < SAME
        assert largest(truth.hand.vertices[list(MANO_TIP_VERTICES)] - tips) > 1.0 * MILLIMETRE


def test_mano_label_of_a_right_hand_gives_its_joints(pairs):
    """PCA of 45 components with the mean added; as axis-angle or without, it is another hand."""
    for sample, truth in of_side(pairs, Side.RIGHT):
        expected = truth.hand.joints21(MANO_TIP_VERTICES)
        assert largest(network_joints(sample, sample.mano.shape) - expected) < SAME
        assert np.allclose(sample.mano.pose[1:].ravel(), truth.hand.fingers, atol=1e-6)


def test_mano_label_of_a_left_hand_undoes_the_uncorrected_shape(pairs):
    for sample, truth in of_side(pairs, Side.LEFT):
        assert np.allclose(sample.mano.pose[1:].ravel(), truth.hand.fingers, atol=1e-6)
        hand, place = truth.hand, (truth.hand.shape, truth.hand.translation)
        vertices = hand_vertices(uncorrected(LEFT), sample.mano.pose, *place)
        assert largest(vertices - hand.vertices) < SAME
        assert largest(hand_vertices(LEFT, sample.mano.pose, *place) - vertices) > 5 * MILLIMETRE

        expected = hand.joints21(MANO_TIP_VERTICES)
        fitted, taken = (
            np.linalg.norm(network_joints(sample, shape) - expected, axis=-1).mean()
            for shape in (sample.mano.shape, hand.shape)
        )
        assert fitted < 3.0 * MILLIMETRE < taken


def test_camera_picture_and_box_belong_together(pairs):
    for sample, truth in pairs:
        assert np.array_equal(sample.camera, truth.camera)
        assert sample.image.shape == (480, 640, 3)
        assert sample.image.dtype == np.uint8
        pixels = project(truth.joints, truth.camera)
        column, row = np.round(pixels[0]).astype(int)
        difference = sample.image[row, column].astype(int) - np.array(WRIST_COLOUR)
        assert np.abs(difference).max() < 30  # red, and blue if the channels were swapped
        assert np.allclose(sample.hand_box[:2], pixels.min(axis=0), atol=1e-2)
        assert np.allclose(sample.hand_box[2:], np.ptp(pixels, axis=0), atol=1e-2)


def test_objects_have_their_class_and_pose(pairs):
    for sample, truth in pairs:
        assert [one.class_index for one in sample.objects] == list(YCB_IDS)
        for one in sample.objects:
            assert np.allclose(one.pose, truth.objects[one.class_index], atol=1e-6)


def test_an_object_without_a_pose_is_left_out(written, tmp_path):
    labels = change_labels(written, tmp_path, lambda arrays: arrays["pose_y"][1].fill(0.0))
    assert [one.class_index for one in labels.sample(0).objects] == [YCB_IDS[0], YCB_IDS[2]]


def test_frames_without_a_hand_are_left_out(written):
    entries = load(written[0]).entries
    assert {entry.frame for entry in entries} == {1, 2}


def test_entries_run_through_a_video_in_order(written):
    entries = load(written[0]).entries
    assert len(set(entries)) == len(entries) == 2 * 80 * 2 * 2
    assert entries[0] == Entry(f"{sequence_name(0, 0)}/{SERIALS[0]}", 1, Side.RIGHT)
    assert entries[1] == Entry(f"{sequence_name(0, 0)}/{SERIALS[0]}", 2, Side.RIGHT)
    assert {entry.side for entry in entries if "subject-07" in entry.sequence} == {Side.LEFT}
    for before, after in pairwise(entries):
        same = before.sequence == after.sequence
        assert after.frame == (before.frame + 1 if same else 1)


def test_official_splits_have_their_official_sizes():
    """Of 1,000 recordings through 8 cameras; the parts of a split share no video."""
    counts = {
        split: Counter(
            part_of(split, subject, sequence, camera)
            for subject in range(10)
            for sequence in range(100)
            for camera in range(8)
        )
        for split in SPLITS
    }
    assert counts == {
        "s0": {"train": 6400, "val": 320, "test": 1280},
        "s1": {"train": 5600, "val": 800, "test": 1600},
        "s2": {"train": 6000, "val": 1000, "test": 1000},
        "s3": {"train": 6000, "val": 800, "test": 1200},
    }
    grasps = {part_of("s3", 0, sequence, 0): sequence // 5 for sequence in range(100)}
    assert grasps == {"train": 18, "val": 19, "test": 15}


def test_parts_are_told_by_subject_camera_and_recording(written):
    root, _ = written

    def videos(split: str, part: str) -> set[str]:
        return {entry.sequence for entry in load(root, split, part).entries}

    assert f"{sequence_name(0, 4)}/{SERIALS[0]}" in videos("s0", "val")
    assert f"{sequence_name(1, 4)}/{SERIALS[0]}" in videos("s0", "test")
    assert {video.split("/")[0][-2:] for video in videos("s1", "val")} == {"07"}  # index 6
    assert {video.split("/")[0][-2:] for video in videos("s1", "train")} == {"01"}
    assert {video.split("/")[2] for video in videos("s2", "val")} == {SERIALS[1]}  # camera 6
    assert not videos("s2", "test")  # camera 7 is not there
    assert f"{sequence_name(0, 35)}/{SERIALS[0]}" in videos("s3", "test")  # grasp 7
    assert f"{sequence_name(0, 34)}/{SERIALS[0]}" in videos("s3", "train")
    assert load(root, "s0", "test").name == "DexYCB s0 test"


def test_object_models_have_points_normals_and_symmetries(written):
    models = load(written[0]).object_models
    assert set(models) == {2, 13}
    box = models[2]
    half = np.array([0.036, 0.082, 0.107])
    at_face = np.isclose(np.abs(box.points), half, atol=1e-6)
    assert at_face.any(axis=1).all()
    assert np.allclose(np.linalg.norm(box.normals, axis=1), 1.0)
    assert ((box.points * box.normals).sum(axis=1) > 0.0).all()  # outwards
    assert np.allclose(box.symmetry_rotations, [np.eye(3), np.diag([-1.0, -1.0, 1.0])])
    assert not box.symmetry_axis.any()
    assert np.array_equal(models[13].symmetry_axis, [0.0, 0.0, 1.0])
    assert np.array_equal(models[13].symmetry_rotations, [np.eye(3)])


def test_without_models_objects_keep_their_poses(written, tmp_path, caplog):
    root = copied(written, tmp_path)
    shutil.rmtree(root / "models")
    data = load(root)
    caplog.clear()
    assert data.object_models == data.object_models == {}
    (record,) = caplog.records
    assert str(root / "models") in record.getMessage()
    assert len(data.sample(0).objects) == 3


def test_it_is_a_data_set(written):
    data: HandDataset = load(written[0])
    sample = data.sample(0)
    assert sample.key == key_of(data.entries[0])
    assert sample.contact is None


def test_missing_subjects_are_said(written, caplog):
    with caplog.at_level(logging.WARNING, "amt_training.data.dexycb"):
        load(written[0])
    assert "lacks subjects 2, 3, 4, 5, 6, 8, 9, 10" in caplog.text


# What goes wrong on a disk.


@pytest.mark.parametrize(("split", "part"), [("s4", "train"), ("s0", "evaluation")])
def test_unknown_parts_are_refused(written, split, part):
    with pytest.raises(AmtError, match=r"s0, s1, s2, s3 .* train, val, test"):
        load(written[0], split, part)


def test_a_missing_folder_says_where_to_get_the_data(tmp_path):
    for root in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(AmtError, match=f"{root}.*https://dex-ycb.github.io"):
            load(root)


def test_a_subject_that_is_not_complete_is_refused(written, tmp_path):
    root = copied(written, tmp_path)
    shutil.rmtree(root / sequence_name(0, 99))
    with pytest.raises(AmtError, match="holds 99 recordings instead of 100"):
        load(root)


@pytest.mark.parametrize("name", ["color_000001.jpg", "labels_000001.npz"])
def test_damaged_pictures_and_labels_are_named(written, tmp_path, name):
    data = load(copied(written, tmp_path))
    path = tmp_path / "copy" / data.entries[0].sequence / name
    content = path.read_bytes()
    for damaged in (content[:-50], b""):
        path.write_bytes(damaged)
        with pytest.raises(SampleError, match=str(path)):
            data.sample(0)
    path.unlink()
    with pytest.raises(SampleError, match=str(path)):
        data.sample(0)
    assert data.sample(1).key.endswith("000002")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda arrays: arrays["joint_3d"].fill(-1.0), "labels no hand"),
        (lambda arrays: arrays["pose_m"].fill(0.0), "labels no hand"),
        (lambda arrays: arrays["pose_y"].fill(np.nan), "pose_y is not"),
        (lambda arrays: arrays.update(joint_3d=arrays["joint_3d"][0]), "joint_3d is not"),
        (lambda arrays: arrays.pop("pose_m"), "pose_m"),
    ],
)
def test_labels_that_cannot_be_are_refused(written, tmp_path, change, said):
    with pytest.raises(SampleError, match=f"labels_000001.npz .*{said}"):
        change_labels(written, tmp_path, change).sample(0)


def test_a_hand_that_a_camera_has_no_label_for_is_no_fault(written, tmp_path):
    data = change_labels(written, tmp_path, lambda a: a.update(joint_3d=-np.ones((1, 21, 3), "f4")))
    with pytest.raises(UnlabelledError, match=r"labels_000001\.npz labels no hand"):
        data.sample(0)
    read = CropReader(data, StoredCrop(64))(0)
    assert isinstance(read, Unreadable)
    account = Skipping(data.name, 1, limit=0.0)
    account.add(read.index, read.message)
    assert account.messages == {0: ""}
    with pytest.raises(AmtError, match="1 of 1 samples cannot be read"):
        account.add(1, "a fault")


@pytest.mark.parametrize(("split", "part"), [("s0", "train"), ("s2", "val"), ("s3", "test")])
def test_official_numbers_count_frames_without_a_hand_and_cameras_without_pictures(
    written, split, part
):
    data = load(written[0], split, part)
    official = [
        (f"{sequence_name(subject, number)}/{serial}", frame)
        for subject in range(len(SUBJECTS))
        for number in range(100)
        for camera, serial in enumerate(CAMERAS)
        if part_of(split, (0, 6)[subject], number, camera) == part
        for frame in range(FRAMES)
    ]
    numbers = [official.index((entry.sequence, entry.frame)) for entry in data.entries]
    assert data.official_numbers.tolist() == numbers
    assert numbers != list(range(len(numbers))), "the test can fail"


@pytest.mark.parametrize("name", ["meta.yml", "pose.npz"])
def test_damaged_recordings_are_named(written, tmp_path, name):
    root = copied(written, tmp_path)
    path = root / sequence_name(0, 0) / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AmtError, match=f"{name} is damaged"):
        load(root)


def change_labels(written, tmp_path: Path, change: Callable[[dict], object]) -> DexYcb:
    """The data set with the first picture's labels changed."""
    data = load(copied(written, tmp_path))
    first = data.entries[0]
    path = tmp_path / "copy" / first.sequence / f"labels_{first.frame:06d}.npz"
    arrays = dict(np.load(path))
    change(arrays)
    np.savez_compressed(path, **arrays)
    return data


def copied(written: tuple[Path, dict[str, Truth]], tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(written[0], tmp_path / "copy")
