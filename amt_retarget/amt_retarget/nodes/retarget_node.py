"""Hands or a grasp in; joint commands for the arm and the hand out, and the state of it all."""

from __future__ import annotations

import sys
import time

import numpy as np
from amt_msgs.msg import HandPose, HandPoseArray
from builtin_interfaces.msg import Time
from sensor_msgs.msg import JointState

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.hand_frame import Side
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.retarget.solver import Retargeter, RetargetResult
from amt_retarget.robot.robot import Robot
from amt_retarget.ros import topics
from amt_retarget.ros.drivers import COMMAND_INTERFACES
from amt_retarget.ros.grasp_execution import GraspExecution
from amt_retarget.ros.joint_positions import MeasuredJoints
from amt_retarget.ros.lifecycle import SelfStartingLifecycleNode
from amt_retarget.ros.lifetime import run_nodes
from amt_retarget.ros.retarget_output import RetargetOutput
from amt_retarget.ros.retarget_parameters import declare_ranges
from amt_retarget.ros.transforms import TransformTree, seconds
from amt_retarget.safety.limits import CheckedCommand, CommandGuard
from amt_retarget.safety.state import NO_REASON, Reason, State, StateMachine
from amt_retarget.safety.watchdog import InputWatchdog

HOLD_PERIOD_S = 0.02
STEP_RANGE_S = (0.002, 0.2)
BRAKE_S = 1.5
"""Longer than braking from full speed takes; see RetargetSettings' acceleration limits."""
AT_REST = 1e-6
"""Of the commanded velocities (rad/s)."""


