"""Streaming gives what the cache gives, from any step on."""

from dataclasses import fields, replace

import pytest
import torch

from amt_perception.errors import AmtError
from amt_training.data.augmentation import AugmentationSettings
from amt_training.data.batches import BatchPlan, CachedBatches
from amt_training.data.cache import CacheSettings, ResidentCache
from amt_training.data.convert import ConvertSettings, convert
from amt_training.data.crops import StoredCrop
from amt_training.data.shards import ShardDataset, shard_file
from amt_training.data.streaming import StreamedBatches, batch_source

from .hand_samples import MadeDataset

CROP = StoredCrop(64, 2.7)
PLAN = BatchPlan(
    batch_size=3, image_size=48, crop_scale=2.0, augmentation=AugmentationSettings(), frames=2
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    convert(MadeDataset(), folder, ConvertSettings(samples_per_shard=6, workers=0), None)
    return folder


def take(source, first, count):
    batches = source.batches(first)
    found = [next(batches) for _ in range(count)]
    batches.close()
    return found


def stream(dataset, plan=PLAN, workers=0, skip_limit=0.0):
    return StreamedBatches(dataset, CROP, plan, "cpu", workers, skip_limit)


def assert_same_batches(first, second):
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one, other, strict=True):
            for field in fields(a):
                assert torch.equal(getattr(a, field.name), getattr(b, field.name)), field.name


def test_is_what_the_cache_gives_whatever_the_workers(shards, tmp_path):
    dataset = ShardDataset(shards)
    settings = CacheSettings(folder=str(tmp_path), workers=2)
    cached = CachedBatches(ResidentCache.build(dataset, CROP, settings, "cpu"), PLAN)
    streamed = stream(dataset, workers=2)
    assert streamed.steps_per_epoch == cached.steps_per_epoch == 5
    whole = take(cached, 0, 8)
    assert_same_batches(take(streamed, 0, 8), whole)
    # In the middle of an epoch and of a shard.
    assert_same_batches(take(stream(dataset), 3, 5), whole[3:])


def test_leaves_the_random_numbers_of_training_alone():
    before = torch.get_rng_state()
    take(stream(MadeDataset()), 0, 2)
    assert torch.equal(torch.get_rng_state(), before)


def test_evaluation_is_what_the_cache_gives(shards, tmp_path):
    dataset, plan = ShardDataset(shards), replace(PLAN, augmentation=None, rank=1, world=2)
    settings = CacheSettings(folder=str(tmp_path), workers=0)
    cached = CachedBatches(ResidentCache.build(dataset, CROP, settings, "cpu"), plan)
    pairs = zip(stream(dataset, plan).once(), cached.once(), strict=True)
    for (indices, *batch), (other_indices, *other) in pairs:
        assert indices.tolist() == other_indices.tolist()
        assert_same_batches([batch], [other])


def test_an_unreadable_sample_gives_its_place_to_another(caplog):
    plan = replace(PLAN, frames=1, batch_size=10, augmentation=None)
    good = take(stream(MadeDataset(), plan), 0, 2)
    bad = take(stream(MadeDataset(unreadable=(4, 5)), plan, skip_limit=0.1), 0, 2)
    changed = torch.stack(
        [(a[0].image != b[0].image).flatten(1).any(1) for a, b in zip(good, bad, strict=True)]
    )
    assert changed.sum() == 2  # the others stay where they are
    joints = torch.stack([labels.joints for _, labels in bad])[changed]
    truth = torch.from_numpy(MadeDataset().sample(6).joints).float()  # the next that is readable
    torch.testing.assert_close(joints, truth.expand(2, 21, 3))
    assert "skipped made/4.jpg is damaged" in caplog.text
    again = take(stream(MadeDataset(unreadable=(4, 5)), plan, skip_limit=0.1), 1, 1)
    assert_same_batches(again, bad[1:])
    seen = [index for indices, _, _ in stream(MadeDataset(unreadable=(4,)), plan, 0, 0.1).once()
            for index in indices]  # fmt: skip
    assert seen == [index for index in range(20) if index != 4]


def test_too_many_unreadable_samples_are_an_error():
    plan = replace(PLAN, frames=1)
    with pytest.raises(AmtError, match="1 of 20 samples cannot be read, more than the limit of 0"):
        take(stream(MadeDataset(unreadable=(4,)), plan), 0, 6)
    with pytest.raises(AmtError, match="50 samples in a row"):
        take(stream(MadeDataset(unreadable=range(20)), plan, skip_limit=1.0), 0, 1)


def test_a_missing_shard_is_one_sentence_also_from_a_worker(tmp_path):
    settings = ConvertSettings(samples_per_shard=6, workers=0)
    convert(MadeDataset(), tmp_path, settings, None)
    dataset = ShardDataset(tmp_path)
    shard_file(tmp_path, 1).unlink()
    with pytest.raises(AmtError, match=r"shard-000001\.tar cannot be read") as caught:
        take(stream(dataset, replace(PLAN, frames=1), workers=1), 0, 6)
    assert "Traceback" not in str(caught.value)


def test_crops_that_do_not_fit_the_model_are_refused():
    with pytest.raises(AmtError, match="alias"):
        stream(MadeDataset(), replace(PLAN, image_size=16))


def test_the_budget_decides_which_it_is(tmp_path):
    settings = CacheSettings(folder=str(tmp_path), workers=0, memory_gb=1.0)
    cached = batch_source(MadeDataset(), CROP, PLAN, settings, "cpu")
    streamed = batch_source(MadeDataset(), CROP, PLAN, replace(settings, memory_gb=1e-4), "cpu")
    assert isinstance(cached, CachedBatches) and isinstance(streamed, StreamedBatches)
    assert_same_batches(take(streamed, 2, 2), take(cached, 2, 2))
