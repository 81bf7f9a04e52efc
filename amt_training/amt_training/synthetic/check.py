"""Whether pictures and labels of random scenes agree: joints, depth, touches, left and right."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from amt_perception.errors import AmtError
from amt_perception.output.files import atomic_write
from amt_training.evaluation.tables import Table, Value
from amt_training.synthetic.agreement import (
    JOINT_PIXELS,
    Measure,
    hand_depth_errors,
    is_side,
    joints_on_hand,
    object_depth_errors,
    touch_errors,
)
from amt_training.synthetic.geometry import hand_joints, hand_mesh
from amt_training.synthetic.objects.library import ObjectLibrary
from amt_training.synthetic.options import add_world_arguments, whole, world_settings
from amt_training.synthetic.scene import FIRST_OBJECT, Shot
from amt_training.synthetic.world import World

DEPTH_M, TOUCH_M = 0.001, 0.001
"""So far, depth and touches may be from what is measured (m)."""
JOINT_SHARE, DEPTH_SHARE = 0.99, 0.99
"""At least so many joints and vertices must agree; touches and sides must all."""
_MANY = 20
"""A check of fewer values than this says nothing."""


@dataclass(frozen=True)
class Check:
    """One thing that must hold."""

    name: str
    values: int
    """How many were looked at."""
    agreeing: float
    """Share of them that are right."""
    least: float
    """Share that must be."""
    median: float
    """Of the errors' sizes (mm), NaN where there are none."""
    p99: float
    """Their 99th percentile (mm)."""
    worst: float
    """The largest (mm)."""
    worst_scene: int
    """Where that is, or where the first wrong value is; -1 where all is right."""

    @property
    def passed(self) -> bool:
        """Enough values agree, and there are enough to say so."""
        return self.values >= _MANY and self.agreeing >= self.least


@dataclass(frozen=True)
class CheckResult:
    """Of all shots that were looked at."""

    shots: int
    hands: int
    objects: int
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """All checks are."""
        return all(check.passed for check in self.checks)

    def table(self) -> Table:
        """For people."""
        columns = ("check", "values", "agree (%)", "at least (%)", "median (mm)", "99 % (mm)",
                   "worst (mm)", "in scene", "passed")  # fmt: skip
        rows: tuple[tuple[Value, ...], ...] = tuple(
            (one.name, one.values, 100.0 * one.agreeing, 100.0 * one.least, one.median, one.p99,
             one.worst, str(one.worst_scene) if one.worst_scene >= 0 else "-",
             "yes" if one.passed else "NO")
            for one in self.checks
        )  # fmt: skip
        title = f"{self.shots} pictures, {self.hands} hands, {self.objects} objects"
        return Table(title, columns, rows)

    def save(self, path: Path) -> None:
        """As JSON; null for what is not known. Raises AmtError when that cannot be done."""
        values = {"passed": self.passed, **asdict(self)}
        for one, check in zip(values["checks"], self.checks, strict=True):
            one["passed"] = check.passed
            for name in ("median", "p99", "worst"):
                one[f"{name}_mm"] = value if np.isfinite(value := one.pop(name)) else None
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(values, indent=1) + "\n")


def check(world: World, count: int, seed: int = 0) -> CheckResult:
    """Look at all frames of `count` scenes of a world, chosen by chance.

    Shows its progress. Raises AmtError when the world has fewer scenes.
    """
    if count > len(world):
        raise AmtError(f"there are {len(world)} scenes of {world.part}, not {count}; ask for fewer")
    scenes = np.random.default_rng(seed).choice(len(world), count, replace=False).tolist()
    bar = tqdm(scenes, desc="check", unit="scene")
    return check_shots(
        ((scene, shot) for scene in bar for shot in world.shots(scene)), world.library
    )


