"""Hands or a grasp in; joint commands for the arm and the hand out, and the state of it all."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
from rclpy.clock import Clock, ClockType

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.solver import Retargeter
from amt_retarget.retarget.teleoperation import Cycle, Teleoperation
from amt_retarget.robot.robot import Robot
from amt_retarget.ros.command_loop import CommandLoop
from amt_retarget.ros.drivers import DriverPublishers
from amt_retarget.ros.grasp_execution import GraspExecution
from amt_retarget.ros.lifecycle import SelfStartingLifecycleNode
from amt_retarget.ros.lifetime import run_nodes
from amt_retarget.ros.retarget_diagnostics import RetargetDiagnostics
from amt_retarget.ros.retarget_inputs import RetargetInputs
from amt_retarget.ros.retarget_output import RetargetOutput
from amt_retarget.ros.retarget_parameters import RetargetParameters
from amt_retarget.ros.transforms import TransformTree
from amt_retarget.safety.hand_input import HandInput
from amt_retarget.safety.measured_joints import MeasuredJoints
from amt_retarget.safety.operator import Operator
from amt_retarget.safety.watchdog import InputWatchdog

STATUS_PERIOD_S = 0.04
DIAGNOSTICS_PERIOD_S = 1.0
BRAKE_S = 1.5
"""Longer than braking from full speed takes; see RetargetSettings' acceleration limits."""


class RetargetNode(SelfStartingLifecycleNode):
    """Follows the person's hand while everything is in order, and brakes and holds otherwise.

    All decisions are Teleoperation's. A thread of its own takes in what has come by topic, runs a
    cycle, and sends its command when it is due. Services and parameters come by the executor; a
    lock is between the two. Stamps of commands that follow a hand are those of their image.
    """

    user_errors = (RetargetError,)

    def __init__(self) -> None:
        super().__init__("retarget_node")
        self._options = RetargetParameters(self)
        self.add_post_set_parameters_callback(lambda changes: self._apply_parameters())
        self._transforms = TransformTree(self)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)  # also where time is simulated
        self._lock = threading.RLock()
        self._loop: CommandLoop | None = None
        self.start()

    def configure(self) -> None:
        text, number = self._options.text, self._options.number
        self._robot = Robot.load(text("robot"), text("hand"))
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
            MeasuredJoints(
                self._robot,
                number("joint_state_timeout_s"),
                text("tf_prefix"),
                text("hand_interface"),
            ),
            HandInput(InputWatchdog(number("input_timeout_s"), number("max_latency_s"))),
            number("following_tolerance"),
            self._period_s,
            flag("compensate_latency"),
        )
        self._retargeter.reset()
        self._inputs = RetargetInputs(
            self, self._options, self._control, self._lock, self._transforms, self._diagnostics
        )
        self._grasps.start(self._control, self._lock, self._brake)
        self._status_time = -np.inf
        self._solve_time = self._total_time = 0.0
        self._prepared_s = self._cycle_s = 0.0
        self._decision, self._stamp = Cycle(None), None
        self._shown: tuple[int, int] | None = None
        self._timer = self.create_timer(
            DIAGNOSTICS_PERIOD_S, self._publish_diagnostics, clock=self._steady
        )
        self._control.drivers_listen = self._output.heard
        self._options.active = True
        self._apply_parameters()
        self._publish_status(Cycle(None))
        priority = int(number("realtime_priority"))
        self._loop = CommandLoop(self, self._period_s, self._prepare, self._send, priority)
        self._loop.start()

    def deactivate(self) -> None:
        self._control.disarm()
        self._wait_for_rest()
        assert self._loop is not None
        self._loop.stop()
        self.destroy_timer(self._timer)
        self._inputs.end()
        self._grasps.end()
        self._options.active = self._options.engaged = False
        self._control.leave()
        self._publish_status(Cycle(None))

    def cleanup(self) -> None:
        if self._options.configured:  # a shutdown may come before
            self._output.end()
            self._diagnostics.end()
        self._options.configured = False

    def _apply_parameters(self) -> None:
        """Take over what may be changed now; the check before has refused the rest."""
        if not self._options.active:
            return
        number, control = self._options.number, self._control
        if self._options.settings() != self._retargeter.settings and not self._options.engaged:
            self._retargeter = self._build_retargeter()
            with self._lock:
                control.exchange(self._retargeter)
        control.speed_limit = number("velocity_scale") / self._options.built_velocity_scale
        control.hands.watchdog.timeout_s = number("input_timeout_s")
        control.hands.watchdog.max_latency_s = number("max_latency_s")
        control.measured.timeout_s = number("joint_state_timeout_s")
        control.operator.deadman_timeout_s = number("deadman_timeout_s")
        control.following.tolerance = number("following_tolerance")

    def _prepare(self) -> None:
        """Take in what has come, and decide; in the commands' thread."""
        start = time.perf_counter()
        with self._lock:
            control = self._control
            self._inputs.poll()
            polled = time.perf_counter()
            self._decision = control.cycle()
            self._stamp = self._inputs.image_stamp if control.follows else None
            self._options.engaged = control.engaged
        self._prepared_s = time.perf_counter() - start
        self._cycle_s = self._prepared_s - (polled - start)

    def _send(self) -> None:
        """Send what was decided; in the commands' thread."""
        start = time.perf_counter()
        cycle, control, inputs = self._decision, self._control, self._inputs
        if cycle.command is not None:
            limits = control.retargeter.limits
            self._output.publish_command(cycle.command, limits, self._period_s, self._stamp)
        if inputs.received is not None and control.follows:
            self._solve_time = self._cycle_s
            self._total_time = time.perf_counter() - inputs.received
            inputs.received = None
        shown = (int(control.states.state), int(control.states.reasons))
        if shown != self._shown or start - self._status_time > STATUS_PERIOD_S:
            control.drivers_listen = self._output.heard
            self._publish_status(cycle)
        self._diagnostics.cycle(start, self._prepared_s + time.perf_counter() - start)
        if cycle.violations:
            violations = "; ".join(cycle.violations)
            self.get_logger().error(f"Refused a command: {violations}", throttle_duration_sec=1.0)

    def _publish_status(self, cycle: Cycle) -> None:
        states = self._control.states
        shown = (int(states.state), int(states.reasons))
        if self._shown is None or shown[0] != self._shown[0]:
            reasons = f": {states.reasons.text}" if states.reasons else ""
            self.get_logger().info(f"{states.state.name}{reasons}")
        self._shown, self._status_time = shown, time.perf_counter()
        stamp = self._inputs.image_stamp
        self._output.publish_status(self._control, cycle, stamp, self._solve_time, self._total_time)

    def _publish_diagnostics(self) -> None:
        scheduling = "" if self._loop is None else self._loop.scheduling
        self._diagnostics.publish(self._control, scheduling)
        self._inputs.warn_of_unheard_publishers()

    def _brake(self) -> None:
        """Let the robot come to a standstill, if it has commands, and stay paused."""
        self._control.paused = True
        self._wait_for_rest()

    def _wait_for_rest(self) -> None:
        deadline = time.monotonic() + BRAKE_S
        while not self._control.at_rest and time.monotonic() < deadline:
            time.sleep(self._period_s)

    def destroy_node(self) -> None:
        if self._loop is not None:
            self._loop.stop()
        super().destroy_node()


def main() -> int:
    """Entry point."""
    return run_nodes(lambda: [RetargetNode()], (RetargetError,))


if __name__ == "__main__":
    sys.exit(main())
