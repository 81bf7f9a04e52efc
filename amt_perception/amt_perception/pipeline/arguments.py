"""The arguments of the pipeline, the same for `ros2 launch` and for the runner without it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from amt_perception.errors import AmtError

Values = dict[str, str]
"""Argument values by name, all text, as a launch file receives them."""

TRUE_FALSE = ("true", "false")


@dataclass(frozen=True)
class Argument:
    """One argument of the pipeline."""

    name: str
    default: str
    description: str
    choices: tuple[str, ...] = ()


ARGUMENTS = (
    Argument("namespace", "", "namespace of all nodes"),
    Argument("params_file", "", "YAML file with ROS parameters; it wins over the arguments"),
    Argument(
        "video",
        "0",
        "video file, folder of images, camera (0, 1, /dev/video0), 'sample' for the built-in "
        "clip, or 'none' when another node publishes the images",
    ),
    Argument(
        "frame_rate",
        "0.0",
        "images per second: needed for a folder, asked of a camera, replaces a file's own "
        "times; 0: the source's own",
    ),
    Argument("loop", "false", "true: play a file or a folder again and again", TRUE_FALSE),
    Argument("image_topic", "image_raw", "topic of the images (sensor_msgs/Image)"),
    Argument(
        "image_queue",
        "1",
        "images that may wait while one is processed: 1, the newest only, has the least latency; "
        "more lose fewer frames of a file",
    ),
    Argument(
        "camera_info_topic",
        "camera_info",
        "topic of the camera's intrinsics (sensor_msgs/CameraInfo)",
    ),
    Argument(
        "camera_info_file",
        "",
        "calibration YAML of the camera that `video` shows; empty: a field of view of 60 "
        "degrees is assumed",
    ),
    Argument(
        "camera_frame",
        "camera_optical_frame",
        "frame of the images: x right, y down, z forward",
    ),
    Argument("base_frame", "base_link", "base frame of the robot"),
    Argument(
        "camera_pose",
        "1.2 0.0 0.55 -1.5708 0.0 1.5708",
        "x y z (m) roll pitch yaw (rad) of camera_frame in base_frame; empty when another "
        "node publishes it on /tf",
    ),
    Argument(
        "hand",
        "right",
        "which hand of the person drives the robot; the Allegro is of the same side",
        ("right", "left"),
    ),
    Argument(
        "robot",
        "ur5e",
        "arm under the Allegro hand",
        ("ur5e", "ur10e"),
    ),
    Argument(
        "estimator",
        "auto",
        "hand estimator; auto takes amt when a checkpoint is given, else mediapipe",
        ("auto", "amt", "mediapipe"),
    ),
    Argument("checkpoint", "", "weights of the AMT model; empty for the ones in the box"),
    Argument(
        "device",
        "auto",
        "where the AMT model computes; MediaPipe takes the CPU",
        ("auto", "cpu", "cuda"),
    ),
    Argument(
        "precision",
        "auto",
        "numbers that the AMT model computes with; auto: what suits the device",
        ("auto", "fp32", "bf16", "fp8"),
    ),
    Argument(
        "publish_vertices",
        "false",
        "true: send the 778 vertices of every hand, too, where the estimator gives them",
        TRUE_FALSE,
    ),
    Argument(
        "mano",
        "",
        "folder with your MANO_RIGHT.pkl and MANO_LEFT.pkl; empty: the project's generic hand",
    ),
    Argument(
        "hand_length_m",
        "0.0",
        "length of the person's hand, wrist crease to middle fingertip (m); 0: an adult hand "
        "is assumed",
    ),
    Argument(
        "position_mode",
        "relative",
        "relative: the palm starts where the robot's is and follows the hand's motion; "
        "absolute: it goes where the hand is",
        ("relative", "absolute"),
    ),
    Argument(
        "velocity_scale",
        "0.25",
        "share of the arm's velocity limits that may be used, 0.01 to 1",
    ),
    Argument(
        "max_accel",
        "5.0",
        "acceleration limit of the arm's joints (rad/s^2); UR publishes none",
    ),
    Argument(
        "command_interface",
        "jtc",
        "UR interface: jtc = scaled_joint_trajectory_controller, forward = "
        "forward_position_controller",
        ("jtc", "forward"),
    ),
    Argument(
        "simulate",
        "true",
        "true: start the MuJoCo robot, which listens on the same topics as the real drivers",
        TRUE_FALSE,
    ),
    Argument(
        "object_mesh",
        "",
        "mesh (m) of an object on the simulated robot's table; empty: none",
    ),
    Argument(
        "object_pose",
        "",
        "x y z (m) qx qy qz qw of the object in base_frame; empty: on the table before the robot",
    ),
    Argument("object_mass", "0.1", "of the object (kg)"),
    Argument(
        "grasp",
        "false",
        "true: start the node that samples grasps for an instruction",
        TRUE_FALSE,
    ),
    Argument("grasp_checkpoint", "", "weights of the grasp model; empty: its own small ones"),
    Argument(
        "record",
        "",
        "folder for a rosbag of all results (needs the ros2 bag command); empty: none",
    ),
    Argument(
        "use_sim_time",
        "false",
        "take the time from /clock",
        TRUE_FALSE,
    ),
    Argument(
        "autostart",
        "true",
        "configure and activate the lifecycle nodes at once",
        TRUE_FALSE,
    ),
    Argument(
        "use_composition",
        "false",
        "true: camera and perception in one process, images passed by call",
        TRUE_FALSE,
    ),
    Argument(
        "use_respawn",
        "false",
        "start a node that died again instead of ending the pipeline",
        TRUE_FALSE,
    ),
    Argument(
        "log_level",
        "info",
        "log level of the nodes",
        ("debug", "info", "warn", "error", "fatal"),
    ),
)


NUMBERS = ("hand_length_m", "frame_rate", "velocity_scale", "max_accel", "object_mass")
POSES = {
    "camera_pose": ("x", "y", "z", "roll", "pitch", "yaw"),
    "object_pose": ("x", "y", "z", "qx", "qy", "qz", "qw"),
}
"""May be empty."""


def is_true(text: str) -> bool:
    """Read a launch boolean."""
    return text.lower() == "true"


def numbers(text: str) -> list[float]:
    """Read numbers separated by spaces. Raises ValueError."""
    return [float(part) for part in text.split()]


def complete(given: Values) -> Values:
    """All arguments, the given ones over the defaults.

    Raises AmtError for an unknown name, a value that is not among the choices, a number that is
    none, or a params_file that cannot be read.
    """
    by_name = {argument.name: argument for argument in ARGUMENTS}
    for name, value in given.items():
        if name not in by_name:
            raise AmtError(f"Unknown argument '{name}'; the pipeline has {', '.join(by_name)}.")
        choices = by_name[name].choices
        if choices and value not in choices:
            raise AmtError(f"{name} is '{value}'; choose one of {', '.join(choices)}.")
    values = {argument.name: argument.default for argument in ARGUMENTS} | given
    for name in (*NUMBERS, *POSES):
        _check_numbers(name, values[name])
    if not re.fullmatch(r"[1-9]\d?", values["image_queue"]):
        raise AmtError(f"image_queue is '{values['image_queue']}'; it must be 1 to 99 images.")
    if not re.fullmatch(r"(/?[A-Za-z_]\w*)*/?", values["namespace"], re.ASCII):
        raise AmtError(
            f"namespace is '{values['namespace']}'; use letters, digits and _, begin with a letter."
        )
    if values["params_file"]:
        _check_params_file(Path(values["params_file"]))
    return values


def _check_numbers(name: str, text: str) -> None:
    """Raise AmtError unless it is a number, or as many as a pose has, or an empty pose."""
    try:
        given = numbers(text)
    except ValueError:
        given = [math.nan]
    if name in POSES and len(given) not in (0, len(POSES[name])):
        raise AmtError(f"{name} needs {len(POSES[name])} numbers: {' '.join(POSES[name])}.")
    single = name in POSES or len(given) == 1
    if not (single and all(map(math.isfinite, given))):
        raise AmtError(f"{name} must be a number, not '{text}'.")


def _check_params_file(path: Path) -> None:
    """Find the mistakes that would end every node at once with a message from ROS's C parser."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AmtError(f"Cannot read the params_file {path} ({error.strerror}).") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        raise AmtError(f"The params_file {path} is not YAML{line}; correct it.") from error
    nodes = content.values() if isinstance(content, dict) else ()
    if not (nodes and all(isinstance(node, dict) for node in nodes)):
        raise AmtError(
            f"The params_file {path} is not of the form 'NODE: {{ros__parameters: ...}}'; see "
            "docs.ros.org for ROS 2 parameter files."
        )
