"""OakInk-Image: what was written comes back in the camera's frame."""

import os
import pickle

import numpy as np
import pytest

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.skinning import hand_vertices
from amt_training.data.oakink import OakInk
from amt_training.data.sample import Entry, SampleError

from .fixtures.made_hands import MODELS, moved
from .fixtures.oakink_files import (
    CAMERAS,
    FRAMES,
    HEIGHT,
    OBJECT_SIZE,
    TIPS,
    WIDTH,
    write_oakink,
)

FLOOR_M = 1e-6
"""1e-3 mm: the files have float32."""
MODELS_OF_BOTH = (MODELS[Side.RIGHT], MODELS[Side.LEFT])
CLASSES = ("background", "A01001", "A01002")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_oakink(tmp_path_factory.mktemp("oakink"))


@pytest.fixture(scope="module")
def dataset(written):
    return OakInk(written.root, "subjects", "test", *MODELS_OF_BOTH, CLASSES)


def test_each_frame_of_the_split_is_an_entry(dataset, written):
    recording, handover = FRAMES[0][0], FRAMES[3][0]
    assert dataset.entries == [
        Entry(f"{recording}/0/north_east", 30, Side.RIGHT),
        Entry(f"{recording}/0/north_east", 31, Side.RIGHT),
        Entry(f"{recording}/0/south_east", 31, Side.RIGHT),
        Entry(f"{handover}/0/north_east", 7, Side.RIGHT),
        Entry(f"{handover}/1/north_east", 7, Side.RIGHT),
    ]
    counts = {
        part: len(OakInk(written.root, "views", part, *MODELS_OF_BOTH).entries)
        for part in ("train", "val", "train+val", "test")
    }
    assert counts == {"train": 2, "val": 1, "train+val": 3, "test": 2}


def test_joints_and_objects_are_the_generators(dataset, written):
    for index, hand in enumerate(written.hands):
        sample = dataset.sample(index)
        wanted = moved(CAMERAS[FRAMES[index][3]], hand.joints21(TIPS))
        assert np.abs(sample.joints - wanted).max() < FLOOR_M
        assert sample.image.shape == (HEIGHT, WIDTH, 3) and sample.side == Side.RIGHT
        if index < 3:
            assert sample.objects[0].class_index == 1
            assert np.abs(sample.objects[0].pose - written.object_poses[index]).max() < 1e-6
        else:
            assert sample.objects is None  # C52001 is none of the classes


def test_mano_labels_give_the_vertices(dataset, written):
    model = MODELS[Side.RIGHT]
    for index, hand in enumerate(written.hands):
        sample = dataset.sample(index)
        wrist = HandKinematics(model).rest(sample.mano.shape)[0][0]
        vertices = hand_vertices(
            model, sample.mano.pose, sample.mano.shape, sample.joints[0] - wrist
        )
        wanted = moved(CAMERAS[FRAMES[index][3]], hand.vertices)
        assert np.abs(vertices - wanted).max() < FLOOR_M
        assert vertices[list(TIPS)] == pytest.approx(sample.joints[[4, 8, 12, 16, 20]], abs=FLOOR_M)


def test_objects_are_centred_on_their_bounding_box(dataset, written):
    model = dataset.object_models[1]
    assert set(dataset.object_models) == {1}
    low, high = model.points.min(axis=0), model.points.max(axis=0)
    assert high == pytest.approx(0.5 * OBJECT_SIZE, abs=1e-3)
    assert low == pytest.approx(-0.5 * OBJECT_SIZE, abs=1e-3)
    # A box's outward normals point away from its middle.
    assert (model.points * model.normals).sum(axis=1).min() > 0.0


def test_a_pickle_runs_no_code(tmp_path):
    write_oakink(tmp_path)
    dataset = OakInk(tmp_path, "views", "test", *MODELS_OF_BOTH)
    path = next((tmp_path / "image" / "anno" / "hand_j").glob("C52001*__0__7__0.pkl"))
    marker = tmp_path / "marker"

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {marker}",)

    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(SampleError, match=r"__0__7__0\.pkl"):
        dataset.sample(0)
    assert not marker.exists()


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(AmtError, match="image does not exist: download OakInk-Image"):
        OakInk(tmp_path, "views", "test", *MODELS_OF_BOTH)
    with pytest.raises(AmtError, match="views, subjects, objects, hand_object"):
        OakInk(tmp_path, "split0", "test", *MODELS_OF_BOTH)
    write_oakink(tmp_path)
    dataset = OakInk(tmp_path, "views", "test", *MODELS_OF_BOTH)
    kinds = {"general_info": b"\x80\x04}.", "cam_intr": b"\x80", "hand_j": pickle.dumps([1.0])}
    for kind, content in kinds.items():
        path = next((tmp_path / "image" / "anno" / kind).glob("C52001*__0__7__0.pkl"))
        whole = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(SampleError, match=f"{kind}/{path.name} is damaged"):
            dataset.sample(0)
        path.write_bytes(whole)
    dataset.sample(0)
    next((tmp_path / "image" / "stream_release_v2").rglob("north_east_color_7.png")).unlink()
    with pytest.raises(SampleError, match=r"Cannot read .*north_east_color_7\.png"):
        dataset.sample(0)
