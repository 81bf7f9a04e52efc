"""The command line of `python -m amt_perception.grasp.sample`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path

from amt_perception.command_line import OneSentenceParser, positive
from amt_perception.grasp.predictor import GUIDANCE, STEPS
from amt_perception.grasp.weights import SHIPPED_GRASP_CHECKPOINT
from amt_perception.model.config import DEVICES

DESCRIPTION = """Say what to do with an object and get grasps for it: prints a ranked table, and
writes pictures and the grasps. Without ROS."""


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    mesh: Path
    instruction: str
    num: int
    seed: int
    out: Path
    checkpoint: Path
    steps: int
    guidance: float
    device: str
    trial: bool


def parse(arguments: list[str] | None) -> Options:
    """Read the command line. Raises AmtError for what it does not know."""
    parser = OneSentenceParser(
        prog="python -m amt_perception.grasp.sample", description=DESCRIPTION
    )
    add = parser.add_argument
    add("--mesh", type=Path, required=True, help="the object: a mesh or a point cloud (m)")
    add("--instruction", required=True, help="such as 'hold it by the handle'")
    add("--num", type=_count, default=8, help="of grasps (default: %(default)s)")
    add("--seed", type=int, default=0, help="another seed draws other grasps")
    add("--out", type=Path, default=Path("out/grasps"), help="folder (default: %(default)s)")
    text = "weights of a trained grasp model (default: the small one of this package)"
    add("--checkpoint", type=Path, default=SHIPPED_GRASP_CHECKPOINT, metavar="FILE", help=text)
    add("--steps", type=_count, default=STEPS, help="of the flow (default: %(default)s)")
    text = "above 1: follow the instruction harder (default: %(default)s)"
    add("--guidance", type=positive, default=GUIDANCE, help=text)
    add("--device", choices=DEVICES, default="auto", help="where the model computes")
    text = "try every grasp in MuJoCo: squeeze, and push from six sides"
    add("--trial", action="store_true", help=text)
    given = parser.parse_args(arguments)
    return Options(**{item.name: getattr(given, item.name) for item in fields(Options)})


def _count(text: str) -> int:
    """An argument's type: a whole number from 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1")
    return int(text)
