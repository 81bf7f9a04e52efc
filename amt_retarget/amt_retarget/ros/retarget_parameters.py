"""The retarget node's parameters: meaning, range, and when they may be changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import Enum

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.settings import POSITION_MODES, RetargetSettings
from amt_retarget.robot.description import ARMS, HANDS
from amt_retarget.robot.driver_profiles import ARM_INTERFACES, HAND_INTERFACES
from amt_retarget.ros import topics
from amt_retarget.safety.watchdog import TIMEOUT_RANGE_S


class Change(Enum):
    """When a parameter may be changed."""

    LIVE = "at any time"
    AT_REST = "while no command is sent"
    UNCONFIGURED = "before the node is configured"


@dataclass(frozen=True)
class RetargetParameter:
    """One parameter; low and high for numbers, choices for words."""

    default: bool | int | float | str | list[float]
    meaning: str
    change: Change
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


def _number(
    default: float, low: float, high: float, meaning: str, change: Change = Change.AT_REST
) -> RetargetParameter:
    return RetargetParameter(default, meaning, change, low, high)


_DEFAULTS = RetargetSettings()
_LIVE, _FIXED = Change.LIVE, Change.UNCONFIGURED
PARAMETERS = {
    "robot": RetargetParameter("ur5e", "arm under the hand", _FIXED, choices=ARMS),
    "hand": RetargetParameter("right", "which Allegro hand", _FIXED, choices=HANDS),
    "base_frame": RetargetParameter("base_link", "tf frame of the robot's base", _FIXED),
    "hands_topic": RetargetParameter(topics.HANDS, "topic of the hands to follow", _FIXED),
    "command_interface": RetargetParameter(
        "jtc", "the arm's controller", _FIXED, choices=tuple(ARM_INTERFACES)
    ),
    "hand_interface": RetargetParameter(
        "v4", "the hand's driver", _FIXED, choices=tuple(HAND_INTERFACES)
    ),
    "tf_prefix": RetargetParameter("", "prefix of the arm's joint names in its driver", _FIXED),
    "command_rate_hz": _number(125.0, 100.0, 500.0, "commands a second (Hz)", _FIXED),
    "realtime_priority": RetargetParameter(
        40,
        "priority of the commands' thread under SCHED_FIFO, where the system allows it; 0: none",
        _FIXED,
        0,
        99,
    ),
    "require_enable": RetargetParameter(
        True, "nothing moves before the service amt/set_enabled has armed the robot", _FIXED
    ),
    "require_deadman": RetargetParameter(
        False, "the robot moves only while amt/enable says true, 20 times a second or more", _FIXED
    ),
    "qos_watchdogs": RetargetParameter(
        False,
        "ask the hands' publisher for a deadline and liveliness; one that offers none is not heard",
        _FIXED,
    ),
    "compensate_latency": RetargetParameter(
        False, "follow where the hand is by now, as predicted", _FIXED
    ),
    "position_mode": RetargetParameter(
        "relative",
        "relative: the wrist moves from where the robot's stands; absolute: it goes where the "
        "hand is",
        Change.AT_REST,
        choices=POSITION_MODES,
    ),
    "workspace_min": RetargetParameter(
        list(_DEFAULTS.workspace_min),
        "lower corner of the box for the wrist's target, base frame (m)",
        Change.AT_REST,
    ),
    "workspace_max": RetargetParameter(
        list(_DEFAULTS.workspace_max), "upper corner of that box (m)", Change.AT_REST
    ),
    "table_height": _number(0.0, -2.0, 2.0, "of a surface that nothing may touch, base frame (m)"),
    "velocity_scale": _number(
        0.25, 0.01, 1.0, "share of the arm's velocity limits; in motion it may be lowered", _LIVE
    ),
    "hand_velocity_scale": _number(1.0, 0.01, 1.0, "share of the hand's velocity limits"),
    "max_accel": _number(5.0, 0.1, 50.0, "acceleration limit of the arm's joints (rad/s^2)"),
    "hand_max_accel": _number(
        100.0, 1.0, 500.0, "acceleration limit of the hand's joints (rad/s^2)"
    ),
    "ramp_time_s": _number(1.0, 0.0, 10.0, "time in which the speeds grow after engaging (s)"),
    # Steps between frames delay the filter a little: these are as smooth and as far behind as
    # RetargetSettings' are with one step a frame.
    "hand_smoothing_hz": _number(4.5, 0.5, 30.0, "fingers: lower is smoother, higher faster (Hz)"),
    "arm_smoothing_hz": _number(3.8, 0.5, 30.0, "arm: lower is smoother, higher faster (Hz)"),
    "position_scale": _number(
        1.0, 0.1, 5.0, "way of the robot's wrist over that of the person's (relative)"
    ),
    "min_confidence": _number(0.5, 0.0, 1.0, "hands below this confidence are not followed", _LIVE),
    # Braking begins up to one period of the commands later, and within 60 ms at 125 Hz.
    "input_timeout_s": _number(
        0.04, *TIMEOUT_RANGE_S, "hold when no hand has come for this long (s)", _LIVE
    ),
    "joint_state_timeout_s": _number(
        0.04, *TIMEOUT_RANGE_S, "hold when a joint's last report is older (s)", _LIVE
    ),
    "max_latency_s": _number(
        0.5, 0.05, 2.0, "hands whose image is older when they come are not followed (s)", _LIVE
    ),
    "deadman_timeout_s": _number(
        0.15, 0.06, 1.0, "hold when the deadman's last heartbeat is older (s)", _LIVE
    ),
    "following_tolerance": _number(
        0.2, 0.02, 1.0, "fault when an arm joint is farther from its commands (rad)", _LIVE
    ),
}
"""What the robot is, what it is driven through, how it moves, and when it must not."""


class RetargetParameters:
    """Declares all of PARAMETERS on a node, refuses what must not be, and reads them.

    Attributes:
        configured, active, engaged: set by the node; they decide what may be changed.
        built_velocity_scale: with which the limits were made.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.configured = self.active = self.engaged = False
        self.built_velocity_scale = 1.0
        for name, parameter in PARAMETERS.items():
            node.declare_parameter(name, parameter.default, _descriptor(parameter))
        node.add_on_set_parameters_callback(self._check)

    def text(self, name: str) -> str:
        """A parameter that is a word."""
        return str(self._node.get_parameter(name).value)

    def number(self, name: str) -> float:
        """A parameter that is a number."""
        return float(self._node.get_parameter(name).value)

    def flag(self, name: str) -> bool:
        """A parameter that is true or false."""
        return bool(self._node.get_parameter(name).value)

    def settings(self) -> RetargetSettings:
        """Of the retargeter. Raises RetargetError where parameters do not fit together."""
        return _settings({name: self._node.get_parameter(name).value for name in PARAMETERS})

    def _check(self, changes: Sequence[Parameter]) -> SetParametersResult:
        """ROS's own check of types and ranges has passed by then."""
        values = {
            name: self._node.get_parameter(name).value
            for name in PARAMETERS
            if self._node.has_parameter(name)
        }
        for change in changes:
            parameter = PARAMETERS.get(change.name)
            if parameter is None:
                continue
            refusal = self._refusal(change.name, parameter, change.value)
            if refusal:
                return SetParametersResult(successful=False, reason=refusal)
            values[change.name] = change.value
        try:
            if set(values) == set(PARAMETERS):
                _settings(values)
        except RetargetError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _refusal(self, name: str, parameter: RetargetParameter, value: object) -> str:
        if parameter.choices and value not in parameter.choices:
            return f"{name} is '{value}'; choose one of {', '.join(parameter.choices)}."
        if parameter.change == Change.UNCONFIGURED and self.configured:
            return (
                f"{name} can be changed only before the node is configured: deactivate it and "
                "clean it up first (ros2 lifecycle set), or start it with the new value."
            )
        if parameter.change == Change.AT_REST and self.engaged:
            return (
                f"{name} can be changed only while no command is sent: disarm the robot first "
                "(service amt/set_enabled, data: false)."
            )
        if name == "velocity_scale" and self.engaged and value > self.built_velocity_scale:  # type: ignore[operator]
            return (
                f"velocity_scale can only be lowered in motion, from {self.built_velocity_scale}: "
                "disarm the robot first (service amt/set_enabled, data: false)."
            )
        return ""


def _settings(values: dict[str, object]) -> RetargetSettings:
    known = {field.name for field in fields(RetargetSettings)}
    renamed = {"velocity_scale": "arm_velocity_scale", "max_accel": "arm_max_accel"}
    settings = {renamed.get(name, name): value for name, value in values.items()}
    for corner in ("workspace_min", "workspace_max"):
        settings[corner] = tuple(settings[corner])  # type: ignore[arg-type]
    return RetargetSettings(**{name: settings[name] for name in settings if name in known})  # type: ignore[arg-type]


def _descriptor(parameter: RetargetParameter) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=f"{parameter.meaning}; may be changed {parameter.change.value}"
    )
    if parameter.choices:
        descriptor.additional_constraints = f"one of {', '.join(parameter.choices)}"
    if parameter.low is not None and parameter.high is not None:
        if isinstance(parameter.default, int):
            descriptor.integer_range = [
                IntegerRange(from_value=int(parameter.low), to_value=int(parameter.high))
            ]
        else:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=parameter.low, to_value=parameter.high)
            ]
    return descriptor
