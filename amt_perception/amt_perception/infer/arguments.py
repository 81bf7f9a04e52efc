"""The command line of `python -m amt_perception.infer`."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path

from amt_perception.camera.intrinsics import DEFAULT_HORIZONTAL_FOV_DEG
from amt_perception.command_line import OneSentenceParser, positive
from amt_perception.errors import AmtError
from amt_perception.estimators.factory import DEVICES, ESTIMATORS, PRECISIONS

DESCRIPTION = """Hands, objects and contacts in images: draws them on a copy and writes every number
to files. Without ROS. A folder's images are independent of each other unless --frame-rate makes
them a sequence; a folder that was stopped goes on when the same command is given again."""


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    input: str
    output: Path
    estimator: str
    checkpoint: Path | None
    mano: Path | None
    device: str
    precision: str
    intrinsics: Path | None
    camera: str | None
    """Which camera of a calibration file that holds several."""
    field_of_view: float | None
    """Horizontal (degrees)."""
    hand_length: float | None
    """Wrist crease to the tip of the middle finger (m)."""
    frame_rate: float | None
    """Hz."""
    duration: float | None
    """s."""
    overwrite: bool


def parse(arguments: list[str] | None) -> Options:
    """Read the command line. Raises AmtError for what it does not know."""
    parser = OneSentenceParser(prog="python -m amt_perception.infer", description=DESCRIPTION)
    camera = parser.add_mutually_exclusive_group()
    add = parser.add_argument
    add("input", help="image, video, folder of images, camera (0, /dev/video0) or 'sample'")
    add("--output", type=Path, help="folder for the results (default: out/infer/NAME OF INPUT)")
    add("--overwrite", action="store_true", help="start anew where an earlier run left results")

    text = "auto: amt with a checkpoint, else mediapipe"
    add("--estimator", choices=ESTIMATORS, default="auto", help=text)
    add("--checkpoint", type=Path, help="weights of the AMT model (default: the ones in the box)")
    add("--device", choices=DEVICES, default="auto", help="where the AMT model computes")
    add("--precision", choices=PRECISIONS, default="auto", help="of the AMT model's numbers")
    add("--mano", type=Path, help="folder with your MANO_RIGHT.pkl and MANO_LEFT.pkl")
    text = "wrist crease to the tip of the middle finger; mediapipe only"
    add("--hand-length", type=positive, metavar="METRES", help=text)

    text = "calibration of the camera (ROS camera_info YAML, ZED JSON)"
    camera.add_argument("--intrinsics", type=Path, metavar="FILE", help=text)
    text = "which camera of a calibration that holds several (ZED: left, right)"
    add("--camera", metavar="NAME", help=text)
    text = f"horizontal, where there is no calibration (default: {DEFAULT_HORIZONTAL_FOV_DEG:g})"
    camera.add_argument("--field-of-view", type=positive, metavar="DEGREES", help=text)
    text = "makes a folder a sequence; replaces a video's own times; is asked of a camera"
    add("--frame-rate", type=positive, metavar="HZ", help=text)
    text = "of a video or a camera (default: to its end; a camera's is Ctrl-C)"
    add("--duration", type=positive, metavar="SECONDS", help=text)
    given = parser.parse_args(arguments)
    if given.field_of_view is not None and given.field_of_view >= 180.0:
        raise AmtError(f"A field of view of {given.field_of_view} degrees is not a pinhole's.")
    given.output = given.output or Path("out/infer") / default_name(given.input)
    return Options(**{item.name: getattr(given, item.name) for item in fields(Options)})


def default_name(text: str) -> str:
    """A folder's name for the results of an input."""
    if re.fullmatch(r"\d+", text):
        return f"camera{text}"
    path = Path(text).expanduser().absolute()
    return (path.name if path.is_dir() else path.stem) or "root"
