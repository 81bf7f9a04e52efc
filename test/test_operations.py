"""The running pipeline as operators use it: two arms, simulated time, composition, respawn."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
from amt_msgs.msg import HandPose, HandPoseArray
from geometry_msgs.msg import Point
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from tf2_msgs.msg import TFMessage

from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.mano_files import load_hand_model
from amt_retarget.ros import topics

Start = Callable[..., subprocess.Popen[str]]

START_TIMEOUT_S = 60.0
PERIOD_S = 1 / 30
CAMERA = "camera_optical_frame"
PATIENT = ("input_timeout_s:=0.5", "joint_state_timeout_s:=0.5")
"""Machines that run tests are busy."""


class Operator(Node):
    """Shows hands to the pipeline, and keeps commands by namespace and frames by their parents."""

    def __init__(self, context: Context, namespaces: tuple[str, ...]) -> None:
        super().__init__("operator", context=context)
        self.commands: dict[str, list[JointState]] = {name: [] for name in namespaces}
        self.states: dict[str, list[JointState]] = {name: [] for name in namespaces}
        self.parents: dict[str, set[str]] = {}
        deep = QoSProfile(depth=200)
        for kept, topic in (
            (self.commands, topics.JOINT_COMMAND),
            (self.states, topics.JOINT_STATES),
        ):
            for name, messages in kept.items():
                self.create_subscription(JointState, f"{name}/{topic}", messages.append, deep)
        latched = QoSProfile(depth=100, durability=topics.LATCHED_QOS.durability)
        self.create_subscription(TFMessage, topics.TF, self._on_tf, 100)
        self.create_subscription(TFMessage, topics.TF_STATIC, self._on_tf, latched)
        self._kinematics = HandKinematics(load_hand_model(Side.RIGHT, None))
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self)

    def _on_tf(self, message: TFMessage) -> None:
        for transform in message.transforms:
            self.parents.setdefault(transform.child_frame_id, set()).add(transform.header.frame_id)

    def wait(self, seconds: float) -> None:
        """Let messages come in."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def hands(self, stamp_s: float, *sides: int) -> HandPoseArray:
        """Message with one open hand for each side."""
        joints = self._kinematics.joints21(np.zeros((16, 3)), np.zeros(10), np.array([0, 0, 0.6]))
        message = HandPoseArray()
        message.header.frame_id = CAMERA
        message.header.stamp.sec = int(stamp_s)
        message.header.stamp.nanosec = int(stamp_s % 1 * 1e9)
        for side in sides:
            hand = HandPose(header=message.header, side=side, track_id=side, confidence=0.95)
            hand.joints = [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in joints]
            message.hands.append(hand)
        return message


@pytest.fixture
def operator(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Operator]:
    """Listens in the namespaces that are the fixture's parameter."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    context = Context()
    rclpy.init(context=context, domain_id=int(environment["ROS_DOMAIN_ID"]))
    node = Operator(context, request.param)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def wait_until(
    operator: Operator, done: Callable[[], bool], runner: subprocess.Popen[str],
    act: Callable[[], object], period_s: float = PERIOD_S,
) -> None:  # fmt: skip
    """Repeat an act, at the rate of a camera, until something has happened."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not done():
        assert runner.poll() is None, runner.communicate()
        assert time.monotonic() < deadline, (operator.parents, operator.get_node_names())
        act()
        operator.wait(period_s)


@pytest.mark.parametrize("operator", [("/left", "/right")], indirect=True)
def test_two_arms_follow_one_camera(start: Start, operator: Operator) -> None:
    publisher = operator.create_publisher(HandPoseArray, "/amt/hands", topics.hand_publisher_qos())
    both = (HandPose.SIDE_LEFT, HandPose.SIDE_RIGHT)
    runner = start("amt_perception.pipeline", "video:=none", "hand:=both", *PATIENT)
    wait_until(
        operator,
        lambda: all(operator.commands.values()) and "right/palm_link" in operator.parents,
        runner,
        lambda: publisher.publish(operator.hands(time.time(), *both)),
    )
    for messages in operator.commands.values():
        assert len(messages[-1].name) == 22 and np.isfinite(messages[-1].position).all()
    shared = {name: parents for name, parents in operator.parents.items() if len(parents) > 1}
    assert not shared
    for frame in (CAMERA, "left/base_link", "right/base_link"):
        assert operator.parents[frame] == {"world"}
    assert set.union(*operator.parents.values()) - set(operator.parents) == {"world"}


@pytest.mark.parametrize("operator", [("/cell",)], indirect=True)
def test_simulated_time_in_a_namespace_and_one_process(start: Start, operator: Operator) -> None:
    """Time is 1000 s and goes on by /clock; no stamp knows the machine's time."""
    clock = operator.create_publisher(Clock, "/clock", 10)
    hands = operator.create_publisher(HandPoseArray, "/cell/amt/hands", topics.hand_publisher_qos())
    begin = time.monotonic()
    runner = start(
        "amt_perception.pipeline", "video:=none", "namespace:=cell", "use_sim_time:=true",
        "use_composition:=all", *PATIENT,
    )  # fmt: skip

    def tick() -> None:
        now = 1000.0 + time.monotonic() - begin
        message = Clock()
        message.clock.sec, message.clock.nanosec = int(now), int(now % 1 * 1e9)
        clock.publish(message)
        hands.publish(operator.hands(now, HandPose.SIDE_RIGHT))

    wait_until(operator, lambda: len(operator.commands["/cell"]) > 50, runner, tick, 0.01)
    names = {name for name, space in operator.get_node_names_and_namespaces() if space == "/cell"}
    assert {"retarget_node", "perception_node", "mujoco_node", "robot_state_node"} <= names
    assert operator.parents[CAMERA] == {"base_link"}  # although there is no video_node
    latest = 1000.0 + time.monotonic() - begin
    for messages in (operator.commands["/cell"], operator.states["/cell"][-50:]):
        stamps = [m.header.stamp.sec + m.header.stamp.nanosec * 1e-9 for m in messages]
        assert min(stamps) >= 1000.0 and max(stamps) <= latest
    runner.send_signal(signal.SIGINT)
    _, errors = runner.communicate(timeout=15)
    assert runner.returncode == 130
    assert "Traceback" not in errors and "terminate" not in errors


def test_a_node_that_died_is_started_again(start: Start) -> None:
    runner = start("amt_perception.pipeline", "video:=none", "use_respawn:=true")

    def node(name: str) -> int | None:
        text = Path(f"/proc/{runner.pid}/task/{runner.pid}/children").read_text()
        for pid in map(int, text.split()):
            if name in Path(f"/proc/{pid}/cmdline").read_text():
                return pid
        return None

    deadline = time.monotonic() + START_TIMEOUT_S
    while (first := node("robot_state_node")) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(first, signal.SIGKILL)
    while node("robot_state_node") in (None, first):
        assert time.monotonic() < deadline
        assert runner.poll() is None
        time.sleep(0.05)
    runner.send_signal(signal.SIGINT)
    _, errors = runner.communicate(timeout=15)
    assert "robot_state_node was killed by SIGKILL" in errors
    assert "it is started again" in errors
