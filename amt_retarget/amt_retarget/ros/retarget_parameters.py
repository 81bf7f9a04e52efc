"""The retarget node's numbers that operators tune, with their ranges."""

from __future__ import annotations

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.node import Node

from amt_retarget.safety.watchdog import TIMEOUT_RANGE_S

RANGES = {
    "input_timeout_s": (0.1, *TIMEOUT_RANGE_S, "hold when no hand has come for this long (s)"),
    "min_confidence": (0.5, 0.0, 1.0, "hands below this confidence are not followed"),
    "velocity_scale": (0.25, 0.01, 1.0, "share of the arm's velocity limits that may be used"),
    "hand_velocity_scale": (1.0, 0.01, 1.0, "share of the hand's velocity limits"),
    "max_accel": (5.0, 0.1, 50.0, "acceleration limit of the arm's joints (rad/s^2)"),
    "hand_max_accel": (100.0, 1.0, 500.0, "acceleration limit of the hand's joints (rad/s^2)"),
    "ramp_time_s": (1.0, 0.0, 10.0, "time in which the speeds grow after engaging (s)"),
    "hand_smoothing_hz": (3.8, 0.5, 30.0, "fingers: lower is smoother, higher is faster (Hz)"),
    "arm_smoothing_hz": (3.2, 0.5, 30.0, "arm: lower is smoother, higher is faster (Hz)"),
    "position_scale": (1.0, 0.1, 5.0, "way of the robot's wrist over the person's (relative)"),
    "table_height": (0.0, -2.0, 2.0, "of a surface that nothing may touch, base frame (m)"),
}
"""Default, lowest, highest and meaning of the parameters that operators tune."""


def declare_ranges(node: Node) -> None:
    """Declare all of RANGES; a value out of its range is refused when it is set."""
    for name, (default, low, high, meaning) in RANGES.items():
        floating_range = FloatingPointRange(from_value=low, to_value=high)
        descriptor = ParameterDescriptor(description=meaning, floating_point_range=[floating_range])
        node.declare_parameter(name, default, descriptor)
