"""results.json: everything that was found, on what, by what, and how fast."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from amt_perception.output.files import atomic_write


def write_report(path: Path, header: dict[str, Any], frames: Iterable[dict[str, Any]]) -> None:
    """Write the header's fields, then `frames`, one a line; all or nothing.

    Raises AmtError when it cannot be written.
    """
    with atomic_write(path) as temporary, temporary.open("w") as file:
        file.write(json.dumps(header, indent=1, allow_nan=False).removesuffix("\n}"))
        file.write(',\n "frames": [')
        for number, frame in enumerate(frames):
            file.write(",\n  " if number else "\n  ")
            file.write(json.dumps(frame, allow_nan=False, separators=(",", ":")))
        file.write("\n ]\n}\n")
