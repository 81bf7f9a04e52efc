"""The one description of the pipeline's processes and their parameters. It knows no ROS.

`launch/pipeline.launch.py` turns it into launch actions; `runner.py` starts the same processes
where ROS's `launch` is not installed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import amt_perception
from amt_perception.pipeline.arguments import Values, is_true, numbers
from amt_perception.pipeline.arms import Arm, arms, camera_parent

RECORDED_TOPICS = ("amt/hands",)
RECORDED_OF_ARM = ("amt/joint_command", "amt/retarget_status", "joint_states")
RECORDED_EVERYWHERE = ("/tf", "/tf_static", "/diagnostics")
HANDS = "amt/hands"
RESPAWN_DELAY_S = 1.0
"""Before a node that died is started again: what fails at once must not keep the machine busy."""

Parameters = dict[str, Any]


@dataclass(frozen=True)
class NodeProcess:
    """One process to be started, and the parameters of the nodes in it.

    words: arguments before ROS's own. nodes: the nodes' names.
    """

    package: str
    executable: str
    namespace: str
    parameters: Parameters
    nodes: tuple[str, ...]
    words: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """Python module of the executable."""
        return f"{self.package}.nodes.{self.executable}"

    @property
    def label(self) -> str:
        """Unique among the processes of a pipeline: left/retarget_node."""
        return f"{self.namespace}/{self.executable}".strip("/")

    @property
    def loggers(self) -> list[str]:
        """Names of the nodes' loggers: left.retarget_node."""
        return [f"{self.namespace}/{node}".strip("/").replace("/", ".") for node in self.nodes]

    @property
    def plays_video(self) -> bool:
        """Whether it ends by itself, with exit code 0 at the end of the video."""
        return "video_node" in self.nodes


def _camera(values: Values) -> Parameters:
    return {
        "video": values["video"],
        "frame_rate": float(values["frame_rate"]),
        "loop": is_true(values["loop"]),
        "camera_info_file": values["camera_info_file"],
        "camera_frame": values["camera_frame"],
        "image_topic": values["image_topic"],
        "camera_info_topic": values["camera_info_topic"],
    }


def _perception(values: Values) -> Parameters:
    pose = numbers(values["camera_pose"])
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
        "camera_frame": values["camera_frame"],
        "camera_parent": camera_parent(values),
        **({"camera_pose": pose} if pose else {}),
        "autostart": is_true(values["autostart"]),
    }


def _simulation(values: Values, arm: Arm) -> Parameters:
    pose = numbers(values["object_pose"])
    return {
        "robot": values["robot"],
        "hand": arm.hand,
        "command_interface": values["command_interface"],
        "hand_interface": values["hand_interface"],
        "tf_prefix": arm.tf_prefix,
        "base_frame": arm.base_frame,
        "object_mesh": values["object_mesh"],
        "object_mass": float(values["object_mass"]),
        **({"object_pose": pose} if pose else {}),
    }


def _robot_state(values: Values, arm: Arm) -> Parameters:
    wanted = values["robot_state"]
    return {
        "robot": values["robot"],
        "hand": arm.hand,
        "hand_interface": values["hand_interface"],
        "tf_prefix": arm.tf_prefix,
        "frame_prefix": arm.frame_prefix,
        "base_frame": arm.base_frame,
        "publish_robot": is_true(values["simulate"] if wanted == "auto" else wanted),
        **({"base_pose": arm.base_pose} if arm.base_pose else {}),
    }


def _retargeting(values: Values, arm: Arm) -> Parameters:
    required = values["require_enable"]
    shared = f"/{values['namespace'].strip('/')}/{HANDS}".replace("//", "/")
    lower, upper = arm.workspace or ([], [])
    return {
        **({"workspace_min": lower, "workspace_max": upper} if arm.workspace else {}),
        "robot": values["robot"],
        "hand": arm.hand,
        "base_frame": arm.base_frame,
        "position_mode": values["position_mode"],
        "velocity_scale": float(values["velocity_scale"]),
        "max_accel": float(values["max_accel"]),
        "command_interface": values["command_interface"],
        "hand_interface": values["hand_interface"],
        "tf_prefix": arm.tf_prefix,
        "hands_topic": shared if values["hand"] == "both" else HANDS,
        "command_rate_hz": float(values["command_rate_hz"]),
        "realtime_priority": int(float(values["realtime_priority"])),
        "require_enable": (
            not is_true(values["simulate"]) if required == "auto" else is_true(required)
        ),
        "require_deadman": is_true(values["require_deadman"]),
        "input_timeout_s": float(values["input_timeout_s"]),
        "joint_state_timeout_s": float(values["joint_state_timeout_s"]),
        "autostart": is_true(values["autostart"]),
    }


