"""Hands or a grasp in; joint commands for the arm and the hand out, and the state of it all."""

from __future__ import annotations

import sys
import time

import numpy as np
from amt_msgs.msg import HandPose, HandPoseArray
from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import (
    QoSLivelinessChangedInfo,
    QoSRequestedDeadlineMissedInfo,
    SubscriptionEventCallbacks,
)
from rclpy.subscription import Subscription
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64
from std_srvs.srv import SetBool

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.hand_frame import Side
from amt_retarget.retarget.solver import Retargeter
from amt_retarget.retarget.teleoperation import Cycle, Teleoperation
from amt_retarget.robot.robot import Robot
from amt_retarget.ros import topics
from amt_retarget.ros.drivers import DriverPublishers
from amt_retarget.ros.grasp_execution import GraspExecution
from amt_retarget.ros.lifecycle import SelfStartingLifecycleNode
from amt_retarget.ros.lifetime import run_nodes
from amt_retarget.ros.retarget_diagnostics import RetargetDiagnostics
from amt_retarget.ros.retarget_output import RetargetOutput
from amt_retarget.ros.retarget_parameters import RetargetParameters
from amt_retarget.ros.transforms import TransformTree, seconds
from amt_retarget.safety.measured_joints import MeasuredJoints
from amt_retarget.safety.operator import Operator
from amt_retarget.safety.state import NO_REASON, Reason
from amt_retarget.safety.watchdog import InputWatchdog

STATUS_PERIOD_S = 0.04
DIAGNOSTICS_PERIOD_S = 1.0
BRAKE_S = 1.5
"""Longer than braking from full speed takes; see RetargetSettings' acceleration limits."""


