"""Which samples a step has: every one once in an epoch, from the step alone."""

import numpy as np
import pytest

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_training.data.sample import Entry
from amt_training.data.sampler import PermutationSampler, windows


def test_an_epoch_has_every_item_once():
    sampler = PermutationSampler(103, 10, seed=4)
    assert sampler.steps_per_epoch == 10
    epochs = [
        np.concatenate([sampler.indices(10 * epoch + step) for step in range(10)])
        for epoch in range(3)
    ]
    for epoch in epochs:
        assert len(set(epoch.tolist())) == 100
        assert epoch.min() >= 0 and epoch.max() < 103
    assert not np.array_equal(epochs[0], epochs[1])
    assert set(np.concatenate(epochs).tolist()) == set(range(103))  # others are dropped each time


def test_a_step_does_not_depend_on_those_before():
    sampler = PermutationSampler(50, 7, seed=1)
    in_order = [sampler.indices(step) for step in range(20)]
    for step in (19, 3, 12, 0):
        np.testing.assert_array_equal(PermutationSampler(50, 7, seed=1).indices(step),
                                      in_order[step])  # fmt: skip
    other = PermutationSampler(50, 7, seed=2)
    assert not np.array_equal(other.indices(0), in_order[0])


def test_two_processes_share_what_one_would_see():
    alone = PermutationSampler(50, 8, seed=1)
    both = [PermutationSampler(50, 4, seed=1, rank=rank, world=2) for rank in (0, 1)]
    assert both[0].steps_per_epoch == alone.steps_per_epoch == 6
    for step in (0, 5, 6, 13):
        parts = np.concatenate([one.indices(step) for one in both])
        np.testing.assert_array_equal(parts, alone.indices(step))


def test_windows_do_not_reach_over_gaps():
    entries = [
        *(Entry("a", frame, Side.RIGHT) for frame in (0, 1, 2, 4, 5, 6, 7)),
        *(Entry("b", frame, Side.RIGHT) for frame in (8, 9)),
        *(Entry("c", frame, Side.LEFT) for frame in (10, 11, 12)),
    ]
    assert windows(entries, 3).tolist() == [[0, 1, 2], [3, 4, 5], [4, 5, 6], [9, 10, 11]]
    assert windows(entries, 4).tolist() == [[3, 4, 5, 6]]
    assert windows(entries, 1).tolist() == [[index] for index in range(12)]
    with pytest.raises(AmtError, match="12 samples ends 5 consecutive frames"):
        windows(entries, 5)
    with pytest.raises(AmtError):
        windows([], 1)


def test_a_batch_that_cannot_be_filled_is_refused():
    with pytest.raises(AmtError, match="batch_size 6 in 2 process"):
        PermutationSampler(11, 6, seed=0, world=2)
    with pytest.raises(AmtError, match="batch_size is 0"):
        PermutationSampler(11, 0, seed=0)
    with pytest.raises(AmtError, match="rank 2"):
        PermutationSampler(11, 1, seed=0, rank=2, world=2)
