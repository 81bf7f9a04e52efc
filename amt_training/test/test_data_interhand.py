"""InterHand2.6M: what was written comes back, in metres, in the camera's frame, in our order."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.skinning import hand_vertices
from amt_training.data.interhand import InterHand
from amt_training.data.sample import Entry, SampleError

from .fixtures.interhand_files import (
    CAMERAS,
    HEIGHT,
    INVALID_RIGHT_JOINTS,
    SEQUENCE,
    TIPS,
    WIDTH,
    write_interhand,
)
from .fixtures.made_hands import MODELS, moved

FLOOR_M = 1e-6
"""1e-3 mm: smplx, which made the truth, computes in float32."""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_interhand(tmp_path_factory.mktemp("interhand"))


@pytest.fixture(scope="module")
def dataset(written):
    return InterHand(written.root, "val", MODELS[Side.RIGHT], MODELS[Side.LEFT])


def parts(sample):
    """Frame, side and camera of a sample."""
    _, _, camera, image, _ = sample.key.split("/")
    return int(image.removeprefix("image")), sample.side, camera.removeprefix("cam")


def truth(written, sample):
    frame, side, camera = parts(sample)
    return moved(CAMERAS[camera], written.hands[frame, side].joints21(TIPS))


def test_each_known_hand_of_each_picture_is_an_entry(dataset):
    camera = f"Capture0/{SEQUENCE}/cam400262"
    found = [entry for entry in dataset.entries if entry.sequence.startswith(camera)]
    # The left wrist of frame 172 is not known; frame 154 is missing: 5, 6, 7, gap, 9.
    assert found == [
        Entry(f"{camera}/left", 6, Side.LEFT),
        Entry(f"{camera}/left", 7, Side.LEFT),
        Entry(f"{camera}/right", 5, Side.RIGHT),
        Entry(f"{camera}/right", 7, Side.RIGHT),
        Entry(f"{camera}/right", 9, Side.RIGHT),
    ]
    assert len(dataset.entries) == 2 * len(found)
    assert dataset.name == "InterHand2.6M val"


def test_joints_are_the_generators(dataset, written):
    for index, entry in enumerate(dataset.entries):
        sample = dataset.sample(index)
        known = np.isfinite(sample.joints).all(axis=1)
        if parts(sample)[0] == 172:
            # Thumb tip, the joint below it and the second joint of the middle finger.
            assert np.flatnonzero(~known).tolist() == [3, 4, 11]
            assert len(INVALID_RIGHT_JOINTS) == 3
        else:
            assert known.all()
        assert np.abs(sample.joints - truth(written, sample))[known].max() < FLOOR_M
        assert sample.side == entry.side
        assert sample.image.shape == (HEIGHT, WIDTH, 3)
        pixels = sample.joints[known] @ sample.camera.T
        pixels = pixels[:, :2] / pixels[:, 2:]
        x, y, width, height = sample.hand_box
        assert pixels.min(axis=0) == pytest.approx([x, y])
        assert pixels.max(axis=0) == pytest.approx([x + width, y + height])


def test_mano_labels_give_the_joints(dataset, written):
    missing = set()
    for index in range(len(dataset.entries)):
        sample = dataset.sample(index)
        if sample.mano is None:
            missing.add(parts(sample)[:2])
            continue
        model = MODELS[sample.side]
        # On the generic hands a left hand's shape is the right hand's.
        rest_wrist = HandKinematics(model).rest(sample.mano.shape)[0][0]
        translation = truth(written, sample)[0] - rest_wrist
        vertices = hand_vertices(model, sample.mano.pose, sample.mano.shape, translation)
        frame, side, camera = parts(sample)
        wanted = moved(CAMERAS[camera], written.hands[frame, side].vertices)
        assert np.abs(vertices - wanted).max() < FLOOR_M
        assert vertices[list(TIPS)] == pytest.approx(
            truth(written, sample)[[4, 8, 12, 16, 20]], abs=FLOOR_M
        )
    assert missing == {(136, Side.LEFT)}
    assert dataset.tip_vertices[Side.RIGHT] == dataset.tip_vertices[Side.LEFT] == TIPS


def test_the_hand_is_in_the_picture(dataset):
    sample = dataset.sample(0)
    pixels = sample.joints @ sample.camera.T
    x, y = np.round(pixels[9, :2] / pixels[9, 2]).astype(int)
    red, _, blue = sample.image[y, x].astype(int)
    assert red > blue + 40  # skin, in RGB


def test_a_left_hand_labelled_with_the_raw_file_is_another_hand(written):
    """InterHand's left hands have the corrected shape directions, whatever file is at hand."""
    from amt_training.data.mano_labels import left_model

    raw = left_model(MODELS[Side.LEFT], MODELS[Side.RIGHT], fixed=False)
    one = InterHand(written.root, "val", MODELS[Side.RIGHT], MODELS[Side.LEFT])
    other = InterHand(written.root, "val", MODELS[Side.RIGHT], raw)
    index = next(i for i, e in enumerate(one.entries) if e.side == Side.LEFT)
    assert one.sample(index).mano.shape == pytest.approx(other.sample(index).mano.shape)
    frame, side, _ = parts(one.sample(index))
    assert one.sample(index).mano.shape == pytest.approx(written.hands[frame, side].shape)


def test_orientation_is_in_the_cameras_frame(dataset, written):
    sample = dataset.sample(0)
    frame, side, camera = parts(sample)
    world = Rotation.from_rotvec(written.hands[frame, side].orientation)
    wanted = Rotation.from_matrix(CAMERAS[camera][:3, :3]) * world
    assert (Rotation.from_rotvec(sample.mano.pose[0]) * wanted.inv()).magnitude() < 1e-6


def test_missing_and_damaged_files_are_named(tmp_path):
    right, left = MODELS[Side.RIGHT], MODELS[Side.LEFT]
    with pytest.raises(AmtError, match=r"images/val does not exist: download InterHand2\.6M"):
        InterHand(tmp_path / "none", "val", right, left)
    with pytest.raises(AmtError, match="train, val and test, not tset"):
        InterHand(tmp_path, "tset", right, left)
    written = write_interhand(tmp_path)
    dataset = InterHand(tmp_path, "val", right, left)
    pictures = sorted((tmp_path / "images").rglob("*.jpg"))
    for picture in pictures:
        picture.write_bytes(picture.read_bytes()[:3000])
    with pytest.raises(SampleError, match=r"image118\.jpg is damaged"):
        dataset.sample(0)
    pictures[0].parent.rename(tmp_path / "moved")
    with pytest.raises(SampleError, match="Cannot read"):
        dataset.sample(0)
    folder = written.root / "annotations" / "val"
    file = folder / "InterHand2.6M_val_data.json"
    content = file.read_text()
    file.write_text(content[:1000])
    with pytest.raises(AmtError, match=r"val_data\.json is damaged"):
        InterHand(tmp_path, "val", right, left)
    values = json.loads(content)
    del values["images"][0]["capture"]
    file.write_text(json.dumps(values))
    with pytest.raises(AmtError, match="damaged or of another version"):
        InterHand(tmp_path, "val", right, left)
