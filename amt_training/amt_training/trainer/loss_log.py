"""The loss curve of a run: one line of JSON a step, whatever was interrupted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from amt_perception.errors import AmtError


class LossLog:
    """Appends to a file of JSON lines, each with its `step`.

    Opening it at step N drops what comes after: a resumed run writes those steps anew.
    """

    def __init__(self, path: Path, step: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line in _lines(path) if line["step"] <= step]
        new = path.with_suffix(".part")
        new.write_text("".join(json.dumps(line) + "\n" for line in kept))
        os.replace(new, path)
        self._file = path.open("a")

    def write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Append lines. Raises AmtError where the disk is full."""
        try:
            for line in lines:
                self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        except OSError as error:
            raise AmtError(
                f"{self._file.name} cannot be written ({error}): make room there and run the same "
                "command again; it goes on from the newest checkpoint"
            ) from error

    def sync(self) -> None:
        """Have every line on the disk: a checkpoint must not be ahead of its curve."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _lines(path: Path) -> list[dict[str, Any]]:
    """Whole lines of the file; a killed process may have left half of the last one."""
    if not path.exists():
        return []
    text = path.read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
