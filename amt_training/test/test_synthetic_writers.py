"""The synthetic world written down as shards and sheets; what is read back is what was true."""

import io
import json

import cv2
import numpy as np
import pytest
import webdataset

from amt_perception.camera.crop import crop_affine
from amt_training.data.crops import StoredCrop
from amt_training.data.shard_samples import DEPTH_UNIT_M, decode_depth
from amt_training.data.shards import ShardDataset, shard_file
from amt_training.synthetic import look
from amt_training.synthetic.dataset import (
    SyntheticDataset,
)
from amt_training.synthetic.scene import FIRST_OBJECT, RIGHT_HAND

from .synthetic_scenes import SMALL, FlatWorld, command


def test_shards_hold_everything(tmp_path, flat_worlds):
    words = ["shards", "--scenes", 4, "--samples-per-shard", 3, "--workers", 0, "--out", tmp_path]
    assert command(words) == 0
    dataset = SyntheticDataset(FlatWorld(SMALL), exact=True)
    back = ShardDataset(tmp_path / "train")
    assert list(back.entries) == dataset.entries
    tars = [str(shard_file(tmp_path / "train", number)) for number in range(2)]
    found = list(webdataset.WebDataset(tars, shardshuffle=False))
    assert len(found) == 5
    for index, files in enumerate(found):
        sample, read = dataset.sample(index), back.sample(index)
        exact = sample.exact
        np.testing.assert_array_equal(read.joints, sample.joints)
        assert np.abs(read.image.astype(int) - sample.image).mean() < 3.0
        depth = decode_depth(files["depth.png"])
        known = np.isfinite(exact.depth)
        assert 0.02 < known.mean() < 0.9 and (np.isfinite(depth) == known).all()
        assert np.abs(depth[known] - exact.depth[known]).max() <= 0.51 * DEPTH_UNIT_M
        mask = cv2.imdecode(np.frombuffer(files["mask.png"], np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(mask, exact.mask)
        vertices = np.load(io.BytesIO(files["vertices.npy"]))
        np.testing.assert_allclose(vertices, exact.vertices, atol=1e-6)
        labels = json.loads(files["json"])
        assert labels["exact"]["activity"] == "grasp"
        assert labels["exact"]["object_masks"] == [FIRST_OBJECT + 1, FIRST_OBJECT]
        np.testing.assert_array_equal(labels["exact"]["part_distance"], exact.part_distance)
        np.testing.assert_array_equal(labels["exact"]["part_on_object"], exact.part_on_object)
        np.testing.assert_array_equal(labels["exact"]["keypoints"], exact.keypoints)


def test_crops_carry_their_truth(tmp_path, flat_worlds):
    words = ["shards", "--part", "val", "--scenes", 1, "--crop", "--workers", 0]
    assert command([*words, "--out", tmp_path]) == 0
    whole = SyntheticDataset(FlatWorld(SMALL, "val"), exact=True).sample(0)
    files = next(iter(webdataset.WebDataset([str(tmp_path / "val/shard-000000.tar")],
                                            shardshuffle=False)))  # fmt: skip
    affine = crop_affine(whole.hand_box, StoredCrop.size, StoredCrop.scale)
    depth = decode_depth(files["depth.png"])
    assert depth.shape == (StoredCrop.size, StoredCrop.size)
    hand = np.argwhere(whole.exact.mask == RIGHT_HAND)[::97, ::-1]
    places = np.round(hand @ affine[:, :2].T + affine[:, 2]).astype(int)
    inside = ((places >= 0) & (places < StoredCrop.size)).all(axis=1)
    off = depth[tuple(places[inside].T[::-1])] - whole.exact.depth[tuple(hand[inside].T[::-1])]
    assert inside.sum() > 10 and np.median(np.abs(off)) < 2e-3


def test_a_stopped_command_goes_on_and_the_files_are_the_same(tmp_path, flat_worlds, monkeypatch):
    words = ["shards", "--scenes", 5, "--samples-per-shard", 1, "--workers", 0, "--out"]
    assert command([*words, tmp_path / "whole"]) == 0
    shots = FlatWorld.shots

    def stopped(world, scene):
        if scene == 3:  # the first three share their hands, so one process writes them
            raise KeyboardInterrupt
        return shots(world, scene)

    with monkeypatch.context() as patch:
        patch.setattr(FlatWorld, "shots", stopped)
        assert command([*words, tmp_path / "again"]) == 130
    assert not shard_file(tmp_path / "again/train", 4).exists()
    first = shard_file(tmp_path / "again/train", 0)
    made = first.stat().st_mtime_ns
    assert command([*words, tmp_path / "again"]) == 0
    assert first.stat().st_mtime_ns == made
    for number in range(6):
        one, other = (shard_file(tmp_path / name / "train", number) for name in ("whole", "again"))
        assert one.read_bytes() == other.read_bytes()


def test_the_sheet_shows_every_scene(tmp_path, flat_worlds):
    path = tmp_path / "look.png"
    assert command(["look", "--scenes", 3, "--out", path]) == 0
    sheet = cv2.imread(str(path))
    assert sheet.shape == (2 * (240 + 8), 2 * (3 * look.TILE_COLUMNS + 8), 3)
    assert sheet[260:, :900].std() > 20.0 > sheet[260:, 1000:].std()  # three scenes of four places


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["paint"], "invalid choice: 'paint'"),
        ([], "required: COMMAND"),
        (["shards", "--frames", "0"], "'0' is not a whole number from 1"),
        (["look", "--mesh", "nowhere.obj"], "nowhere.obj"),
    ],
)
def test_mistakes_end_in_one_sentence(words, sentence, flat_worlds, tmp_path):
    message = command(words)
    assert sentence in message and "\n" not in message
