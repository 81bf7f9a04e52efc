"""Batches, whatever they are made of: counted, cut and moved."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from amt_perception.errors import AmtError
from amt_perception.model.interface import Tensors
from amt_training.trainer.interfaces import Batch


def each_tensor(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """The same batch with every tensor changed.

    Raises TypeError for a batch with something in it that is neither a tensor nor a `Tensors`,
    tuple, list or dict of them.
    """
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, Tensors):
        return batch.each(change)
    if isinstance(batch, dict):
        return {name: each_tensor(part, change) for name, part in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(each_tensor(part, change) for part in batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(each_tensor(part, change) for part in batch)
    raise TypeError(f"a batch is made of tensors, not of {type(batch).__name__}")


def sample_count(batch: Batch) -> int:
    """Number of samples: the length of its tensors' first axis."""
    counts: set[int] = set()

    def count(tensor: Tensor) -> Tensor:
        counts.add(len(tensor))
        return tensor

    each_tensor(batch, count)
    if len(counts) != 1:
        raise ValueError(f"the tensors of a batch have {sorted(counts)} samples, not one number")
    return counts.pop()


def cut(batch: Batch, parts: int) -> list[Batch]:
    """The batch in so many equal parts. Raises AmtError where that cannot be."""
    if parts == 1:
        return [batch]
    count = sample_count(batch)
    if count % parts:
        raise AmtError(
            f"a batch of {count} samples cannot be cut into {parts} equal micro-batches; choose a "
            "trainer.accumulation that divides the batch size"
        )
    size = count // parts

    def part(first: int) -> Batch:
        return each_tensor(batch, lambda tensor: tensor[first : first + size])

    return [part(first) for first in range(0, count, size)]


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on a device; from pinned memory without waiting for it."""
    return each_tensor(batch, lambda tensor: tensor.to(device, non_blocking=True))