def _grasps(values: Values, arm: Arm) -> Parameters:
    return {
        "checkpoint": values["grasp_checkpoint"],
        "device": values["device"],
        "robot": values["robot"],
        "hand": arm.hand,
        "autostart": is_true(values["autostart"]),
    }


def _composed_parts(values: Values) -> tuple[str, ...]:
    """What runs in one process, in starting order; nothing when all have their own."""
    camera = ("video_node",) if values["video"] != "none" else ()
    if values["use_composition"] == "all":
        return ("retarget_node", "perception_node", *camera)
    if values["use_composition"] == "true" and camera:
        return ("perception_node", *camera)
    return ()


def processes(values: Values) -> list[NodeProcess]:
    """What these values ask for, in starting order: who listens comes before who speaks."""
    found: list[NodeProcess] = []
    composed = _composed_parts(values)
    common = {"use_sim_time": is_true(values["use_sim_time"])}

    def add(
        package: str,
        executable: str,
        namespace: str,
        parameters: Parameters,
        nodes: tuple[str, ...] = (),
    ) -> None:
        found.append(
            NodeProcess(
                package, executable, namespace, parameters | common, nodes or (executable,), nodes
            )
        )

    for arm in arms(values):
        if is_true(values["simulate"]):
            add("amt_retarget", "mujoco_node", arm.namespace, _simulation(values, arm))
        robot_state = _robot_state(values, arm)
        if robot_state["publish_robot"] or arm.base_pose:
            add("amt_retarget", "robot_state_node", arm.namespace, robot_state)
        if "retarget_node" not in composed:
            add("amt_retarget", "retarget_node", arm.namespace, _retargeting(values, arm))
        if is_true(values["grasp"]):
            add("amt_perception", "grasp_node", arm.namespace, _grasps(values, arm))
    shared = values["namespace"].strip("/")
    if composed:
        parts = {
            "retarget_node": lambda: _retargeting(values, arms(values)[0]),
            "perception_node": lambda: _perception(values),
            "video_node": lambda: _camera(values),
        }
        parameters: Parameters = {}
        for part in composed:
            parameters |= parts[part]()
        add("amt_perception", "composed_node", shared, parameters, composed)
        return found
    add("amt_perception", "perception_node", shared, _perception(values))
    if values["video"] != "none":
        add("amt_perception", "video_node", shared, _camera(values))
    return found


def enclave_words(process: NodeProcess, values: Values) -> list[str]:
    """ROS arguments that give a process its own SROS2 enclave, if any is asked for."""
    folder = values["enclave"].strip("/")
    return ["--enclave", f"/{folder}/{process.label}"] if folder else []


def record_command(values: Values) -> list[str]:
    """The command that writes the bag which `record` asks for."""
    topics = [f"/{values['namespace']}/{topic}" for topic in RECORDED_TOPICS]
    topics += [f"/{arm.namespace}/{topic}" for arm in arms(values) for topic in RECORDED_OF_ARM]
    names = ["/" + "/".join(filter(None, topic.split("/"))) for topic in topics]
    return ["ros2", "bag", "record", "-o", values["record"], *names, *RECORDED_EVERYWHERE]


def rviz_config() -> Path:
    """The view that `rviz` opens."""
    return Path(amt_perception.__file__).parent / "config" / "amt.rviz"


def launcher_environment() -> dict[str, str]:
    """Tells the nodes which process they must not outlive (see amt_retarget.ros.lifetime)."""
    return {"AMT_LAUNCHER": str(os.getpid())}


def transport_environment() -> dict[str, str]:
    """Environment of every process: shared memory that images fit in, and memory kept between them.

    The default Fast DDS segment loses most 720p images; without the malloc settings each image
    costs page faults on both sides. Nodes find each other on this machine only. What the user has
    set stays.
    """
    profile = Path(amt_perception.__file__).parent / "config" / "fastdds.xml"
    settings = {
        "FASTDDS_DEFAULT_PROFILES_FILE": str(profile),
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(profile),
        "MALLOC_MMAP_THRESHOLD_": "1000000000",
        "MALLOC_TRIM_THRESHOLD_": "1000000000",
        "MALLOC_TOP_PAD_": "67108864",
    }
    if not any(name in os.environ for name in DISCOVERY_SETTINGS):
        settings["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    return {name: value for name, value in settings.items() if name not in os.environ}


DISCOVERY_SETTINGS = (
    "ROS_AUTOMATIC_DISCOVERY_RANGE",
    "ROS_LOCALHOST_ONLY",
    "ROS_STATIC_PEERS",
    "ROS_DISCOVERY_SERVER",
)
"""Who has set one of these has decided which machines hear each other."""
