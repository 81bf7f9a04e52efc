"""Trainings of seconds for tests, in this process or in others that share the work."""

from __future__ import annotations

import copy
import logging
import multiprocessing
import os
import runpy
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext, redirect_stderr
from dataclasses import replace
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from amt_perception.model.sigma_reparam import SigmaReparam
from amt_training.losses.reduction import masked_mean
from amt_training.losses.targets import AmtTarget
from amt_training.losses.total import Loss
from amt_training.losses.whole_batch import _of_processes
from amt_training.toy.scenes import ToyScenes, make_scenes
from amt_training.toy.training import build, crops
from amt_training.trainer.batches import cut, each_tensor
from amt_training.trainer.checkpoints import CheckpointSettings
from amt_training.trainer.distributed import (
    DistributedSettings,
    World,
    average_replicated,
    replicate_task,
    run,
    shard_task,
)
from amt_training.trainer.gradients import compute_gradients
from amt_training.trainer.optimizer import OptimizerSettings, prepare_gradients
from amt_training.trainer.precision import PrecisionSettings
from amt_training.trainer.schedule import ScheduleSettings
from amt_training.trainer.settings import TrainerSettings
from amt_training.trainer.trainer import Trainer

BATCH = 8
SETTINGS = TrainerSettings(
    max_steps=20,
    log_every=3,
    evaluate_every=5,
    optimizer=OptimizerSettings(learning_rate=1e-2),
    schedule=ScheduleSettings(warm_up_steps=3),
    checkpoints=CheckpointSettings(every_steps=4, every_minutes=0.0),
    precision=PrecisionSettings(deterministic=True),
)


class MicroNetwork(nn.Module):
    """Two layers, and a third that the loss does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.dropout = nn.Dropout(0.2)
        self.last = nn.Linear(8, 2)
        self.unused = nn.Linear(2, 2)

    def forward(self, values: Tensor) -> Tensor:
        return self.last(self.dropout(torch.tanh(self.first(values))))


class MicroTask(nn.Module):
    """Values to their sums, some of them unknown, with weights that the loss learns."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.model = MicroNetwork()
        self.log_weight = nn.Parameter(torch.zeros(2))

    def parameter_groups(self) -> dict[str, list[nn.Module]]:
        return {"backbone": [self.model.first]}

    def forward(self, batch: tuple[Tensor, Tensor], progress: float) -> Loss:
        values, truth = batch
        error = (self.model(values) - truth).square()
        known, everyone = values[:, :2] > -0.5, torch.ones(len(values))
        weighted = error * torch.exp(-self.log_weight) + self.log_weight
        terms = {
            "weighted": masked_mean(weighted, known, everyone),
            "plain": masked_mean(error, known, everyone),
        }
        return Loss(terms["weighted"] + (1.0 - progress) * terms["plain"], terms)


def mean_output(model: nn.Module) -> dict[str, float]:
    """An evaluation: with the network's forward, as shards need it."""
    return {"mean": float(model(torch.ones(1, 4)).mean())}


class MicroSource:
    """Batches that depend on step and rank; accidents happen in those of given steps."""

    steps_per_epoch = 5

    def __init__(self, rank: int = 0, accidents: Mapping[int, str] | None = None) -> None:
        self.rank = rank
        self.accidents = accidents or {}
        """By step, from 0: kill, terminate, fail, bug or nan."""

    def batches(self, first_step: int) -> Iterator[tuple[Tensor, Tensor]]:
        step = first_step
        while True:
            generator = torch.Generator().manual_seed(1000 * step + self.rank)
            values = torch.randn(BATCH, 4, generator=generator)
            self._have_accident(step, values)
            yield values, torch.stack([values.sum(1), values[:, 0]], dim=1)
            step += 1

    def _have_accident(self, step: int, values: Tensor) -> None:
        from amt_perception.errors import AmtError

        what = self.accidents.get(step)
        if what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif what == "terminate":
            for _ in range(2):  # torchrun repeats what the terminal has sent
                os.kill(os.getpid(), signal.SIGTERM)
        elif what == "fail":
            raise AmtError("the data of process 1 are gone")
        elif what == "bug":
            raise RuntimeError("a bug")
        elif what == "nan":
            values[0, 0] = torch.nan


