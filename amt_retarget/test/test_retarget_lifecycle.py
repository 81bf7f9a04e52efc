"""A node that is configured anew speaks on the topics of its new drivers only."""

from __future__ import annotations

import pytest

rclpy = pytest.importorskip("rclpy", reason="rclpy is not installed")

from rclpy.parameter import Parameter  # noqa: E402

from amt_retarget.nodes.retarget_node import RetargetNode  # noqa: E402


def test_another_interface_after_cleanup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    rclpy.init(args=["--ros-args", "-p", "autostart:=false"], domain_id=97)
    node = RetargetNode()
    try:
        for interface in ("jtc", "forward"):
            changed = node.set_parameters([Parameter("command_interface", value=interface)])[0]
            assert changed.successful, changed.reason
            node.trigger_configure()
            node.trigger_activate()
            topics = {publisher.topic_name for publisher in node.publishers}
            assert ("/forward_position_controller/commands" in topics) == (interface == "forward")
            trajectory = "/scaled_joint_trajectory_controller/joint_trajectory"
            assert (trajectory in topics) == (interface == "jtc")
            node.trigger_deactivate()
            node.trigger_cleanup()
    finally:
        node.destroy_node()
        rclpy.shutdown()
