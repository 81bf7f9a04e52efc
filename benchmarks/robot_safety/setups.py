"""The ways in which the nodes are started for the injections."""

from __future__ import annotations

from dataclasses import dataclass

COMMAND_RATE_HZ = 125.0
MEASURED = "robot/joint_states"
"""Where the robot reports its joints; what the retarget node hears comes through the harness."""


@dataclass(frozen=True)
class Setup:
    """Parameters that the faults are tried with."""

    interface: str
    deadman: bool
    position_mode: str = "relative"

    @property
    def name(self) -> str:
        """For rows and file names."""
        return f"{self.interface}{'_deadman' if self.deadman else ''}"


SETUPS = (Setup("jtc", False), Setup("forward", True))


def arguments(setup: Setup) -> dict[str, tuple[str, list[str]]]:
    """Module and arguments of each process, by name."""
    retarget = {
        "command_interface": setup.interface,
        "require_enable": "true",
        "require_deadman": str(setup.deadman).lower(),
        "position_mode": setup.position_mode,
        "command_rate_hz": COMMAND_RATE_HZ,
    }
    robot = {"command_interface": setup.interface}
    return {
        "retarget_node": ("amt_retarget.nodes.retarget_node", _parameters(retarget)),
        "mujoco_node": (
            "amt_retarget.nodes.mujoco_node",
            [*_parameters(robot), "-r", f"joint_states:={MEASURED}"],
        ),
        "source": ("benchmarks.robot_safety.source", []),
    }


def _parameters(values: dict[str, object]) -> list[str]:
    words = ["--ros-args"]
    for name, value in values.items():
        words += ["-p", f"{name}:={value}"]
    return words
