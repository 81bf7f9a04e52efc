"""Make a functional set: objects, and grasps of their parts that hold in the simulator."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from amt_perception.errors import AmtError
from amt_perception.output.files import atomic_write
from amt_retarget.errors import RetargetError
from amt_retarget.robot.robot import Robot
from amt_training.data.files import read_annotations
from amt_training.data.folders import alone_in
from amt_training.data.reading import in_order
from amt_training.functional.catalogue import FAMILIES, SPLITS
from amt_training.functional.dataset import DESCRIPTION, HAND
from amt_training.functional.finding import find_grasps
from amt_training.functional.objects import Listed, drawn_object, listed_objects
from amt_training.functional.sheet import draw_sheet
from amt_training.functional.storage import read_grasps, write_grasps
from amt_training.synthetic.options import processes_count, whole

TRIES = 12
"""Grasps that are looked for, for each one that is wanted."""
_ARM = "ur5e"
"""The trial has only the hand; a Robot needs an arm."""


@dataclass(frozen=True)
class GenerateSettings:
    """How large the set is."""

    objects: int = 8
    """Of every family."""
    grasps: int = 24
    """Of every part of an object, at most."""
    seed: int = 0
    """Another one gives another set."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command `generate`."""
    usual = GenerateSettings()
    parser.add_argument(
        "--out", type=Path, default=Path("out/functional"), metavar="FOLDER",
        help="to write into (out/functional); what is there already is kept",
    )  # fmt: skip
    parser.add_argument(
        "--objects", type=whole, default=usual.objects, metavar="N",
        help=f"of each of the {len(FAMILIES)} families ({usual.objects}); more can be added later",
    )  # fmt: skip
    parser.add_argument(
        "--grasps", type=whole, default=usual.grasps, metavar="K",
        help=f"of each part of an object, at most ({usual.grasps})",
    )  # fmt: skip
    parser.add_argument(
        "--processes", type=processes_count, default=1, metavar="P",
        help="the files are the same with any number of them (1)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=int, default=usual.seed, metavar="S",
        help=f"another one gives another set ({usual.seed})",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Fill the folder, then print how many grasps were found and draw some."""
    settings = GenerateSettings(arguments.objects, arguments.grasps, arguments.seed)
    generate(arguments.out, settings, arguments.processes)
    print(yield_table(arguments.out))
    picture = arguments.out / "grasps.png"
    draw_sheet(picture, arguments.out)
    print(f"{picture}: a grasp of every part")
    print(f"{arguments.out}: train on it with data=functional data.root={arguments.out}")


def generate(folder: Path, settings: GenerateSettings, processes: int) -> None:
    """Write the objects that are not in the folder yet, each as its own file.

    May be stopped at any time and called again, also with more objects. Raises AmtError when the
    folder holds a set of another seed or number of grasps, or cannot be written.
    """
    with alone_in(folder):
        _describe(folder / DESCRIPTION, settings)
        job = _Generate(folder, settings, listed_objects(settings.objects))
        total = len(job.objects)
        missing = [number for number in range(total) if not job.path(number).exists()]
        bar = tqdm(total=total, initial=total - len(missing), unit="object", desc="functional set")
        with bar, closing(in_order(job, missing, processes)) as done:
            for grasps in done:
                bar.set_postfix(grasps=grasps)
                bar.update()


def yield_table(folder: Path) -> str:
    """A row for every family and part: objects, tries, and the grasps that held and were kept."""
    rows: dict[tuple[str, str, str], np.ndarray] = defaultdict(lambda: np.zeros(4, int))
    for split in SPLITS:
        for path in sorted((folder / split).glob("*.safetensors")):
            stored = read_grasps(path)
            kept = np.bincount(stored.part, minlength=len(stored.tries))
            for part, figures in enumerate(zip(stored.tries, stored.held, kept, strict=True)):
                key = (split, stored.object.family, stored.object.part_names[part])
                rows[key] += (1, *figures)
    lines = [f"{'':6}{'family':14}{'part':9}{'objects':>8}{'tries':>8}{'held':>7}{'kept':>7}"]
    lines += [
        f"{split:6}{family:14}{part:9}{objects:8}{tries:8}{held / tries:7.0%}{kept:7}"
        for (split, family, part), (objects, tries, held, kept) in rows.items()
    ]
    total = sum(rows.values(), np.zeros(4, int))
    lines.append(f"{len(rows)} families' parts, {total[3]} grasps of {total[1]} tries")
    return "\n".join(lines)


@dataclass(frozen=True)
class _Generate:
    """A job: writes the file of one of the objects, and says how many grasps it has."""

    folder: Path
    settings: GenerateSettings
    objects: list[Listed]

    def path(self, number: int) -> Path:
        """The file of an object."""
        one = self.objects[number]
        return self.folder / one.family.split / f"{one.name}.safetensors"

    def __call__(self, number: int) -> int:
        one = drawn_object(self.objects[number], self.settings.seed)
        wanted = self.settings.grasps
        stored = find_grasps(_robot(), one, wanted, TRIES * wanted, self.settings.seed)
        write_grasps(self.path(number), stored)
        return len(stored)


@lru_cache(maxsize=1)
def _robot() -> Robot:
    """This process's."""
    try:
        return Robot.load(_ARM, "right")
    except RetargetError as error:
        raise AmtError(str(error)) from error


def _describe(path: Path, settings: GenerateSettings) -> None:
    """Write what the set is, or check that the folder holds the same."""
    values = {"hand": HAND, "grasps": settings.grasps, "seed": settings.seed}
    if path.exists():
        if read_annotations(path) != values:
            raise AmtError(
                f"{path.parent} holds a set made with {read_annotations(path)}, not {values}: "
                "choose a new folder"
            )
        return
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n")