class RetargetNode(SelfStartingLifecycleNode):
    """Follows the person's hand while everything is in order, and brakes and holds otherwise.

    All decisions are Teleoperation's. This node runs its cycle on a steady timer, which is the only
    place where commands are sent, and tells it what comes in by topic and service. Stamps of
    commands that follow a hand are those of their image.
    """

    user_errors = (RetargetError,)

    def __init__(self) -> None:
        super().__init__("retarget_node")
        self._options = RetargetParameters(self)
        self.add_post_set_parameters_callback(lambda changes: self._apply_parameters())
        self._transforms = TransformTree(self)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)  # also where time is simulated
        self.start()

    def configure(self) -> None:
        text, number = self._options.text, self._options.number
        self._robot = Robot.load(text("robot"), text("hand"))
        self._side = int(Side[self._robot.hand.upper()])
        self._base_frame = text("base_frame")
        self._period_s = 1.0 / number("command_rate_hz")
        self._retargeter = self._build_retargeter()
        drivers = DriverPublishers(
            self, text("command_interface"), text("hand_interface"), self._robot.hand,
            text("tf_prefix"),
        )  # fmt: skip
        limits = self._retargeter.limits
        self._output = RetargetOutput(self, limits, self._base_frame, drivers)
        self._grasps = GraspExecution(self, self._robot, self._base_frame, self._transforms)
        self._diagnostics = RetargetDiagnostics(self, self._period_s)
        self._options.configured = True

    def _build_retargeter(self) -> Retargeter:
        settings = self._options.settings()
        self._options.built_velocity_scale = settings.arm_velocity_scale
        return Retargeter(self._robot, settings)

    def activate(self) -> None:
        text, number, flag = self._options.text, self._options.number, self._options.flag
        self._control = Teleoperation(
            self._retargeter,
            Operator(flag("require_enable"), flag("require_deadman"), number("deadman_timeout_s")),
            MeasuredJoints(self._robot, number("joint_state_timeout_s"), text("tf_prefix")),
            InputWatchdog(number("input_timeout_s"), number("max_latency_s")),
            number("following_tolerance"),
            self._period_s,
            flag("compensate_latency"),
        )
        self._retargeter.reset()
        self._image_stamp = Time()
        self._received = self._cycle_start = self._status_time = -np.inf
        self._solve_time = self._total_time = 0.0
        self._shown: tuple[int, int] | None = None
        qos, latched = topics.RESULT_QOS, topics.LATCHED_QOS
        create = self.create_subscription
        quiet = SubscriptionEventCallbacks(use_default_callbacks=False)
        self._active = [
            create(JointState, topics.JOINT_STATES, self._on_joint_state, topics.JOINT_STATE_QOS),
            self._subscribe_hands(text("hands_topic"), flag("qos_watchdogs")),
            create(Bool, topics.ENABLE, self._on_heartbeat, qos),
            # Twice: the first hears every publisher, the second what a latched one said before.
            create(Bool, topics.EMERGENCY_STOP, self._on_emergency_stop, qos),
            create(
                Bool, topics.EMERGENCY_STOP, self._on_emergency_stop, latched,
                event_callbacks=quiet,
            ),
            create(Float64, topics.SPEED_SCALING, self._on_speed_scaling, qos),
            create(Bool, topics.PROGRAM_RUNNING, self._on_program_running, latched),
        ]  # fmt: skip
        self._service = self.create_service(SetBool, topics.SET_ENABLED, self._on_set_enabled)
        self._grasps.start(self._control, self._brake)
        self._active_timers = [
            self.create_timer(self._period_s, self._on_cycle, clock=self._steady),
            self.create_timer(DIAGNOSTICS_PERIOD_S, self._on_diagnostics, clock=self._steady),
        ]
        self._options.active = True
        self._apply_parameters()
        self._publish_status(Cycle(None))

    def _subscribe_hands(self, topic: str, watched: bool) -> Subscription:
        """watched: ask DDS to watch over the publisher, too (see topics.hand_publisher_qos)."""
        if not watched:
            return self.create_subscription(HandPoseArray, topic, self._on_hands, topics.RESULT_QOS)
        lost = self._on_hands_lost
        callbacks = SubscriptionEventCallbacks(deadline=lost, liveliness=lost)
        qos = topics.hand_publisher_qos()
        return self.create_subscription(
            HandPoseArray, topic, self._on_hands, qos, event_callbacks=callbacks
        )

    def deactivate(self) -> None:
        for timer in self._active_timers:
            self.destroy_timer(timer)
        self._brake()
        for subscription in self._active:
            self.destroy_subscription(subscription)
        self.destroy_service(self._service)
        self._grasps.end()
        self._options.active = self._options.engaged = False

    def cleanup(self) -> None:
        self._options.configured = False

    # What comes in.

    def _on_hands(self, message: HandPoseArray) -> None:
        robot = self._control
        stamp, now = seconds(message.header.stamp), self._now()
        hand, reason = self._choose(message)
        if hand is None:
            robot.miss_hand(reason, stamp, now)
            return
        base_from_camera = self._transforms.lookup(self._base_frame, message.header.frame_id)
        if base_from_camera is None:
            robot.miss_hand(Reason.TRANSFORM_MISSING, stamp, now)
            return
        joints = np.array([(point.x, point.y, point.z) for point in hand.joints])
        joints = joints @ base_from_camera[:3, :3].T + base_from_camera[:3, 3]
        if robot.see_hand(joints, self._side, stamp, now, hand.confidence):
            self._image_stamp = message.header.stamp
            self._received = time.perf_counter()
            self._diagnostics.hand(now - stamp)

    def _on_hands_lost(
        self, event: QoSRequestedDeadlineMissedInfo | QoSLivelinessChangedInfo
    ) -> None:
        if getattr(event, "alive_count", 0) == 0:
            self._control.hands.lose()

    def _choose(self, message: HandPoseArray) -> tuple[HandPose | None, Reason]:
        """The hand to follow, the most confident one of our side; or why there is none."""
        alive = [hand for hand in message.hands if hand.state != HandPose.STATE_LOST]
        ours = [hand for hand in alive if hand.side == self._side]
        if not ours:
            return None, Reason.WRONG_SIDE if alive else Reason.HAND_LOST
        best = max(ours, key=lambda hand: hand.confidence)
        if not best.confidence >= self._min_confidence:  # also refuses NaN
            return None, Reason.LOW_CONFIDENCE
        return best, NO_REASON

    def _on_joint_state(self, message: JointState) -> None:
        stamp = seconds(message.header.stamp)
        self._control.measured.take(message.name, message.position, stamp)

    def _on_heartbeat(self, message: Bool) -> None:
        self._control.operator.heartbeat(message.data)

    def _on_emergency_stop(self, message: Bool) -> None:
        self._control.operator.emergency_stop = message.data

    def _on_speed_scaling(self, message: Float64) -> None:
        share = message.data / 100.0
        self._control.speed_scaling = share if np.isfinite(share) else 0.0

    def _on_program_running(self, message: Bool) -> None:
        self._control.program_running = message.data

    def _on_set_enabled(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        if request.data:
            response.message = self._control.arm()
        else:
            self._control.disarm()
        response.success = not response.message
        said = response.message or ("Armed." if request.data else "Disarmed.")
        self.get_logger().info(said)
        response.message = said
        return response

    def _apply_parameters(self) -> None:
        """Take over what may be changed now; the check before has refused the rest."""
        if not self._options.active:
            return
        number, robot = self._options.number, self._control
        if not robot.engaged and self._options.settings() != self._retargeter.settings:
            self._retargeter = self._build_retargeter()
            robot.rebuild(self._retargeter)
        self._min_confidence = number("min_confidence")
        robot.speed_limit = number("velocity_scale") / self._options.built_velocity_scale
        robot.hands.timeout_s = number("input_timeout_s")
        robot.hands.max_latency_s = number("max_latency_s")
        robot.measured.timeout_s = number("joint_state_timeout_s")
        robot.operator.deadman_timeout_s = number("deadman_timeout_s")
        robot.following.tolerance = number("following_tolerance")

    # What goes out.

    def _on_cycle(self) -> None:
        start = time.perf_counter()
        if start - self._cycle_start < 0.5 * self._period_s:
            return  # a late cycle is not made up for: two commands at once would double the speed
        self._cycle_start = start
        robot = self._control
        cycle = robot.cycle()
        solved = time.perf_counter()
        self._options.engaged = robot.engaged
        if cycle.command is not None:
            stamp = self._image_stamp if robot.follows else None
            self._output.publish_command(
                cycle.command, robot.retargeter.limits, self._period_s, stamp
            )
        if self._received > -np.inf and robot.follows:
            self._solve_time = solved - start
            self._total_time = time.perf_counter() - self._received
            self._received = -np.inf
        if cycle.violations:
            violations = "; ".join(cycle.violations)
            self.get_logger().error(f"Refused a command: {violations}", throttle_duration_sec=1.0)
        shown = (int(robot.states.state), int(robot.states.reasons))
        if shown != self._shown or start - self._status_time > STATUS_PERIOD_S:
            self._publish_status(cycle)
        self._diagnostics.cycle(start, time.perf_counter() - start)

    def _publish_status(self, cycle: Cycle) -> None:
        states = self._control.states
        shown = (int(states.state), int(states.reasons))
        if self._shown is None or shown[0] != self._shown[0]:
            reasons = f": {states.reasons.text}" if states.reasons else ""
            self.get_logger().info(f"{states.state.name}{reasons}")
        self._shown, self._status_time = shown, time.perf_counter()
        self._output.publish_status(
            self._control, cycle, self._image_stamp, self._solve_time, self._total_time
        )

    def _on_diagnostics(self) -> None:
        self._diagnostics.publish(self._control)

    def _brake(self) -> None:
        """Command the robot to a standstill, if it has commands."""
        robot = self._control
        deadline = time.monotonic() + BRAKE_S
        robot.paused = True
        while not robot.at_rest and time.monotonic() < deadline:
            time.sleep(self._period_s)
            self._on_cycle()
        robot.paused = False

    def _now(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9


def main() -> int:
    """Entry point."""
    return run_nodes(lambda: [RetargetNode()], (RetargetError,))


if __name__ == "__main__":
    sys.exit(main())
