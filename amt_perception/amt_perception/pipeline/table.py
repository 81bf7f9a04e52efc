"""The one description of the pipeline: arguments, processes and their parameters. It knows no ROS.

`launch/pipeline.launch.py` turns it into launch actions; `runner.py` starts the same processes
where ROS's `launch` is not installed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import amt_perception
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
    Argument(
        "namespace",
        "",
        "namespace of all nodes",
    ),
    Argument(
        "params_file",
        "",
        "YAML file with ROS parameters; it wins over the arguments",
    ),
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
    Argument(
        "image_topic",
        "image_raw",
        "topic of the images (sensor_msgs/Image)",
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
    Argument(
        "base_frame",
        "base_link",
        "base frame of the robot",
    ),
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
        "hand estimator; auto takes the best that is installed",
        ("auto", "mediapipe"),
    ),
    Argument(
        "checkpoint",
        "",
        "weights of the AMT model (none ship with this version); empty: MediaPipe",
    ),
    Argument(
        "device",
        "auto",
        "where the estimator computes",
        ("auto", "cpu", "cuda"),
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

RECORDED_TOPICS = ("amt/hands", "amt/joint_command", "amt/retarget_status", "joint_states")
RECORDED_EVERYWHERE = ("/tf", "/tf_static", "/diagnostics")


@dataclass(frozen=True)
class NodeEntry:
    """One node: where it lives, what it is told, and when it is started."""

    package: str
    executable: str
    parameters: Callable[[Values], dict[str, Any]]
    condition: Callable[[Values], bool] = lambda values: True

    @property
    def module(self) -> str:
        """Python module of the node."""
        return f"{self.package}.nodes.{self.executable}"


def is_true(text: str) -> bool:
    """Read a launch boolean."""
    return text.lower() == "true"


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split()]


def _composed(values: Values) -> bool:
    return is_true(values["use_composition"]) and values["video"] != "none"


def _perception_parameters(values: Values) -> dict[str, Any]:
    return {
        "estimator": values["estimator"],
        "checkpoint": values["checkpoint"],
        "device": values["device"],
        "mano": values["mano"],
        "hand_length_m": float(values["hand_length_m"]),
        "image_topic": values["image_topic"],
        "camera_info_topic": values["camera_info_topic"],
        "autostart": is_true(values["autostart"]),
    }


def _video_parameters(values: Values) -> dict[str, Any]:
    camera_pose = _numbers(values["camera_pose"])
    return {
        "video": values["video"],
        "frame_rate": float(values["frame_rate"]),
        "camera_info_file": values["camera_info_file"],
        "camera_frame": values["camera_frame"],
        "base_frame": values["base_frame"],
        "image_topic": values["image_topic"],
        "camera_info_topic": values["camera_info_topic"],
        **({"camera_pose": camera_pose} if camera_pose else {}),
    }


NODES = (
    NodeEntry(
        "amt_retarget", "mujoco_node",
        lambda values: {
            "robot": values["robot"],
            "hand": values["hand"],
            "command_interface": values["command_interface"],
        },
        lambda values: is_true(values["simulate"]),
    ),
    NodeEntry(
        "amt_retarget", "robot_state_node",
        lambda values: {"robot": values["robot"], "hand": values["hand"]},
    ),
    NodeEntry(
        "amt_retarget", "retarget_node",
        lambda values: {
            "robot": values["robot"],
            "hand": values["hand"],
            "base_frame": values["base_frame"],
            "position_mode": values["position_mode"],
            "velocity_scale": float(values["velocity_scale"]),
            "max_accel": float(values["max_accel"]),
            "command_interface": values["command_interface"],
            "autostart": is_true(values["autostart"]),
        },
    ),
    NodeEntry(
        "amt_perception", "perception_node", _perception_parameters,
        lambda values: not _composed(values),
    ),
    NodeEntry(
        "amt_perception", "video_node", _video_parameters,
        lambda values: values["video"] != "none" and not _composed(values),
    ),
    NodeEntry(
        "amt_perception", "composed_node",
        lambda values: {**_perception_parameters(values), **_video_parameters(values)},
        lambda values: _composed(values),
    ),
)  # fmt: skip
"""In the order in which they are started: whoever listens comes before whoever speaks."""


def complete(given: Values) -> Values:
    """All arguments, the given ones over the defaults.

    Raises AmtError for an unknown name, a value that is not among the choices, or a number that is
    none.
    """
    by_name = {argument.name: argument for argument in ARGUMENTS}
    for name, value in given.items():
        if name not in by_name:
            raise AmtError(f"Unknown argument '{name}'; the pipeline has {', '.join(by_name)}.")
        choices = by_name[name].choices
        if choices and value not in choices:
            raise AmtError(f"{name} is '{value}'; choose one of {', '.join(choices)}.")
    values = {argument.name: argument.default for argument in ARGUMENTS} | given
    for name in ("hand_length_m", "frame_rate", "velocity_scale", "max_accel", "camera_pose"):
        try:
            numbers = _numbers(values[name])
        except ValueError:
            raise AmtError(f"{name} must be a number, not '{values[name]}'.") from None
        if name == "camera_pose" and len(numbers) not in (0, 6):
            raise AmtError("camera_pose needs six numbers: x y z roll pitch yaw.")
    return values


def entries(values: Values) -> list[NodeEntry]:
    """The nodes that these values ask for, in starting order."""
    return [entry for entry in NODES if entry.condition(values)]


def record_command(values: Values) -> list[str]:
    """The command that writes the bag which `record` asks for."""
    namespace = values["namespace"].strip("/")
    topics = [f"/{namespace}/{topic}".replace("//", "/") for topic in RECORDED_TOPICS]
    return ["ros2", "bag", "record", "-o", values["record"], *topics, *RECORDED_EVERYWHERE]


def parameters(entry: NodeEntry, values: Values) -> dict[str, Any]:
    """ROS parameters of one node."""
    return {**entry.parameters(values), "use_sim_time": is_true(values["use_sim_time"])}


def transport_environment() -> dict[str, str]:
    """Environment of every process: shared memory that images fit in, and memory kept between them.

    The default Fast DDS segment loses most 720p images; without the malloc settings each image
    costs page faults on both sides. What the user has set stays.
    """
    profile = Path(amt_perception.__file__).parent / "config" / "fastdds.xml"
    settings = {
        "FASTDDS_DEFAULT_PROFILES_FILE": str(profile),
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(profile),
        "MALLOC_MMAP_THRESHOLD_": "1000000000",
        "MALLOC_TRIM_THRESHOLD_": "1000000000",
        "MALLOC_TOP_PAD_": "67108864",
    }
    return {name: value for name, value in settings.items() if name not in os.environ}
