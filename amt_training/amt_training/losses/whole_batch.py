"""Statistics of a whole batch that is worked through in parts: several processes, micro-batches.

A mean over what is known in each part, averaged over the parts, is not the mean over the batch. The
losses therefore ask here for counts and statistics of the whole batch, and the average of the
parts' losses (and gradients) becomes that of the batch. Outside `WholeBatch` a batch is whole by
itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

import torch
import torch.distributed as dist
from torch import Tensor


class WholeBatch:
    """A batch in `micro_batches` parts one after another, in each of the world's processes.

    With one micro-batch, the forward pass under `computing(0)` exchanges the statistics as it goes.
    With more, every micro-batch first runs under `looking(i)`, without gradients and with the
    random numbers that it will have again; then each runs under `computing(i)` and finds the
    statistics of all. That costs one more forward pass and is exact for any loss, like the gradient
    cache of Gao et al., "Scaling deep contrastive learning batch size under memory limited setup",
    RepL4NLP 2021.
    """

    def __init__(self, micro_batches: int) -> None:
        self._values: list[list[list[Tensor]]] = [[] for _ in range(micro_batches)]
        """[micro-batch][number of the call][process]."""
        self._current = 0
        self._call = 0
        self._looking = False

    @property
    def asked(self) -> bool:
        """Whether the loss has asked for a statistic while `looking`."""
        return any(self._values)

    def looking(self, micro_batch: int) -> AbstractContextManager[None]:
        """Context of a first forward pass."""
        return self._part(micro_batch, looking=True)

    def computing(self, micro_batch: int) -> AbstractContextManager[None]:
        """Context of the forward pass that gradients are computed of."""
        return self._part(micro_batch, looking=False)

    @contextmanager
    def _part(self, micro_batch: int, looking: bool) -> Iterator[None]:
        self._current, self._call, self._looking = micro_batch, 0, looking
        token = _active.set(self)
        try:
            yield
        finally:
            _active.reset(token)

    def share(self, value: Tensor) -> list[Tensor]:
        """The value of this call in every part, without gradients; ours is at `place`."""
        value = value.detach()
        if self._looking:
            everyones = _of_processes(value)
            self._values[self._current].append(everyones)
            return everyones
        if not self.asked:
            return _of_processes(value)
        call, self._call = self._call, self._call + 1
        return [one for part in self._values for one in part[call]]

    @property
    def place(self) -> int:
        """Of our own value among those of `share`."""
        rank, size = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        return rank if self._looking or not self.asked else self._current * size + rank


_active: ContextVar[WholeBatch | None] = ContextVar("whole batch", default=None)


def mean_over_parts(value: Tensor) -> Tensor:
    """The mean of a number over the parts of the batch, without gradient."""
    whole = _active.get()
    if whole is None:
        return value.detach()
    return torch.stack(whole.share(value.float())).mean(0)


def rows_of_all_parts(rows: Tensor) -> Tensor:
    """Rows [N, ...] of all parts of the batch, [parts * N, ...].

    Every part computes the same statistic of them. Its gradient goes to the part's own rows, times
    the number of parts, because gradients are averaged over them.
    """
    whole = _active.get()
    if whole is None:
        return rows
    everyones = whole.share(rows)
    if rows.is_floating_point():
        own = rows.detach()
        everyones[whole.place] = own + len(everyones) * (rows - own)
    return torch.cat(everyones)


def _of_processes(value: Tensor) -> list[Tensor]:
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return [value]
    everyones = [torch.empty_like(value) for _ in range(dist.get_world_size())]
    dist.all_gather(everyones, value.contiguous())
    return everyones
