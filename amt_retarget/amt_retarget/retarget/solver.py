"""From a human hand to the next command for arm and hand: `Retargeter`, without any ROS.

A frame goes through four stages, each in a module of its own: the palm frame of the hand
(hand_frame), the robot's targets (targets), the configuration that meets them best
(inverse_kinematics), and the command on the way there, inside all limits (limited_motion).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.hand_frame import HandFrame, Side, hand_frame
from amt_retarget.retarget.inverse_kinematics import InverseKinematics
from amt_retarget.retarget.kinematics import FINGERTIP_RADIUS_M
from amt_retarget.retarget.limited_motion import LimitedMotion
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.retarget.smoothing import Prediction
from amt_retarget.retarget.targets import ScaleEstimator, Targets, WristMapper, finger_targets
from amt_retarget.robot.robot import Robot
from amt_retarget.safety.limits import JointLimits
from amt_retarget.safety.plausibility import JumpDetector, ReachMonitor
from amt_retarget.safety.state import NO_REASON, Reason

DT_RANGE_S = (0.001, 0.2)
ELBOW_MARGIN_RAD = 0.15
"""The elbow stays this far from straight, where the arm is singular and could turn inside out."""


@dataclass(frozen=True)
class RetargetResult:
    """The next command and how well it meets the hand. Joints in the robot's order."""

    positions: np.ndarray
    """[22] rad, to be reached dt seconds after the command before."""
    velocities: np.ndarray
    """[22] rad/s."""
    goal: np.ndarray
    """[22] rad, the configuration that meets the hand best, which the commands make for; the
    positions themselves while holding."""
    tip_residual: np.ndarray
    """[4] distance of thumb, index, middle and ring tip from their targets in the palm frame (m);
    NaN while holding, when there is no target."""
    scale: float
    """Robot size over human size in use; NaN before the first hand."""
    clamped: list[str]
    """Joints at a position limit; the elbow's is short of straight (ELBOW_MARGIN_RAD)."""
    ramp: float
    """0..1: share of the speed limits that may be used now."""
    reasons: Reason
    """Why the robot holds instead of following; empty while it follows."""


