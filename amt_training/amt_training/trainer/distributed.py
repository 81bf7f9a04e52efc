"""Several processes, as torchrun starts them: who is who, one word for all, shared work."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from amt_perception.errors import AmtError
from amt_perception.model.precision import choose_device
from amt_training.trainer.layers import transformer_layers


@dataclass(frozen=True)
class DistributedSettings:
    """How the work is shared between the processes that torchrun starts."""

    strategy: str = "ddp"
    """ddp: every process has the whole network; fsdp2: each has a shard of it, which fits networks
    that do not fit one GPU."""
    timeout_minutes: float = 30.0
    """How long a process waits for the others before it gives up."""

    def __post_init__(self) -> None:
        if self.strategy not in ("ddp", "fsdp2"):
            raise AmtError(
                f"there is no trainer.distributed.strategy '{self.strategy}'; choose ddp or fsdp2"
            )


class OtherProcessFailedError(Exception):
    """Another process has stopped and says why."""


class TrainingInterruptedError(Exception):
    """A signal has stopped the training after a checkpoint; the message is one sentence."""


@dataclass(frozen=True)
class World:
    """The processes of a training; a single one needs no torchrun."""

    rank: int
    size: int
    device: torch.device
    """Of this process."""

    @property
    def is_main(self) -> bool:
        """The one process that writes and talks."""
        return self.rank == 0

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Which of the flags are true in any process; all must ask."""
        if self.size == 1:
            return list(flags)
        raised = torch.tensor(flags, dtype=torch.int32)
        dist.all_reduce(raised, dist.ReduceOp.MAX)
        return [bool(flag) for flag in raised.tolist()]

    def mean(self, values: Tensor) -> Tensor:
        """Mean of a CPU tensor over the processes; all must ask."""
        if self.size > 1:
            dist.all_reduce(values)
        return values / self.size

    def from_main(self, work: Callable[[], int]) -> int:
        """Let the main process do something, wait for it, and have its number.

        Raises what it raises there, and OtherProcessFailedError in the other processes.
        """
        answer = torch.zeros(2, dtype=torch.int64)
        try:
            if self.is_main:
                answer = torch.tensor([1, work()])
        finally:
            if self.size > 1:
                dist.broadcast(answer, 0)
        done, number = answer.tolist()
        if not done:
            raise OtherProcessFailedError
        return int(number)


@contextmanager
def join_world(settings: DistributedSettings, device: str) -> Iterator[World]:
    """This process among those of torchrun (by its environment variables), or alone.

    device: auto, cpu or cuda. Raises AmtError when the device is not there.
    """
    chosen = choose_device(device)
    if "LOCAL_RANK" not in os.environ:
        if settings.strategy == "fsdp2":
            raise AmtError(
                "fsdp2 shards the network over processes: start the program with torchrun, or set "
                "trainer.distributed.strategy=ddp"
            )
        yield World(0, 1, chosen)
        return
    if chosen.type == "cuda":
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise AmtError(
                f"process {local} finds {torch.cuda.device_count()} GPUs: start at most one "
                "process for each GPU (torchrun --nproc_per_node)"
            )
        chosen = torch.device("cuda", local)
        torch.cuda.set_device(chosen)
    # Flags and sentences travel between CPUs, so that they never wait for a GPU's work.
    backend = "cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=timedelta(minutes=settings.timeout_minutes))
    yield World(dist.get_rank(), dist.get_world_size(), chosen)
    dist.destroy_process_group()  # not after an error: others may still wait for this process


def run(settings: DistributedSettings, device: str, work: Callable[[World], None]) -> int:
    """Do the work in this process's world; gives the exit code of the program.

    A user's mistake ends all processes with its one sentence (1), an interruption too (130).
    Whoever fails first says why; the others end quietly.
    """
    try:
        with join_world(settings, device) as world:
            work(world)
    except TrainingInterruptedError as interruption:
        if _first_to_say("stopped"):
            print(interruption, file=sys.stderr)
        return 130
    except KeyboardInterrupt:  # a second Ctrl-C, or one outside of the training
        return 130
    except Exception as error:
        if not _first_to_say("failed"):
            return 1
        if isinstance(error, AmtError):
            print(error, file=sys.stderr, flush=True)
        elif isinstance(error, OtherProcessFailedError) or _is_lost_connection(error):
            print(
                "another process of this training has ended without a word (it may have been "
                "killed, or out of memory): run the same command to go on",
                file=sys.stderr,
                flush=True,
            )
        else:
            raise
        return 1
    return 0


def _is_lost_connection(error: Exception) -> bool:
    """Whether a collective failed because another process is gone."""
    return dist.is_initialized() and (isinstance(error, dist.DistError) or "gloo" in str(error))


def _first_to_say(what: str) -> bool:
    """Whether no other process has said it."""
    if not dist.is_initialized():
        return True
    try:
        return dist.distributed_c10d._get_default_store().add(what, 1) == 1
    except (RuntimeError, ValueError):  # the store went with the process that failed first
        return False


def shard_task(task: nn.Module, world: World) -> None:
    """Spread the network's parameters over the processes, layer by layer, in place: FSDP2.

    Zhao et al., "PyTorch FSDP", VLDB 2023. What cannot be cut, and the task's parameters outside of
    the network, stay whole everywhere and owe an `average_replicated` after each backward pass.
    """
    # Outputs of the network are never changed in place.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    mesh = init_device_mesh(world.device.type, (world.size,))
    model: nn.Module = task.model  # type: ignore[assignment]
    scalars = {one for one in model.parameters() if one.ndim == 0}
    for part in (*transformer_layers(model), model):
        # Also after an evaluation, or the next step would compute with the averaged weights.
        fully_shard(part, mesh=mesh, ignored_params=scalars, reshard_after_forward=True)


def replicate_task(task: nn.Module, world: World, some_unused: bool) -> nn.Module:
    """What to call in place of the task, so that its gradients are everyone's mean: DDP.

    some_unused: whether some trainable parameters have no part in the loss.
    """
    if world.size == 1:
        return task
    # Said of parameters like [1, 1, 96], whose strides are the same in all but name.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    return DistributedDataParallel(
        task, find_unused_parameters=some_unused, gradient_as_bucket_view=True
    )


def copy_from_main(task: nn.Module, world: World) -> None:
    """Have the main process's parameters and buffers in every process."""
    if world.size > 1:
        for tensor in (*task.parameters(), *task.buffers()):
            dist.broadcast(tensor.detach(), 0)


def average_replicated(task: nn.Module, world: World) -> None:
    """Average the gradients of parameters that fsdp2 has not sharded over the processes."""
    plain = [one for one in task.parameters() if one.requires_grad and not isinstance(one, DTensor)]
    if not plain or world.size == 1:
        return
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in plain]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    sizes = [one.numel() for one in plain]
    for one, part in zip(plain, (flat / world.size).split(sizes), strict=True):
        one.grad = part.view_as(one)
