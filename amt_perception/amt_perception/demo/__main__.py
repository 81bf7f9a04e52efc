"""One command from a video to a robot hand that does the same: `python -m amt_perception.demo`.

Runs the pipeline's nodes as real processes over DDS with the MuJoCo robot, then writes demo.mp4
(the video with the hands drawn on it, beside the robot), joints.png, trajectory.npz and
summary.json, and prints a table.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from amt_perception.command_line import OneSentenceParser, positive
from amt_perception.errors import AmtError
from amt_perception.pipeline.arguments import ARGUMENTS
from amt_perception.pipeline.interrupts import interrupt_on_sigterm
from amt_retarget.errors import RetargetError


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line. Raises AmtError for what it does not know."""
    defaults = {argument.name: argument.default for argument in ARGUMENTS}
    parser = OneSentenceParser(
        prog="python -m amt_perception.demo", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--video", default="sample", help="video file, folder of images, camera (0) or 'sample'"
    )
    parser.add_argument("--frame-rate", default=defaults["frame_rate"], help="of a folder (Hz)")
    parser.add_argument("--robot", default=defaults["robot"], help="ur5e or ur10e")
    parser.add_argument(
        "--hand", default=defaults["hand"], help="whose hand drives the robot: right or left"
    )
    parser.add_argument("--estimator", default=defaults["estimator"], help="hand estimator")
    parser.add_argument(
        "--checkpoint",
        default=defaults["checkpoint"],
        help="weights of the AMT model; empty for the ones in the box",
    )
    parser.add_argument("--mano", default=defaults["mano"], help="folder with your MANO files")
    parser.add_argument(
        "--camera-info-file", default=defaults["camera_info_file"], help="calibration YAML"
    )
    parser.add_argument(
        "--seconds", type=positive, help="stop so long after the first image (a camera: 20)"
    )
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for results")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Entry point: exit code 0, 1 with one sentence for a mistake, 130 for Ctrl-C or SIGTERM."""
    interrupt_on_sigterm()
    try:
        options = parse(arguments)
        from amt_perception.demo.run import run  # takes a moment in which Ctrl-C counts, too

        run(options)
    except (AmtError, RetargetError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; nothing was written.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # rendering and DDS threads may outlive the interpreter's own end
