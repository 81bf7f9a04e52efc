"""python -m amt_training.train experiment=NAME [data=NAME] [KEY=VALUE ...]: train a model."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from amt_perception.errors import AmtError
from amt_training.build import build_grasp_task, build_task, hand_models
from amt_training.configuration import checked, command
from amt_training.data.factory import make_dataset, make_grasps
from amt_training.functional.batches import GraspBatches, HeldOutGrasps
from amt_training.functional.page_watcher import PageWatcher
from amt_training.settings import TrainSettings
from amt_training.sources import (
    First,
    FrameSource,
    pose_windows,
    training_frames,
    validation_frames,
)
from amt_training.tasks.transition import TransitionTask
from amt_training.trainer.batch_size import probe_batch_size
from amt_training.trainer.batches import each_tensor, sample_count
from amt_training.trainer.distributed import World, run
from amt_training.trainer.interfaces import Batch, BatchSource, Watcher
from amt_training.trainer.trainer import Trainer
from amt_training.watch.curves import draw_curves, read_run
from amt_training.watch.evaluations import EvaluationLog
from amt_training.watch.loggers import LogWatcher
from amt_training.watch.look import LookWatcher
from amt_training.watch.progress import ProgressBar

CURVES = "curves.png"
TRAINED_ON = "trained_on"
"""In the notes of a checkpoint: name of the data set."""
_VALIDATION_WINDOWS = 8
"""Batches of windows of poses that the transition refiner is judged by."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Learning:
    """What is learned, from what, and how it is judged."""

    task: nn.Module
    source: BatchSource
    evaluate: Callable[[], Mapping[str, float]]
    """Metrics of held-out samples."""
    watchers: Sequence[Watcher]
    """Besides those of every run."""
    trained_on: str
    samples: int
    """How many there are to learn from."""
    looked_at: str
    """Name of the held-out part."""


def train(settings: TrainSettings, configuration: Mapping[str, Any], world: World) -> None:
    """Train in this process of the world. configuration: the settings as plain values.

    Raises AmtError for a mistake of the user's, TrainingInterruptedError for a signal.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    log = LogWatcher(settings.watch.loggers, configuration)
    learn = learn_grasps if settings.task == "functional_grasp" else learn_hands
    learning = learn(settings, world, log)
    _describe(learning)
    folder = Path(settings.run_folder)
    watchers: list[Watcher] = [ProgressBar(), EvaluationLog(), log, *learning.watchers]
    trainer = Trainer(
        settings.trainer, learning.task, learning.source, folder, world, watchers,
        lambda _: learning.evaluate(),
        {**configuration, TRAINED_ON: learning.trained_on},
    )  # fmt: skip
    if settings.probe_batch_size:
        _probe(trainer, next(iter(learning.source.batches(0))), learning.samples)
        return
    trainer.run()
    if world.is_main:
        draw_curves(folder / CURVES, [read_run(folder)], folder.name)
        _log.info("curves: %s", folder / CURVES)


def learn_hands(settings: TrainSettings, world: World, log: LogWatcher) -> Learning:
    """Hands, objects and contacts in pictures, or the motion of hands."""
    hands = hand_models(settings.mano_folder, settings.data)
    dataset = make_dataset(settings.data, "train", hands)
    held_out = make_dataset(settings.data, "val", hands)
    _check_batch_size(settings, world, dataset.name, len(dataset.entries))
    task = build_task(settings, hands, dataset)
    watchers: list[Watcher] = []
    source: BatchSource
    validation: FrameSource | First
    judge: Any = task.validate  # of the batches that the task's own kind of source gives
    if isinstance(task, TransitionTask):
        seed = settings.trainer.seed
        source = pose_windows(settings, dataset, world, seed)
        validation = First(pose_windows(settings, held_out, world, seed + 1), _VALIDATION_WINDOWS)
    else:
        source = training_frames(settings, dataset, task.model, world)
        validation = validation_frames(settings, held_out, task.model, world)
        inputs, labels = validation.spread(settings.watch.look.samples)
        task.to(world.device)
        task.targets.check_hand_model(task.last_labels(labels), held_out.name)
        target = task.targets(task.last_labels(labels))
        watchers.append(LookWatcher(settings.watch.look, inputs, target, log))
    looked_at = f"{held_out.name}: {len(held_out.entries):,} samples"
    return Learning(
        task, source, lambda: judge(validation.once()), watchers,
        dataset.name, len(dataset.entries), looked_at,
    )  # fmt: skip


def learn_grasps(settings: TrainSettings, world: World, log: LogWatcher) -> Learning:
    """Functional grasps."""
    task = build_grasp_task(settings)
    config, seed = task.model.config, settings.trainer.seed
    hands = hand_models(settings.mano_folder, settings.data)
    grasps = make_grasps(settings.data, "train", hands, config.hand, seed)
    held_out = make_grasps(settings.data, "val", hands, config.hand, seed)
    _check_batch_size(settings, world, grasps.name, len(grasps))
    source = GraspBatches(
        grasps, task.model.kernel, settings.batch_size, seed, world.rank, world.size,
        settings.cache.workers, settings.grasp.together,
    )  # fmt: skip
    looked_at = HeldOutGrasps(
        held_out, task.model.kernel, settings.grasp.validation.samples, settings.batch_size
    )
    return Learning(
        task, source, lambda: task.validate(looked_at.batches),
        [PageWatcher(settings.watch.look, task, held_out)],
        grasps.name, len(grasps), f"{held_out.name}: {len(held_out):,} samples",
    )  # fmt: skip


def _check_batch_size(settings: TrainSettings, world: World, name: str, count: int) -> None:
    if settings.batch_size * world.size > count:
        raise AmtError(
            f"batch_size={settings.batch_size} in {world.size} process(es) is more than the "
            f"{count} samples of {name}; choose a smaller one"
        )


def _probe(trainer: Trainer, batch: Batch, limit: int) -> None:
    """Print the largest batch size that the GPU has room for; batches repeat this one's samples."""
    count = sample_count(batch)

    def step(size: int) -> None:
        index = torch.arange(size, device=trainer.world.device) % count
        trainer.train_step(each_tensor(batch, lambda tensor: tensor[index]))

    probe_batch_size(step, trainer.world.device, limit)


def _describe(learning: Learning) -> None:
    model: nn.Module = learning.task.model  # type: ignore[assignment]
    parameters = sum(one.numel() for one in model.parameters())
    trained = sum(one.numel() for one in model.parameters() if one.requires_grad)
    _log.info(
        "%s: %.1f million parameters, %.1f million of them trained; %s: %d samples; %s",
        type(model).__name__, parameters / 1e6, trained / 1e6,
        learning.trained_on, learning.samples, learning.looked_at,
    )  # fmt: skip


@hydra.main(version_base=None, config_path="config", config_name="train")
@command
def main(config: DictConfig) -> None:
    """Run the command line."""
    settings = checked(config, TrainSettings)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    configuration: Any = OmegaConf.to_container(config, resolve=True)
    distributed = settings.trainer.distributed
    code = run(distributed, settings.device, lambda world: train(settings, configuration, world))
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main()
