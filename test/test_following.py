"""The retarget node and the simulated robot follow hands that this test publishes over DDS."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import rclpy
from amt_msgs.msg import HandPose, HandPoseArray, RetargetStatus
from geometry_msgs.msg import Point
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from tf2_msgs.msg import TFMessage
from trajectory_msgs.msg import JointTrajectory

from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.mano_files import load_hand_model
from amt_retarget.robot.driver_profiles import (
    MessageKind,
    ReportedJoints,
    arm_profile,
    hand_profile,
)
from amt_retarget.robot.joint_orders import joint_order
from amt_retarget.robot.robot import Robot
from amt_retarget.ros import topics
from amt_retarget.ros.transforms import transforms_message

PERIOD_S = 1 / 30
PATIENT = (
    *("-p", "require_enable:=false"),
    *("-p", "input_timeout_s:=0.2"),
    *("-p", "joint_state_timeout_s:=0.5"),
)
"""How fast a fault is noticed is measured elsewhere; here a busy machine must not matter."""
CAMERA = "camera_optical_frame"
FROM_THE_FRONT = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


class Person(Node):
    """Publishes a hand and listens to what becomes of it."""

    def __init__(self, context: Context) -> None:
        super().__init__("person", context=context)
        self.commands: list[JointState] = []
        self.states: list[JointState] = []
        self.status: RetargetStatus | None = None
        self.hands = self.create_publisher(HandPoseArray, topics.HANDS, topics.hand_publisher_qos())
        deep = QoSProfile(depth=200)
        self.create_subscription(JointState, topics.JOINT_COMMAND, self.commands.append, deep)
        self.create_subscription(JointState, topics.JOINT_STATES, self.states.append, deep)
        self.create_subscription(
            RetargetStatus, topics.RETARGET_STATUS, self._on_status, topics.LATCHED_QOS
        )
        self._tf = self.create_publisher(TFMessage, topics.TF_STATIC, topics.LATCHED_QOS)
        camera = ("base_link", CAMERA, FROM_THE_FRONT, np.array([1.2, 0.0, 0.5]))
        self._tf.publish(transforms_message([camera], self.get_clock().now().to_msg()))
        self._kinematics = HandKinematics(load_hand_model(Side.RIGHT, None))

    def _on_status(self, message: RetargetStatus) -> None:
        self.status = message

    def show(self, curl: float, side: int = HandPose.SIDE_RIGHT, broken: bool = False) -> None:
        """Publish one hand whose fingers are bent by `curl` (rad)."""
        pose = np.zeros((16, 3))
        pose[1:13, 2] = curl
        joints = self._kinematics.joints21(pose, np.zeros(10), np.array([0.0, 0.0, 0.6]))
        if broken:
            joints[8] = np.nan
        hand = HandPose(side=side, track_id=1, confidence=0.95)
        hand.header.frame_id = CAMERA
        hand.header.stamp = self.get_clock().now().to_msg()
        hand.joints = [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in joints]
        self.hands.publish(HandPoseArray(header=hand.header, hands=[hand]))


@pytest.fixture
def person(
    environment: dict[str, str], start: Callable[..., subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest,
) -> Iterator[tuple[Person, Callable[[float], None]]]:  # fmt: skip
    """A person before a running retarget node and robot; and a function that lets time pass.

    With the parameter "no robot" there is none; with "watched", DDS watches over the hands, too.
    """
    case = getattr(request, "param", "robot")
    has_robot = case != "no robot"
    watched = ("-p", "qos_watchdogs:=true") if case == "watched" else ()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if has_robot:
        start("amt_retarget.nodes.mujoco_node")
    start("amt_retarget.nodes.retarget_node", "--ros-args", *PATIENT, *watched)
    context = Context()
    rclpy.init(context=context, domain_id=int(environment["ROS_DOMAIN_ID"]))
    node = Person(context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def wait(seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            executor.spin_once(timeout_sec=left)

    deadline = time.monotonic() + 30.0
    while not (node.status and (node.states or not has_robot)):
        assert time.monotonic() < deadline, "the nodes did not come up"
        wait(0.05)
    yield node, wait
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


def follow(person: Person, wait: Callable[[float], None], seconds: float, curl: float) -> None:
    """Show a hand for some seconds at 30 Hz."""
    for _ in range(round(seconds / PERIOD_S)):
        person.show(curl)
        wait(PERIOD_S)


def test_follows_holds_and_respects_limits(
    person: tuple[Person, Callable[[float], None]],
) -> None:
    node, wait = person
    robot = Robot.load("ur5e", "right")

    # Nobody there, then the wrong hand, then a broken one: not a single command.
    wait(0.3)
    node.show(0.3, side=HandPose.SIDE_LEFT)
    wait(0.2)
    node.show(0.3, broken=True)
    wait(0.3)
    assert not node.commands
    assert node.status.state == RetargetStatus.STATE_INACTIVE
    assert node.status.text

    # A right hand: the robot follows, and the fingers bend with it.
    follow(node, wait, 2.5, 0.1)
    assert node.status.state == RetargetStatus.STATE_TRACK, node.status.text
    opened = dict(zip(node.commands[-1].name, node.commands[-1].position, strict=True))
    follow(node, wait, 1.5, 1.0)
    closed = dict(zip(node.commands[-1].name, node.commands[-1].position, strict=True))
    for finger in ("index", "middle", "ring"):
        bend = [sum(c[f"{finger}_joint_{k}"] for k in (1, 2, 3)) for c in (opened, closed)]
        assert bend[1] - bend[0] > 0.8, finger

    # The stream stops: the robot holds at once, and stands within a second.
    wait(0.5)
    assert node.status.state == RetargetStatus.STATE_HOLD
    assert node.status.reasons & RetargetStatus.REASON_INPUT_STALE
    wait(0.7)
    assert max(np.abs(state.velocity).max() for state in node.states[-2:]) < 0.02
    assert np.ptp([c.position for c in node.commands[-5:]], axis=0).max() < 1e-9

    # It comes back: no jump, and it follows again.
    before = np.array(node.commands[-1].position)
    follow(node, wait, 0.2, 0.1)
    assert np.abs(np.array(node.commands[-1].position) - before).max() < 0.3
    follow(node, wait, 2.0, 0.1)
    assert node.status.state == RetargetStatus.STATE_TRACK

    commands = np.array([command.position for command in node.commands])
    assert (commands >= robot.lower - 1e-9).all()
    assert (commands <= robot.upper + 1e-9).all()
    place = ReportedJoints.of("right", "v4").places
    for state in node.states:
        joints = [place[name] for name in state.name]
        assert (state.position >= robot.lower[joints] - 1e-3).all()
        assert (state.position <= robot.upper[joints] + 1e-3).all()


@pytest.mark.parametrize("person", ["watched"], indirect=True)
def test_a_source_that_promises_nothing_is_not_heard_where_dds_watches(
    person: tuple[Person, Callable[[float], None]],
) -> None:
    node, wait = person
    promising = node.hands
    node.hands = node.create_publisher(HandPoseArray, topics.HANDS, topics.KEPT_QOS)
    follow(node, wait, 1.0, 0.1)
    assert node.status.reasons & RetargetStatus.REASON_NO_INPUT_YET
    node.hands = promising
    follow(node, wait, 1.0, 0.1)
    assert node.status.state in (RetargetStatus.STATE_RAMP, RetargetStatus.STATE_TRACK)


@pytest.mark.parametrize("person", ["no robot"], indirect=True)
def test_takes_the_joint_states_of_the_real_drivers(
    person: tuple[Person, Callable[[float], None]],
) -> None:
    """Two drivers, each with names and an order of its own: the first command starts there."""
    node, wait = person
    robot = Robot.load("ur5e", "right")
    hand = joint_order("allegro_ros2", "right")
    arm_names = sorted(robot.arm_joint_names)
    arm = [float(robot.home[robot.joint_names.index(name)]) for name in arm_names]
    publisher = node.create_publisher(JointState, topics.JOINT_STATES, topics.KEPT_QOS)
    for profile in (arm_profile("jtc"), hand_profile("v4", "right")):  # somebody must listen
        kind = {MessageKind.TRAJECTORY: JointTrajectory}.get(profile.kind, Float64MultiArray)
        node.create_subscription(kind, profile.topic, lambda message: None, 10)
    deadline = time.monotonic() + 10.0  # two processes have to find each other first
    while not node.commands and time.monotonic() < deadline:
        publisher.publish(JointState(name=arm_names, position=arm))
        positions = hand.from_project(robot.home[6:]).tolist()
        publisher.publish(JointState(name=list(hand.names), position=positions))
        node.show(0.1)
        wait(PERIOD_S)
    assert node.commands, node.status.text
    np.testing.assert_allclose(node.commands[0].position, robot.home, atol=0.02)
