"""The cache: what is in it, that a killed build goes on, and the batches from it."""

import errno
import logging
import os
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from amt_perception.errors import AmtError
from amt_training.data import cache as cache_module
from amt_training.data.augmentation import AugmentationSettings
from amt_training.data.batches import BatchPlan, CachedBatches
from amt_training.data.cache import CacheSettings, ResidentCache, fits_in_memory
from amt_training.data.crops import CropReader, StoredCrop
from amt_training.data.labels import Labels, stack_labels

from .hand_samples import MadeDataset, make_sample

CROP = StoredCrop(64, 2.7)
PLAN = BatchPlan(
    batch_size=3, image_size=48, crop_scale=2.0, augmentation=AugmentationSettings(), seed=5
)


@pytest.fixture
def settings(tmp_path):
    return CacheSettings(folder=str(tmp_path / "cache"), workers=0, skip_limit=0.2)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(cache_module, "_CHUNK", 4)


def build(dataset, settings, crop=CROP):
    return ResidentCache.build(dataset, crop, settings, "cpu")


def assert_same(first, second):
    for field in fields(first):
        assert torch.equal(getattr(first, field.name), getattr(second, field.name)), field.name


class Counting(MadeDataset):
    """Counts how often each sample is read, and is interrupted at one of them."""

    def __init__(self, stop=None, **options):
        super().__init__(**options)
        self.reads, self.stop = [], stop

    def sample(self, index):
        if index == self.stop and self.reads.count(index) == (index in self.probed):
            raise KeyboardInterrupt
        self.reads.append(index)
        return super().sample(index)

    @property
    def probed(self):
        """What the fingerprint looks at."""
        return (0, len(self.entries) // 2, len(self.entries) - 1)


def test_holds_every_sample_and_leaves_out_the_unreadable(settings, caplog):
    dataset = MadeDataset(sequences=4, frames=5, unreadable=(6, 13))
    cache = build(dataset, settings)
    kept = [index for index in range(20) if index not in (6, 13)]
    assert cache.indices.tolist() == kept
    assert cache.entries == [dataset.entries[index] for index in kept]
    crops = [CropReader(dataset, CROP)(index) for index in kept]
    np.testing.assert_array_equal(cache.pictures, np.stack([image for image, _ in crops]))
    assert_same(cache.labels, stack_labels([row for _, row in crops]))
    assert "skipped made/6.jpg is damaged" in caplog.text
    assert "2 of 20 samples could not be read" in caplog.text


def test_the_second_start_reads_nothing_but_three_samples(settings):
    first = build(dataset := Counting(), settings)
    assert sorted(set(dataset.reads)) == list(range(20))
    second = build(again := Counting(), settings)
    assert again.reads == list(again.probed)
    assert torch.equal(first.pictures, second.pictures)
    assert_same(first.labels, second.labels)


@pytest.mark.parametrize("stop", [2, 11, 19])
def test_an_interrupted_build_goes_on(settings, stop):
    whole = build(MadeDataset(unreadable=(1, 9)), replace(settings, folder=settings.folder + "2"))
    with pytest.raises(KeyboardInterrupt):
        build(Counting(stop=stop, unreadable=(1, 9)), settings)
    cache = build(dataset := Counting(unreadable=(1, 9)), settings)
    done = stop // 4 * 4  # whole chunks stay
    assert dataset.reads[3:] == list(range(done, 20))
    assert torch.equal(cache.pictures, whole.pictures)
    assert_same(cache.labels, whole.labels)
    assert cache.indices.tolist() == whole.indices.tolist()


def test_other_data_gets_another_cache(settings):
    first = build(MadeDataset(), settings)
    assert not torch.equal(first.pictures, build(MadeDataset(seed=1), settings).pictures)
    assert build(MadeDataset(), settings, StoredCrop(72, 2.7)).pictures.shape[1] == 72
    assert build(MadeDataset(sequences=2), settings).labels.side.shape == (10,)
    assert len(os.listdir(settings.folder)) == 4


def test_too_many_unreadable_samples_are_an_error(settings):
    with pytest.raises(AmtError, match=r"5 of 20 samples cannot be read.*made/16\.jpg.*skip_limit"):
        build(MadeDataset(unreadable=(3, 5, 7, 11, 16, 18)), settings)


def test_a_full_disk_is_an_error_and_leaves_no_cache(settings, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(AmtError, match=r"No space left.*cache\.folder"):
            build(MadeDataset(), settings)
    assert len(build(MadeDataset(), settings).entries) == 20


def test_a_folder_that_cannot_be_made_is_an_error(settings, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(AmtError, match="cannot write in"):
        build(MadeDataset(), settings)


def test_a_damaged_cache_is_named(settings):
    build(MadeDataset(), settings)
    (folder,) = (entry.path for entry in os.scandir(settings.folder))
    os.truncate(f"{folder}/images.npy", 5000)
    with pytest.raises(AmtError, match=rf"{folder} is damaged"):
        build(MadeDataset(), settings)
    os.remove(f"{folder}/cache.json")  # as if it had been stopped at once
    assert len(build(MadeDataset(), settings).entries) == 20


def test_a_data_set_without_samples_is_an_error(settings):
    with pytest.raises(AmtError, match="has no samples"):
        build(MadeDataset(sequences=0), settings)


def test_the_budget_decides_and_the_log_says_so(settings, caplog):
    caplog.set_level(logging.INFO)
    dataset = MadeDataset()
    needed = 20 * 3 * 64**2 / 1e9
    assert fits_in_memory(dataset, CROP, replace(settings, memory_gb=1.01 * needed))
    assert "held in memory" in caplog.text
    assert not fits_in_memory(dataset, CROP, replace(settings, memory_gb=0.99 * needed))
    assert "streamed from the files" in caplog.text


def take(source, first, count):
    batches = source.batches(first)
    return [next(batches) for _ in range(count)]


def assert_same_batches(first, second):
    for (inputs, labels), (other_inputs, other_labels) in zip(first, second, strict=True):
        assert_same(inputs, other_inputs)
        assert_same(labels, other_labels)


@pytest.mark.parametrize("frames", [1, 3])
def test_any_step_can_be_made_again(settings, frames):
    source = CachedBatches(build(MadeDataset(), settings), replace(PLAN, frames=frames))
    assert source.steps_per_epoch == (6 if frames == 1 else 4)
    whole = take(source, 0, 9)
    assert whole[0][0].image.shape == (3, frames, 3, 48, 48)
    assert_same_batches(whole[5:], take(source, 5, 4))
    other = CachedBatches(source.cache, replace(source.plan, seed=6))
    assert not torch.equal(take(other, 0, 1)[0][0].image, whole[0][0].image)
    # The same samples come again in the next epoch, changed in another way.
    assert not torch.equal(whole[0][0].image, whole[source.steps_per_epoch][0].image)


def test_two_processes_see_the_batch_of_one(settings):
    cache = build(MadeDataset(), settings)
    whole, labels = take(CachedBatches(cache, replace(PLAN, batch_size=6)), 4, 1)[0]
    halves = [take(CachedBatches(cache, replace(PLAN, rank=rank, world=2)), 4, 1)[0]
              for rank in (0, 1)]  # fmt: skip
    both = type(whole)(**{f.name: torch.cat([getattr(half[0], f.name) for half in halves])
                          for f in fields(whole)})  # fmt: skip
    assert_same(both, whole)
    assert torch.equal(torch.cat([half[1].joints for half in halves]), labels.joints)


def test_evaluation_sees_every_window_once(settings):
    cache = build(MadeDataset(unreadable=(6,)), settings)
    seen = []
    for rank in (0, 1):
        source = CachedBatches(cache, replace(PLAN, augmentation=None, rank=rank, world=2))
        for indices, inputs, labels in source.once():
            assert len(indices) == len(inputs.image) == len(labels.side) <= 3
            dataset = MadeDataset()
            for index, joints, valid in zip(
                indices, labels.joints, labels.joints_valid, strict=True
            ):
                truth = make_sample(dataset.entries[index], seed=index).joints
                np.testing.assert_allclose(joints[valid], truth[valid], atol=1e-6)
            seen += indices.tolist()
    assert sorted(seen) == [index for index in range(20) if index != 6]


def test_windows_do_not_reach_over_a_skipped_sample(settings):
    cache = build(MadeDataset(sequences=2, frames=5, unreadable=(1,)), settings)
    source = CachedBatches(cache, replace(PLAN, frames=3))
    last = [index for indices, _, _ in source.once() for index in indices]
    assert last == [4, 7, 8, 9]


def test_what_a_batch_does_never_reaches_the_file(settings):
    cache = build(MadeDataset(), settings)
    before = cache.pictures.clone()
    cache.pictures.zero_()
    assert torch.equal(build(MadeDataset(), settings).pictures, before)


def test_labels_has_an_array_for_each_field(settings):
    build(MadeDataset(), settings)
    (folder,) = os.scandir(settings.folder)
    files = {name for name in os.listdir(folder) if name.endswith(".npy")}
    assert files == {"images.npy"} | {f"{field.name}.npy" for field in fields(Labels)}
