"""The training loop."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from amt_perception.errors import AmtError
from amt_training.losses.matching import PredictionNotFiniteError
from amt_training.losses.total import Loss
from amt_training.trainer.batches import cut, sample_count, to_device
from amt_training.trainer.checkpoints import Checkpoints
from amt_training.trainer.distributed import (
    TrainingInterruptedError,
    World,
    average_replicated,
    copy_from_main,
    replicate_task,
    shard_task,
)
from amt_training.trainer.ema import Ema
from amt_training.trainer.gradients import HeldBuffers, compute_gradients, seed_generators
from amt_training.trainer.interfaces import Batch, BatchSource, Evaluation, StepReport, Watcher
from amt_training.trainer.interruption import Interruption
from amt_training.trainer.loss_log import LossLog
from amt_training.trainer.optimizer import build_optimizer, prepare_gradients, trainable
from amt_training.trainer.precision import Precision
from amt_training.trainer.records import StepRecords
from amt_training.trainer.schedule import learning_rate
from amt_training.trainer.settings import TrainerSettings
from amt_training.trainer.state import gather_state, restore_state
from amt_training.watch.nan_tracing import trace_non_finite

_log = logging.getLogger(__name__)


class Trainer:
    """Trains a `Task` on a `BatchSource` in this process of the `world`.

    folder: of the run; gets `checkpoints/` and `losses.jsonl`, one line a step. configuration: of
    the whole run, plain values, kept in every checkpoint. From construction on the task is on the
    world's device, perhaps sharded. Raises AmtError for settings that cannot be.

    A run that is killed at any moment and started again gives the same losses, bit by bit where the
    device's algorithms are deterministic.
    """

    def __init__(
        self,
        settings: TrainerSettings,
        task: nn.Module,
        source: BatchSource,
        folder: Path,
        world: World,
        watchers: Sequence[Watcher] = (),
        evaluate: Evaluation | None = None,
        configuration: Mapping[str, Any] | None = None,
    ) -> None:
        self.settings = settings
        self.task = task.to(world.device)
        self.source = source
        self.folder = folder
        self.world = world
        self.step = 0
        """Steps done."""
        self._watchers = watchers if world.is_main else ()
        self._evaluation = evaluate
        self._configuration = dict(configuration or {})
        self._precision = Precision(settings.precision, world.device)
        self._sharded = settings.distributed.strategy == "fsdp2"
        self._precision.prepare(self.model, whole=not self._sharded)
        copy_from_main(task, world)
        if self._sharded:
            shard_task(task, world)
        self._shared = task if self._sharded else None
        self._parameters = trainable(task)
        self._optimizer = build_optimizer(settings.optimizer, task, world.device)
        self._ema = Ema(settings.ema, self.model)
        self._checkpoints = Checkpoints(folder / "checkpoints", settings.checkpoints)
        self._records = StepRecords()
        self._samples = 0  # since the last report
        self._spoilt = torch.zeros((), device=world.device)
        """One when a gradient has not been finite."""

    @property
    def model(self) -> nn.Module:
        """The network that is trained."""
        model: nn.Module = self.task.model  # type: ignore[assignment]
        return model

    def run(self) -> None:
        """Train to the last step, from the newest checkpoint if there is one.

        Raises TrainingInterruptedError after SIGINT or SIGTERM and a checkpoint; AmtError when the
        loss is no longer finite, or a checkpoint cannot be used or written.
        """
        self._resume()
        self._losses = (
            LossLog(self.folder / "losses.jsonl", self.step) if self.world.is_main else None
        )
        self._started = self._saved = self._reported = time.monotonic()
        try:
            for watcher in self._watchers:
                watcher.on_start(self)
            with Interruption() as interruption:
                if self.step == 0 and self._evaluation is not None:
                    self._evaluate()  # where it starts; and it fails now, not hours later
                    self._reported = time.monotonic()
                self._loop(interruption)
        finally:
            for watcher in self._watchers:
                watcher.on_end()
            if self._losses:
                self._losses.close()

    def train_step(self, batch: Batch) -> None:
        """One step, without what `run` does between steps."""
        settings = self.settings
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate(group["peak"])
        new = settings.optimizer.learning_rate * settings.optimizer.new_factor
        rate = self._learning_rate(new)
        self._samples += sample_count(batch) * self.world.size
        parts = cut(to_device(batch, self.world.device), settings.accumulation)
        self.task.train()
        self._optimizer.zero_grad()
        try:
            if self._shared is None:
                self._shared = self._replicate(parts)
            loss = self._gradients(self._shared, parts)
        except PredictionNotFiniteError as error:
            for record in self._records.fetch(None):
                if record.not_finite:
                    raise self._not_finite(record.step, record.not_finite) from error
            raise self._not_finite(self.step + 1, ["the network's predictions"]) from error
        if self._sharded:
            average_replicated(self.task, self.world)
        norm = prepare_gradients(settings.optimizer, self._parameters)
        if not self._sharded:
            # From the first gradient on that is not finite no step is taken: so it can be traced.
            # A fused optimiser asks this on the device, as it does for torch.amp.GradScaler.
            self._spoilt = torch.maximum(self._spoilt, (~norm.isfinite()).float())
            self._optimizer.found_inf = self._spoilt  # type: ignore[attr-defined]
        self._optimizer.step()
        self.step += 1
        self._ema.update(self.step)
        self._records.add(self.step, rate, loss, norm)

    def _loop(self, interruption: Interruption) -> None:
        settings = self.settings
        batches = self.source.batches(self.step)
        while self.step < settings.max_steps:
            self.train_step(next(batches))
            stop, late = self.world.any([interruption.signal is not None, self._is_late()])
            last = self.step == settings.max_steps
            evaluate = self._evaluation is not None and (last or self._due(settings.evaluate_every))
            save = stop or late or last or self._due(settings.checkpoints.every_steps)
            if evaluate or save or self._due(settings.log_every):
                self._report()
            if evaluate or save:
                paused = time.monotonic()
                metrics, best = self._evaluate() if evaluate else ({}, False)
                if save or best:
                    self._save(metrics)
                self._reported += time.monotonic() - paused
            if stop and not last:
                name = interruption.signal.name if interruption.signal else "a signal"
                raise TrainingInterruptedError(
                    f"stopped by {name} after step {self.step}, which is saved in "
                    f"{self._checkpoints.at(self.step)}: run the same command to go on"
                )

    def _gradients(self, shared: nn.Module, parts: Sequence[Batch]) -> Loss:
        """Those of this step, and its loss."""
        seed, step, rank = self.settings.seed, self.step, self.world.rank
        return compute_gradients(
            shared,
            self.task,
            parts,
            step / self.settings.max_steps,
            self._precision.context,
            lambda part: seed_generators(seed, step, rank, part),
        )

    def _replicate(self, parts: Sequence[Batch]) -> nn.Module:
        """The task for DDP, which must be told beforehand whether it uses all parameters."""
        unused = False
        if self.world.size > 1:
            with HeldBuffers(self.task):
                self._gradients(self.task, parts)
            unused = any(parameter.grad is None for parameter in self._parameters)
            self._optimizer.zero_grad()
        return replicate_task(self.task, self.world, *self.world.any([unused]))

    def _report(self) -> None:
        """Fetch the losses since the last report, look at them, pass them on.

        Raises AmtError when one is not finite.
        """
        records = self._records.fetch(self.world)
        good = []
        for record in records:
            if record.not_finite:
                break
            good.append(record)
        if self._losses:
            self._losses.write(record.line() for record in good)
        if len(good) < len(records):
            bad = records[len(good)]
            raise self._not_finite(bad.step, bad.not_finite)
        now = time.monotonic()
        newest = records[-1]
        report = StepReport(
            step=newest.step,
            max_steps=self.settings.max_steps,
            progress=(newest.step - 1) / self.settings.max_steps,
            loss=newest.loss,
            terms=newest.terms,
            learning_rate=newest.learning_rate,
            gradient_norm=newest.gradient_norm,
            samples_per_second=self._samples / (now - self._reported),
            seconds=now - self._started,
        )
        self._reported, self._samples = now, 0
        for watcher in self._watchers:
            watcher.on_step(report)

    def _evaluate(self) -> tuple[Mapping[str, float], bool]:
        """Metrics of the averaged weights, and whether they are the best so far."""
        assert self._evaluation is not None
        self.task.eval()
        with self._ema.in_place(), torch.no_grad(), self._precision.context():
            metrics = self._evaluation(self.model)
        for watcher in self._watchers:
            watcher.on_evaluation(self.step, metrics)
        wanted = self.settings.checkpoints.best_metric

        def is_best() -> int:
            if wanted and wanted not in metrics:
                raise AmtError(
                    f"the evaluation has no metric '{wanted}', which "
                    "trainer.checkpoints.best_metric asks for; it has: " + ", ".join(metrics)
                )
            return int(bool(wanted) and metrics[wanted] < self._checkpoints.best_score())

        return metrics, bool(self.world.from_main(is_best))

    def _save(self, metrics: Mapping[str, float]) -> None:
        """Write a checkpoint of this step."""
        notes = {"step": self.step, "metrics": dict(metrics)}
        noted = notes | {"configuration": self._configuration}
        writers = gather_state(self.task, self._optimizer, self._ema, noted)
        state = notes | self._identity

        def write() -> int:
            assert self._losses is not None
            self._losses.sync()
            self._checkpoints.write(self.step, writers, state)
            return 0

        self.world.from_main(write)
        self._saved = time.monotonic()

    def _resume(self) -> None:
        """Load the newest whole checkpoint, where there is one."""

        def newest() -> int:
            if not self.settings.resume and self._checkpoints.folders():
                raise AmtError(
                    f"{self._checkpoints.folder} has checkpoints of an earlier run: choose another "
                    "folder, or set trainer.resume=true to go on from them"
                )
            checkpoint = self._checkpoints.newest()
            if checkpoint is None:
                return 0
            changed = [key for key, now in self._identity.items() if checkpoint.state[key] != now]
            if changed:
                _log.warning(
                    "the run goes on with another %s: its losses will be others than those of an "
                    "uninterrupted run",
                    ", ".join(changed),
                )
            return checkpoint.step

        self.step = self.world.from_main(newest)
        if self.step:
            folder = self._checkpoints.at(self.step)
            restore_state(folder, self.task, self._optimizer, self._ema)
            if self.world.is_main:
                _log.info("going on after step %d from %s", self.step, folder)

    @property
    def _identity(self) -> dict[str, Any]:
        """What must stay the same for a resumed run to be the same run."""
        return {
            "seed": self.settings.seed,
            "processes": self.world.size,
            "configuration": self._configuration,
        }

    def _not_finite(self, step: int, names: list[str]) -> AmtError:
        """The error for numbers that are not."""
        verb = "is" if len(names) == 1 else "are"
        where = f" ({self._trace(step)})" if self.world.size == 1 else ""
        folders = self._checkpoints.folders()
        back = f"go back to {folders[0]}" if folders else "start again (there is no checkpoint yet)"
        return AmtError(
            f"the training has stopped because {', '.join(names)} {verb} not finite at step {step}"
            f"{where}: {back} with a lower trainer.optimizer.learning_rate"
        )

    def _trace(self, step: int) -> str:
        """Where it began: the step is repeated, with the weights that it started from."""
        batch = to_device(next(self.source.batches(step - 1)), self.world.device)
        self.task.train()
        where = ""
        for number, part in enumerate(cut(batch, self.settings.accumulation)):

            def forward(number: int = number, part: Batch = part) -> Loss:
                seed_generators(self.settings.seed, step - 1, self.world.rank, number)
                with self._precision.context():
                    loss: Loss = self.task(part, (step - 1) / self.settings.max_steps)
                return loss

            if where := trace_non_finite(self.task, forward):
                break
        return where or "not so when the step was repeated: it depends on the order of sums"

    def _learning_rate(self, peak: float) -> float:
        settings = self.settings
        return learning_rate(
            settings.schedule, peak, self.step, settings.max_steps, self.source.steps_per_epoch
        )

    def _due(self, every: int) -> bool:
        return every > 0 and self.step % every == 0

    def _is_late(self) -> bool:
        minutes = self.settings.checkpoints.every_minutes
        return 0.0 < minutes <= (time.monotonic() - self._saved) / 60.0
