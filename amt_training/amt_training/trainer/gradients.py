"""The gradients of one batch, in one piece or in micro-batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from amt_training.losses.total import Loss
from amt_training.losses.whole_batch import WholeBatch
from amt_training.trainer.interfaces import Batch


def seed_generators(*key: int) -> None:
    """Seed torch's generators by whole numbers, independently for each combination of them."""
    torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]))


def compute_gradients(
    shared: nn.Module,
    task: nn.Module,
    parts: Sequence[Batch],
    progress: float,
    context: Callable[[], AbstractContextManager[None]],
    seed: Callable[[int], None],
) -> Loss:
    """Add the gradients of a batch to those of the parameters; gives its loss, detached.

    shared: what to call in place of the task (`distributed.replicate_task`), or the task itself.
    parts: the micro-batches; they give what the batch in one piece would give, at the price of one
    more forward pass where the loss has statistics of the batch (`losses.whole_batch`). context: of
    a forward pass; seed: seeds the random numbers of a micro-batch.
    """
    whole = WholeBatch(len(parts))
    held = HeldBuffers(task)
    if len(parts) > 1:
        for number, part in enumerate(parts):
            seed(number)
            with torch.no_grad(), whole.looking(number), context(), held:
                task(part, progress)
            if not whole.asked:
                break
    losses = []
    for number, part in enumerate(parts):
        seed(number)
        last = number == len(parts) - 1
        with nullcontext() if last else held, _exchange(shared, last):
            with whole.computing(number), context():
                loss: Loss = shared(part, progress)
            (loss.total / len(parts)).backward()
        losses.append(Loss(loss.total.detach(), {n: t.detach() for n, t in loss.terms.items()}))
    return _mean(losses)


def _mean(losses: list[Loss]) -> Loss:
    count = len(losses)
    terms = {
        name: torch.stack([loss.terms[name] for loss in losses]).sum() / count
        for name in losses[0].terms
    }
    return Loss(torch.stack([loss.total for loss in losses]).sum() / count, terms)


@contextmanager
def _exchange(shared: nn.Module, last: bool) -> Iterator[None]:
    """DDP exchanges gradients after the last micro-batch only; FSDP2 has to after each."""
    if isinstance(shared, DistributedDataParallel) and not last:
        with shared.no_sync():
            yield
    else:
        yield


class HeldBuffers:
    """Context that gives buffers back their values: every micro-batch finds the same ones.

    What a forward pass does to them depends on the weights alone (sigmaReparam's power iteration),
    so the last one's are those of the whole batch.
    """

    def __init__(self, module: nn.Module) -> None:
        self._buffers: list[Tensor] = list(module.buffers())
        self._values: list[Tensor] = []

    def __enter__(self) -> None:
        self._values = [buffer.clone() for buffer in self._buffers]

    def __exit__(self, *_: object) -> None:
        for buffer, value in zip(self._buffers, self._values, strict=True):
            buffer.copy_(value)
