"""The robot's way to a grasp and up again, found before anything moves.

For the palm's pose at the grasp every posture of the arm is looked for (inverse kinematics from a
fixed set of starts). From the nearest one on, each is followed along the straight ways back to the
pre-grasp and the point behind it and up again, until one keeps all limits and distances.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.configuration import Configuration, rotation_vector
from amt_retarget.grasp.retargeter import RobotGrasp
from amt_retarget.retarget.arm_postures import ArmPostures
from amt_retarget.robot.robot import Robot
from amt_retarget.safety.limits import JointLimits

Array = NDArray[np.float64]

BEHIND_M = 0.10
"""From the pre-grasp back along the palm's normal: the straight way begins there."""
ABOVE_M = 0.20
"""The arm comes to that point from above, over what stands on the table, where it can."""
LIFT_M = 0.10
PALM_SPEED = 0.10
"""Highest speed of the palm near the object (m/s)."""
CLOSING_S = 0.8
PEAK_OVER_MEAN_SPEED = 1.875
"""Of a minimum-jerk motion from rest to rest."""

STEP_M, STEP_RAD = 0.005, 0.05
"""Between neighbouring samples of a way: of the palm, and of its rotation and the joints."""
JUMP_RAD = 0.2
"""A joint that moves by more between samples of a straight way passes a singular posture."""
OVERLAP_M = 0.002
"""Links may seem nearer than allowed by so much: the capsules around them are a little thicker."""


class Phase(IntEnum):
    """How far a grasp is. Values equal the constants of amt_msgs/RetargetStatus."""

    NONE = 0
    """No grasp."""
    APPROACH = 1
    """To a point behind the pre-grasp, with the hand open."""
    PRE_GRASP = 2
    """Straight on to the pre-grasp."""
    GRASP = 3
    """Straight on to the grasp: the hand touches."""
    CLOSE = 4
    """The fingers squeeze."""
    LIFT = 5
    """Straight up."""
    DONE = 6
    """Lifted; stands still."""


@dataclass(frozen=True, eq=False)
class HandGrasp:
    """What the hand does at an object. Palm poses in the object's frame; metres, radians."""

    pre_grasp: Configuration
    """Before closing: the palm stands back and the fingers are open."""
    grasp: Configuration
    """The hand touches."""
    squeeze: Array
    """[16] to command for grip force."""

    @classmethod
    def of(cls, grasp: RobotGrasp) -> HandGrasp:
        """That of a robot's grasp."""
        return cls(
            Configuration(grasp.pre_grasp_rotation, grasp.pre_grasp_position, grasp.pre_grasp),
            Configuration(grasp.rotation, grasp.position, grasp.joints),
            grasp.squeeze,
        )


@dataclass(frozen=True, eq=False)
class Way:
    """A part of the robot's way, from rest to rest."""

    phase: Phase
    joints: Array
    """[n, 22] close samples along it, two or more (rad)."""
    shortest_s: float
    """It takes at least so long."""


class _BlockedError(Exception):
    """This posture of the arm will not do; the message ends the sentence "the grasp ..."."""


