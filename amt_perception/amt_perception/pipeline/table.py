"""The one description of the pipeline's processes and their parameters. It knows no ROS.

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
from amt_perception.pipeline.arguments import Values, is_true, numbers

RECORDED_TOPICS = ("amt/hands", "amt/joint_command", "amt/retarget_status", "joint_states")
RECORDED_EVERYWHERE = ("/tf", "/tf_static", "/diagnostics")
VIDEO_PLAYERS = ("video_node", "composed_node")
"""The nodes that end by themselves, with exit code 0 at the end of the video."""


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


def _composed(values: Values) -> bool:
    return is_true(values["use_composition"]) and values["video"] != "none"


def _perception_parameters(values: Values) -> dict[str, Any]:
    return {
        "estimator": values["estimator"],
        "checkpoint": values["checkpoint"],
        "device": values["device"],
        "precision": values["precision"],
        "publish_vertices": is_true(values["publish_vertices"]),
        "mano": values["mano"],
        "hand_length_m": float(values["hand_length_m"]),
        "image_queue": int(values["image_queue"]),
        "image_topic": values["image_topic"],
        "camera_info_topic": values["camera_info_topic"],
        "autostart": is_true(values["autostart"]),
    }


def _video_parameters(values: Values) -> dict[str, Any]:
    camera_pose = numbers(values["camera_pose"])
    return {
        "video": values["video"],
        "frame_rate": float(values["frame_rate"]),
        "loop": is_true(values["loop"]),
        "camera_info_file": values["camera_info_file"],
        "camera_frame": values["camera_frame"],
        "base_frame": values["base_frame"],
        "image_topic": values["image_topic"],
        "camera_info_topic": values["camera_info_topic"],
        **({"camera_pose": camera_pose} if camera_pose else {}),
    }


def _object_parameters(values: Values) -> dict[str, Any]:
    pose = numbers(values["object_pose"])
    return {
        "object_mesh": values["object_mesh"],
        "object_mass": float(values["object_mass"]),
        **({"object_pose": pose} if pose else {}),
    }


NODES = (
    NodeEntry(
        "amt_retarget", "mujoco_node",
        lambda values: {
            "robot": values["robot"],
            "hand": values["hand"],
            "command_interface": values["command_interface"],
            "base_frame": values["base_frame"],
            **_object_parameters(values),
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
        "amt_perception", "grasp_node",
        lambda values: {
            "checkpoint": values["grasp_checkpoint"],
            "device": values["device"],
            "robot": values["robot"],
            "hand": values["hand"],
            "autostart": is_true(values["autostart"]),
        },
        lambda values: is_true(values["grasp"]),
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
