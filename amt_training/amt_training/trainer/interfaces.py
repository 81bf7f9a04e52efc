"""What the trainer asks of others: a task, batches, and those who watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from torch import nn

from amt_training.losses.total import Loss

if TYPE_CHECKING:
    from amt_training.trainer.trainer import Trainer

Batch = Any
"""A tensor, a `Tensors`, or a tuple, list or dict of batches; first axis: the samples."""

Evaluation = Callable[[nn.Module], Mapping[str, float]]
"""Metrics of the network. Called in every process, with averaged weights in evaluation mode and the
training's precision; the main process's metrics count."""


class Task(Protocol):
    """What is learned: an nn.Module that holds the network and its loss.

    Its parameters outside `model` (weights that the loss learns) are trained and saved, too.
    """

    model: nn.Module
    """The network: what is averaged, evaluated, and saved for use."""

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Module]]:
        """The parts of the groups `backbone` and `decoders`; whatever is in neither is `new`.

        Asked anew whenever it is needed: sharding replaces parameters.
        """

    def __call__(self, batch: Batch, progress: float) -> Loss:
        """The loss of a batch when a share `progress` (0..1) of the training is done.

        Calls `model` through its forward (sharding hangs on it). Random numbers come from torch's
        default generators, which the trainer seeds before every step.
        """


class BatchSource(Protocol):
    """Where batches come from."""

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every sample is seen once."""

    def batches(self, first_step: int) -> Iterator[Batch]:
        """Batches without end for the steps from `first_step` on.

        The batch of a step depends on the seed, the step and this process's rank only, and all
        have the same number of samples.
        """


@dataclass(frozen=True)
class StepReport:
    """One step of training, over all processes."""

    step: int
    """Steps done, this one included."""
    max_steps: int
    progress: float
    """Share of the training that was done before this step (0..1)."""
    loss: float
    terms: dict[str, float]
    """Each term of the loss by name, before its weight."""
    learning_rate: float
    """Of the new parts."""
    gradient_norm: float
    """Before clipping."""
    samples_per_second: float
    """Since the last report, evaluation and checkpoints left out."""
    seconds: float
    """Since the start of this run, all included."""


class Watcher(Protocol):
    """Is told what happens, in the main process only.

    Nothing here may change the training or ask for the other processes: where parameters are
    sharded (FSDP2), a watcher sees shards and cannot run the network.
    """

    def on_start(self, trainer: Trainer) -> None:
        """Before the first step, after a checkpoint has been loaded."""

    def on_step(self, report: StepReport) -> None:
        """After a step whose loss was looked at: every `log_every`-th, those before evaluations and
        checkpoints, the last. Gradients are still those of that step, clipped."""

    def on_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """After an evaluation with the averaged weights."""

    def on_end(self) -> None:
        """After the last step, an interruption or an error."""
