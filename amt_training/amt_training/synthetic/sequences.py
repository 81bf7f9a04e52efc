"""Scenes into a folder, one file or folder each, by any number of processes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from amt_perception.errors import AmtError
from amt_perception.output.files import atomic_write
from amt_training.data.folders import alone_in
from amt_training.data.reading import in_order
from amt_training.synthetic.dataset import settings_digest
from amt_training.synthetic.settings import WorldSettings

DESCRIPTION = "world.json"
"""Says which world a folder holds."""
_UNFINISHED = ".unfinished"
"""Folder for what is not whole yet."""


class SceneJob(Protocol):
    """Writes one scene; it is sent to the worker processes."""

    def path(self, scene: int) -> Path:
        """What the scene becomes; it is there when it is whole."""

    def __call__(self, scene: int) -> None:
        """Write it."""


@contextmanager
def whole_folder(root: Path, folder: Path) -> Iterator[Path]:
    """Give the block the name of a folder to make, which becomes `folder` when it succeeds.

    A folder that is there already is replaced. root: the folder of `world_folder`, anywhere above.
    Raises AmtError when it cannot be written.
    """
    unfinished = root / _UNFINISHED / folder.relative_to(root)
    try:
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    except OSError as error:
        raise AmtError(
            f"Cannot write {folder} ({error.strerror}): free space or choose another folder."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def write_scenes(job: SceneJob, scenes: Iterable[int], workers: int, name: str) -> int:
    """Write the scenes that are not there yet; how many those were.

    workers: processes, or 0 to do it in this one. name: for the progress bar.
    """
    every = list(scenes)
    missing = [scene for scene in every if not job.path(scene).exists()]
    bar = tqdm(total=len(every), initial=len(every) - len(missing), unit="scene", desc=name)
    with bar, closing(in_order(job, missing, workers)) as done:
        for _ in done:
            bar.update()
    return len(missing)


@contextmanager
def world_folder(
    folder: Path, settings: WorldSettings, part: str, **options: object
) -> Iterator[None]:
    """Make the folder, and let one command at a time fill it with scenes of one world.

    options: what else changes the files. Raises AmtError when the folder holds something else.
    """
    values = {"part": part, "digest": settings_digest(settings), **options}
    with alone_in(folder):
        file = folder / DESCRIPTION
        if file.exists():
            if json.loads(file.read_text()) != values:
                raise AmtError(f"{folder} holds another world or options; choose a new folder")
        elif any(path.name != ".lock" for path in folder.iterdir()):
            raise AmtError(f"{folder} holds other files; choose a new folder")
        else:
            with atomic_write(file) as temporary:
                temporary.write_text(json.dumps(values, indent=1) + "\n")
        shutil.rmtree(folder / _UNFINISHED, ignore_errors=True)  # of a run that was killed
        yield
        shutil.rmtree(folder / _UNFINISHED, ignore_errors=True)
