"""The search for the largest batch that fits."""

import pytest
import torch

from amt_perception.errors import AmtError
from amt_training.trainer.batch_size import largest_batch, probe_batch_size


@pytest.mark.parametrize("room", [0, 1, 7, 8, 9, 63, 64, 100, 128, 129, 1000])
@pytest.mark.parametrize("multiple", [1, 8])
def test_finds_the_largest_that_fits(room: int, multiple: int) -> None:
    tried = []

    def fits(size: int) -> bool:
        tried.append(size)
        return size <= room

    found = largest_batch(fits, limit=128, multiple=multiple)

    assert found == min(room, 128) // multiple * multiple
    assert len(tried) == len(set(tried)) <= 16
    assert all(size % multiple == 0 and size <= 128 for size in tried)


def test_a_cpu_is_refused() -> None:
    with pytest.raises(AmtError, match="CUDA GPU only"):
        probe_batch_size(lambda size: None, torch.device("cpu"), limit=8)
