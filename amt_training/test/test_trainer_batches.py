"""Batches of any make."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from amt_perception.errors import AmtError
from amt_training.trainer.batches import cut, each_tensor, sample_count


class Pair(NamedTuple):
    first: Tensor
    second: dict[str, Tensor]


BATCH = [Pair(torch.arange(6), {"one": torch.zeros(6, 2)}), (torch.ones(6),)]


def test_parts_together_are_the_batch() -> None:
    parts = cut(BATCH, 3)

    assert len(parts) == 3 and all(sample_count(part) == 2 for part in parts)
    assert isinstance(parts[0][0], Pair)
    assert torch.cat([part[0].first for part in parts]).tolist() == list(range(6))
    assert parts[1][0].second["one"].shape == (2, 2)


def test_unequal_parts_are_an_error() -> None:
    with pytest.raises(AmtError, match=r"6 samples .* 4 equal .* trainer\.accumulation"):
        cut(BATCH, 4)


def test_what_is_no_batch() -> None:
    with pytest.raises(ValueError, match=r"\[5, 6\]"):
        sample_count((torch.zeros(5), torch.zeros(6)))
    with pytest.raises(TypeError, match="str"):
        each_tensor(("a name", torch.zeros(1)), torch.clone)
