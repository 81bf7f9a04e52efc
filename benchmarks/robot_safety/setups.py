"""The ways in which the nodes are started for the injections."""

from __future__ import annotations

from dataclasses import dataclass

from amt_retarget.ros import topics
from benchmarks.robot_safety.hands import IMAGE_PERIOD_S

COMMAND_RATE_HZ = 125.0
MEASURED = f"robot/{topics.JOINT_STATES}"
"""Where the robot reports its joints; what the retarget node hears comes through the harness."""


@dataclass(frozen=True)
class Setup:
    """Parameters that the faults are tried with."""

    interface: str
    deadman: bool
    images: bool = False
    """Images go through the real perception node, slowly; else hands are made up."""

    @property
    def name(self) -> str:
        """For rows and file names."""
        parts = [self.interface, *(["deadman"] * self.deadman), *(["images"] * self.images)]
        return "_".join(parts)

    @property
    def nodes(self) -> tuple[str, ...]:
        """What must run, in starting order."""
        return ("mujoco_node", "retarget_node", *(["perception_node"] if self.images else []))

    @property
    def image_period_s(self) -> float:
        """Of the images."""
        return 1 / 12 if self.images else IMAGE_PERIOD_S


SETUPS = (Setup("jtc", False), Setup("forward", True))
IMAGES = Setup("jtc", False, images=True)
IMAGES_TIMEOUT_S = 0.3
"""Of the input: an image takes MediaPipe a while on a shared machine."""


def arguments(setup: Setup) -> dict[str, tuple[str, list[str]]]:
    """Module and arguments of each process, by name."""
    retarget: dict[str, object] = {
        "command_interface": setup.interface,
        "require_enable": "true",
        "require_deadman": str(setup.deadman).lower(),
        "command_rate_hz": COMMAND_RATE_HZ,
    }
    if setup.images:
        retarget["input_timeout_s"] = IMAGES_TIMEOUT_S
    robot: dict[str, object] = {"command_interface": setup.interface}
    remapped = [
        word
        for name in (topics.JOINT_STATES, topics.SPEED_SCALING, topics.PROGRAM_RUNNING)
        for word in ("-r", f"{name}:=robot/{name}")
    ]
    return {
        "retarget_node": ("amt_retarget.nodes.retarget_node", _parameters(retarget)),
        "mujoco_node": (
            "amt_retarget.nodes.mujoco_node",
            [*_parameters(robot), *remapped],
        ),
        "perception_node": (
            "amt_perception.nodes.perception_node", _parameters({"estimator": "mediapipe"})
        ),
        "source": ("benchmarks.robot_safety.source", []),
    }  # fmt: skip


def _parameters(values: dict[str, object]) -> list[str]:
    words = ["--ros-args"]
    for name, value in values.items():
        words += ["-p", f"{name}:={value}"]
    return words
