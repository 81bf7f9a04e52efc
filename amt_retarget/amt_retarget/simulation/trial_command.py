"""Try one grasp by hand: `python -m amt_retarget.simulation.grasp_trial`.

Reads a mesh and a grasp, tries whether the hand holds the object, prints what became of it, and
writes trial.png and trial.gif; with --lift the hand lifts the object from a table as well.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.retargeter import RobotGrasp
from amt_retarget.grasp.surface import load_mesh
from amt_retarget.robot.robot import Robot
from amt_retarget.simulation.convex_pieces import convex_pieces
from amt_retarget.simulation.grasp_trial import GraspTrial, TrialObject, TrialResult
from amt_retarget.simulation.lift_trial import LiftTrial
from amt_retarget.simulation.trial_film import FRAME_S, TrialFilm

SHAPES: dict[str, tuple[int, ...]] = {
    "rotation": (3, 3),
    "position": (3,),
    "joints": (16,),
    "squeeze": (16,),
    "pre_grasp_rotation": (3, 3),
    "pre_grasp_position": (3,),
    "pre_grasp": (16,),
    **dict.fromkeys(("unbalanced", "penetration", "approach_penetration", "opening"), ()),
}
"""Of what a grasp's file holds."""


class _Parser(argparse.ArgumentParser):
    """Says what was wrong in one sentence, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        raise RetargetError(f"{message}; --help lists all arguments.")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line. Raises RetargetError for what it does not know."""
    parser = _Parser(
        prog="python -m amt_retarget.simulation.grasp_trial",
        description=__doc__.splitlines()[0],
    )
    parser.add_argument("--mesh", type=Path, required=True, help="the object's mesh (m)")
    parser.add_argument(
        "--grasp", type=Path, required=True, help=".npz file as amt_retarget.grasp writes it"
    )
    parser.add_argument("--hand", choices=("right", "left"), default="right")
    parser.add_argument("--mass", type=float, default=0.1, help="kg (default %(default)g)")
    parser.add_argument(
        "--friction", type=float, default=0.6, help="of object and hand (default %(default)g)"
    )
    parser.add_argument("--lift", action="store_true", help="lift it from a table as well")
    parser.add_argument("--cache", type=Path, help="folder in which convex pieces are kept")
    parser.add_argument("--out", type=Path, default=Path("out/trial"), help="folder of the results")
    options = parser.parse_args(arguments)
    for name in ("mass", "friction"):
        if not 0.0 < getattr(options, name) < np.inf:
            raise RetargetError(f"--{name} must be more than 0, not {getattr(options, name):g}.")
    return options


def read_grasp(path: Path) -> RobotGrasp:
    """A grasp from the .npz file that `python -m amt_retarget.grasp` writes; without contacts.

    Raises RetargetError for a file that is none.
    """
    if not path.is_file():
        raise RetargetError(f"{path} does not exist: give a grasp's .npz file.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            values = {name: np.array(arrays[name], dtype=float) for name in SHAPES}
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RetargetError(
            f"{path} is no grasp: give a file that python -m amt_retarget.grasp wrote ({error})."
        ) from error
    for name, shape in SHAPES.items():
        if values[name].shape != shape:
            raise RetargetError(f"{name} in {path} has shape {values[name].shape}, not {shape}.")
        if not np.isfinite(values[name]).all() and name != "unbalanced":
            raise RetargetError(f"{name} in {path} has values that are not finite.")
    numbers: dict[str, Any] = {k: v if v.ndim else float(v) for k, v in values.items()}
    return RobotGrasp(**numbers, contacts={}, contact_errors={})


def run(options: argparse.Namespace) -> TrialResult:
    """Try the grasp, print the result, write the files."""
    from PIL import Image

    vertices, faces = load_mesh(options.mesh)
    grasp = read_grasp(options.grasp)
    pieces = convex_pieces(vertices, faces, options.cache)
    thing = TrialObject(vertices, faces, pieces.corners, options.mass, options.friction)
    robot = Robot.load("ur5e", options.hand)  # any arm: the hand is all that counts here
    print(
        f"convex pieces         {len(pieces.corners)}: outside the mesh "
        f"{1000 * pieces.outside_mean:.2f} mm in the mean, {1000 * pieces.outside_max:.1f} at most"
    )
    options.out.mkdir(parents=True, exist_ok=True)
    trial = GraspTrial(robot, thing)
    with TrialFilm(trial, thing, grasp) as film:
        result = trial.run(grasp, film)
        verdict = result.reason or f"moved {1000 * result.moved:.1f} mm"
        film.finish(result.held, verdict)
        frames = film.frames
        if frames:
            Image.fromarray(film.sheet()).save(options.out / "trial.png")
    print_table(result)
    if options.lift:
        lift = LiftTrial(robot, thing)
        with TrialFilm(lift, thing, grasp) as film:
            lifted = lift.run(grasp, film)
            verdict = lifted.reason or f"risen {1000 * lifted.risen:.0f} mm"
            film.finish(lifted.held, verdict)
            frames = frames + film.frames
        print(f"lifted                {verdict}")
    if frames:
        first, *others = (Image.fromarray(frame) for frame in frames)
        first.save(
            options.out / "trial.gif",
            save_all=True,
            append_images=others,
            duration=round(1000 * FRAME_S),
            loop=0,
        )
        print(f"wrote to {options.out}: {', '.join(p.name for p in sorted(options.out.iterdir()))}")
    return result


def print_table(result: TrialResult) -> None:
    """What became of the grasp; a dash where the trial ended before."""
    print(f"held                  {'yes' if result.held else 'no, ' + result.reason}")
    print(f"penetration           {1000 * result.penetration:6.2f} mm  before anything moves")
    rows = {
        "while closing": (result.closing_moved, result.closing_turned),
        "while pushed": (result.moved, result.turned),
    }
    for name, (moved, turned) in rows.items():
        if np.isfinite(moved):
            print(f"{name:21s} {1000 * moved:6.2f} mm  {np.degrees(turned):5.2f} degrees")
    print(f"touching              {', '.join(sorted(set(result.contact_links))) or 'nothing'}")


def main(arguments: list[str] | None = None) -> None:
    """Entry point: exit code 1 and one sentence for a user's mistake."""
    try:
        run(parse(arguments))
    except RetargetError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
