"""Shards: every field comes back, damage is named, a conversion goes on where it was."""

import errno
import json
import os
import pickle
import shutil
import tarfile
from dataclasses import asdict, fields

import numpy as np
import pytest
import webdataset

from amt_perception.errors import AmtError
from amt_training.data import convert as convert_module
from amt_training.data.convert import ConvertSettings, convert
from amt_training.data.crops import StoredCrop, crop_sample
from amt_training.data.sample import SampleError
from amt_training.data.shards import ShardDataset, index_file, shard_file

from .hand_samples import MadeDataset

SETTINGS = ConvertSettings(samples_per_shard=8, image="png", workers=0, skip_limit=0.2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    convert(MadeDataset(), folder, SETTINGS, None)
    return folder


def converted(folder, dataset=None, settings=SETTINGS, crop=None):
    convert(dataset or MadeDataset(), folder, settings, crop)
    return ShardDataset(folder)


def assert_same_sample(first, second):
    """Every field, to the last bit, unknown ones too."""

    def compare(one, other, name):
        if isinstance(one, dict):
            assert one.keys() == other.keys(), name
            for key in one:
                compare(one[key], other[key], f"{name}.{key}")
        elif isinstance(one, tuple):
            assert len(one) == len(other), name
            for place, (a, b) in enumerate(zip(one, other, strict=True)):
                compare(a, b, f"{name}[{place}]")
        elif isinstance(one, np.ndarray):
            assert one.shape == other.shape, name
            np.testing.assert_array_equal(one, other, err_msg=name)
        else:
            assert one == other and type(one) is type(other), name

    compare(asdict(first), asdict(second), "sample")


def test_every_field_comes_back(whole):
    dataset, back = MadeDataset(), ShardDataset(whole)
    assert back.name == dataset.name
    assert list(back.entries) == dataset.entries
    assert {side: list(tips) for side, tips in back.tip_vertices.items()} == {
        side: list(tips) for side, tips in dataset.tip_vertices.items()
    }
    assert back.object_models.keys() == dataset.object_models.keys()
    for index, model in dataset.object_models.items():
        for field in fields(model):
            np.testing.assert_array_equal(
                getattr(back.object_models[index], field.name), getattr(model, field.name)
            )
    samples = [dataset.sample(index) for index in range(20)]
    assert any(sample.mano is None for sample in samples)
    assert any(sample.objects == () for sample in samples)
    assert any(np.isnan(sample.joints).any() for sample in samples)
    assert any(sample.contact is not None and sample.contact.points is None for sample in samples)
    for index in (*range(20), 3, 0):
        assert_same_sample(back.sample(index), samples[index])


def test_folders_without_classes_of_objects_stay_readable(whole):
    named, unnamed = (MadeDataset().object_models[index] for index in (11, 3))
    assert named.object_class == 4 and unnamed.object_class is None, "both are tested"
    with np.load(whole / "object_models.npz") as arrays:
        assert "3_object_class" not in arrays
        old = {name: values for name, values in arrays.items() if name != "11_object_class"}
    folder = shutil.copytree(whole, whole.with_name("old"))
    np.savez(folder / "object_models.npz", **old)
    assert ShardDataset(folder).object_models[11].object_class is None


def test_webdataset_reads_the_tars(whole):
    tars = [str(shard_file(whole, number)) for number in range(3)]
    found = list(webdataset.WebDataset(tars, shardshuffle=False).decode("rgb8"))
    dataset = MadeDataset()
    assert len(found) == 20
    for index, sample in enumerate(found):
        assert sample["__key__"] == f"{index:08d}"
        np.testing.assert_array_equal(sample["png"], dataset.sample(index).image)
        assert sample["json"]["key"] == dataset.sample(index).key


@pytest.mark.parametrize(("kind", "error"), [("jpg", 4.0), ("webp", 5.0)])
def test_lossy_pictures_are_close(tmp_path, kind, error):
    dataset = MadeDataset(sequences=1, frames=3)
    settings = ConvertSettings(image=kind, workers=0)
    back = converted(tmp_path, dataset, settings)
    for index in range(3):
        off = back.sample(index).image.astype(float) - dataset.sample(index).image
        assert 0.0 < np.abs(off).mean() < error


def test_cropped_shards_hold_the_crops(tmp_path):
    crop, dataset = StoredCrop(64, 2.7), MadeDataset(sequences=2, frames=2)
    back = converted(tmp_path, dataset, crop=crop)
    for index in range(4):
        assert_same_sample(back.sample(index), crop_sample(dataset.sample(index), crop))
        # Cropping a crop again changes nothing.
        again = crop_sample(back.sample(index), crop)
        np.testing.assert_array_equal(again.image, back.sample(index).image)
        np.testing.assert_allclose(again.camera, back.sample(index).camera, rtol=1e-9)


def test_goes_to_other_processes(whole):
    dataset = pickle.loads(pickle.dumps(ShardDataset(whole)))
    assert_same_sample(dataset.sample(7), MadeDataset().sample(7))


def test_skipped_samples_are_named_and_remembered(tmp_path, caplog):
    dataset = MadeDataset(unreadable=(2, 17))
    back = converted(tmp_path, dataset)
    assert len(back.entries) == 18
    assert_same_sample(back.sample(2), MadeDataset().sample(3))
    assert "skipped made/17.jpg is damaged" in caplog.text
    index_file(shard_file(tmp_path, 1)).unlink()
    shard_file(tmp_path, 1).unlink()
    caplog.clear()
    convert(dataset, tmp_path, SETTINGS, None)  # only the one that is gone
    assert "2 of 20 samples" in caplog.text
    with pytest.raises(AmtError, match="5 of 20 samples cannot be read"):
        converted(tmp_path / "bad", MadeDataset(unreadable=(1, 2, 5, 7, 11)))


class Interrupted(MadeDataset):
    """Stopped by the user when one of its samples is read."""

    stop = -1

    def sample(self, index):
        if index == self.stop:
            raise KeyboardInterrupt
        return super().sample(index)


def test_a_stopped_conversion_goes_on(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(Interrupted, "stop", 13)
    with pytest.raises(KeyboardInterrupt):
        converted(tmp_path, Interrupted())
    assert shard_file(tmp_path, 0).is_file() and not shard_file(tmp_path, 1).exists()
    assert not list(tmp_path.glob(".shard*"))
    with pytest.raises(AmtError, match=r"shard-000001\.tar is missing.*goes on"):
        ShardDataset(tmp_path)
    first = shard_file(tmp_path, 0).stat().st_mtime_ns
    (tmp_path / ".shard-000001.77.tar").write_bytes(b"left by kill -9")
    converted(tmp_path)
    assert shard_file(tmp_path, 0).stat().st_mtime_ns == first
    assert not list(tmp_path.glob(".shard*"))
    for number in range(3):
        assert shard_file(tmp_path, number).read_bytes() == shard_file(whole, number).read_bytes()


def test_other_data_or_settings_are_refused(tmp_path, whole):
    with pytest.raises(AmtError, match="other data or settings"):
        convert(MadeDataset(seed=1), whole, SETTINGS, None)
    with pytest.raises(AmtError, match="other data or settings"):
        convert(MadeDataset(), whole, SETTINGS, StoredCrop())
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(AmtError, match="other files"):
        convert(MadeDataset(), tmp_path, SETTINGS, None)
    with pytest.raises(AmtError, match=r"convert\.image is 'gif'"):
        ConvertSettings(image="gif")


def test_damage_is_named(tmp_path):
    dataset = converted(tmp_path)
    shard = shard_file(tmp_path, 1)
    content = bytearray(shard.read_bytes())
    offset, size, _ = dataset._members[10][0]
    content[offset + size // 2] ^= 0x55  # one byte of sample 10's picture
    offset, size, _ = dataset._members[9][1]
    digit = content.index(b"1", offset, offset + size)
    content[digit : digit + 1] = b"2"  # labels that can be read, and are wrong
    shard.write_bytes(content)
    again = ShardDataset(tmp_path)
    for index in (9, 10):
        with pytest.raises(SampleError, match=rf"sample {index} in .*-000001\.tar is damaged"):
            again.sample(index)
    assert_same_sample(again.sample(11), MadeDataset().sample(11))
    shard.write_bytes(content[: len(content) // 2])
    with pytest.raises(SampleError, match=r"shard-000001\.tar is damaged"):
        again.sample(15)
    with pytest.raises(AmtError, match=r"shard-000001\.tar is damaged: it has \d+ bytes instead"):
        ShardDataset(tmp_path)
    shard.unlink()
    with pytest.raises(SampleError, match=r"shard-000001\.tar cannot be read \(No such file"):
        again.sample(11)
    with pytest.raises(AmtError, match=r"shard-000001\.tar is missing"):
        ShardDataset(tmp_path)
    with pytest.raises(AmtError, match="holds no shards"):
        ShardDataset(tmp_path / "elsewhere")


def test_a_lost_index_is_made_again(tmp_path):
    converted(tmp_path)
    index = index_file(shard_file(tmp_path, 2))
    before = json.loads(index.read_text())
    index.unlink()
    assert_same_sample(ShardDataset(tmp_path).sample(18), MadeDataset().sample(18))
    assert json.loads(index.read_text()) == before
    index.unlink()
    shard = shard_file(tmp_path, 2)
    shard.write_bytes(shard.read_bytes()[:5000])
    with pytest.raises(AmtError, match=r"shard-000002\.tar is damaged"):
        ShardDataset(tmp_path)


def test_a_full_disk_is_an_error_and_leaves_no_half_shard(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "addfile", full)
        with pytest.raises(AmtError, match="No space left"):
            converted(tmp_path)
    assert not list(tmp_path.glob("*.tar")) and not list(tmp_path.glob(".shard*"))
    assert len(converted(tmp_path).entries) == 20


def test_two_workers_write_the_same(tmp_path, whole):
    """A data set of an importable module, as the real ones are: here, shards of shards."""
    from dataclasses import replace

    back = converted(tmp_path, ShardDataset(whole), replace(SETTINGS, workers=2))
    for index in range(20):
        assert_same_sample(back.sample(index), MadeDataset().sample(index))
    assert convert_module.index_file(shard_file(tmp_path, 0)).is_file()
