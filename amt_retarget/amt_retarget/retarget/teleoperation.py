"""From hands, joint states and the operator's will to commands: all decisions, without any ROS.

`Teleoperation.cycle` is called at the rate of the commands, and is the only place where commands
are made. Everything else only notes what has come.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.grasp_motion import GraspMotion
from amt_retarget.retarget.solver import DT_RANGE_S, Retargeter, RetargetResult
from amt_retarget.safety.following import FollowingMonitor, StandstillMonitor
from amt_retarget.safety.hand_input import HandInput
from amt_retarget.safety.limits import CheckedCommand, CommandGuard
from amt_retarget.safety.measured_joints import MeasuredJoints
from amt_retarget.safety.operator import Operator
from amt_retarget.safety.state import NO_REASON, SILENT, Reason, State, StateMachine

GAP_S = 0.06
"""After a longer pause between two cycles the robot has begun to stop by itself."""
AT_REST = 1e-6
"""Of the commanded velocities (rad/s)."""
READING_RAD = 0.02
"""A joint that reads no farther than this beyond its limit stands at the limit."""
NEAR_RAD = 0.1
"""A grasp is begun where it was planned from, or not at all."""


@dataclass(frozen=True)
class Cycle:
    """What one cycle decided.

    Attributes:
        command: to send now; None: nothing is sent.
        result: of the retargeter, while hands are followed or held for.
        violations: why a command was refused.
    """

    command: CheckedCommand | None
    result: RetargetResult | None = None
    violations: tuple[str, ...] = ()


class Teleoperation:
    """One robot that follows a hand, or executes a grasp, or holds, or is left alone.

    Attributes:
        states: state and reasons of the last cycle.
        operator, measured, hands: what is known of the operator, the robot and the input.
        grasp: the grasp that is executed or held; None while hands are followed.
        grasp_stopped: whether it is to hold where it is.
        paused: whether the robot is to be brought to rest, whatever else.
        drivers_listen: whether both drivers are there to take commands.
        program_running, speed_scaling: what the robot says: whether it takes commands; 0..1.
        speed_limit: 0..1, a share of the velocity limits that the operator may change in motion.
        engaged: whether commands are being sent.
    """

    def __init__(
        self,
        retargeter: Retargeter,
        operator: Operator,
        measured: MeasuredJoints,
        hands: HandInput,
        following_tolerance: float,
        period_s: float,
        compensates_latency: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """period_s: of the cycles; every command is to be reached in this time."""
        self.retargeter = retargeter
        self.operator = operator
        self.measured = measured
        self.hands = hands
        self.states = StateMachine()
        self.following = FollowingMonitor(
            len(retargeter.robot.arm_joint_names), following_tolerance, period_s
        )
        self.period_s = period_s
        self._compensates_latency = compensates_latency
        self._clock = clock
        self._guard = CommandGuard(retargeter.limits)
        self._next_retargeter: Retargeter | None = None
        self.grasp: GraspMotion | None = None
        self.grasp_stopped = self.paused = False
        self.drivers_listen = True
        self.program_running, self.speed_scaling, self.speed_limit = True, 1.0, 1.0
        self.command: CheckedCommand | None = None
        self._aim_time = self._cycle_time = -np.inf
        self._aim_reasons = NO_REASON
        self._standstill = StandstillMonitor()
        self._disengage()

    def exchange(self, retargeter: Retargeter) -> None:
        """Take over other settings, as soon as nothing is sent."""
        self._next_retargeter = retargeter

    def leave(self) -> None:
        """Send nothing any more, as before the first cycle."""
        self._disengage()
        self.states.reset()

    # What comes in.

    def arm(self) -> str:
        """Allow motion, out of a fault too. Returns why not, if so, in one sentence."""
        refusals = {
            Reason.EMERGENCY_STOP: self.operator.emergency_stop,
            Reason.JOINT_STATE_MISSING: self.measured.missing,
        }
        for reason, refused in refusals.items():
            if refused:
                return f"Not armed: {reason.text}."
        if self.states.state == State.FAULT:
            if self.engaged:
                return "Not armed: the robot is still being braked; try again."
            self.states.reset()
        self.operator.armed = True
        return ""

    def disarm(self) -> None:
        """Brake, and then leave the robot alone."""
        self.operator.armed = False

    def execute(self, grasp: GraspMotion) -> None:
        """Begin a grasp that was planned from where the robot stands."""
        self.grasp, self.grasp_stopped = grasp, False

    def follow_hands(self) -> None:
        """Let go of the grasp; the robot must be at rest."""
        if self.engaged and self.command is not None:
            self.retargeter.engage(self.command.positions)
        self.grasp, self.grasp_stopped = None, False

    def check_allowed(self) -> None:
        """Raise RetargetError where the robot may not move."""
        reasons = self.operator.reasons() | self._robot_reasons()
        if reasons or self.states.state == State.FAULT:
            raise RetargetError(f"the robot may not move: {(reasons or self.states.reasons).text}")

    @property
    def standing(self) -> np.ndarray:
        """Joints [22] (rad) at which the robot stands, when it is at rest."""
        if self.engaged and self.command is not None:
            return self.command.positions.copy()
        return self.measured.positions.copy()

    @property
    def at_rest(self) -> bool:
        """Whether the robot is commanded to stand, or not at all."""
        if not self.engaged or self.command is None:
            return True
        return bool(np.abs(self.command.velocities).max() < AT_REST)

    @property
    def follows(self) -> bool:
        """Whether the commands follow the hand."""
        return self.states.state in (State.RAMP, State.TRACK)

    @property
    def speed(self) -> float:
        """0..1: share of the velocity limits in use beside the ramp."""
        return min(max(self.speed_scaling, 0.0), 1.0) * self.speed_limit

    # What goes out.

    def cycle(self) -> Cycle:
        """The next command and state."""
        now = self._clock()
        if now - self._cycle_time > GAP_S:
            self._disengage()  # the robot has stopped by itself, where it is measured to be
        self._cycle_time = now
        reasons = self.operator.reasons() | self._robot_reasons() | self._task_reasons()
        if not self.engaged:
            if self._next_retargeter is not None:
                self.retargeter, self._next_retargeter = self._next_retargeter, None
                self._guard = CommandGuard(self.retargeter.limits)
            reasons |= self._standstill.check(self.measured.positions, now)
            if not reasons and self.states.state != State.FAULT:
                reasons |= self._engage()
            if not self.engaged:
                self._enter(self.states.wait(reasons))
                return Cycle(None)
        result: RetargetResult | None = None
        if self.states.state == State.FAULT:
            checked = self._guard.brake(self.period_s)
        else:
            positions, result, more = self._next(reasons)
            checked = self._guard.check(positions, self.period_s)
            reasons |= more
        if not checked.accepted:
            reasons |= Reason.COMMAND_REFUSED
        if not self.measured.missing:
            reasons |= self.following.check(checked.positions, self.measured.positions)
        self.command = checked
        if self.grasp is None:
            self._enter(self.states.follow(reasons, self.retargeter.ramp))
        else:
            self._enter(self.states.execute(reasons))
        self._come_to_rest(reasons)
        return Cycle(checked, result, checked.violations)

    def _next(self, reasons: Reason) -> tuple[np.ndarray, RetargetResult | None, Reason]:
        """The command before it is checked, and more reasons against following."""
        dt = self.period_s
        if self.grasp is not None:
            step = self.grasp.hold(dt) if reasons else self.grasp.step(dt, self.speed)
            return step, None, NO_REASON
        if not reasons:
            reasons = self._aim()
        result = self.retargeter.hold(dt) if reasons else self.retargeter.advance(dt, self.speed)
        return result.positions, result, reasons | result.reasons

    def _aim(self) -> Reason:
        """Aim at a hand that has come since the last cycle."""
        hand = self.hands.take()
        if hand is not None:
            low, high = DT_RANGE_S
            dt = min(max(hand.time - self._aim_time, low), high)
            self._aim_time = hand.time
            age = self.hands.watchdog.input_age() if self._compensates_latency else 0.0
            self._aim_reasons = self.retargeter.aim(hand.joints, hand.side, dt, age)
        return self._aim_reasons

    def _robot_reasons(self) -> Reason:
        reasons = NO_REASON
        if self.measured.missing:
            reasons |= Reason.JOINT_STATE_MISSING
        if not self.program_running or not self.speed_scaling > 0.0:
            reasons |= Reason.ROBOT_STOPPED
        if not self.drivers_listen:
            reasons |= Reason.DRIVER_MISSING
        return reasons

    def _task_reasons(self) -> Reason:
        """Of the grasp, or of the hands."""
        if self.grasp is not None or self.paused:
            stopped = self.grasp_stopped or self.paused
            return Reason.GRASP_STOPPED if stopped else NO_REASON
        return self.hands.reasons()

    def _engage(self) -> Reason:
        """Begin to command the robot from where it stands; why not, if so."""
        limits, start = self.retargeter.limits, self.measured.positions.copy()
        inside = np.clip(start, limits.lower, limits.upper)
        start = np.where(np.abs(start - inside) < READING_RAD, inside, start)
        if self.grasp is not None:
            if np.abs(start - self.grasp.positions)[: self._arm_joints].max() > NEAR_RAD:
                self.grasp = None
                return Reason.GRASP_STOPPED
            self.grasp.rest()
            start = self.grasp.positions.copy()
        self.retargeter.engage(start)
        if self.grasp is None and (reasons := self._aim()):
            return reasons  # a first hand that is none must not make the robot hold
        self._guard.start(start)
        self.following.reset()
        self.engaged = True
        return NO_REASON

    @property
    def _arm_joints(self) -> int:
        return len(self.retargeter.robot.arm_joint_names)

    def _disengage(self) -> None:
        self.engaged = False
        self.command = None
        self._standstill.reset()

    def _enter(self, state: State) -> None:
        if state == State.FAULT:
            self.operator.armed = False

    def _come_to_rest(self, reasons: Reason) -> None:
        """What ends when the robot has been braked."""
        if not reasons or not self.at_rest:
            return
        if reasons & SILENT or self.states.state == State.FAULT:
            self.grasp, self.grasp_stopped = None, False
            self._disengage()
        elif Reason.DEADMAN_RELEASED in reasons and self.grasp is None:
            assert self.command is not None
            self.retargeter.engage(self.command.positions)  # the hand may go elsewhere meanwhile
