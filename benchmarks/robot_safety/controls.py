"""What operators and the robot's own controller say to the retarget node."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.task import Future
from std_msgs.msg import Bool, Float64
from std_srvs.srv import SetBool

from amt_retarget.ros import topics

HEARTBEAT_S = 0.03
"""Of the deadman switch."""


class Controls:
    """Buttons, and what the robot's controller reports."""

    def __init__(self, node: Node) -> None:
        self._deadman: bool | None = True
        self._next_heartbeat = 0.0
        self._enable = node.create_publisher(Bool, topics.ENABLE, topics.RESULT_QOS)
        self._stop = node.create_publisher(Bool, topics.EMERGENCY_STOP, topics.LATCHED_QOS)
        self._scaling = node.create_publisher(Float64, topics.SPEED_SCALING, topics.RESULT_QOS)
        self._program = node.create_publisher(Bool, topics.PROGRAM_RUNNING, topics.LATCHED_QOS)
        self._arming = node.create_client(SetBool, topics.SET_ENABLED)

    @property
    def arming_is_ready(self) -> bool:
        """Whether the service is there."""
        return bool(self._arming.service_is_ready())

    def ask_to_arm(self, value: bool) -> Future:
        """Ask the service to arm or to disarm."""
        return self._arming.call_async(SetBool.Request(data=value))

    def emergency_stop(self, pressed: bool) -> None:
        """On the topic."""
        self._stop.publish(Bool(data=pressed))

    def hold_deadman(self, held: bool | None) -> None:
        """None: its heartbeat ends."""
        self._deadman = held
        self._next_heartbeat = 0.0

    def speed_scaling(self, percent: float) -> None:
        """Of the robot's own controller."""
        self._scaling.publish(Float64(data=percent))

    def program_running(self, running: bool) -> None:
        """Of the robot's own controller."""
        self._program.publish(Bool(data=running))

    def restore(self) -> None:
        """All as it is when nothing is wrong."""
        self.hold_deadman(True)
        self.emergency_stop(False)
        self.speed_scaling(100.0)
        self.program_running(True)

    def beat(self, now: float) -> float:
        """Send the heartbeat if it is time (steady clock, s); when the next one is due."""
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + HEARTBEAT_S
            if self._deadman is not None:
                self._enable.publish(Bool(data=self._deadman))
        return self._next_heartbeat
