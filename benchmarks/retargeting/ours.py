"""This project's side of the benchmark: everything that is measured is called from here."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from amt_retarget.retarget import targets as retarget_targets
from amt_retarget.retarget.hand_frame import Side, hand_frame
from amt_retarget.retarget.hand_only import HandRetargeter
from amt_retarget.retarget.inverse_kinematics import InverseKinematics, Weights
from amt_retarget.retarget.kinematics import FINGERTIP_RADIUS_M
from amt_retarget.retarget.offline.sequence import Trajectory, retarget_sequence
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.retarget.solver import Retargeter
from amt_retarget.retarget.targets import finger_targets
from amt_retarget.robot.robot import Robot
from amt_retarget.safety.limits import JointLimits
from benchmarks.retargeting.dex_peer import SCALING
from benchmarks.retargeting.robot_points import WRIST_IN_PALM_M
from benchmarks.retargeting.sequences import Sequence

LEAD_IN_S = 2.0
"""The robot gets to the first frame's pose in this time before anything is measured."""
NO_PINCH = np.zeros(3)
SETTINGS = RetargetSettings(arm_velocity_scale=1.0)
"""The defaults, with the arm at the UR's own speed limits."""


def joint_limits(robot: Robot) -> JointLimits:
    """The limits that the live and the offline trajectory have to keep."""
    return SETTINGS.joint_limits(robot)


def hand_only_vector(robot: Robot) -> HandRetargeter:
    """The peer's vector objective on the hand alone, within the limits exactly."""
    return HandRetargeter(robot, "vector", SCALING)


class Step22:
    """One differential step of arm and hand together, with position and velocity limits."""

    def __init__(self, robot: Robot, start: np.ndarray) -> None:
        self._kinematics = InverseKinematics(robot, Weights(), -np.inf, avoid_collisions=False)
        self._robot = robot
        self._q = start.copy()

    def step(
        self, rotation: np.ndarray, position: np.ndarray, tips: np.ndarray, dt: float
    ) -> np.ndarray:
        """Positions [22] after dt seconds (s) towards a palm pose and tips [4, 3], base frame."""
        robot = self._robot
        targets = retarget_targets.Targets(
            wrist=position + rotation @ WRIST_IN_PALM_M,
            rotation=rotation,
            tips=(tips - position) @ rotation,
            pinch_gaps=NO_PINCH,
            pinch_closeness=NO_PINCH,
        )
        reach = robot.velocity * dt
        self._q = self._kinematics.reach(
            self._q,
            targets,
            np.maximum(robot.lower, self._q - reach),
            np.minimum(robot.upper, self._q + reach),
        )
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
    """Robot size over the person's; their mean, while it is refined."""


class FullLive:
    """Arm and hand follow a sequence as in a live run, from the ready pose."""

    def __init__(
        self, robot: Robot, sequence: Sequence, settings: RetargetSettings = SETTINGS
    ) -> None:
        self._retargeter = Retargeter(robot, settings)
        self._retargeter.engage(robot.home)
        self._sequence = sequence
        self._side = Side[sequence.side.upper()]
        self._dt = 1.0 / sequence.rate_hz
        self._scales = np.full(len(sequence.joints), np.nan)
        for _ in range(round(LEAD_IN_S * sequence.rate_hz)):
            self._result = self._retargeter.step(sequence.joints[0], self._side, self._dt)

    def step(self, index: int) -> np.ndarray:
        """[2, 22] the goal, without limits of speed, and the command (rad) for one frame."""
        self._result = self._retargeter.step(self._sequence.joints[index], self._side, self._dt)
        self._scales[index] = self._result.scale
        return np.stack([self._result.goal, self._result.positions])

    def targets(self) -> Targets:
        """What the frames of the sequence asked for, in hindsight."""
        mirror = self._side != Side[self._retargeter.robot.hand.upper()]
        frames = [hand_frame(joints, self._side) for joints in self._sequence.joints]
        known = [frame for frame in frames if frame is not None]
        assert len(known) == len(frames), "a sequence without a hand in some frame"
        return Targets(
            tips=np.array(
                [
                    finger_targets(one, scale, mirror, FINGERTIP_RADIUS_M)[0]
                    for one, scale in zip(known, self._scales, strict=True)
                ]
            ),
            wrist=np.array([self._retargeter._wrist.target(one.wrist) for one in known]),
            rotation=np.array([one.rotation for one in known]),
            scale=float(np.mean(self._scales)),
        )


def careless(robot: Robot, sequence: Sequence) -> np.ndarray:
    """[T, 22] the live commands if links could run through each other."""
    live = FullLive(robot, sequence, replace(SETTINGS, avoid_collisions=False))
    return np.array([live.step(i)[1] for i in range(len(sequence.joints))])


def offline(robot: Robot, sequence: Sequence) -> Trajectory:
    """The whole sequence at once."""
    side = Side[sequence.side.upper()]
    return retarget_sequence(robot, sequence.joints, side, sequence.rate_hz, SETTINGS)
