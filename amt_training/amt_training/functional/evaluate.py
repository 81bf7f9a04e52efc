"""What a grasp model is worth: its grasps of held-out objects are refined and tried in MuJoCo.

    python -m amt_training.functional.evaluate --checkpoint FILE --data FOLDER [--seeds 5]

Beside it, in every table: the same model with 4 steps, with shuffled instructions, a scripted grasp
and random ones. A run that was stopped goes on where it was. Writes README.md, results.json and
results.png into --out.
"""

from __future__ import annotations

import hashlib
import json
import sys
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from amt_perception.command_line import OneSentenceParser
from amt_perception.errors import AmtError
from amt_perception.grasp.predictor import GraspPredictor
from amt_perception.grasp.weights import load_grasp_checkpoint, read_grasp_info
from amt_perception.output.files import atomic_write
from amt_retarget.errors import RetargetError
from amt_retarget.robot.robot import Robot
from amt_training.data.files import read_annotations
from amt_training.data.folders import alone_in
from amt_training.data.reading import in_order
from amt_training.functional.batches import HeldOutGrasps
from amt_training.functional.contact_figures import contact_figures
from amt_training.functional.dataset import FunctionalGrasps
from amt_training.functional.evaluation_report import results_of, write_report
from amt_training.functional.metrics import Record
from amt_training.functional.sample import GraspObject
from amt_training.functional.task import FunctionalGraspTask, GraspTrainSettings
from amt_training.functional.trying import (
    METHODS,
    SCRIPTED,
    ObjectTrials,
    instructed_parts,
    try_method,
)
from amt_training.synthetic.options import processes_count, whole

RECORDS, PLAN = "records", "plan.json"
CONTACT_BATCH = 16


@dataclass(frozen=True)
class Plan:
    """What is tried."""

    checkpoint: Path
    data: Path
    split: str = "test"
    """test or val, whose families training has not."""
    seeds: int = 5
    """Sets of grasps for every object and instruction."""
    grasps: int = 8
    """In each set."""
    objects: int = 4
    """Of every family, at most."""

    def to_json(self) -> dict[str, Any]:
        """What must be the same for a run to go on."""
        digest = hashlib.sha256(self.checkpoint.read_bytes()).hexdigest()
        return {"checkpoint": digest, "split": self.split, "seeds": self.seeds,
                "grasps": self.grasps, "objects": self.objects}  # fmt: skip


def evaluate(plan: Plan, out: Path, processes: int = 1) -> dict[str, Any]:
    """Try what has not been tried yet, write the report, return its figures.

    Raises AmtError for a checkpoint or data set that cannot be used, and where `out` holds the
    trials of another plan.
    """
    _check(plan)
    with alone_in(out):
        _describe(out / PLAN, plan)
        job = _TryObject(plan, out / RECORDS)
        missing = [number for number, one in enumerate(job.chosen) if not job.path(one).exists()]
        total = len(job.chosen)
        bar = tqdm(total=total, initial=total - len(missing), unit="object", desc="trials")
        with bar, closing(in_order(job, missing, processes if processes > 1 else 0)) as done:
            for name in done:
                bar.set_postfix_str(name)
                bar.update()
        records = [record for one in job.chosen for record in _read(job.path(one))]
        results = results_of(records, _contacts(plan), plan.checkpoint.name)
        write_report(out, results)
    return results


def main() -> None:
    """Run the command line."""
    try:
        run()
    except AmtError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped; the same command goes on from here.")


