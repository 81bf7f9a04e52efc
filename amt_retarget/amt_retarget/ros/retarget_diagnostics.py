"""How well the retarget node runs: rates, latencies, jitter, trust. For /diagnostics."""

from __future__ import annotations

import time
from collections import deque

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from amt_retarget.retarget.teleoperation import Teleoperation
from amt_retarget.ros import topics
from amt_retarget.safety.state import State

WINDOW_S = 10.0
LEVELS = {
    State.FAULT: DiagnosticStatus.ERROR,
    State.HOLD: DiagnosticStatus.WARN,
}
JITTER_WARNING_MS = 5.0


class RetargetDiagnostics:
    """Keeps the times of the last WINDOW_S and publishes what they say."""

    def __init__(self, node: Node, period_s: float) -> None:
        """period_s: of the commands."""
        self._node = node
        self._period_s = period_s
        self._publisher = node.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, 10)
        self._cycles: deque[float] = deque(maxlen=round(WINDOW_S / period_s))
        self._busy: deque[float] = deque(maxlen=round(WINDOW_S / period_s))
        self._hands: deque[float] = deque(maxlen=600)
        self._latencies: deque[float] = deque(maxlen=600)

    def end(self) -> None:
        """Publish nothing any more."""
        self._node.destroy_publisher(self._publisher)

    def cycle(self, sent: float, busy_s: float) -> None:
        """Note a cycle. sent: when its command was sent, on the steady clock (s); busy_s: what it
        took to prepare and to send it.
        """
        self._cycles.append(sent)
        self._busy.append(busy_s)

    def hand(self, latency_s: float) -> None:
        """Note a hand that came so long after its image."""
        self._hands.append(time.monotonic())
        self._latencies.append(latency_s)

    def publish(self, robot: Teleoperation, scheduling: str) -> None:
        """Publish the state and all figures. scheduling: of the commands' thread.

        It takes milliseconds, and no lock: the commands must not wait for it.
        """
        states = robot.states
        status = DiagnosticStatus(
            name="amt: retargeting",
            hardware_id=robot.retargeter.robot.arm,
            level=LEVELS.get(states.state, DiagnosticStatus.OK),
            message=states.reasons.text or states.state.name,
        )
        if self._namespace:
            status.name += f" ({self._namespace})"
        figures = {
            "state": states.state.name,
            "armed": str(robot.operator.armed).lower(),
            **self._rates(),
            "confidence": f"{robot.hands.confidence:.2f}",
            "following_error_rad": f"{robot.following.error:.3f}",
            "scheduling": scheduling,
            "robot_speed_scaling": f"{robot.speed_scaling:.2f}",
            "robot_program_running": str(robot.program_running).lower(),
        }
        jitter = float(figures["command_jitter_p99_ms"])
        if status.level == DiagnosticStatus.OK and jitter > JITTER_WARNING_MS:
            status.level = DiagnosticStatus.WARN
            status.message = (
                f"commands come unevenly (p99 {jitter:.1f} ms): this computer is too busy"
            )
        status.values = [KeyValue(key=key, value=value) for key, value in figures.items()]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    @property
    def _namespace(self) -> str:
        return self._node.get_namespace().strip("/")

    def _rates(self) -> dict[str, str]:
        # A list is made of a deque in one go, whatever another thread appends meanwhile.
        intervals = np.diff(list(self._cycles))
        jitter = 1e3 * np.abs(intervals - self._period_s)
        latencies = 1e3 * np.array(list(self._latencies))
        now = time.monotonic()
        recent = [arrival for arrival in list(self._hands) if now - arrival < WINDOW_S]
        rate = (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 else 0.0
        cycles = 1.0 / float(intervals.mean()) if intervals.size else 0.0
        return {
            "hand_rate_hz": f"{rate:.1f}",
            "image_to_hand_p50_ms": _percentile(latencies, 50),
            "image_to_hand_p99_ms": _percentile(latencies, 99),
            "command_rate_hz": f"{cycles:.1f}",
            "command_jitter_p50_ms": _percentile(jitter, 50),
            "command_jitter_p99_ms": _percentile(jitter, 99),
            "cycle_p99_ms": _percentile(1e3 * np.array(list(self._busy)), 99),
        }


def _percentile(values: np.ndarray, percent: float) -> str:
    return f"{np.percentile(values, percent):.2f}" if values.size else "nan"
