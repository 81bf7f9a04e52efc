"""The real launch file under ROS's own launch; runs where that and a sourced workspace are."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

launch_pytest = pytest.importorskip("launch_pytest", reason="ROS's launch is not installed")
pytest.importorskip("launch_ros", reason="ROS's launch_ros is not installed")

import launch  # noqa: E402
import rclpy  # noqa: E402
from ament_index_python.packages import (  # noqa: E402
    PackageNotFoundError,
    get_package_share_directory,
)
from amt_msgs.msg import RetargetStatus  # noqa: E402
from launch.actions import IncludeLaunchDescription  # noqa: E402
from launch.launch_description_sources import PythonLaunchDescriptionSource  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402

from amt_retarget.ros import topics  # noqa: E402

WAIT_S = 30.0


def launch_file() -> Path:
    """The installed launch file; skips in a workspace that was not built and sourced."""
    try:
        return Path(get_package_share_directory("amt_perception"), "launch", "pipeline.launch.py")
    except PackageNotFoundError:
        pytest.skip("amt_perception is not installed with colcon in this environment")


@launch_pytest.fixture
def pipeline() -> launch.LaunchDescription:
    """The whole pipeline, waiting for images."""
    include = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(launch_file())),
        launch_arguments={"video": "none", "robot": "ur10e", "hand": "left"}.items(),
    )
    return launch.LaunchDescription([include, launch_pytest.actions.ReadyToTest()])


@pytest.mark.launch(fixture=pipeline)
def test_all_nodes_come_up() -> None:
    rclpy.init()
    node = rclpy.create_node("launch_test")
    statuses: list[RetargetStatus] = []
    states: list[JointState] = []
    node.create_subscription(
        RetargetStatus, topics.RETARGET_STATUS, statuses.append, topics.LATCHED_QOS
    )
    node.create_subscription(JointState, topics.JOINT_STATES, states.append, 10)
    expected = {"mujoco_node", "robot_state_node", "retarget_node", "perception_node"}
    deadline = time.monotonic() + WAIT_S
    try:
        while time.monotonic() < deadline:
            rclpy.spin_once(node, timeout_sec=0.1)
            listens = node.count_subscribers(topics.IMAGE) == 1
            if statuses and len(states) > 1 and listens and expected <= set(node.get_node_names()):
                break
        assert expected <= set(node.get_node_names())
        assert statuses[-1].state == RetargetStatus.STATE_INACTIVE
        assert {len(state.name) for state in states} == {6, 16}  # arm and hand report apart
        assert listens
    finally:
        node.destroy_node()
        rclpy.shutdown()
