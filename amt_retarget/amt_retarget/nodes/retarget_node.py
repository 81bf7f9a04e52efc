"""Hands in; joint commands for the arm and the hand out, and the state of it all."""

from __future__ import annotations

import sys
import time

import numpy as np
from amt_msgs.msg import HandPose, HandPoseArray, RetargetStatus
from builtin_interfaces.msg import Time
from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from sensor_msgs.msg import JointState

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.hand_frame import Side
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.retarget.solver import Retargeter, RetargetResult
from amt_retarget.robot.joint_orders import project_names
from amt_retarget.robot.robot import Robot
from amt_retarget.ros import topics
from amt_retarget.ros.drivers import COMMAND_INTERFACES, DriverPublishers
from amt_retarget.ros.lifecycle import SelfStartingLifecycleNode
from amt_retarget.ros.lifetime import run_nodes
from amt_retarget.ros.transforms import TransformTree, seconds
from amt_retarget.safety.limits import CommandGuard
from amt_retarget.safety.state import NO_REASON, Reason, State, StateMachine
from amt_retarget.safety.watchdog import TIMEOUT_RANGE_S, InputWatchdog

HOLD_PERIOD_S = 0.02
JOINT_STATE_TIMEOUT_S = 0.5
STEP_RANGE_S = (0.002, 0.2)
BRAKE_S = 1.5
"""Longer than braking from full speed takes; see RetargetSettings' acceleration limits."""

RANGES = {
    "input_timeout_s": (0.1, *TIMEOUT_RANGE_S, "hold when no hand has come for this long (s)"),
    "min_confidence": (0.5, 0.0, 1.0, "hands below this confidence are not followed"),
    "velocity_scale": (0.25, 0.01, 1.0, "share of the arm's velocity limits that may be used"),
    "hand_velocity_scale": (1.0, 0.01, 1.0, "share of the hand's velocity limits"),
    "max_accel": (5.0, 0.1, 50.0, "acceleration limit of the arm's joints (rad/s^2)"),
    "hand_max_accel": (100.0, 1.0, 500.0, "acceleration limit of the hand's joints (rad/s^2)"),
    "ramp_time_s": (1.0, 0.0, 10.0, "time in which the speeds grow after engaging (s)"),
    "hand_smoothing_hz": (3.8, 0.5, 30.0, "fingers: lower is smoother, higher is faster (Hz)"),
    "arm_smoothing_hz": (3.2, 0.5, 30.0, "arm: lower is smoother, higher is faster (Hz)"),
    "position_scale": (1.0, 0.1, 5.0, "way of the robot's wrist over the person's (relative)"),
    "table_height": (0.0, -2.0, 2.0, "of a surface that nothing may touch, base frame (m)"),
}
"""Default, lowest, highest and meaning of the parameters that operators tune."""


