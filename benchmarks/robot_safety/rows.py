"""Rows of results, one JSON object a line: appended as they come, so that a run can be resumed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from amt_perception.output.files import atomic_write
from benchmarks.small.provenance import commit

RESULTS = Path("docs/results")


class Rows:
    """The rows of one file that were measured with the code as it is now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commit = commit()
        lines = path.read_text().splitlines() if path.exists() else []
        complete = (json.loads(line) for line in lines if line.endswith("}"))
        self.all: list[dict[str, Any]] = [r for r in complete if r.get("commit") == self.commit]

    def add(self, row: dict[str, Any]) -> None:
        """Append one."""
        row = row | {"commit": self.commit}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self.all.append(row)

    def names(self) -> set[str]:
        """Of the rows that are there."""
        return {row["name"] for row in self.all}


def write_report(path: Path, command: str, content: dict[str, Any]) -> None:
    """A results file that says with which command, code and machine it was made."""
    head = {"command": command, "commit": commit(), "machine": f"{os.cpu_count()} CPU cores"}
    text = json.dumps(head | content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
