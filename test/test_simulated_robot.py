"""The simulated robot over DDS: refuses what real drivers refuse, and stops as a UR robot does."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import rclpy
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from amt_retarget.robot.driver_profiles import arm_profile, hand_profile
from amt_retarget.robot.robot import Robot
from amt_retarget.ros import topics
from amt_retarget.ros.transforms import seconds
from amt_retarget.safety.measured_joints import MeasuredJoints

ARM = arm_profile("jtc", "left_")
HAND = hand_profile("v5", "left")


class Operator(Node):
    """Commands the simulated robot, a left one, and listens to it."""

    def __init__(self, context: Context) -> None:
        super().__init__("operator", context=context)
        self.robot = Robot.load("ur5e", "left")
        self.measured = MeasuredJoints(self.robot, 0.2, "left_", hand_interface="v5")
        self.messages: dict[tuple[str, ...], int] = {}
        self.program: list[bool] = []
        self.scaling = [np.nan]
        for topic in (ARM.states_topic, HAND.states_topic):
            self.create_subscription(JointState, topic, self._on_joints, topics.POLLED_QOS)
        self.create_subscription(
            Bool, topics.PROGRAM_RUNNING, lambda message: self.program.append(message.data),
            topics.LATCHED_QOS,
        )  # fmt: skip
        self.create_subscription(
            Float64, topics.SPEED_SCALING, lambda message: self.scaling.append(message.data), 10
        )
        self._trajectories = self.create_publisher(JointTrajectory, ARM.topic, topics.KEPT_QOS)
        self._hand = self.create_publisher(JointState, HAND.topic, topics.KEPT_QOS)
        self._parameters = self.create_client(SetParameters, "mujoco_node/set_parameters")
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self)

    def _on_joints(self, message: JointState) -> None:
        self.messages[tuple(message.name)] = self.messages.get(tuple(message.name), 0) + 1
        stamp = seconds(message.header.stamp)
        self.measured.take(message.name, message.position, stamp)

    @property
    def elbow(self) -> float:
        return float(self.measured.positions[2])

    def wait(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass, at most until something is the case; whether it is."""
        end = time.monotonic() + seconds
        while not until() and (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=min(left, 0.02))
        return until()

    def move(self, elbow: float, duration: float, names: tuple[str, ...] = ARM.order.names) -> None:
        """Command the elbow to move by so much (rad) in so long a time (s)."""
        positions = self.measured.positions[:6].copy()
        positions[2] += elbow
        point = JointTrajectoryPoint(positions=positions.tolist())
        point.time_from_start.sec = int(duration)
        point.time_from_start.nanosec = int(duration % 1 * 1e9)
        self._trajectories.publish(JointTrajectory(joint_names=names, points=[point]))

    def bend(self, names: tuple[str, ...] = HAND.order.names) -> None:
        """Command the hand's home pose with 0.5 rad more in the thumb's second joint."""
        positions = self.robot.home[6:].copy()
        positions[13] += 0.5
        command = HAND.order.from_project(positions).tolist()
        self._hand.publish(JointState(name=names, position=command))

    def set(self, name: str, value: float | bool) -> None:
        """Set a parameter of the simulated robot."""
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()]
        )
        future = self._parameters.call_async(request)
        assert self.wait(5.0, future.done) and future.result().results[0].successful

    def close(self) -> None:
        self._executor.shutdown()
        self.destroy_node()


@pytest.fixture
def operator(
    environment: dict[str, str], start: Callable[..., subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Operator]:  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    options = ["-p", "hand:=left", "-p", "hand_interface:=v5", "-p", "tf_prefix:=left_"]
    start("amt_retarget.nodes.mujoco_node", "--ros-args", *options)
    context = Context()
    rclpy.init(context=context, domain_id=int(environment["ROS_DOMAIN_ID"]))
    node = Operator(context)
    assert node.wait(30.0, lambda: not node.measured.missing and bool(node.program))
    assert node.wait(5.0, node._parameters.service_is_ready)
    yield node
    node.close()
    rclpy.shutdown(context=context)


def test_the_simulated_robot_is_as_strict_as_its_drivers(operator: Operator) -> None:
    node = operator
    home = node.robot.home
    assert {len(names) for names in node.messages} == {6, 16}
    assert set(node.messages) == {ARM.order.names, HAND.order.names}
    np.testing.assert_allclose(node.measured.positions, home, atol=0.05)
    assert node.program == [True]

    # Names without the prefix, and a hand's names in another order: nothing moves.
    node.move(0.3, 0.2, node.robot.arm_joint_names)
    node.bend(HAND.order.names[::-1])
    node.wait(0.4)
    np.testing.assert_allclose(node.measured.positions, home, atol=0.05)

    # As they should be: both move.
    node.move(0.3, 0.2)
    node.bend()
    assert node.wait(3.0, lambda: node.elbow > home[2] + 0.28)
    assert node.wait(3.0, lambda: node.measured.positions[6 + 13] > home[6 + 13] + 0.4)

    # At half speed twice the time; at none it stands, and goes on afterwards.
    node.set("speed_scaling", 50.0)
    assert node.wait(2.0, lambda: node.scaling[-1] == 50.0)
    node.move(-0.4, 1.0)
    started, before = time.monotonic(), node.elbow
    assert node.wait(5.0, lambda: node.elbow < before - 0.2)
    assert time.monotonic() - started > 0.7
    node.set("speed_scaling", 0.0)
    assert node.wait(2.0, lambda: node.scaling[-1] == 0.0)
    node.wait(0.3)
    stood = node.elbow
    node.wait(0.3)
    assert abs(node.elbow - stood) < 0.005
    assert stood > before - 0.38
    node.set("speed_scaling", 100.0)
    assert node.wait(3.0, lambda: node.elbow < before - 0.38)

    # The program ends in the middle of a motion: it brakes, and is deaf until it runs again.
    node.move(0.8, 1.0)
    before = node.elbow
    assert node.wait(3.0, lambda: node.elbow > before + 0.2)
    node.set("program_running", False)
    assert node.wait(2.0, lambda: node.program[-1] is False)
    node.wait(0.3)
    stood = node.elbow
    node.move(-0.3, 0.2)
    node.wait(0.4)
    assert abs(node.elbow - stood) < 0.005
    assert stood < before + 0.7
    node.set("program_running", True)
    assert node.wait(2.0, lambda: node.program[-1] is True)
    assert abs(node.elbow - stood) < 0.01
    node.move(-0.3, 0.2)
    assert node.wait(3.0, lambda: node.elbow < stood - 0.28)