class AmtTask(nn.Module):
    """The tiny model and the whole loss; power iterations lag behind, as they do in training."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.loss = build(seed=0)
        for module in self.model.modules():
            if isinstance(module, SigmaReparam):
                lagging = module.right + 0.05 * torch.randn_like(module.right)
                module.right.copy_(nn.functional.normalize(lagging, dim=0))

    def parameter_groups(self) -> dict[str, list[nn.Module]]:
        return {"backbone": [self.model.image_encoder.backbone]}

    def forward(self, batch: tuple[Any, AmtTarget], progress: float) -> Loss:
        inputs, target = batch
        return self.loss(self.model(inputs), target, inputs, progress)


@cache
def _scenes() -> ToyScenes:
    return make_scenes(4, seed=0)


def amt_batch(model: nn.Module) -> tuple[Any, AmtTarget]:
    """Four scenes, with unequal parts of the truth unknown in the first two and the others."""
    inputs, target = crops(_scenes(), model)
    target = target.each(torch.clone)
    target.joints_valid[0, 3:] = False
    target.mano_valid[1] = False
    target.keypoints_valid[2, :4] = False
    annotated = torch.tensor([True, False, True, True])
    objects = replace(target.objects, annotated=annotated, valid=target.objects.valid.clone())
    objects.valid[~annotated] = False
    return inputs, replace(target, objects=objects)


class AmtSource:
    """Two of four scenes in turn."""

    steps_per_epoch = 2

    def __init__(self, model: nn.Module) -> None:
        self.whole = amt_batch(model)

    def batches(self, first_step: int) -> Iterator[Any]:
        step = first_step
        while True:
            first = 2 * (step % 2)
            yield each_tensor(self.whole, lambda one, first=first: one[first : first + 2])
            step += 1


def train(
    folder: Path,
    settings: TrainerSettings,
    accidents: Mapping[int, str] | None = None,
) -> int:
    """Train in this process; gives the exit code. Accidents happen to the last process."""

    def work(world: World) -> None:
        mine = accidents if world.rank == world.size - 1 else None
        source = MicroSource(world.rank, mine)
        Trainer(settings, MicroTask(), source, folder, world, evaluate=mean_output).run()

    return run(settings.distributed, "cpu", work)


def gradients(folder: Path, batch: Any) -> int:
    """Gradients of AmtTask over a batch whose parts are in two processes, once with each strategy.

    The main process writes them to folder / ddp.safetensors and so on; the buffers after the step,
    of both processes, are in them, too.
    """

    def work(world: World) -> None:
        first = AmtTask()
        for strategy in ("ddp", "fsdp2"):
            task = copy.deepcopy(first)
            shared: nn.Module = task
            if strategy == "ddp":
                shared = replicate_task(task, world, some_unused=False)
            else:
                shard_task(task, world)
            half = cut(batch, world.size)[world.rank]
            compute_gradients(shared, task, [half], 0.3, nullcontext, lambda part: None)
            if strategy == "fsdp2":
                average_replicated(task, world)
            found = {
                name: whole(one.grad).clone()
                for name, one in task.named_parameters()
                if one.requires_grad
            }
            found |= {name: one for name, one in task.named_buffers() if one.is_floating_point()}
            norm = prepare_gradients(OptimizerSettings(), list(task.parameters()))
            found["norm"] = norm.reshape(1)
            buffers = torch.cat([one.flatten().float() for one in task.buffers()])
            for rank, one in enumerate(_of_processes(buffers)):
                found[f"buffers of {rank}"] = one
            if world.is_main:
                save_file(
                    {name: one.contiguous() for name, one in found.items()},
                    folder / f"{strategy}.safetensors",
                )

    return run(DistributedSettings(), "cpu", work)


def whole(tensor: Any) -> Tensor:
    """A tensor that may be in shards."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor.contiguous()


_PRELOADED = [
    "amt_training.trainer.trainer",
    "amt_training.toy.training",
    "transformers.models.dinov2.modeling_dinov2",
]


def start(processes: int, function: str, **arguments: Any) -> list[BaseProcess]:
    """Start one of this file's functions in so many processes, as torchrun would.

    What they say goes to files: arguments["folder"] / stderr_0 and so on.
    """
    context = multiprocessing.get_context("forkserver")  # they need not import torch each
    context.set_forkserver_preload(_PRELOADED)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = []
    for rank in range(processes):
        environment = {
            "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes,
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
        }  # fmt: skip
        task = {"function": function, "environment": environment, "arguments": arguments}
        process = context.Process(
            target=runpy.run_path, args=(__file__, {"TASK": task}, "__main__"), daemon=True
        )
        process.start()
        started.append(process)
    return started


def finish(processes: list[BaseProcess]) -> list[int | None]:
    """Wait for processes; gives their exit codes, None for one that hangs (it is killed)."""
    for process in processes:
        process.join(30.0)
        if process.is_alive():
            process.kill()
    return [process.exitcode for process in processes]


def main(task: Mapping[str, Any]) -> None:
    """In another process."""
    os.environ |= {name: str(value) for name, value in task["environment"].items()}
    torch.set_num_threads(1)
    logging.basicConfig(level="INFO")
    folder = Path(task["arguments"]["folder"])
    path = folder / f"stderr_{task['environment']['RANK']}"
    with path.open("a") as file, redirect_stderr(file):
        code = globals()[task["function"]](**task["arguments"])
    sys.exit(code)


if __name__ == "__main__":
    main(globals()["TASK"])
