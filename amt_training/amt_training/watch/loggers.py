"""Numbers and pictures of a run to TensorBoard, Weights & Biases and Aim."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from amt_perception.errors import AmtError
from amt_training.trainer.interfaces import StepReport
from amt_training.watch.gradients import gradient_norms, is_sharded

if TYPE_CHECKING:
    from amt_training.trainer.trainer import Trainer

_WANDB = ("off", "offline", "online")


@dataclass(frozen=True)
class LoggerSettings:
    """Where the numbers of a run go, besides its losses.jsonl."""

    tensorboard: bool = True
    """To the run's folder: `tensorboard --logdir` shows them."""
    wandb: str = "off"
    """Weights & Biases: off; offline: to the run's folder, needs no account; online."""
    wandb_project: str = "amt"
    """Project on Weights & Biases that the run belongs to."""
    aim: str | None = None
    """Folder of the Aim repository that the run is added to; None for no Aim."""

    def __post_init__(self) -> None:
        if self.wandb not in _WANDB:
            raise AmtError(
                f"watch.loggers.wandb cannot be '{self.wandb}'; choose from: {', '.join(_WANDB)}"
            )


class Logger(Protocol):
    """Keeps numbers and pictures."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers by name; a slash in a name puts it into a group."""

    def picture(self, step: int, name: str, image: np.ndarray) -> None:
        """image: [H, W, 3] uint8 RGB."""

    def close(self) -> None:
        """Write what is still in memory."""


class LogWatcher:
    """A `Watcher` that hands everything to the loggers: losses, rates, gradients, metrics.

    configuration: of the whole run, plain values. Raises AmtError at once when the package of a
    logger is missing.
    """

    def __init__(self, settings: LoggerSettings, configuration: Mapping[str, Any]) -> None:
        self._settings = settings
        self._configuration = configuration
        self._loggers: Sequence[Logger] = ()
        for wanted, module, package in (
            (settings.tensorboard, "torch.utils.tensorboard", "tensorboard"),
            (settings.wandb != "off", "wandb", "wandb"),
            (settings.aim is not None, "aim", "aim"),
        ):
            if wanted:
                _require(module, package)

    def on_start(self, trainer: Trainer) -> None:
        """Open the loggers; what they have after the step that is resumed from is dropped."""
        settings, folder = self._settings, trainer.folder
        loggers: list[Logger] = []
        if settings.tensorboard:
            loggers.append(TensorBoardLogger(folder / "tensorboard", trainer.step))
        if settings.wandb != "off":
            loggers.append(WandbLogger(folder, settings.wandb, settings.wandb_project,
                                       self._configuration))  # fmt: skip
        if settings.aim is not None:
            loggers.append(AimLogger(Path(settings.aim), folder, self._configuration))
        self._loggers = loggers
        self._model = trainer.model
        self._sharded = is_sharded(trainer.model)

    def on_step(self, report: StepReport) -> None:
        """Log a step: each term of the loss alone, gradients (as clipped) for each part."""
        values = {
            "loss": report.loss,
            "learning_rate": report.learning_rate,
            "samples_per_second": report.samples_per_second,
            "gradient_norm/before clipping": report.gradient_norm,
        }
        values |= {f"terms/{name}": term for name, term in report.terms.items()}
        if not self._sharded:
            norms = gradient_norms(self._model)
            values |= {f"gradient_norm/{part}": norm for part, norm in norms.items()}
        self.scalars(report.step, values)

    def on_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log an evaluation."""
        self.scalars(step, {f"evaluation/{name}": value for name, value in metrics.items()})

    def on_end(self) -> None:
        """Close the loggers."""
        for logger in self._loggers:
            logger.close()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers by name, to all loggers."""
        for logger in self._loggers:
            logger.scalars(step, values)

    def picture(self, step: int, name: str, image: np.ndarray) -> None:
        """A picture [H, W, 3] uint8 RGB, to all loggers."""
        for logger in self._loggers:
            logger.picture(step, name, image)


class TensorBoardLogger:
    """Event files in a folder.

    step: what has been done; TensorBoard hides later events of an earlier process that was killed.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=step + 1 if step else 0)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """As `Logger`."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, image: np.ndarray) -> None:
        """As `Logger`."""
        self._writer.add_image(name, image, step, dataformats="HWC")

    def close(self) -> None:
        """As `Logger`."""
        self._writer.close()


class WandbLogger:
    """A run on Weights & Biases, or in the folder until `wandb sync` sends it.

    A resumed run goes on as the same one; steps that it already has are kept as they are, which is
    what a run that repeats them exactly would give.
    """

    def __init__(
        self, folder: Path, mode: str, project: str, configuration: Mapping[str, Any]
    ) -> None:
        import wandb

        self._wandb = wandb
        self._run = wandb.init(
            project=project,
            name=folder.name,
            dir=folder,
            id=_remembered(folder / "wandb_id", lambda: uuid.uuid4().hex[:12]),
            resume="allow" if mode == "online" else None,
            mode=mode,
            config=dict(configuration),
            settings=wandb.Settings(console="off", silent=True),
        )

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """As `Logger`."""
        self._run.log(dict(values), step=step)

    def picture(self, step: int, name: str, image: np.ndarray) -> None:
        """As `Logger`."""
        self._run.log({name: self._wandb.Image(image)}, step=step)

    def close(self) -> None:
        """As `Logger`."""
        self._run.finish()


class AimLogger:
    """A run in an Aim repository. A resumed run goes on as the same one."""

    def __init__(self, repository: Path, folder: Path, configuration: Mapping[str, Any]) -> None:
        import aim

        self._aim = aim
        repository.mkdir(parents=True, exist_ok=True)
        remembered = folder / "aim_hash"
        self._run = aim.Run(
            run_hash=remembered.read_text() if remembered.exists() else None,
            repo=str(repository),
            experiment=folder.name,
            system_tracking_interval=None,
            capture_terminal_logs=False,
        )
        remembered.write_text(self._run.hash)
        self._run["configuration"] = dict(configuration)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """As `Logger`."""
        for name, value in values.items():
            self._run.track(value, name=name, step=step)

    def picture(self, step: int, name: str, image: np.ndarray) -> None:
        """As `Logger`."""
        from PIL import Image

        self._run.track(self._aim.Image(Image.fromarray(image)), name=name, step=step)

    def close(self) -> None:
        """As `Logger`."""
        self._run.close()


def _require(module: str, package: str) -> None:
    try:
        import_module(module)
    except ImportError as error:
        raise AmtError(f"logging to {package} needs its package: pip install {package}") from error


def _remembered(path: Path, make: Any) -> str:
    """What the file says; made and written where there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(make())
    return path.read_text()