class RetargetNode(SelfStartingLifecycleNode):
    """Follows the person's hand while everything is in order, and brakes and holds otherwise.

    No command is sent before the first valid hand. From then on one is sent for every image, and
    50 times a second while holding. Stamps of commands are those of their image.
    """

    user_errors = (RetargetError,)

    def __init__(self) -> None:
        super().__init__("retarget_node")
        self.declare_parameter("robot", "ur5e")
        self.declare_parameter("hand", "right")
        self.declare_parameter("base_frame", "base_link")
        self.declare_parameter("position_mode", "relative")
        self.declare_parameter("command_interface", "jtc")
        self.declare_parameter("compensate_latency", False)
        defaults = RetargetSettings()
        self.declare_parameter("workspace_min", list(defaults.workspace_min))
        self.declare_parameter("workspace_max", list(defaults.workspace_max))
        for name, (default, low, high, meaning) in RANGES.items():
            floating_range = FloatingPointRange(from_value=low, to_value=high)
            descriptor = ParameterDescriptor(
                description=meaning, floating_point_range=[floating_range]
            )
            self.declare_parameter(name, default, descriptor)
        self._transforms = TransformTree(self)
        self.start()

    def _text(self, name: str) -> str:
        return str(self.get_parameter(name).value)

    def _number(self, name: str) -> float:
        return float(self.get_parameter(name).value)

    def configure(self) -> None:
        interface = self._text("command_interface")
        if interface not in COMMAND_INTERFACES:
            raise RetargetError(
                f"command_interface is '{interface}'; choose {' or '.join(COMMAND_INTERFACES)}."
            )
        self._robot = Robot.load(self._text("robot"), self._text("hand"))
        self._side = int(Side[self._robot.hand.upper()])
        self._project_names = project_names(self._robot.hand)  # each driver has names of its own
        self._retargeter = Retargeter(
            self._robot,
            RetargetSettings(
                arm_velocity_scale=self._number("velocity_scale"),
                hand_velocity_scale=self._number("hand_velocity_scale"),
                arm_max_accel=self._number("max_accel"),
                hand_max_accel=self._number("hand_max_accel"),
                ramp_time_s=self._number("ramp_time_s"),
                position_mode=self._text("position_mode"),
                hand_smoothing_hz=self._number("hand_smoothing_hz"),
                arm_smoothing_hz=self._number("arm_smoothing_hz"),
                position_scale=self._number("position_scale"),
                table_height=self._number("table_height"),
                workspace_min=tuple(self.get_parameter("workspace_min").value),
                workspace_max=tuple(self.get_parameter("workspace_max").value),
            ),
        )
        self._watchdog = InputWatchdog(self._number("input_timeout_s"))
        self._compensates_latency = bool(self.get_parameter("compensate_latency").value)
        self._base_frame = self._text("base_frame")
        self._drivers = DriverPublishers(self, interface)
        self._commands = self.create_publisher(JointState, topics.JOINT_COMMAND, topics.KEPT_QOS)
        self._statuses = self.create_publisher(
            RetargetStatus, topics.RETARGET_STATUS, topics.LATCHED_QOS
        )

    def activate(self) -> None:
        self._guard = CommandGuard(self._retargeter.limits)
        self._states = StateMachine()
        self._measured: np.ndarray = np.full(len(self._robot.joint_names), np.nan)
        self._measured_time = -np.inf
        self._last_cycle: float | None = None
        self._image_stamp = Time()
        self._watchdog.reset()
        self._retargeter.reset()
        qos = topics.RESULT_QOS
        self._active = [
            self.create_subscription(JointState, topics.JOINT_STATES, self._on_joint_state, qos),
            self.create_subscription(HandPoseArray, topics.HANDS, self._on_hands, qos),
        ]
        self._timer = self.create_timer(HOLD_PERIOD_S, self._on_timer)
        self._publish_status(None, 0.0, 0.0)

    def deactivate(self) -> None:
        for subscription in self._active:
            self.destroy_subscription(subscription)
        self.destroy_timer(self._timer)
        deadline = time.monotonic() + BRAKE_S
        while self._last_cycle is not None and time.monotonic() < deadline:
            time.sleep(HOLD_PERIOD_S)
            self._cycle(None, Reason.NO_INPUT_YET)

    def _on_joint_state(self, message: JointState) -> None:
        position = {
            self._project_names.get(name, name): value
            for name, value in zip(message.name, message.position, strict=False)
        }
        names = self._robot.joint_names
        if all(name in position for name in names):
            self._measured = np.array([position[name] for name in names])
            self._measured_time = time.monotonic()
        elif any(name in position for name in names):
            # Arm and hand have drivers of their own; each message brings some of the joints.
            for index, name in enumerate(names):
                self._measured[index] = position.get(name, self._measured[index])
            if np.isfinite(self._measured).all():
                self._measured_time = time.monotonic()

    def _on_hands(self, message: HandPoseArray) -> None:
        received = time.perf_counter()
        latency = self.get_clock().now().nanoseconds * 1e-9 - seconds(message.header.stamp)
        hand, reasons = self._choose(message)
        if hand is None:
            # The watchdog brakes after its time limit; one missed image is no reason to.
            if reasons:
                self._missing = reasons
            return
        self._missing = NO_REASON
        if not self._watchdog.received(latency):
            return
        base_from_camera = self._transforms.lookup(self._base_frame, message.header.frame_id)
        if base_from_camera is None:
            self._cycle(None, Reason.TRANSFORM_MISSING, received)
            return
        self._image_stamp = message.header.stamp
        joints = np.array([(point.x, point.y, point.z) for point in hand.joints])
        joints = joints @ base_from_camera[:3, :3].T + base_from_camera[:3, 3]
        self._cycle(joints, NO_REASON, received)

    _missing: Reason = Reason.NO_INPUT_YET

    def _choose(self, message: HandPoseArray) -> tuple[HandPose | None, Reason]:
        """The hand to follow, the most confident one of our side; or why there is none."""
        alive = [hand for hand in message.hands if hand.state != HandPose.STATE_LOST]
        ours = [hand for hand in alive if hand.side == self._side]
        if not ours:
            return None, Reason.WRONG_SIDE if alive else NO_REASON
        best = max(ours, key=lambda hand: hand.confidence)
        if best.confidence < self._number("min_confidence"):
            return None, Reason.LOW_CONFIDENCE
        return best, NO_REASON

    def _on_timer(self) -> None:
        if not self._watchdog.started:
            self._cycle(None, Reason.NO_INPUT_YET | self._missing)
        elif self._watchdog.expired():
            self._cycle(None, Reason.INPUT_STALE | self._missing)

    def _cycle(
        self, joints: np.ndarray | None, reasons: Reason, received: float | None = None
    ) -> None:
        """One command: follow the hand's joints [21, 3] (base frame, m), or hold for reasons."""
        received = time.perf_counter() if received is None else received
        now = time.monotonic()
        if now - self._measured_time > JOINT_STATE_TIMEOUT_S:
            reasons |= Reason.JOINT_STATE_MISSING
        if self._last_cycle is None or now - self._last_cycle > STEP_RANGE_S[1]:
            if reasons:  # nothing moves yet, or nothing has moved for long: wait for all to be well
                self._states.update(reasons, 0.0)
                self._publish_status(None, 0.0, 0.0)
                return
            self._retargeter.engage(self._measured)
            self._guard.start(self._measured)
            self._last_cycle = now - HOLD_PERIOD_S
        dt = max(now - self._last_cycle, STEP_RANGE_S[0])
        self._last_cycle = now

        start = time.perf_counter()
        if joints is None or reasons or self._states.state == State.FAULT:
            result = self._retargeter.hold(dt)
        else:
            age = self._watchdog.input_age() if self._compensates_latency else 0.0
            result = self._retargeter.step(joints, self._side, dt, age)
        solve_time = time.perf_counter() - start
        checked = self._guard.check(result.positions, dt)
        reasons |= result.reasons
        if not checked.accepted:
            reasons |= Reason.COMMAND_REFUSED
            violations = "; ".join(checked.violations)
            self.get_logger().error(f"Refused a command: {violations}", throttle_duration_sec=1.0)
            self._retargeter.engage(checked.positions)
        previous = self._states.state
        state = self._states.update(reasons, result.ramp)
        if state != previous:
            self.get_logger().info(f"{state.name}{': ' if reasons else ''}{reasons.text}")
        if self._states.sends_commands:
            following = self._states.follows
            stamp = self._image_stamp if following else self.get_clock().now().to_msg()
            self._publish_command(checked.positions, checked.velocities, dt, stamp)
        self._publish_status(result, solve_time, time.perf_counter() - received)

    def _publish_command(
        self, positions: np.ndarray, velocities: np.ndarray, dt: float, stamp: Time
    ) -> None:
        names = self._robot.joint_names
        message = JointState(name=list(names))
        message.header.stamp = stamp
        message.header.frame_id = self._base_frame
        message.position = positions.tolist()
        message.velocity = velocities.tolist()
        self._commands.publish(message)
        by_name = dict(zip(names, message.position, strict=True))
        self._drivers.publish(by_name, dt, self.get_clock().now().to_msg())

    def _publish_status(
        self, result: RetargetResult | None, solve_time: float, total_time: float
    ) -> None:
        message = RetargetStatus()
        message.header.stamp = self._image_stamp
        message.header.frame_id = self._base_frame
        message.state = int(self._states.state)
        message.reasons = int(self._states.reasons)
        message.text = self._states.reasons.text
        age = self._watchdog.input_age()
        message.input_age = age if np.isfinite(age) else float("nan")
        message.solve_time = solve_time
        message.total_time = total_time
        message.tip_residual = np.full(4, np.nan, np.float32)
        message.scale = message.position_margin = message.velocity_margin = float("nan")
        if result is not None:
            limits = self._retargeter.limits
            message.tip_residual = result.tip_residual.astype(np.float32)
            message.scale = result.scale
            message.clamped_joints = result.clamped
            room = np.minimum(result.positions - limits.lower, limits.upper - result.positions)
            message.position_margin = float(room.min())
            message.velocity_margin = float((limits.velocity - abs(result.velocities)).min())
        self._statuses.publish(message)


def main() -> int:
    """Entry point."""
    return run_nodes(lambda: [RetargetNode()], (RetargetError,))


if __name__ == "__main__":
    sys.exit(main())