class Retargeter:
    """Makes a UR arm with an Allegro hand follow a human hand, frame by frame.

    Every command keeps the position, velocity and acceleration limits of the settings relative to
    the one before, whatever the input. Use: `engage` with the robot's measured joints, then either
    `step` or `hold` in every cycle; or, at another rate than the frames', `aim` and `advance`.
    """

    def __init__(self, robot: Robot, settings: RetargetSettings | None = None) -> None:
        self.robot = robot
        self.settings = settings = settings or RetargetSettings()
        self.limits = settings.joint_limits(robot)
        self._inverse_kinematics = InverseKinematics(
            robot, settings.weights, settings.table_height, settings.avoid_collisions
        )
        self.kernel = self._inverse_kinematics.kernel
        arm, hand = len(robot.arm_joint_names), len(robot.hand_joint_names)
        self._motion = LimitedMotion(self._inverse_kinematics, robot)
        self._cutoff = np.repeat(
            [settings.arm_smoothing_hz, settings.hand_smoothing_hz], [arm, hand]
        )
        self._wrist = WristMapper(
            settings.position_mode,
            settings.position_scale,
            np.array(settings.workspace_min),
            np.array(settings.workspace_max),
        )
        straight = self.kernel.vectors(np.zeros(arm + hand))
        self._finger_length = float(np.linalg.norm(straight[2]))
        self._limits = self.limits
        self._goal = self._ahead = robot.home
        self._targets: Targets | None = None
        self._velocities: np.ndarray = np.zeros(arm + hand)
        self._accelerations: np.ndarray = np.zeros(arm + hand)
        self.reset()

    def reset(self) -> None:
        """Forget the person (scale) and the robot's configuration, as after construction."""
        self._scale_estimator = ScaleEstimator(self._finger_length)
        self._scale = np.nan if self.settings.scale is None else self.settings.scale
        self._positions: np.ndarray | None = None
        self._wrist.release()
        self._jumps = JumpDetector()
        self._reach = ReachMonitor()
        self._prediction = Prediction()
        self._targets = None
        self._ramp = 0.0

    def engage(self, positions: np.ndarray) -> None:
        """Begin from the robot's measured joints [22] (rad), at rest.

        Needed once before the first step, after a fault and after any pause in which the robot
        moved otherwise. The first command is these joints; the person's wrist is tied to the
        robot's at the next step, and the speeds grow again from zero. The elbow stays bent to the
        side to which it is bent now. The scale stays. Raises RetargetError unless positions are 22
        finite numbers.
        """
        positions = np.array(positions, dtype=float)
        if positions.shape != (22,) or not np.all(np.isfinite(positions)):
            raise RetargetError("Engaging needs 22 finite joint positions of the robot.")
        self._positions = positions
        self._rest()
        self._limits = with_bent_elbow(self.limits, positions)
        self._disengage()

    def step(
        self, joints_base: np.ndarray, side: int, dt: float, age: float = 0.0
    ) -> RetargetResult:
        """Follow the hand for dt seconds: `aim`, then `advance`, or `hold` with aim's reason.

        For one command a frame. Where commands come more often than frames, call the parts: aim at
        every frame, advance at every command.
        """
        self._checked_positions(dt)
        reasons = self.aim(joints_base, side, dt, age)
        return self._hold(dt, reasons) if reasons else self.advance(dt)

    def aim(self, joints_base: np.ndarray, side: int, dt: float, age: float = 0.0) -> Reason:
        """Find the configuration that meets a hand best; `advance` then makes for it.

        joints_base: [21, 3] hand joints in the robot's base frame (m). side: LEFT or RIGHT (values
        of hand_frame.Side); a hand of the other side than the robot's is mirrored (see
        hand_frame.mirrored). dt: seconds since the frame before, 0.001 to 0.2. age: seconds since
        the hand was there, to be made up for by prediction (smoothing.Prediction); 0 for none.

        Returns why the robot must hold instead, if so: joints that make no hand (not finite, of an
        impossible size), an unknown side, a wrist that jumps, a wrist target that the arm cannot
        reach, a failed solve. Raises RetargetError before `engage` or for another dt, and
        ValueError for another shape.
        """
        self._checked_positions(dt)
        if side not in (Side.LEFT, Side.RIGHT):
            return Reason.WRONG_SIDE
        frame = hand_frame(joints_base, Side(side))
        if frame is None:
            self._jumps.unseen(dt)
            return Reason.INPUT_NOT_FINITE
        if self._jumps.jumped(frame.wrist, dt):
            return Reason.INPUT_JUMPED
        if self._jumps.moved:
            self._wrist.release()
        targets = self._find_targets(frame, Side(side), dt)
        goal = self._inverse_kinematics.solve(self._goal, targets, self._limits, dt)
        if goal is None:
            return Reason.SOLVER_FAILED
        self._goal = goal
        _, wrist = self.kernel.palm(goal)
        if self._reach.lost(math.dist(wrist, targets.wrist), dt):
            return Reason.TARGET_UNREACHABLE
        ahead = self._prediction.ahead(goal, dt, age)
        self._ahead = np.minimum(np.maximum(ahead, self._limits.lower), self._limits.upper)
        self._targets = targets
        return NO_REASON

    def advance(self, dt: float, speed: float = 1.0) -> RetargetResult:
        """The next command, on the way to what was aimed at last; a `hold` when nothing was.

        dt: seconds until it shall be reached, 0.001 to 0.2. speed: 0..1, a share of the velocity
        limits beside that of the ramp; when it falls, joints slow down within their limits.
        """
        positions = self._checked_positions(dt)
        targets = self._targets
        if targets is None:
            return self._hold(dt, NO_REASON)
        reached = self._motion.next(
            self._ahead,
            targets,
            positions,
            self._velocities,
            self._accelerations,
            self._limits,
            self._cutoff,
            dt,
            self._ramp * speed,
        )
        if reached is None:
            return self._hold(dt, Reason.SOLVER_FAILED)
        self._move(reached, dt)
        self._ramp = self._ramped(dt)
        away = self.kernel.vectors(reached)[:4] - targets.tips
        return self._result(self._goal, np.sqrt((away * away).sum(axis=1)), NO_REASON)

    def hold(self, dt: float) -> RetargetResult:
        """Brake within the limits to a standstill and stay there, for dt seconds.

        A short hold keeps the tie between the person's wrist and the robot's. After a hold of
        ramp_time_s it is given up: the next step ties them anew, without a jump.
        """
        result = self._hold(dt, NO_REASON)
        self._jumps.unseen(dt)
        return result

    @property
    def ramp(self) -> float:
        """0..1: share of the speed limits that may be used now."""
        return self._ramp

    def _hold(self, dt: float, reasons: Reason) -> RetargetResult:
        positions = self._checked_positions(dt)
        self._ramp = self._ramped(-dt)
        reached, _ = self._limits.brake(positions, self._velocities, dt)
        self._move(reached, dt)
        if self._ramp == 0.0:
            self._disengage()
        return self._result(reached, np.full(4, np.nan), reasons)

    def _find_targets(self, frame: HandFrame, side: Side, dt: float) -> Targets:
        if self.settings.scale is None:
            self._scale = self._scale_estimator.update(frame.finger_length, dt)
        if not self._wrist.anchored:
            self._wrist.anchor(frame.wrist, self.kernel.palm(self._goal)[1])
        mirror = side != Side[self.robot.hand.upper()]
        tips, gaps, closeness = finger_targets(frame, self._scale, mirror, FINGERTIP_RADIUS_M)
        return Targets(
            wrist=self._wrist.target(frame.wrist),
            rotation=frame.rotation,
            tips=tips,
            pinch_gaps=gaps,
            pinch_closeness=closeness,
        )

    def _move(self, reached: np.ndarray, dt: float) -> None:
        assert self._positions is not None
        velocities = (reached - self._positions) / dt
        self._accelerations = (velocities - self._velocities) / dt
        self._velocities = velocities
        self._positions = reached

    def _rest(self) -> None:
        self._velocities = np.zeros(22)
        self._accelerations = np.zeros(22)

    def _disengage(self) -> None:
        """Let the next step begin from where the robot stands, with speeds from zero."""
        assert self._positions is not None
        self._wrist.release()
        self._goal = np.clip(self._positions, self._limits.lower, self._limits.upper)
        self._prediction = Prediction()
        self._targets = None
        self._ramp = 0.0

    def _ramped(self, dt: float) -> float:
        time = self.settings.ramp_time_s
        if time == 0.0:
            return float(dt > 0.0)
        return min(max(self._ramp + dt / time, 0.0), 1.0)

    def _checked_positions(self, dt: float) -> np.ndarray:
        if self._positions is None:
            raise RetargetError("Call engage with the robot's measured joints first.")
        low, high = DT_RANGE_S
        if not low <= dt <= high:
            raise RetargetError(
                f"A step must take {low} to {high} s, not {dt}; after a longer pause call engage."
            )
        return self._positions

    def _result(
        self, goal: np.ndarray, tip_residual: np.ndarray, reasons: Reason
    ) -> RetargetResult:
        assert self._positions is not None
        return RetargetResult(
            positions=self._positions.copy(),
            velocities=self._velocities.copy(),
            goal=goal.copy(),
            tip_residual=tip_residual,
            scale=float(self._scale),
            clamped=self._limits.at_limit(self._positions),
            ramp=self._ramp,
            reasons=reasons,
        )


def with_bent_elbow(limits: JointLimits, positions: np.ndarray) -> JointLimits:
    """The limits with an elbow that stays bent to the side on which it is at positions [22]."""
    elbow = limits.names.index("elbow_joint")
    lower, upper = limits.lower.copy(), limits.upper.copy()
    if positions[elbow] >= 0.0:
        lower[elbow] = ELBOW_MARGIN_RAD
    else:
        upper[elbow] = -ELBOW_MARGIN_RAD
    return replace(limits, lower=lower, upper=upper)
