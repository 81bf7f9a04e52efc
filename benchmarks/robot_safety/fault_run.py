"""All injections one after the other, with resuming, progress and a report."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.robot_safety.faults import FAULT_TABLE, IMAGE_FAULTS, Fault
from benchmarks.robot_safety.injection import Injection, inject
from benchmarks.robot_safety.rows import Rows, write_report
from benchmarks.robot_safety.setups import IMAGES, SETUPS
from benchmarks.robot_safety.world import World, WorldError

TRIES = 2
"""A row without its world (a node that did not come up in time) is tried again once."""


def plan(faults: Iterable[Fault] = FAULT_TABLE, pattern: str = "") -> list[Injection]:
    """All injections whose name matches the pattern (a regular expression), setup by setup."""
    everything = [
        Injection(fault, motion, setup)
        for setup in SETUPS
        for fault in faults
        for motion in fault.motions
        if setup.deadman or not fault.deadman_only
    ]
    everything += [Injection(fault, "filmed", IMAGES) for fault in IMAGE_FAULTS]
    return [injection for injection in everything if re.search(pattern, injection.name)]


def run(injections: list[Injection], seed: int, out: Path) -> Iterator[dict[str, Any]]:
    """Rows of the injections, each setup in a world of its own for as long as that lives."""
    for setup in (*SETUPS, IMAGES):
        waiting = [injection for injection in injections if injection.setup == setup]
        tries = 0
        while waiting:
            try:
                with World(setup, seed + len(waiting), out) as world:
                    while waiting:
                        row = inject(world, waiting[0])
                        waiting.pop(0)
                        tries = 0
                        yield row
                        if not row["passed"] and not row["recovered_s"]:
                            break
            except WorldError as error:
                tries += 1
                if tries >= TRIES:
                    yield _lost(waiting.pop(0), str(error))
                    tries = 0


def _lost(injection: Injection, why: str) -> dict[str, Any]:
    return {
        "name": injection.name,
        "family": injection.fault.family,
        "got": "",
        "time_s": None,
        "limits_kept": False,
        "passed": False,
        "recovered_without_jump": False,
        "detail": f"could not be tried: {why}",
    }


def main(seed: int, pattern: str, out: Path, results: Path, command: str) -> int:
    """Run what is missing, print what failed, write faults.json. Exit code 1 if any failed."""
    rows = Rows(out / "faults.jsonl")
    injections = plan(pattern=pattern)
    missing = [injection for injection in injections if injection.name not in rows.names()]
    with tqdm(total=len(injections), initial=len(injections) - len(missing)) as bar:
        for row in run(missing, seed, out / "logs"):
            rows.add(row)
            bar.update()
            if not row["passed"]:
                tqdm.write(f"FAILED {row['name']}: {row['detail']}", file=sys.stderr)
    wanted = {injection.name for injection in injections}
    done = [row for row in rows.all if row["name"] in wanted]
    figures = summary(done)
    print("\n".join(f"{name}: {value}" for name, value in figures.items()))
    if not pattern:
        content = {"seed": seed, "summary": figures, "rows": done}
        write_report(results / "faults.json", command, content)
    return int(figures["passed"] < figures["injections"])


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of all rows together."""
    dead = [r for r in rows if r.get("stated_time_s") == 0.06 and r.get("time_s") is not None]
    return {
        "injections": len(rows),
        "passed": sum(row["passed"] for row in rows),
        "limits_kept": sum(row["limits_kept"] for row in rows),
        "recovered_without_jump": sum(row["recovered_without_jump"] for row in rows),
        "dead_source_answered_ms_max": round(
            1e3 * max((r["time_s"] for r in dead), default=0.0), 1
        ),
        "dead_source_followed_ms_max": round(
            1e3 * max((r["followed_s"] or 0.0 for r in dead), default=0.0), 1
        ),
    }