def run() -> None:
    """Evaluate as the words say. Raises AmtError for a user's mistake."""
    parser = OneSentenceParser(
        prog="python -m amt_training.functional.evaluate",
        description=(__doc__ or "").split("\n")[0],
    )
    add, usual = parser.add_argument, Plan(Path(), Path())
    add("--checkpoint", type=Path, required=True, metavar="FILE", help="ema.safetensors of a run")
    add("--data", type=Path, required=True, metavar="FOLDER",
        help="made by python -m amt_training.functional generate")  # fmt: skip
    add("--out", type=Path, default=Path("out/functional_evaluation"), metavar="FOLDER")
    add("--split", choices=("val", "test"), default=usual.split)
    add("--seeds", type=whole, default=usual.seeds, metavar="N",
        help=f"sets of grasps for each object and instruction ({usual.seeds})")  # fmt: skip
    add("--grasps", type=whole, default=usual.grasps, metavar="N", help="in each set (8)")
    add("--objects", type=whole, default=usual.objects, metavar="N",
        help=f"of each family, at most ({usual.objects})")  # fmt: skip
    add("--processes", type=processes_count, default=1, metavar="N",
        help="the trials are the same with any number of them (1)")  # fmt: skip
    words = vars(parser.parse_args())
    out, processes = words.pop("out"), words.pop("processes")
    evaluate(Plan(**words), out, processes)
    print((out / "README.md").read_text())


@dataclass(frozen=True)
class _TryObject:
    """A job: tries every method on one object, writes its records, and gives its name."""

    plan: Plan
    records: Path

    @property
    def chosen(self) -> list[GraspObject]:
        """The objects that are tried."""
        return _objects(self.plan.data, self.plan.split, self.plan.objects)

    def path(self, one: GraspObject) -> Path:
        """Of an object's records."""
        return self.records / f"{one.name}.json"

    def __call__(self, number: int) -> str:
        torch.set_num_threads(1)  # the processes share the cores
        one = self.chosen[number]
        try:
            trials = ObjectTrials(_robot(), one)
        except RetargetError as error:
            raise AmtError(f"{one.name} cannot be tried: {error}") from error
        predictor = _predictor(self.plan.checkpoint)
        records = [
            try_method(method, trials, predictor, part, self.plan.split, seed, self.plan.grasps)
            for part in instructed_parts(one)
            for method in METHODS
            for seed in range(1 if method == SCRIPTED else self.plan.seeds)
        ]
        with atomic_write(self.path(one)) as temporary:
            temporary.write_text(json.dumps([record.to_json() for record in records]))
        return one.name


@lru_cache(maxsize=1)
def _objects(folder: Path, split: str, most: int) -> list[GraspObject]:
    """Up to `most` of each family, those with the first names."""
    chosen: dict[str, list[GraspObject]] = {}
    for one in FunctionalGrasps(folder, split, "allegro").objects:
        mine = chosen.setdefault(one.family, [])
        if len(mine) < most:
            mine.append(one)
    return [one for family in chosen.values() for one in family]


@lru_cache(maxsize=1)
def _robot() -> Robot:
    """This process's; a Robot needs an arm, the trial has only the hand."""
    return Robot.load("ur5e", "right")


@lru_cache(maxsize=1)
def _predictor(checkpoint: Path) -> GraspPredictor:
    return GraspPredictor.load(checkpoint, "cpu")


def _check(plan: Plan) -> None:
    """Raises AmtError where a model cannot be evaluated."""
    config = read_grasp_info(plan.checkpoint).config
    if config.hand != "allegro":
        raise AmtError(
            f"{plan.checkpoint} draws grasps of the hand '{config.hand}'; what is tried here are "
            "grasps of the Allegro hand"
        )


def _contacts(plan: Plan) -> dict[str, Any]:
    """Of every held-out grasp of the data set."""
    grasps = FunctionalGrasps(plan.data, plan.split, "allegro")
    model = load_grasp_checkpoint(plan.checkpoint)
    held_out = HeldOutGrasps(grasps, model.kernel, len(grasps), CONTACT_BATCH)
    return contact_figures(FunctionalGraspTask(model, GraspTrainSettings()).eval(), held_out)


def _describe(path: Path, plan: Plan) -> None:
    """Write what is tried, or check that the folder holds the same."""
    values = plan.to_json()
    if path.exists():
        if read_annotations(path) != values:
            raise AmtError(
                f"{path.parent} holds trials of another checkpoint or with other numbers: choose "
                "another --out, or delete it"
            )
        return
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n")


def _read(path: Path) -> list[Record]:
    return [Record.from_json(one) for one in json.loads(path.read_text())]


if __name__ == "__main__":
    main()
