"""Folders of checkpoints: each whole or not there at all.

A checkpoint is a folder `step_00001200` of files, with their sizes and SHA-256 in `state.json`. It
is written under another name, flushed to the disk and renamed, so a crash at any moment leaves the
older ones as they were. Nothing here unpickles.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amt_perception.errors import AmtError

_STATE = "state.json"
_FORMAT = 1
_log = logging.getLogger(__name__)

Writer = Callable[[Path], None]
"""Writes one file."""


@dataclass(frozen=True)
class CheckpointSettings:
    """When checkpoints are written and which are kept."""

    every_steps: int = 1000
    """0 for none by steps."""
    every_minutes: float = 30.0
    """0 for none by time."""
    keep: int = 3
    """So many last ones are kept, and the best."""
    best_metric: str = ""
    """Name of the evaluation's metric that is lowest in the best one; empty for no best."""

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise AmtError(f"trainer.checkpoints.keep must be at least 1, not {self.keep}")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files are whole."""

    folder: Path
    state: dict[str, Any]
    """What was noted beside the tensors: step, seed, metrics, configuration."""

    @property
    def step(self) -> int:
        """Steps done."""
        return int(self.state["step"])


class Checkpoints:
    """The checkpoints of one training, in `folder`. For the main process only."""

    def __init__(self, folder: Path, settings: CheckpointSettings) -> None:
        self.folder = folder
        self.settings = settings

    def folders(self) -> list[Path]:
        """Those of all checkpoints, newest first, whole or not."""
        return sorted(self.folder.glob("step_*"), reverse=True)

    def at(self, step: int) -> Path:
        """The folder of that step's checkpoint."""
        return self.folder / f"step_{step:08d}"

    def newest(self) -> Checkpoint | None:
        """The newest whole one; None where there has never been any.

        Others are named in the log with what is wrong. Raises AmtError when all are damaged.
        """
        folders = self.folders()
        for folder in folders:
            try:
                return read_checkpoint(folder)
            except AmtError as error:
                _log.warning("%s; going back to the one before", error)
        if folders:
            raise AmtError(
                f"none of the {len(folders)} checkpoints in {self.folder} is whole; move it away "
                "to start anew"
            )
        return None

    def best_score(self) -> float:
        """The lowest `best_metric` of those kept; infinite where there is none."""
        return min((self._score(folder) for folder in self.folders()), default=math.inf)

    def write(self, step: int, writers: Mapping[str, Writer], state: Mapping[str, Any]) -> Path:
        """Write a checkpoint and drop those that are no longer kept; gives its folder.

        writers: by file name. state: plain values for JSON. A checkpoint of the same step is
        replaced. Raises AmtError where it cannot be written; the older ones are then untouched.
        """
        from safetensors import SafetensorError

        final = self.at(step)
        temporary = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._clean()
            temporary = Path(tempfile.mkdtemp(prefix=".unfinished_", dir=self.folder))
            temporary.chmod(0o755)
            _fill(temporary, writers, {"format": _FORMAT, "step": step, **state})
            if final.exists():  # of a run that went back to an earlier checkpoint
                shutil.rmtree(final)
            temporary.rename(final)
            _flush(self.folder)
        except (OSError, SafetensorError) as error:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)
            raise AmtError(
                f"the checkpoint of step {step} cannot be written to {self.folder} ({error}): make "
                "room there and run the same command again; the older checkpoints are as they were"
            ) from error
        except BaseException:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)
            raise
        self._prune(final)
        return final

    def _prune(self, newest: Path) -> None:
        every = self.folders()
        # Later ones were damaged, else the run would have gone on from them.
        folders = [folder for folder in every if folder.name <= newest.name]
        kept = set(folders[: self.settings.keep])
        best = min(folders, key=self._score)
        if math.isfinite(self._score(best)):
            kept.add(best)
        for folder in every:
            if folder not in kept:
                shutil.rmtree(folder)

    def _clean(self) -> None:
        """Remove what a killed process has left behind."""
        for left in self.folder.glob(".unfinished_*"):
            shutil.rmtree(left)

    def _score(self, folder: Path) -> float:
        try:
            score = _read_state(folder).get("metrics", {}).get(self.settings.best_metric)
        except AmtError:
            return math.inf
        return score if score is not None and math.isfinite(score) else math.inf


def read_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint in a folder, its files compared with their sizes and hashes.

    Raises AmtError that says what is wrong with it.
    """
    state = _read_state(folder)
    for name, noted in state["files"].items():
        path = folder / name
        if not path.is_file():
            raise AmtError(f"the checkpoint {folder} lacks its file {name}")
        size = path.stat().st_size
        if size != noted["size"]:
            raise AmtError(
                f"the checkpoint {folder} is damaged: {name} has {size} bytes instead of "
                f"{noted['size']}"
            )
        if _sha256(path) != noted["sha256"]:
            raise AmtError(f"the checkpoint {folder} is damaged: {name} has other contents")
    return Checkpoint(folder, state)


def _read_state(folder: Path) -> dict[str, Any]:
    path = folder / _STATE
    try:
        state: dict[str, Any] = json.loads(path.read_text())
        if state["format"] > _FORMAT:
            raise AmtError(f"the checkpoint {folder} is of a later version; update amt_training")
        if "step" in state and "files" in state:
            return state
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AmtError(f"the checkpoint {folder} is damaged: no whole {_STATE}") from error
    raise AmtError(f"the checkpoint {folder} is damaged: {_STATE} is not a trainer's")


def _fill(folder: Path, writers: Mapping[str, Writer], state: Mapping[str, Any]) -> None:
    files = {}
    for name, write in writers.items():
        path = folder / name
        write(path)
        _flush(path)
        files[name] = {"size": path.stat().st_size, "sha256": _sha256(path)}
    path = folder / _STATE
    path.write_text(json.dumps({**state, "files": files}, indent=1))
    _flush(path)
    _flush(folder)


def _flush(path: Path) -> None:
    """Have the file or folder on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()
