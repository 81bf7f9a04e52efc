"""The packed model on a GPU: compiled, and each batch size recorded as one CUDA graph.

A hand network at batch 1 is a thousand small kernels: launching them one by one takes longer than
running them. A graph launches them all at once, but only for the shapes it was recorded with, so
batches are filled up to the next of a few sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from amt_perception.model.packed import PackedAmt
from amt_perception.model.precision import autocast

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Larger batches run in parts."""
_WARM_UP_RUNS = 3
"""Before recording: libraries choose their kernels in the first run."""


@dataclass(frozen=True)
class Recorded:
    """One batch size: fill the inputs, replay, read the rows."""

    image: Tensor
    numbers: Tensor
    rows: Tensor
    replay: Callable[[], None]


class BatchRunner:
    """Runs the packed model in batches of fixed sizes.

    example: numbers [1, 20] of any sample, on the device, to record with. torch.compile fuses what
    lies between the matrix products; it takes about a minute for each new batch size.
    """

    def __init__(self, packed: PackedAmt, precision: str, example: Tensor) -> None:
        self._precision = precision
        self._example = example
        self._function: Callable[[Tensor, Tensor], Tensor] = torch.compile(
            packed, fullgraph=True, dynamic=False
        )
        self._image_size = packed.model.config.image_size
        self._recorded: dict[int, Recorded] = {}
        self._memory: Any = None

    def prepare(self, size: int) -> None:
        """Record a batch size now and not at its first use."""
        if size not in self._recorded:
            self._recorded[size] = self._record(size)

    def __call__(self, image: Tensor, numbers: Tensor) -> Tensor:
        """Rows [B, D] on the device; arguments as `PackedAmt.forward`'s, numbers may be anywhere.

        The caller owns the rows: the next call does not change them.
        """
        parts = [
            self._run(
                image[start : start + BATCH_SIZES[-1]], numbers[start : start + BATCH_SIZES[-1]]
            )
            for start in range(0, len(image), BATCH_SIZES[-1])
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _run(self, image: Tensor, numbers: Tensor) -> Tensor:
        count = len(image)
        size = next(size for size in BATCH_SIZES if size >= count)
        self.prepare(size)
        recorded = self._recorded[size]
        # What fills the batch up is left over from before: samples do not influence one another.
        recorded.image[:count].copy_(image, non_blocking=True)
        recorded.numbers[:count].copy_(numbers, non_blocking=True)
        recorded.replay()
        return recorded.rows[:count].clone()

    def _record(self, size: int) -> Recorded:
        device = self._example.device
        side = self._image_size
        image = torch.zeros(size, 3, side, side, dtype=torch.uint8, device=device)
        numbers = self._example.repeat(size, 1)
        here = torch.cuda.current_stream(device)
        stream = torch.cuda.Stream(device)
        stream.wait_stream(here)
        with torch.cuda.stream(stream), torch.no_grad(), autocast(device, self._precision):
            for _ in range(_WARM_UP_RUNS):
                self._function(image, numbers)
        here.wait_stream(stream)
        # Graphs run one after the other, so they can share their memory; rows are kept apart by
        # being held.
        if self._memory is None:
            self._memory = torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        with (
            torch.no_grad(),
            autocast(device, self._precision),
            torch.cuda.graph(graph, pool=self._memory),
        ):
            rows = self._function(image, numbers)
        return Recorded(image, numbers, rows, graph.replay)
