"""The folder of results: whose it is, what is done in it, and whether a run may go on in it."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.output.files import atomic_write

RUN_FILE = "run.json"
RESULTS_FILE = "results.json"
OVERLAY = ".overlay"
"""Before the suffix of pictures and videos with what was drawn."""
RESULTS = "[!.]*.npz"
"""Whole files of results: half-written ones are hidden."""
OWN_FILES = (RESULTS, f"*{OVERLAY}.jpg", f"*{OVERLAY}.mp4", RESULTS_FILE, RUN_FILE)
"""Everything that a run writes."""
PROGRAM = "amt_perception.infer"
UNFINISHED = re.compile(r"\..+\.(\d+)\.(npz|jpg|mp4|json)")
"""How `atomic_write` names a file until it is whole; the number is the process."""
NAMED = 3
"""Files that an error names before it counts the rest."""


class ResultsFolder:
    """A folder for one run's results: `run.json` says what was asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def check(self, request: dict[str, Any], overwrite: bool) -> None:
        """Raise AmtError when the folder holds another run's results or other files.

        request: everything that the results depend on, as JSON. overwrite: whether an earlier run
        may be started anew. Writes nothing.
        """
        earlier = self._earlier_request()
        if earlier is None:
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                raise AmtError(
                    f"{self.path} exists and does not come from this command; choose an empty or "
                    "new folder with --output."
                )
        elif overwrite or not any(self.path.glob(RESULTS)):
            return
        elif differences := _differences(earlier, request):
            raise AmtError(
                f"{self.path} holds the results of another run ({'; '.join(differences)}); choose "
                "another --output, or start anew with --overwrite."
            )

    def begin(self, request: dict[str, Any], overwrite: bool) -> None:
        """Make the folder this run's, after `check`; AmtError when nothing can be written.

        overwrite: delete the files of whatever run was there before.
        """
        if overwrite:
            for pattern in OWN_FILES:
                for file in self.path.glob(pattern):
                    file.unlink()
        self._remove_unfinished()
        with atomic_write(self.path / RUN_FILE) as temporary:
            temporary.write_text(json.dumps({"program": PROGRAM, **request}, indent=1))

    def _earlier_request(self) -> dict[str, Any] | None:
        """What `run.json` says; None when there is none, or another program's."""
        try:
            earlier = json.loads((self.path / RUN_FILE).read_text())
            return earlier if earlier.pop("program") == PROGRAM else None
        except (OSError, ValueError, AttributeError, KeyError):
            return None

    def arrays(self, name: str) -> Path:
        """File of an input's results."""
        return self.path / f"{name}.npz"

    def picture(self, name: str) -> Path:
        """File of an image with what was drawn on it."""
        return self.path / f"{name}{OVERLAY}.jpg"

    def video(self, name: str) -> Path:
        """File of a video with what was drawn on it."""
        return self.path / f"{name}{OVERLAY}.mp4"

    @property
    def is_complete(self) -> bool:
        """Whether a run came to its end here."""
        try:
            return bool(json.loads((self.path / RESULTS_FILE).read_text())["complete"])
        except (OSError, ValueError, KeyError):
            return False

    def done(self, images: Sequence[Path]) -> set[Path]:
        """Those of the images whose results are there.

        Raises AmtError when one of them has changed since, or when there are results of images
        that are not among these any more.
        """
        by_name = {image.stem: image for image in images}
        there = {file.stem: file for file in self.path.glob(RESULTS)}
        _refuse("of images that are gone", self.path, sorted(there.keys() - by_name.keys()))
        done, changed = set(), []
        for name, file in there.items():
            kept = _kept_stamp(file)
            if kept == file_stamp(by_name[name]):
                done.add(by_name[name])
            elif kept is not None:
                changed.append(by_name[name].name)
        _refuse("of images that have changed since", self.path, sorted(changed))
        return done

    def _remove_unfinished(self) -> None:
        """Delete the half-written files of runs that were killed."""
        for file in self.path.glob(".*"):
            match = UNFINISHED.fullmatch(file.name)
            if match and not _is_running(int(match[1])):
                file.unlink(missing_ok=True)


def file_stamp(path: Path) -> dict[str, int]:
    """Size (bytes) and time of change (ns) of a file, or of all files of a folder together.

    Raises AmtError when it cannot be read.
    """
    try:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        stats = [file.stat() for file in files if not file.is_dir()]
    except OSError as error:
        raise AmtError(f"Cannot read {path} ({error.strerror}); correct the path.") from error
    return {
        "bytes": sum(stat.st_size for stat in stats),
        "modified_ns": max((stat.st_mtime_ns for stat in stats), default=0),
    }


def _kept_stamp(file: Path) -> dict[str, int] | None:
    """The stamp of the image that results were made from; None when the file cannot be read."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {key: int(arrays[f"input_{key}"]) for key in ("bytes", "modified_ns")}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None


def _refuse(what: str, folder: Path, names: list[str]) -> None:
    if names:
        rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        raise AmtError(
            f"{folder} holds results {what} ({', '.join(names[:NAMED])}{rest}); choose another "
            "--output, or start anew with --overwrite."
        )


def _differences(earlier: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs between two requests, in words."""
    words = []
    for key in sorted(earlier.keys() | now.keys()):
        old, new = earlier.get(key), now.get(key)
        name = key.replace("_", " ")
        if old == new:
            continue
        if not (isinstance(old, dict) and isinstance(new, dict)):
            words.append(f"{name} was {_say(old)}, now {_say(new)}")
        elif old.get("path") != new.get("path"):
            words.append(f"{name} was {old.get('path')}, now {new.get('path')}")
        elif "path" in old:
            words.append(f"{old['path']} has changed")
        else:
            words += [f"{name}: {difference}" for difference in _differences(old, new)]
    return words


def _say(value: Any) -> str:
    if value is None:
        return "not given"
    return str(value["path"]) if isinstance(value, dict) else str(value)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