class RetargetNode(SelfStartingLifecycleNode):
    """Follows the person's hand while everything is in order, and brakes and holds otherwise.

    A grasp that is asked for by service takes the robot over until it is let go (GraspExecution).
    No command is sent before the first valid hand or grasp. From then on one is sent for every
    image, and 50 times a second in a grasp and while holding. Stamps of commands that follow a hand
    are those of their image.
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
        declare_ranges(self)
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
        self._measured = MeasuredJoints(self._robot)
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
        self._grasp = GraspExecution(
            self,
            self._robot,
            self._retargeter.limits,
            self._number("table_height"),
            self._base_frame,
            self._transforms,
        )
        self._output = RetargetOutput(self, self._retargeter.limits, self._base_frame, interface)

    def activate(self) -> None:
        self._guard = CommandGuard(self._retargeter.limits)
        self._states = StateMachine()
        self._measured.reset()
        self._last_cycle: float | None = None
        self._command: CheckedCommand | None = None
        self._image_stamp = Time()
        self._watchdog.reset()
        self._retargeter.reset()
        qos = topics.RESULT_QOS
        self._active = [
            self.create_subscription(JointState, topics.JOINT_STATES, self._measured.take, qos),
            self.create_subscription(HandPoseArray, topics.HANDS, self._on_hands, qos),
        ]
        self._grasp.start(self._stand_still, self._follow_hands)
        self._timer = self.create_timer(HOLD_PERIOD_S, self._on_timer)
        self._publish_status()

    def deactivate(self) -> None:
        for subscription in self._active:
            self.destroy_subscription(subscription)
        self.destroy_timer(self._timer)
        self._brake(Reason.NO_INPUT_YET)
        self._grasp.end()

    def _brake(self, reason: Reason) -> None:
        """Command the robot to a standstill, if it has commands."""
        deadline = time.monotonic() + BRAKE_S
        while self._last_cycle is not None and time.monotonic() < deadline:
            time.sleep(HOLD_PERIOD_S)
            self._cycle(None, reason)
            if self._command is None or np.abs(self._command.velocities).max() < AT_REST:
                return

    def _stand_still(self) -> np.ndarray:
        """Bring the robot to rest; joints [22] (rad) at which it stands.

        Raises RetargetError when it is in a fault or its joints are not known.
        """
        if self._states.state == State.FAULT:
            raise RetargetError("the robot is in a fault: deactivate and activate the node first")
        if self._measured.stale:
            raise RetargetError("the robot's joint states are missing or old: start its drivers")
        if self._paused() or self._command is None:
            return self._measured.positions.copy()
        self._brake(Reason.GRASP_STOPPED)
        return self._command.positions

    def _follow_hands(self) -> None:
        """Let go of the grasp where the robot comes to rest."""
        self._brake(Reason.GRASP_STOPPED)
        if self._command is not None:
            self._retargeter.engage(self._command.positions)
        self._grasp.release()

    def _paused(self) -> bool:
        """Whether there has been no command for so long that the robot stands."""
        last = self._last_cycle
        return last is None or time.monotonic() - last > STEP_RANGE_S[1]

    def _on_hands(self, message: HandPoseArray) -> None:
        if self._grasp.motion is not None:
            return
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
        if self._grasp.motion is not None:
            self._cycle(None, NO_REASON)
        elif not self._watchdog.started:
            self._cycle(None, Reason.NO_INPUT_YET | self._missing)
        elif self._watchdog.expired():
            self._cycle(None, Reason.INPUT_STALE | self._missing)

    def _cycle(
        self, joints: np.ndarray | None, reasons: Reason, received: float | None = None
    ) -> None:
        """One command: of the grasp, or to follow a hand's joints [21, 3] (base, m), or to hold."""
        received = time.perf_counter() if received is None else received
        now, motion = time.monotonic(), self._grasp.motion
        if self._measured.stale:
            reasons |= Reason.JOINT_STATE_MISSING
        if self._grasp.stopped:
            reasons |= Reason.GRASP_STOPPED
        if self._paused():
            if motion is not None:
                motion.rest()
                self._guard.start(motion.positions)
            elif reasons:  # nothing moves: wait for all to be well
                self._states.update(reasons, 0.0)
                self._publish_status()
                return
            else:
                self._retargeter.engage(self._measured.positions)
                self._guard.start(self._measured.positions)
            self._last_cycle = now - HOLD_PERIOD_S
        assert self._last_cycle is not None
        dt = max(now - self._last_cycle, STEP_RANGE_S[0])
        self._last_cycle = now

        start = time.perf_counter()
        result: RetargetResult | None = None
        if motion is not None:
            positions = motion.hold(dt) if reasons else motion.step(dt)
        else:
            result = self._follow(joints, reasons, dt)
            positions = result.positions
            reasons |= result.reasons
        solve_time = time.perf_counter() - start
        self._command = checked = self._guard.check(positions, dt)
        if not checked.accepted:
            reasons |= Reason.COMMAND_REFUSED
            violations = "; ".join(checked.violations)
            self.get_logger().error(f"Refused a command: {violations}", throttle_duration_sec=1.0)
            self._retargeter.engage(checked.positions)
            self._grasp.release()
        previous = self._states.state
        if result is None:
            state = self._states.execute(reasons)
        else:
            state = self._states.update(reasons, result.ramp)
        if state != previous:
            self.get_logger().info(f"{state.name}{': ' if reasons else ''}{reasons.text}")
        if self._states.sends_commands:
            following = self._states.follows
            stamp = self._image_stamp if following else self.get_clock().now().to_msg()
            self._output.publish_command(checked, dt, stamp)
        self._publish_status(result, solve_time, time.perf_counter() - received)

    def _follow(self, joints: np.ndarray | None, reasons: Reason, dt: float) -> RetargetResult:
        if joints is None or reasons or self._states.state == State.FAULT:
            return self._retargeter.hold(dt)
        age = self._watchdog.input_age() if self._compensates_latency else 0.0
        return self._retargeter.step(joints, self._side, dt, age)

    def _publish_status(
        self,
        result: RetargetResult | None = None,
        solve_time: float = 0.0,
        total_time: float = 0.0,
    ) -> None:
        self._output.publish_status(
            self._states,
            self._grasp.phase,
            self._image_stamp,
            self._watchdog.input_age(),
            self._command,
            result,
            solve_time,
            total_time,
        )


def main() -> int:
    """Entry point."""
    return run_nodes(lambda: [RetargetNode()], (RetargetError,))


if __name__ == "__main__":
    sys.exit(main())