def check_shots(shots: Iterable[tuple[int, Shot]], library: ObjectLibrary) -> CheckResult:
    """Look at shots, each with the number of its scene, of objects of a library."""
    found = _Findings()
    measures: dict[int, Measure] = {}
    pictures = hands = objects = 0
    for scene, shot in shots:
        pictures += 1
        hands += len(shot.moment.hands)
        objects += len(shot.moment.objects)
        for place, placed in enumerate(shot.moment.objects):
            one, model = library.objects[placed.number], library.models[placed.number]
            rotation, offset = placed.pose[:3, :3], placed.pose[:3, 3]
            errors = object_depth_errors(
                shot, FIRST_OBJECT + place, one.vertices @ rotation.T + offset, one.faces,
                model.points @ rotation.T + offset, model.normals @ rotation.T,
            )  # fmt: skip
            found.add("object's depth", scene, errors)
        for hand, touch in zip(shot.moment.hands, shot.touches, strict=True):
            joints, mesh = hand_joints(hand), hand_mesh(hand)
            found.add("joints", scene, ~joints_on_hand(shot, hand, joints, mesh))
            found.add("hand's depth", scene, hand_depth_errors(shot, hand, mesh))
            found.add("side", scene, [not is_side(joints, hand.side)])
            distances = np.full(len(mesh), np.inf)
            for placed in shot.moment.objects:
                if placed.number not in measures:
                    measures[placed.number] = Measure(library.objects[placed.number])
                local = (mesh - placed.pose[:3, 3]) @ placed.pose[:3, :3]
                distances = np.minimum(distances, measures[placed.number].distance(local))
            found.add("touches", scene, touch_errors(touch, hand, mesh, distances))
    checks = (
        found.shares(
            f"joints seen are within {JOINT_PIXELS} px of the hand", "joints", JOINT_SHARE
        ),
        found.errors("depth at hands' vertices", "hand's depth", DEPTH_M, DEPTH_SHARE),
        found.errors("depth on objects", "object's depth", DEPTH_M, DEPTH_SHARE),
        found.errors("touches and their distances", "touches", TOUCH_M, 1.0),
        found.shares("left is left, right is right", "side", 1.0),
    )
    return CheckResult(pictures, hands, objects, checks)


class _Findings:
    """Values of each kind, and the scenes that they come from."""

    def __init__(self) -> None:
        self._values: dict[str, list[np.ndarray]] = defaultdict(list)
        self._scenes: dict[str, list[np.ndarray]] = defaultdict(list)

    def add(self, kind: str, scene: int, values: np.ndarray | list[bool]) -> None:
        self._values[kind].append(np.asarray(values))
        self._scenes[kind].append(np.full(len(values), scene))

    def shares(self, name: str, kind: str, least: float) -> Check:
        """Of values that are True where something is wrong."""
        wrong, scenes = self._joined(kind)
        worst = int(scenes[wrong.argmax()]) if wrong.any() else -1
        nan = float("nan")
        return Check(name, len(wrong), _share(~wrong.astype(bool)), least, nan, nan, nan, worst)

    def errors(self, name: str, kind: str, limit: float, least: float) -> Check:
        """Of errors (m), of which as many as `least` says must be below a limit (m)."""
        values, scenes = self._joined(kind)
        sizes = np.abs(values)
        median, p99, largest = (
            1e3 * float(np.percentile(sizes, share, method="higher"))
            if len(sizes)
            else float("nan")
            for share in (50, 99, 100)
        )
        worst = int(scenes[sizes.argmax()]) if (sizes > limit).any() else -1
        return Check(name, len(sizes), _share(sizes <= limit), least, median, p99, largest, worst)

    def _joined(self, kind: str) -> tuple[np.ndarray, np.ndarray]:
        if not self._values[kind]:
            return np.empty(0), np.empty(0, int)
        return np.concatenate(self._values[kind]), np.concatenate(self._scenes[kind])


def _share(right: np.ndarray) -> float:
    return float(np.mean(right)) if len(right) else float("nan")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command `check`."""
    add_world_arguments(parser, part="test")
    parser.add_argument(
        "--count", type=whole, default=100, metavar="N",
        help="scenes to look at, chosen by chance (100)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("out/synthetic/check.json"), metavar="FILE",
        help="figures to write (out/synthetic/check.json)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Look, print a table and write it. Raises AmtError when something does not hold."""
    result = check(World(world_settings(arguments), arguments.part), arguments.count)
    result.save(arguments.out)
    table = result.table()
    print(f"{table.title}\n\n{table.to_markdown()}\n\nfigures: {arguments.out}")
    if not result.passed:
        failed = ", ".join(one.name for one in result.checks if not one.passed)
        raise AmtError(
            f"pictures and labels do not agree, or fewer than {_MANY} values were compared: "
            f"{failed}; see {arguments.out}"
        )
