"""What the functional grasp model is worth: on held-out families, and on meshes of real objects.

    python -m benchmarks.functional_grasp [--checkpoint FILE] [--set FOLDER] [--data FOLDER]

Without --set the held-out families are left out, without --data the meshes. Writes grasp.json and
grasp.md into DOCS/results and pictures into DOCS. A run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from amt_perception.errors import AmtError
from amt_perception.grasp.predictor import GraspPredictor
from amt_perception.grasp.weights import SHIPPED_GRASP_CHECKPOINT
from amt_perception.output.files import atomic_write
from amt_retarget.errors import RetargetError
from amt_retarget.robot.robot import Robot
from amt_training.functional.catalogue import FAMILIES
from amt_training.functional.evaluate import Plan, evaluate
from amt_training.functional.evaluation_report import plot
from amt_training.functional.objects import Listed, drawn_object
from amt_training.functional.trying import cloud_of
from benchmarks.functional_grasp.meshes import MESHES, try_mesh
from benchmarks.functional_grasp.report import SUCCESS, as_markdown, first_figures
from benchmarks.functional_grasp.timing import ms_per_grasp
from benchmarks.small import provenance

TIMED_INSTRUCTION = "hold the mug by its handle"


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.functional_grasp", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    text = "ema.safetensors of a run (default: the model that comes with the package)"
    add("--checkpoint", type=Path, default=SHIPPED_GRASP_CHECKPOINT, metavar="FILE", help=text)
    add("--set", type=Path, metavar="FOLDER", help="of python -m amt_training.functional generate")
    add("--data", type=Path, metavar="FOLDER", help="with meshes/")
    add("--seeds", type=int, default=Plan.seeds, metavar="N", help="sets of grasps (5)")
    add("--grasps", type=int, default=Plan.grasps, metavar="N", help="in each set (8)")
    add("--objects", type=int, default=Plan.objects, metavar="N", help="of each family (4)")
    add("--processes", type=int, default=1, metavar="N", help="for the trials (1)")
    add("--out", type=Path, default=Path("out/grasp"), metavar="FOLDER", help="of the trials")
    add("--docs", type=Path, default=Path("docs"), metavar="FOLDER")
    options = parser.parse_args()
    try:
        report = measure(options)
    except (AmtError, RetargetError) as error:
        sys.exit(f"error: {error}")
    text = json.dumps(report, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    for name, content in (("grasp.json", text), ("grasp.md", as_markdown(report))):
        with atomic_write(options.docs / "results" / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    print(f"page: {options.docs / 'results' / 'grasp.md'}")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, as it goes into grasp.json."""
    meshes: dict[str, int | None] = dict.fromkeys(MESHES)
    reasons = {}
    if options.data is not None:
        predictor = GraspPredictor.load(options.checkpoint, "cpu")
        robot = Robot.load("ur5e", "right")
        for name, instruction in MESHES.items():
            path = options.data / "meshes" / f"{name}.obj"
            picture = options.docs / f"grasp_{name}.jpg"
            result = try_mesh(predictor, robot, path, instruction, picture)
            meshes[name], reasons[name] = result.held, result.reasons
            print(f"{name}: {result.held} of {len(result.reasons)} hold")
    evaluation = None
    if options.set is not None:
        plan = Plan(
            options.checkpoint, options.set, seeds=options.seeds, grasps=options.grasps,
            objects=options.objects,
        )  # fmt: skip
        evaluation = evaluate(plan, options.out, options.processes)
        with atomic_write(options.docs / SUCCESS) as temporary:
            plot(temporary, evaluation)
    cloud = cloud_of(drawn_object(Listed(FAMILIES["mug"], 0), seed=0))
    return {
        **first_figures(evaluation),
        "meshes": meshes,
        "ms_per_grasp": ms_per_grasp(options.checkpoint, cloud, TIMED_INSTRUCTION),
        "instructions": MESHES,
        "reasons": reasons,
        "checkpoint_sha256": provenance.sha256(options.checkpoint),
        "command": "python -m benchmarks.functional_grasp"
        + (" --set FOLDER" if options.set else "")
        + (" --data FOLDER" if options.data else "")
        + f" --seeds {options.seeds} --grasps {options.grasps} --objects {options.objects}",
        "commit": provenance.commit(),
        "machine": provenance.machine(),
        "evaluation": evaluation,
    }


if __name__ == "__main__":
    main()
