"""Names of topics and services, and QoS: their one home. Commands to drivers: driver_profiles.

Names without a leading slash follow the nodes' namespace: /amt/hands, or /left/amt/hands.
"""

from __future__ import annotations

from rclpy.duration import Duration
from rclpy.qos import (
    DurabilityPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)

IMAGE = "image_raw"
CAMERA_INFO = "camera_info"
HAND_POSE = "amt/hand_pose"
HANDS = "amt/hands"
OBJECTS = "amt/objects"
CONTACTS = "amt/contacts"
OVERLAY = "amt/overlay"
MARKERS = "amt/markers"
GRASPS = "amt/grasps"
SAMPLE_GRASPS = "amt/sample_grasps"
EXECUTE_GRASP = "amt/execute_grasp"
STOP_GRASP = "amt/stop_grasp"
JOINT_COMMAND = "amt/joint_command"
RETARGET_STATUS = "amt/retarget_status"
SET_ENABLED = "amt/set_enabled"
"""Service that arms and disarms (std_srvs/SetBool)."""
ENABLE = "amt/enable"
"""Deadman switch: heartbeat of 20 Hz or more while it is held (std_msgs/Bool)."""
EMERGENCY_STOP = "amt/emergency_stop"
"""True stops at once, until it is False and the robot armed again (std_msgs/Bool)."""
SPEED_SCALING = "speed_scaling_state_broadcaster/speed_scaling"
"""Of Universal_Robots_ROS2_Driver: the teach pendant's slider, percent (std_msgs/Float64)."""
PROGRAM_RUNNING = "io_and_status_controller/robot_program_running"
"""Of Universal_Robots_ROS2_Driver: whether the robot takes commands (std_msgs/Bool, latched)."""
JOINT_STATES = "joint_states"
ROBOT_DESCRIPTION = "robot_description"
TF = "/tf"
TF_STATIC = "/tf_static"
DIAGNOSTICS = "/diagnostics"


def image_qos(depth: int) -> QoSProfile:
    """Best effort, with so many images that may wait."""
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)


IMAGE_QOS = image_qos(1)
"""Images and camera_info: the newest only."""
RESULT_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
"""Who acts on results and commands takes the newest only."""
KEPT_QOS = QoSProfile(depth=20, reliability=ReliabilityPolicy.RELIABLE)
"""Who publishes them keeps the last few until they have arrived, so that a recorder loses none."""
POLLED_QOS = QoSProfile(depth=20, reliability=ReliabilityPolicy.RELIABLE)
"""Who takes messages once a cycle keeps all that have come meanwhile: of two drivers that report on
one topic, each some of the joints; and of a source that sends an old message after a new one.
"""
LATCHED_QOS = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""States, descriptions and static transforms: a late subscriber gets the last one."""


def hand_publisher_qos() -> QoSProfile:
    """KEPT_QOS that also offers a deadline and liveliness, for subscribers that ask for them."""
    return QoSProfile(
        depth=KEPT_QOS.depth,
        reliability=ReliabilityPolicy.RELIABLE,
        deadline=Duration(seconds=0.2),
        liveliness=LivelinessPolicy.AUTOMATIC,
        liveliness_lease_duration=Duration(seconds=0.5),
    )
