"""The robot's nodes as processes, and around them what they know of the world: a person, a camera,
an operator, the robot's own controller, and the wires between them, which can be disturbed."""

from __future__ import annotations

import heapq
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from amt_msgs.msg import HandPoseArray, RetargetStatus
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool, Float64
from std_srvs.srv import SetBool
from tf2_msgs.msg import TFMessage

from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.robot.driver_profiles import ARM_INTERFACES
from amt_retarget.robot.robot import Robot
from amt_retarget.ros import topics
from amt_retarget.ros.transforms import transforms_message
from amt_retarget.safety.state import NO_REASON, Reason, State
from benchmarks.robot_safety.camera import Camera
from benchmarks.robot_safety.disturbances import Disturbance
from benchmarks.robot_safety.hands import (
    CAMERA_FRAME,
    CAMERA_POSITION,
    CAMERA_ROTATION,
    MovingHand,
    hand_message,
)
from benchmarks.robot_safety.processes import NodeProcess
from benchmarks.robot_safety.recording import JointStream, Recording, raw_stamp_ns, record
from benchmarks.robot_safety.setups import COMMAND_RATE_HZ, MEASURED, Setup, arguments

PATIENCE_S = 30.0
HEARTBEAT_S = 0.03
DISCOVERY_S = 0.5
"""Between what this process knows of the others and what they know of each other."""


class WorldError(Exception):
    """The nodes did not do what everything else depends on."""


