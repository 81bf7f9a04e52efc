"""This project's side of the benchmark: everything that is measured is called from here."""

from __future__ import annotations

from dataclasses import dataclass

import daqp
import numpy as np
import pinocchio
from scipy.signal import butter, sosfiltfilt

from amt_retarget.retarget.hand_frame import Side, hand_frame
from amt_retarget.retarget.objectives import FINGERTIP_RADIUS_M
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.retarget.solver import Retargeter
from amt_retarget.retarget.targets import finger_targets
from amt_retarget.robot.robot import Robot
from amt_retarget.safety.limits import JointLimits
from benchmarks.retargeting.dex_peer import HUBER_DELTA_M, HUMAN_TIPS, SCALING
from benchmarks.retargeting.robot_points import FINGERS, WRIST_IN_PALM_M
from benchmarks.retargeting.sequences import Sequence

LEAD_IN_S = 2.0
"""The robot gets to the first frame's pose in this time before anything is measured."""
OFFLINE_CUTOFF_HZ = 2.0
NO_ROWS = np.zeros((0, 16))


def joint_limits(robot: Robot) -> JointLimits:
    """The limits that the live and the offline trajectory have to keep."""
    return RetargetSettings().joint_limits(robot)


class HandOnlyVector:
    """The peer's vector objective on the hand alone, within the limits exactly.

    Gauss-Newton with the weights 1 / max(distance, beta) that make its sum of squares SmoothL1's
    (iteratively reweighted least squares), each step a quadratic program with the limits as a box.
    """

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self._hand = slice(len(robot.arm_joint_names), None)
        self._palm = robot.frame_id(robot.palm_frame)
        self._tips = [robot.frame_id(robot.tip_frames[finger]) for finger in FINGERS]
        self._lower, self._upper = robot.lower[self._hand], robot.upper[self._hand]
        self._q = 0.5 * (self._lower + self._upper)

    def step(self, joints: np.ndarray) -> np.ndarray:
        """[16] hand joints (rad) for operator joints [21, 3] (m), on from the frame before."""
        targets = SCALING * joints[HUMAN_TIPS] + WRIST_IN_PALM_M
        for _ in range(15):
            error, jacobian = self._error(targets)
            distance = np.linalg.norm(error, axis=1)
            weight = np.repeat(1.0 / np.maximum(distance, HUBER_DELTA_M), 3)
            weighted = jacobian * weight[:, None]
            hessian = jacobian.T @ weighted + 1e-5 * np.eye(16)
            step, _, status, _ = daqp.solve(
                hessian,
                weighted.T @ error.ravel(),
                NO_ROWS,
                np.minimum(self._upper - self._q, 0.5),
                np.maximum(self._lower - self._q, -0.5),
            )
            if status != 1:
                break
            self._q = np.clip(self._q + step, self._lower, self._upper)
            if np.abs(step).max() < 1e-3:
                break
        return self._q.copy()

    def _error(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tips minus targets [4, 3] and their Jacobian [12, 16], palm frame (m)."""
        robot, model, data = self._robot, self._robot.model, self._robot.data
        positions = robot.home.copy()
        positions[self._hand] = self._q
        pinocchio.computeJointJacobians(model, data, robot.to_pinocchio(positions))
        pinocchio.updateFramePlacements(model, data)
        palm = data.oMf[self._palm]
        error, jacobian = np.empty((4, 3)), np.empty((12, 16))
        for i, frame in enumerate(self._tips):
            error[i] = palm.actInv(data.oMf[frame].translation) - targets[i]
            full = pinocchio.getFrameJacobian(model, data, frame, pinocchio.LOCAL_WORLD_ALIGNED)
            columns = full[:3, robot.v_index[self._hand]]
            jacobian[3 * i : 3 * i + 3] = palm.rotation.T @ columns
        return error, jacobian


class Step22:
    """One differential step of arm and hand together, with position and velocity limits."""

    def __init__(self, robot: Robot, start: np.ndarray) -> None:
        self._robot = robot
        self._q = start.copy()
        self._palm = robot.frame_id(robot.palm_frame)
        self._tips = [robot.frame_id(robot.tip_frames[finger]) for finger in FINGERS]
        self._no_rows = np.zeros((0, 22))

    def step(
        self, rotation: np.ndarray, position: np.ndarray, tips: np.ndarray, dt: float
    ) -> np.ndarray:
        """Positions [22] after dt seconds (s) towards a palm pose and tips [4, 3], base frame."""
        robot, model, data = self._robot, self._robot.model, self._robot.data
        pinocchio.computeJointJacobians(model, data, robot.to_pinocchio(self._q))
        pinocchio.updateFramePlacements(model, data)
        error, jacobian = np.empty(18), np.empty((18, 22))
        palm = data.oMf[self._palm]
        error[:3] = palm.translation - position
        error[3:6] = pinocchio.log3(palm.rotation @ rotation.T)
        aligned = pinocchio.LOCAL_WORLD_ALIGNED
        jacobian[:6] = pinocchio.getFrameJacobian(model, data, self._palm, aligned)
        for i, frame in enumerate(self._tips):
            rows = slice(6 + 3 * i, 9 + 3 * i)
            error[rows] = data.oMf[frame].translation - tips[i]
            jacobian[rows] = pinocchio.getFrameJacobian(model, data, frame, aligned)[:3]
        jacobian = jacobian[:, robot.v_index]
        reach = robot.velocity * dt
        step, _, status, _ = daqp.solve(
            jacobian.T @ jacobian + 1e-6 * np.eye(22),
            jacobian.T @ error,
            self._no_rows,
            np.minimum(robot.upper - self._q, reach),
            np.maximum(robot.lower - self._q, -reach),
        )
        if status == 1:
            self._q = self._q + step
        return self._q.copy()


@dataclass(frozen=True)
class Targets:
    """What the live method is after in each of T frames."""

    tips: np.ndarray
    """[T, 4, 3] thumb, index, middle and ring tip in the palm frame (m)."""
    wrist: np.ndarray
    """[T, 3] wrist end of the palm in the base frame (m)."""
    rotation: np.ndarray
    """[T, 3, 3] palm to base."""
    scale: float
    """Robot size over the person's."""


class FullLive:
    """Arm and hand follow a sequence as in a live run, from the ready pose."""

    def __init__(self, robot: Robot, sequence: Sequence) -> None:
        self._retargeter = Retargeter(robot)
        self._retargeter.engage(robot.home)
        self._sequence = sequence
        self._side = Side[sequence.side.upper()]
        self._dt = 1.0 / sequence.rate_hz
        self._wrist_targets: list[np.ndarray] = []
        for _ in range(round(LEAD_IN_S * sequence.rate_hz)):
            self._result = self._retargeter.step(sequence.joints[0], self._side, self._dt)

    def step(self, index: int) -> np.ndarray:
        """[2, 22] the goal, without limits of speed, and the command (rad) for one frame."""
        self._result = self._retargeter.step(self._sequence.joints[index], self._side, self._dt)
        return np.stack([self._retargeter._goal, self._result.positions])

    def targets(self) -> Targets:
        """What the frames of the sequence asked for, in hindsight."""
        scale = self._result.scale
        mirror = self._side != Side[self._retargeter.robot.hand.upper()]
        frames = [hand_frame(joints, self._side) for joints in self._sequence.joints]
        known = [frame for frame in frames if frame is not None]
        assert len(known) == len(frames), "a sequence without a hand in some frame"
        return Targets(
            tips=np.array(
                [finger_targets(one, scale, mirror, FINGERTIP_RADIUS_M)[0] for one in known]
            ),
            wrist=np.array([self._retargeter._wrist.target(one.wrist) for one in known]),
            rotation=np.array([one.rotation for one in known]),
            scale=scale,
        )


def offline(robot: Robot, goals: np.ndarray, rate_hz: float) -> np.ndarray:
    """[T, 22] a whole trajectory at once, from the live goals [T, 22]: low-pass without lag."""
    limits = joint_limits(robot)
    low_pass = butter(2, OFFLINE_CUTOFF_HZ, fs=rate_hz, output="sos")
    return np.clip(sosfiltfilt(low_pass, goals, axis=0), limits.lower, limits.upper)
