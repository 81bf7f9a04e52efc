"""The robot's nodes as processes, and around them what they know of the world: a person, a camera,
an operator, the robot's own controller, and the wires between them, which can be disturbed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rclpy
from amt_msgs.msg import HandPoseArray, RetargetStatus
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image, JointState
from tf2_msgs.msg import TFMessage

from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.robot.driver_profiles import ARM_INTERFACES
from amt_retarget.robot.robot import Robot
from amt_retarget.ros import topics
from amt_retarget.ros.transforms import transforms_message
from amt_retarget.safety.state import NO_REASON, Reason, State
from benchmarks.robot_safety.camera import Camera
from benchmarks.robot_safety.controls import Controls
from benchmarks.robot_safety.disturbances import Disturbance
from benchmarks.robot_safety.hands import (
    CAMERA_FRAME,
    CAMERA_POSITION,
    CAMERA_ROTATION,
    MovingHand,
    hand_message,
)
from benchmarks.robot_safety.processes import NodeProcess
from benchmarks.robot_safety.recording import JointStream, raw_stamp_ns, record
from benchmarks.robot_safety.setups import COMMAND_RATE_HZ, MEASURED, Setup, arguments
from benchmarks.robot_safety.wire import Wire, stamp_ns

PATIENCE_S = 30.0
DISCOVERY_S = 0.5
"""Between what this process knows of the others and what they know of each other."""


NEWEST = 2
"""Joint states that are kept: one of the arm and one of the hand."""


class WorldError(Exception):
    """The nodes did not do what everything else depends on."""


class World:
    """One robot under test, alive over many injections. A context manager that ends it all.

    Attributes:
        commands, measured, statuses, hands: recordings since `forget`.
        limits, home: of the robot with the default settings; [22].
        images, states: the wires from the camera or the person, and from the robot.
        controls: of the operator and of the robot's controller.
        motion: what the hand does, one of hands.MOTIONS.
    """

    def __init__(self, setup: Setup, seed: int, out: Path) -> None:
        self.setup = setup
        self.rng = np.random.default_rng(seed)
        robot = Robot.load("ur5e", "right")
        self.home = robot.home
        self.limits = RetargetSettings().joint_limits(robot)
        self.period_s = 1.0 / COMMAND_RATE_HZ
        self.motion = "standing"
        out.mkdir(parents=True, exist_ok=True)
        self.processes = {
            name: NodeProcess(module, words, dict(os.environ), out / f"{setup.name}_{name}.log")
            for name, (module, words) in arguments(setup).items()
        }
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = Node("world", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._person = MovingHand()
        self._camera = Camera() if setup.images else None
        self._next_image = 0.0
        self._fault_time = np.nan
        self._source_speaks = False
        self._connect()

    def _connect(self) -> None:
        node = self.node
        hands = (
            node.create_publisher(Image, topics.IMAGE, topics.IMAGE_QOS)
            if self._camera
            else node.create_publisher(HandPoseArray, topics.HANDS, topics.hand_publisher_qos())
        )
        self.images = Wire(hands, self.rng)
        joints = node.create_publisher(JointState, topics.JOINT_STATES, topics.KEPT_QOS)
        self.states = Wire(joints, self.rng)
        self.controls = Controls(node)
        self._tf = node.create_publisher(TFMessage, topics.TF_STATIC, topics.LATCHED_QOS)
        camera = ("base_link", CAMERA_FRAME, CAMERA_ROTATION, CAMERA_POSITION)
        self._tf.publish(transforms_message([camera], node.get_clock().now().to_msg()))
        self.commands = record(node, JointState, topics.JOINT_COMMAND)
        self.statuses = record(node, RetargetStatus, topics.RETARGET_STATUS)
        self.measured = record(node, JointState, MEASURED, self._on_measured)
        self.hands = record(node, HandPoseArray, topics.HANDS, self._on_hand)

    def __enter__(self) -> World:
        try:
            for name in self.setup.nodes:
                self.processes[name].start()
            self.wait_for_nodes()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.end()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def wait_for_nodes(self) -> None:
        """Until they speak, and hear each other."""
        self.wait_until(lambda: len(self.measured) > 5 and self.state is not None, "nodes up")
        topic, _ = ARM_INTERFACES[self.setup.interface]
        self.wait_until(lambda: self.node.count_subscribers(topic) > 0, f"who hears {topic}")
        self.wait(DISCOVERY_S)

    # Time passes; images, heartbeats and delayed messages are sent when it is time.

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            due = [wire.send_due(now) for wire in (self.images, self.states)]
            due.append(self.controls.beat(now))
            if now >= self._next_image:
                self._next_image = max(self._next_image + self.setup.image_period_s, now)
                if not self._source_speaks:
                    self._show_hand(now)
            first = min(end, self._next_image, *due)
            self._executor.spin_once(timeout_sec=max(0.0, first - time.monotonic()))

    def wait_until(
        self, condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S
    ) -> float:
        """Wait until the condition holds; seconds it took. WorldError when it does not come."""
        start = time.monotonic()
        while not condition():
            if time.monotonic() - start > patience_s:
                words = "; ".join(p.last_words() for p in self.processes.values())
                raise WorldError(f"waited in vain for: {what}; {self.state_text}; {words}")
            self.wait(0.01)
        return time.monotonic() - start

    def _show_hand(self, now: float) -> None:
        """A hand, or an image of one for the perception node."""
        stamp = self.node.get_clock().now().to_msg()
        if self._camera:
            message = self._camera.image(stamp)
        else:
            message = hand_message(self._person.joints(now, self.motion), stamp)
        if self.images.disturbed:
            self.images.carry(message)
        else:
            self.images.pass_on(message, stamp_ns(message))

    def _on_measured(self, raw: bytes, info: dict[str, int]) -> None:
        """The robot's joint states, passed on; `measured` keeps them as the robot has sent them."""
        self.measured.add(raw, info)
        if self.states.disturbed:
            self.states.carry(deserialize_message(raw, JointState))
        else:
            self.states.pass_on(raw, raw_stamp_ns(raw))

    def _on_hand(self, raw: bytes, info: dict[str, int]) -> None:
        """What arrives on the topic, also from another process."""
        self.hands.add(raw, info)
        if self._source_speaks:
            self.images.good_stamps.add(raw_stamp_ns(raw))

    # What is known.

    @property
    def last_status(self) -> RetargetStatus | None:
        """The newest, None before the first."""
        raw = self.statuses.raw
        return deserialize_message(raw[-1], RetargetStatus) if raw else None

    @property
    def state(self) -> State | None:
        """Of the newest status."""
        return State(status.state) if (status := self.last_status) else None

    @property
    def reasons(self) -> Reason:
        """Of the newest status."""
        return Reason(status.reasons) if (status := self.last_status) else NO_REASON

    @property
    def state_text(self) -> str:
        """The newest status in words."""
        return f"{self.state.name}: {self.reasons!r}" if self.state is not None else "no status"

    def speed_share(self, last_s: float) -> float:
        """Largest share of a velocity limit in the commands of the last seconds."""
        stream = JointStream.read(self.commands).after(time.monotonic() - last_s)
        speeds = np.abs(np.diff(stream.positions, axis=0)) / self.period_s
        return float(np.max(speeds / self.limits.velocity, initial=0.0))

    def fault_time(self, stream: str) -> float:
        """When the fault began (steady clock, s).

        stream: "hands" or "joint states" that ended with it, or were disturbed: then it is when
        their last good message was sent; else when `mark` was called.
        """
        if stream == "hands" and (self._camera or self._source_speaks):
            good = self.images.good_stamps
            pairs = zip(self.hands.sent, self.hands.raw, strict=True)
            return max((sent for sent, raw in pairs if raw_stamp_ns(raw) in good), default=np.nan)
        if stream == "hands":
            return self.images.fault_time
        if stream == "joint states":
            ended = self.states.last_good if not self.states.disturbed else self.states.fault_time
            return float(ended)
        return float(self._fault_time)

    def mark(self) -> None:
        """The fault begins now."""
        self._fault_time = time.monotonic()

    def forget(self) -> None:
        """Empty the recordings, but for the newest status and joint state; and all stamps."""
        for recording in (self.commands, self.hands):
            recording.keep_last(0)
        for recording in (self.statuses, self.measured):
            recording.keep_last(NEWEST)
        self.images.forget()
        self.states.forget()

    # What can be done.

    def disturb_hands(self, disturbance: Disturbance) -> None:
        """Hands or images, from the next one on."""
        self.images.disturb(disturbance)

    def disturb_states(self, disturbance: Disturbance) -> None:
        """From the next joint state on."""
        self.states.disturb(disturbance)

    def set_enabled(self, value: bool) -> tuple[bool, str]:
        """Arm or disarm; whether that was accepted, and the sentence."""
        self.wait_until(lambda: self.controls.arming_is_ready, "service amt/set_enabled")
        self.mark()
        future = self.controls.ask_to_arm(value)
        self.wait_until(future.done, "an answer of amt/set_enabled", 5.0)
        answer = future.result()
        assert answer is not None
        return bool(answer.success), str(answer.message)

    def start_source(self) -> None:
        """Hands come from a process of their own from now on."""
        self.processes["source"].start()
        received, own = len(self.hands), len(self.images.good_stamps)

        def speaks() -> bool:
            return len(self.hands) - received > len(self.images.good_stamps) - own + 3

        self.wait_until(speaks, "the source of hands")
        self._source_speaks = True
        self.wait(0.2)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Kill, stop or continue a process."""
        process = self.processes[name]
        if number == signal.SIGKILL:
            process.kill()
        else:
            process.send(number)

    def stop_retarget(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after a while: only then it can answer."""
        self.signal("retarget_node", signal.SIGSTOP)
        self.wait(seconds)
        self.signal("retarget_node", signal.SIGCONT)
        self.mark()

    def restore(self) -> None:
        """End every fault; processes that died are started again. Nothing is armed."""
        self.images.restore()
        self.states.restore()
        self.processes["source"].kill()
        self._source_speaks = False
        self.controls.restore()
        for name in self.setup.nodes:
            self.processes[name].send(signal.SIGCONT)
            self.processes[name].start()
