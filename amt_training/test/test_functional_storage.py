"""Files of the functional set, and samples from them."""

from dataclasses import replace

import numpy as np
import pytest

from amt_perception.errors import AmtError
from amt_training.data.sample import SampleError
from amt_training.functional.dataset import FunctionalGrasps
from amt_training.functional.instructions import all_instructions
from amt_training.functional.storage import read_grasps, write_grasps

from .functional_grasps import stored_grasps, write_set


@pytest.fixture(scope="module")
def stored():
    return stored_grasps()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("functional"))


def test_what_was_written_comes_back(tmp_path, stored):
    path = tmp_path / "mug.safetensors"
    write_grasps(path, stored)
    back = read_grasps(path)
    assert len(back) == 4 and back.object.part_names == ("body", "handle", "rim")
    for name in ("rotation", "joints", "part", "distances", "tries"):
        assert np.array_equal(getattr(back, name), getattr(stored, name)), name
    for name in ("vertices", "faces", "points", "point_part"):
        assert np.array_equal(getattr(back.object, name), getattr(stored.object, name)), name
    assert list(tmp_path.iterdir()) == [path]


def test_an_object_without_grasps_is_kept(tmp_path):
    write_grasps(tmp_path / "a.safetensors", stored_grasps(count=0))
    assert len(read_grasps(tmp_path / "a.safetensors")) == 0


def changed(array, value, place):
    array = array.copy()
    array[place] = value
    return array


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("distances", lambda a: changed(a, np.inf, (2, 5, 1)), "grasp 2 is not finite"),
        ("distances", lambda a: changed(a, np.nan, (1, 0, 0)), "grasp 1 is not finite"),
        ("distances", lambda a: changed(a, 31.0, (3, 7, 2)), "grasp 3 are not in 0 to 1 m"),
        ("distances", lambda a: changed(a, -0.01, (0, 7, 2)), "grasp 0 are not in 0 to 1 m"),
        ("distances", lambda a: a[:, :100], "distances is .4, 100, 6. instead of"),
        ("joints", lambda a: a[:, :15], "joints is .4, 15. instead of .4, 16."),
        ("joints", lambda a: changed(a, np.nan, (1, 3)), "joints of grasp 1 is not finite"),
        ("rotation", lambda a: 1.1 * a, "rotation of grasp 0 is no rotation"),
        ("rotation", lambda a: changed(a, -a[3], 3), "rotation of grasp 3 is no rotation"),
        ("part", lambda a: a + 2, "a part that the object has not"),
        ("tries", lambda a: a[:1], "tries"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, stored, name, change, message):
    path = tmp_path / "mug_00.safetensors"
    with pytest.raises(SampleError, match=message) as caught:
        write_grasps(path, replace(stored, **{name: change(getattr(stored, name))}))
    assert "mug_00.safetensors" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_an_object_in_millimetres_is_refused(tmp_path, stored):
    one = replace(stored.object, points=1000.0 * stored.object.points)
    with pytest.raises(SampleError, match="lengths are in metres"):
        write_grasps(tmp_path / "mug.safetensors", replace(stored, object=one))


def test_damaged_files_are_named(tmp_path, stored):
    path = tmp_path / "mug.safetensors"
    write_grasps(path, stored)
    whole = path.read_bytes()
    for contents in (whole[:500], whole[:-100], b"", b"no such file at all", bytes(1000)):
        path.write_bytes(contents)
        with pytest.raises(SampleError, match=r"mug\.safetensors"):
            read_grasps(path)
    with pytest.raises(SampleError, match=r"none\.safetensors"):
        read_grasps(tmp_path / "none.safetensors")


def test_each_part_has_its_own_objects(folder):
    families = {
        part: {one.family for one in FunctionalGrasps(folder, part, "allegro").objects}
        for part in ("train", "val", "test")
    }
    assert families == {"train": {"mug", "screwdriver"}, "val": {"knife"}, "test": {"pan"}}


def test_a_sample_outside_of_training_is_as_it_was_stored(folder):
    grasps = FunctionalGrasps(folder, "test", "allegro")
    stored = stored_grasps("pan")
    assert len(grasps) == 4
    for index in range(4):
        sample = grasps[index]
        assert np.array_equal(sample.object.points, stored.object.points)
        assert np.array_equal(sample.rotation, stored.rotation[index])
        assert np.array_equal(sample.distances, stored.distances[index].astype(np.float32))
        assert sample.part == stored.object.part_names[stored.part[index]]
        assert sample.instruction in all_instructions()
        assert sample.shape.shape == (0,) and sample.distances.dtype == np.float32


def test_training_turns_object_and_grasp_together(folder):
    grasps = FunctionalGrasps(folder, "train", "allegro")
    stored = stored_grasps("mug")
    index = 1
    sample = grasps[index]
    turn = sample.rotation @ stored.rotation[index].T
    assert np.abs(turn @ turn.T - np.eye(3)).max() < 1e-5 and np.abs(turn - np.eye(3)).max() > 0.1
    # Seen from the palm, nothing has moved but for the jitter.
    seen = (sample.object.vertices - sample.position) @ sample.rotation
    wanted = (stored.object.vertices - stored.position[index]) @ stored.rotation[index]
    assert np.abs(seen - wanted).max() < 1e-5
    points = (sample.object.points - sample.position) @ sample.rotation
    before = (stored.object.points - stored.position[index]) @ stored.rotation[index]
    gap = np.linalg.norm(points[:, None] - before[None], axis=-1)
    origin = gap.argmin(axis=1)
    assert 0.0 < gap.min(axis=1).max() < 0.005
    assert 400 < len(np.unique(origin)) < 1024
    same = gap.min(axis=1) < 0.0005
    wanted = stored.distances[index].astype(np.float32)[origin[same]]
    assert np.median(np.abs(sample.distances[same] - wanted)) == 0.0
    low, high = sample.object.vertices.min(axis=0), sample.object.vertices.max(axis=0)
    assert np.abs(low + high).max() < 1e-6, "the origin is the middle of the bounding box"


def test_samples_are_functions_of_seed_epoch_and_index(folder):
    def points(seed, epoch, index):
        grasps = FunctionalGrasps(folder, "train", "allegro", seed)
        return grasps.sample(index, epoch).object.points

    assert np.array_equal(points(0, 3, 2), points(0, 3, 2))
    for other in ((1, 3, 2), (0, 4, 2), (0, 3, 3)):
        assert not np.array_equal(points(0, 3, 2), points(*other))


def test_mistakes_are_one_sentence(folder, tmp_path):
    with pytest.raises(AmtError, match=r"python -m amt_training.functional generate"):
        FunctionalGrasps(tmp_path, "train", "allegro")
    with pytest.raises(AmtError, match="another hand than 'mano'"):
        FunctionalGrasps(folder, "train", "mano")
    with pytest.raises(AmtError, match="not 'all'"):
        FunctionalGrasps(folder, "all", "allegro")
    with pytest.raises(AmtError, match="no grasps to val with"):
        FunctionalGrasps(write_set(tmp_path / "other", [("mug", 0)]), "val", "allegro")