class GraspPlanner:
    """Finds the robot's way to grasps. Deterministic."""

    def __init__(self, robot: Robot, limits: JointLimits, table_height: float) -> None:
        """limits: of the 22 joints; table_height: of a horizontal surface that nothing may touch,
        base frame (m).
        """
        self._robot = robot
        self._limits = limits
        self._table_height = table_height
        self._postures = ArmPostures(robot, limits)
        self._kernel = self._postures.kernel

    def plan(self, grasp: HandGrasp, object_pose: Array, positions: Array) -> list[Way]:
        """The ways of all phases, in order; each begins where the one before ends.

        object_pose: [4, 4] object in base_link (m); positions: [22] of the robot now, at rest
        (rad). Raises RetargetError, with the reason, where the grasp's numbers are wrong, the arm
        cannot reach it, or comes too near to the table or itself.
        """
        self._check(grasp, object_pose, positions)
        touching = _in_base(grasp.grasp, object_pose)
        reason = ""
        for arm in self._postures.find(touching, positions[:6]):
            try:
                return self._ways(arm, grasp, object_pose, positions)
            except _BlockedError as blocked:
                reason = reason or str(blocked)
        if not reason:
            away = self._postures.beyond_reach(touching)
            reason = "lies where the arm cannot turn the palm as it needs to be"
            if away > 0.0:
                reason = f"lies {100.0 * away:.0f} cm beyond the arm's reach"
        raise RetargetError(f"the grasp {reason}: take another grasp, or move the object")

    def _check(self, grasp: HandGrasp, object_pose: Array, positions: Array) -> None:
        for name, values, shape in (
            ("object's pose", object_pose, (4, 4)),
            ("robot's joints", positions, (22,)),
            ("squeeze", grasp.squeeze, (16,)),
            *(
                (f"{name}'s {part}", getattr(configuration, part), shape)
                for name, configuration in (("pre-grasp", grasp.pre_grasp), ("grasp", grasp.grasp))
                for part, shape in (("rotation", (3, 3)), ("position", (3,)), ("joints", (16,)))
            ),
        ):
            if np.shape(values) != shape or not np.isfinite(values).all():
                raise RetargetError(
                    f"the {name} must be finite numbers of shape {shape}: correct the grasp"
                )
        for rotation in (object_pose[:3, :3], grasp.pre_grasp.rotation, grasp.grasp.rotation):
            if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-4):
                raise RetargetError("a rotation of the grasp is none: give unit quaternions")
        lower, upper = self._limits.lower[6:], self._limits.upper[6:]
        for joints in (grasp.pre_grasp.joints, grasp.grasp.joints, grasp.squeeze):
            beyond = (joints < lower - 1e-6) | (joints > upper + 1e-6)
            if beyond.any():
                i = int(np.argmax(beyond))
                raise RetargetError(
                    f"the grasp wants {self._limits.names[6 + i]} at {joints[i]:.3f} rad, beyond "
                    f"its limits {lower[i]:.3f} to {upper[i]:.3f}: give joints within them"
                )

    def _ways(
        self, arm: Array, grasp: HandGrasp, object_pose: Array, positions: Array
    ) -> list[Way]:
        """All ways with this posture of the arm at the grasp. Raises _BlockedError."""
        touching = _in_base(grasp.grasp, object_pose)
        opened = _in_base(grasp.pre_grasp, object_pose)
        behind = _moved(opened, -BEHIND_M * opened.rotation[:, 0])
        squeezing = Configuration(touching.rotation, touching.position, grasp.squeeze)
        lifted = _moved(squeezing, np.array([0.0, 0.0, LIFT_M]))

        back = self._straight(arm, touching, opened, "on the way from the pre-grasp")
        further_back = self._straight(back[-1, :6], opened, behind, "on the way to the pre-grasp")
        up = self._straight(arm, squeezing, lifted, "when it is lifted")
        close = _line(back[0], up[0])
        self._keep_apart(back, "near the grasp")
        self._keep_apart(further_back, "on the way to the pre-grasp")
        self._keep_apart(np.concatenate([close, up]), "when it is lifted", squeezes=True)
        return [
            *self._approach(further_back[-1], behind, positions),
            _near_object(Phase.PRE_GRASP, further_back[::-1], BEHIND_M),
            _near_object(
                Phase.GRASP,
                back[::-1],
                float(np.linalg.norm(opened.position - touching.position)),
            ),
            Way(Phase.CLOSE, close, CLOSING_S),
            _near_object(Phase.LIFT, up, LIFT_M),
        ]

    def _approach(self, end: Array, behind: Configuration, positions: Array) -> list[Way]:
        """Ways from positions [22] to end [22], behind the pre-grasp: over the top where that is
        clear, else straight to it; through the ready pose where nothing else is clear.
        """
        home = np.concatenate(
            [self._postures.nearest_turns(self._robot.home[:6], positions[:6]), end[6:]]
        )
        try:
            rise = self._straight(end[:6], behind, _moved(behind, np.array([0, 0, ABOVE_M])), "")
            descents = [rise[::-1], end[None]]
        except _BlockedError:
            descents = [end[None]]
        reason = _BlockedError()
        for descent, through in product(descents, ([], [home])):
            stations = [positions, *through, descent[0]]
            lines = [_line(a, b) for a, b in pairwise(stations)]
            legs = [*lines, descent] if len(descent) > 1 else lines
            try:
                for leg in legs:
                    self._keep_apart(leg, "on the way there")
                return [Way(Phase.APPROACH, leg, 0.0) for leg in legs]
            except _BlockedError as blocked:
                reason = blocked
        raise reason

    def _straight(self, arm: Array, start: Configuration, end: Configuration, where: str) -> Array:
        """Joints [n, 22] along the palm's straight way between two poses in base_link.

        arm: [6] at the start. Raises _BlockedError where the arm cannot follow.
        """
        turn = np.linalg.norm(rotation_vector(end.rotation @ start.rotation.T))
        bend = np.abs(end.joints - start.joints).max()
        way = np.linalg.norm(end.position - start.position)
        count = int(np.ceil(max(way / STEP_M, turn / STEP_RAD, bend / STEP_RAD, 1.0)))
        samples = [np.concatenate([arm, start.joints])]
        for share in np.linspace(0.0, 1.0, count + 1)[1:]:
            reached = self._postures.reach(samples[-1][:6], start.towards(end, share))
            if reached is None or np.abs(reached - samples[-1])[:6].max() > JUMP_RAD:
                raise _BlockedError(f"lies where the arm cannot follow a straight line {where}")
            samples.append(reached)
        return np.array(samples)

    def _keep_apart(self, joints: Array, where: str, squeezes: bool = False) -> None:
        """Raise _BlockedError where links come too near to each other or to the table.

        squeezes: the object is between the fingers then, which are commanded into it.
        """
        allowed = -OVERLAP_M
        for sample, q in enumerate(joints):
            slack, rows = self._kernel.near(q, 0.0, self._table_height)
            moved_by_arm = np.any(rows[:, :6] != 0.0, axis=1)
            between_fingers = float(slack[~moved_by_arm].min(initial=0.0))
            if sample == 0:  # fingers that have squeezed something may overlap; they part
                allowed = min(allowed, between_fingers - OVERLAP_M)
            least = float(slack[moved_by_arm].min(initial=0.0))
            if not squeezes and between_fingers < allowed:
                least = min(least, between_fingers)
            if least < -OVERLAP_M:
                raise _BlockedError(
                    f"would bring the robot {100.0 * -least:.1f} cm too near to the table or "
                    f"itself {where}"
                )


def _in_base(configuration: Configuration, object_pose: Array) -> Configuration:
    rotation, position = object_pose[:3, :3], object_pose[:3, 3]
    return Configuration(
        rotation @ configuration.rotation,
        rotation @ configuration.position + position,
        configuration.joints,
    )


def _moved(configuration: Configuration, by: Array) -> Configuration:
    return Configuration(configuration.rotation, configuration.position + by, configuration.joints)


def _line(start: Array, end: Array) -> Array:
    """Samples [n, 22] of the straight line between two configurations of the joints."""
    count = int(np.ceil(max(np.abs(end - start).max() / STEP_RAD, 1.0)))
    return start + np.linspace(0.0, 1.0, count + 1)[:, None] * (end - start)


def _near_object(phase: Phase, joints: Array, length: float) -> Way:
    """A way of the palm of this length (m) that is slow."""
    return Way(phase, joints, PEAK_OVER_MEAN_SPEED * length / PALM_SPEED)