class World:
    """One robot under test, alive over many injections. A context manager that ends it all.

    Attributes:
        commands, measured, statuses: recordings since `forget`.
        limits, home: of the robot with the default settings; [22].
        good_stamps, bad_stamps: of hands sent as they should be, and of disturbed ones, ns.
    """

    def __init__(self, setup: Setup, seed: int, out: Path) -> None:
        self.setup = setup
        self.rng = np.random.default_rng(seed)
        robot = Robot.load("ur5e", "right")
        self.home = robot.home
        self.limits = RetargetSettings().joint_limits(robot)
        self.period_s = 1.0 / COMMAND_RATE_HZ
        self.motion = "standing"
        self.good_stamps: set[int] = set()
        self.bad_stamps: set[int] = set()
        self._fault_time = np.nan
        self._ended = ""
        self.processes: dict[str, NodeProcess] = {}
        out.mkdir(parents=True, exist_ok=True)
        for name, (module, words) in arguments(setup).items():
            log = out / f"{setup.name}_{name}.log"
            self.processes[name] = NodeProcess(module, words, dict(os.environ), log)
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = Node("world", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._person = MovingHand()
        self._camera = Camera() if setup.images else None
        self._waiting: list[tuple[float, int, Any, Any]] = []
        self._serial = 0
        self._next_image = self._next_heartbeat = 0.0
        self._hand_fault: Disturbance | None = None
        self._state_fault: Disturbance | None = None
        self._count = 0
        self._last_hand = self._last_state = np.nan
        self._source_speaks = False
        self._deadman: bool | None = True
        self._connect()

    def _connect(self) -> None:
        node = self.node
        self._hands = (
            node.create_publisher(Image, topics.IMAGE, topics.IMAGE_QOS)
            if self._camera
            else node.create_publisher(HandPoseArray, topics.HANDS, topics.hand_publisher_qos())
        )
        self._joints = node.create_publisher(JointState, topics.JOINT_STATES, topics.KEPT_QOS)
        self._enable = node.create_publisher(Bool, topics.ENABLE, topics.RESULT_QOS)
        self._estop = node.create_publisher(Bool, topics.EMERGENCY_STOP, topics.LATCHED_QOS)
        self._scaling = node.create_publisher(Float64, topics.SPEED_SCALING, topics.RESULT_QOS)
        self._program = node.create_publisher(Bool, topics.PROGRAM_RUNNING, topics.LATCHED_QOS)
        self._arming = node.create_client(SetBool, topics.SET_ENABLED)
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
            self._send_due(now)
            due = min(end, self._next_image, self._next_heartbeat)
            if self._waiting:
                due = min(due, self._waiting[0][0])
            self._executor.spin_once(timeout_sec=max(0.0, due - time.monotonic()))

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

    def _send_due(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            _, _, publisher, message = heapq.heappop(self._waiting)
            publisher.publish(message)
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + HEARTBEAT_S
            if self._deadman is not None:
                self._enable.publish(Bool(data=self._deadman))
        if now >= self._next_image:
            self._next_image = max(self._next_image + self.setup.image_period_s, now)
            if not self._source_speaks:
                self._show_hand(now)

    def _show_hand(self, now: float) -> None:
        """A hand, or an image of one for the perception node."""
        stamp = self.node.get_clock().now().to_msg()
        if self._camera:
            message = self._camera.image(stamp)
        else:
            message = hand_message(self._person.joints(now, self.motion), stamp)
        if self._hand_fault is None:
            self._last_hand = self._last_hand if self._camera else now
            self.good_stamps.add(stamp.sec * 1_000_000_000 + stamp.nanosec)
            self._hands.publish(message)
            return
        if self._count == 0:
            self._fault_time = self._last_hand
        sent = self._hand_fault(message, self._count, self.rng)
        self._count += 1
        for delay, each in sent:
            stamp = each.header.stamp
            self.bad_stamps.add(stamp.sec * 1_000_000_000 + stamp.nanosec)
            self._send(self._hands, delay, each)

    def _on_measured(self, raw: bytes, info: dict[str, int]) -> None:
        """The robot's joint states, passed on; `measured` keeps them as the robot has sent them."""
        self.measured.add(raw, info)
        if self._state_fault is None:
            self._last_state = time.monotonic()
            self._joints.publish(raw)
            return
        if self._count == 0:
            self._fault_time = self._last_state
        message = deserialize_message(raw, JointState)
        sent = self._state_fault(message, self._count, self.rng)
        self._count += 1
        for delay, each in sent:
            self._send(self._joints, delay, each)

    def _on_hand(self, raw: bytes, info: dict[str, int]) -> None:
        """What arrives on the topic, also from another process."""
        self.hands.add(raw, info)
        if self._source_speaks:
            self.good_stamps.add(raw_stamp_ns(raw))
        if self._source_speaks or (self._camera and raw_stamp_ns(raw) in self.good_stamps):
            self._last_hand = self.hands.sent[-1]

    def _send(self, publisher: Any, delay: float, message: Any) -> None:
        if delay <= 0.0:
            publisher.publish(message)
            return
        self._serial += 1
        entry = (time.monotonic() + delay, self._serial, publisher, message)
        heapq.heappush(self._waiting, entry)

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

    @property
    def measured_joints(self) -> np.ndarray:
        """The robot's newest joints [22] (rad), as it sent them."""
        stream = JointStream.read(self.measured, len(self.measured) - 1)
        positions: np.ndarray = stream.positions[-1]
        return positions

    def speed_share(self, last_s: float) -> float:
        """Largest share of a velocity limit in the commands of the last seconds."""
        stream = JointStream.read(self.commands).after(time.monotonic() - last_s)
        speeds = np.abs(np.diff(stream.positions, axis=0)) / self.period_s
        return float(np.max(speeds / self.limits.velocity, initial=0.0))

    def forget(self) -> None:
        """Empty the recordings; the newest status stays known."""
        newest = [(s.received, s.sent, s.numbers, s.raw) for s in (self.statuses, self.measured)]
        kept = [[values[-1:] for values in recording] for recording in newest]
        for recording in (self.commands, self.statuses, self.measured, self.hands):
            recording.clear()
        for recording, values in zip((self.statuses, self.measured), kept, strict=True):
            _refill(recording, values)
        self.good_stamps.clear()
        self.bad_stamps.clear()
        self._fault_time, self._ended = np.nan, ""

    # What can be done.

    def disturb_hands(self, disturbance: Disturbance) -> None:
        """From the next image on."""
        self._hand_fault, self._count = disturbance, 0
        if self._camera:  # the last good image's hand is still to come
            self._ended = "hands"

    def disturb_states(self, disturbance: Disturbance) -> None:
        """From the next joint state on."""
        self._state_fault, self._count = disturbance, 0

    def set_enabled(self, value: bool) -> tuple[bool, str]:
        """Arm or disarm; whether that was accepted, and the sentence."""
        self.wait_until(self._arming.service_is_ready, "service amt/set_enabled")
        future = self._arming.call_async(SetBool.Request(data=value))
        self.wait_until(future.done, "an answer of amt/set_enabled", 5.0)
        answer = future.result()
        return bool(answer.success), str(answer.message)

    def disarm(self) -> None:
        """The operator's way to stop."""
        self._now()
        self.set_enabled(False)

    def emergency_stop(self, pressed: bool) -> None:
        """On the topic."""
        if pressed:
            self._now()
        self._estop.publish(Bool(data=pressed))

    def hold_deadman(self, held: bool | None) -> None:
        """None: its heartbeat ends."""
        self._now()
        self._deadman = held
        if held is not None:
            self._enable.publish(Bool(data=held))

    def speed_scaling(self, percent: float) -> None:
        """Of the robot's own controller."""
        self._now()
        self._scaling.publish(Float64(data=percent))

    def program_running(self, running: bool) -> None:
        """Of the robot's own controller."""
        self._now()
        self._program.publish(Bool(data=running))

    def start_source(self) -> None:
        """Hands come from a process of their own from now on."""
        source = self.processes["source"]
        source.start()
        received = len(self.hands)
        own = len(self.good_stamps)
        self.wait_until(
            lambda: len(self.hands) - received > len(self.good_stamps) - own + 3, "the source"
        )
        self._source_speaks = True
        self.wait(0.2)

    def kill_source(self) -> None:
        """SIGKILL."""
        self._ended = "hands"
        self.processes["source"].kill()

    def stop_source(self) -> None:
        """SIGSTOP."""
        self._ended = "hands"
        self.processes["source"].send(signal.SIGSTOP)

    def kill_robot(self) -> None:
        """SIGKILL."""
        self._ended = "joint states"
        self.processes["mujoco_node"].kill()

    def stop_robot(self) -> None:
        """SIGSTOP."""
        self._ended = "joint states"
        self.processes["mujoco_node"].send(signal.SIGSTOP)

    def kill_retarget(self) -> None:
        """SIGKILL."""
        self.processes["retarget_node"].kill()
        self._now()
        self.statuses.clear()

    def stop_retarget(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after a while."""
        process = self.processes["retarget_node"]
        process.send(signal.SIGSTOP)
        self.wait(seconds)
        process.send(signal.SIGCONT)
        self._now()

    def _now(self) -> None:
        self._fault_time = time.monotonic()

    @property
    def fault_time(self) -> float:
        """When the fault began (steady clock, s): of a stream, when its last good message was sent.

        NaN before it began.
        """
        last = {"hands": self._last_hand, "joint states": self._last_state}
        return float(last.get(self._ended, self._fault_time))

    def restore(self) -> None:
        """End every fault; processes that died are started again. Nothing is armed."""
        self._hand_fault = self._state_fault = None
        self._waiting.clear()
        self.processes["source"].kill()
        self._source_speaks = False
        self._deadman = True
        self._estop.publish(Bool(data=False))
        self._scaling.publish(Float64(data=100.0))
        self._program.publish(Bool(data=True))
        for name in self.setup.nodes:
            self.processes[name].send(signal.SIGCONT)
            self.processes[name].start()


def _refill(recording: Recording, values: list[list[Any]]) -> None:
    recording.received, recording.sent, recording.numbers, recording.raw = values
