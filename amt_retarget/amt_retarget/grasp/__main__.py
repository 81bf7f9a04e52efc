"""One frame of a demonstration as a grasp of the robot: `python -m amt_retarget.grasp`.

Reads a sequence of a hand with an object, finds what the hand touches, retargets the grasp, prints
a table, and writes grasp.png and grasp.npz.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.human import HumanGrasp
from amt_retarget.grasp.picture import draw_grasp
from amt_retarget.grasp.retargeter import GraspRetargeter, RobotGrasp
from amt_retarget.grasp.sequence import read_joints
from amt_retarget.grasp.surface import ObjectSurface, load_mesh
from amt_retarget.grasp.touch import TOUCH_DISTANCE_M, grasp_by_distance
from amt_retarget.retarget.hand_frame import Side
from amt_retarget.robot.robot import Robot


class _Parser(argparse.ArgumentParser):
    """Says what was wrong in one sentence, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        raise RetargetError(f"{message}; --help lists all arguments.")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line. Raises RetargetError for what it does not know."""
    parser = _Parser(prog="python -m amt_retarget.grasp", description=__doc__.splitlines()[0])
    parser.add_argument("sequence", type=Path, help=".npz file with joints and object_pose")
    parser.add_argument("--object", type=Path, required=True, help="the object's mesh (m)")
    parser.add_argument("--frame", type=int, required=True, help="in which the object is held")
    parser.add_argument("--hand", choices=("right", "left"), default="right", help="whose hand")
    parser.add_argument(
        "--touch",
        type=float,
        default=1000 * TOUCH_DISTANCE_M,
        help="mm from a joint within which the object is touched (default %(default)g)",
    )
    parser.add_argument("--out", type=Path, default=Path("out/grasp"), help="folder of the results")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> RobotGrasp:
    """Retarget, write the files, print the table."""
    mesh = load_mesh(options.object)
    surface = ObjectSurface.from_mesh(*mesh)
    joints = read_joints(options.sequence, options.frame)
    side = Side[options.hand.upper()]
    grasp = grasp_by_distance(joints, side, surface, options.touch / 1000.0)
    robot = Robot.load("ur5e", options.hand)  # any arm: the hand is all that counts here
    retargeter = GraspRetargeter(robot, surface)
    start = time.perf_counter()
    result = retargeter.retarget(grasp)
    seconds = time.perf_counter() - start

    options.out.mkdir(parents=True, exist_ok=True)
    by_name = ("contacts", "contact_errors")
    numbers = {name: value for name, value in asdict(result).items() if name not in by_name}
    np.savez(options.out / "grasp.npz", joint_names=robot.hand_joint_names, **numbers)
    title = f"{options.sequence.name}, frame {options.frame}, {options.object.name}"
    draw_grasp(options.out / "grasp.png", robot, mesh, grasp, result, title)
    print_table(grasp, result, seconds)
    print(f"wrote {options.out / 'grasp.png'} and {options.out / 'grasp.npz'}")
    return result


def print_table(grasp: HumanGrasp, result: RobotGrasp, seconds: float) -> None:
    """What was kept of the grasp, in millimetres."""
    touched = ", ".join(f"{part} ({len(points)})" for part, points in grasp.contacts.items())
    print(f"touched by (points)   {touched}")
    for finger, error in result.contact_errors.items():
        print(f"contact error         {1000 * error:6.2f} mm  {finger}")
    print(f"penetration           {1000 * result.penetration:6.2f} mm  at the grasp")
    print(f"penetration           {1000 * result.approach_penetration:6.2f} mm  on the way there")
    print(f"opening               {1000 * result.opening:6.2f} mm  before the grasp")
    print(f"unbalanced force      {result.unbalanced:6.2f}     of the mean contact force")
    print(f"time                  {seconds:6.2f} s")
    print(f"reached               {'yes' if result.reached else 'no':>6s}")


def main(arguments: list[str] | None = None) -> None:
    """Entry point: exit code 1 and one sentence for a user's mistake."""
    try:
        run(parse(arguments))
    except RetargetError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
