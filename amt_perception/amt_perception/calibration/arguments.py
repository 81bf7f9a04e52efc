"""The command line of `python -m amt_perception.calibration`, for its three commands."""

from __future__ import annotations

import argparse
from pathlib import Path

from amt_perception.calibration.board import KINDS, PAGES_MM, BoardSpec
from amt_perception.calibration.pairs import MODES
from amt_perception.command_line import OneSentenceParser, positive

DESCRIPTION = """\
Where the camera stands, seen from the robot: print a board, record pairs, solve.

  board  board.png                        a page to print at 100 %
  record pairs.yaml                       with ROS, robot and camera running
  solve  pairs.yaml --out camera.yaml     the camera's pose, for the pipeline's camera_pose

docs/calibration.md is the step by step."""


def make_parser() -> argparse.ArgumentParser:
    """All commands with their arguments."""
    parser = OneSentenceParser(
        prog="python -m amt_perception.calibration",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="board|record|solve")

    board = commands.add_parser("board", help="write a page with a board to print")
    board.add_argument("out", type=Path, help="PNG file")
    board.add_argument("--page", choices=sorted(PAGES_MM), default="a4")
    add_board_arguments(board)

    solve = commands.add_parser("solve", help="solve recorded pairs")
    solve.add_argument("pairs", type=Path, help="YAML file of `record`, or of your own")
    solve.add_argument("--out", type=Path, required=True, help="YAML file with the camera's pose")
    solve.add_argument("--plot", type=Path, help="picture (.png, .pdf) of every pair's residuals")
    solve.add_argument(
        "--intrinsics", type=Path,
        help="calibration file (ROS YAML) that replaces the intrinsics in the pairs' file",
    )  # fmt: skip

    record = commands.add_parser("record", help="record pairs (needs ROS)")
    add_record_arguments(record)
    return parser


def add_board_arguments(parser: argparse.ArgumentParser) -> None:
    """What the printed board is."""
    default = BoardSpec()
    parser.add_argument("--kind", choices=KINDS, default=default.kind)
    parser.add_argument("--columns", type=int, default=default.columns)
    parser.add_argument("--rows", type=int, default=default.rows)
    parser.add_argument(
        "--square", type=positive, default=default.square_m, metavar="M",
        help="side of a square (m), as measured on the print; of an aruco grid, marker to marker",
    )  # fmt: skip
    parser.add_argument(
        "--marker", type=positive, default=None, metavar="M",
        help="side of a marker (m); without it, three quarters of a square",
    )  # fmt: skip
    parser.add_argument("--dictionary", default=default.dictionary)


def board_from(options: argparse.Namespace) -> BoardSpec:
    """The board that the options describe. Raises AmtError."""
    marker = options.marker or round(0.75 * options.square, 6)
    return BoardSpec(
        options.kind, options.columns, options.rows, options.square, marker, options.dictionary
    )


def add_record_arguments(parser: argparse.ArgumentParser) -> None:
    """Topics, frames and how many pairs."""
    parser.add_argument("pairs", type=Path, help="YAML file; one that exists is continued")
    parser.add_argument(
        "--mode", choices=MODES, default="eye_to_hand",
        help="eye_to_hand: the camera is fixed, the board on the robot; eye_in_hand: the camera is "
        "on the arm, the board is fixed",
    )  # fmt: skip
    parser.add_argument("--count", type=int, default=15, help="pairs to record (15)")
    parser.add_argument(
        "--auto", action="store_true",
        help="record by itself whenever the robot stands still at a new pose; else press Enter",
    )  # fmt: skip
    parser.add_argument("--image-topic", default="image_raw")
    parser.add_argument("--compressed", action="store_true", help="take <image-topic>/compressed")
    parser.add_argument("--camera-info-topic", default="camera_info")
    parser.add_argument(
        "--intrinsics", type=Path, help="calibration file (ROS YAML) in place of camera_info"
    )
    parser.add_argument(
        "--camera-frame", default="", help="frame of the images, where their header names none"
    )
    parser.add_argument("--base-frame", default="base_link")
    parser.add_argument(
        "--flange-frame", default="tool0", help="what the board (or camera) is bolted to"
    )
    add_board_arguments(parser)
