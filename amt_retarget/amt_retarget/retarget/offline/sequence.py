"""A whole recorded sequence at once: `retarget_sequence`.

Where a live run sees one frame after the other and has to be late to be smooth, here every frame is
known: the scale comes from the whole sequence, gaps are bridged from both sides, and one
optimisation over all frames (problem) is smooth without lag.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.hand_frame import Side
from amt_retarget.retarget.inverse_kinematics import InverseKinematics
from amt_retarget.retarget.offline.goals import (
    MAX_FRAMES,
    hand_frames,
    sequence_goals,
    sequence_scale,
    sequence_targets,
)
from amt_retarget.retarget.offline.problem import TrajectoryProblem
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.retarget.solver import with_bent_elbow
from amt_retarget.retarget.targets import Targets
from amt_retarget.robot.robot import Robot
from amt_retarget.safety.limits import JointLimits

Array = NDArray[np.float64]

CUTOFF_HZ = 2.85
RATE_RANGE_HZ = (10.0, 240.0)
WITHIN_M = 0.05
"""Links that are farther apart do not count as near."""


@dataclass(frozen=True)
class Trajectory:
    """What the robot does in the T frames of a sequence. Joints in the robot's order."""

    positions: Array
    """[T, 22] rad. At rest before the first frame and after the last, inside all limits."""
    velocities: Array
    """[T, 22] rad/s, backward differences; zero in the first frame."""
    goals: Array
    """[T, 22] rad, what each frame alone asks for, without smoothness; in a gap, the straight way
    across it."""
    targets: list[Targets | None]
    """T; None where there is no hand."""
    rate_hz: float
    scale: float
    """Robot size over human size."""
    tip_residual: Array
    """[T, 4] distance of thumb, index, middle and ring tip from their targets in the palm frame
    (m); NaN without a hand."""
    slack: Array
    """[T] what the distance of any two links, or of a link and the table, exceeds its minimum by
    (m), the least of all; WITHIN_M where it is more than that."""
    limits: JointLimits
    """The limits that the trajectory keeps."""

    @property
    def times(self) -> Array:
        """[T] seconds from the first frame."""
        return np.arange(len(self.positions)) / self.rate_hz

    @property
    def seen(self) -> NDArray[np.bool_]:
        """[T] whether there is a hand."""
        return np.array([target is not None for target in self.targets])


def retarget_sequence(
    robot: Robot,
    joints: ArrayLike,
    side: Side,
    rate_hz: float,
    settings: RetargetSettings | None = None,
    cutoff_hz: float = CUTOFF_HZ,
) -> Trajectory:
    """The robot's motion for a recorded hand, smooth and without lag.

    joints: [T, 21, 3] in the robot's base frame (m), rate_hz of them a second; frames that make no
    hand (not finite, of an impossible size) and wrists that jump are bridged. For uneven times see
    goals.at_even_times. side: LEFT or RIGHT. settings: as for the live Retargeter; its smoothing
    and its ramp have no meaning here. cutoff_hz: of a swing of this frequency half is left, of
    slower ones nearly all, of faster ones nearly nothing.

    Raises RetargetError for joints of another shape, for a rate or a cutoff out of its range, when
    no frame holds a hand, and when no trajectory keeps the limits.
    """
    settings = settings or RetargetSettings()
    joints = np.asarray(joints, dtype=float)
    _check(joints, rate_hz, cutoff_hz)
    dt = 1.0 / rate_hz
    kinematics = InverseKinematics(
        robot, settings.weights, settings.table_height, settings.avoid_collisions
    )
    frames = hand_frames(joints, side, dt)
    if all(frame is None for frame in frames):
        raise RetargetError("No frame holds a hand: check the joints' unit (m) and order.")
    scale = settings.scale or sequence_scale(kinematics, frames)
    mirror = side != Side[robot.hand.upper()]
    targets = sequence_targets(kinematics, frames, scale, mirror, settings)
    limits = with_bent_elbow(settings.joint_limits(robot), robot.home)
    hand = slice(len(robot.arm_joint_names), None)
    goals = sequence_goals(kinematics, targets, limits, hand, dt)
    best = TrajectoryProblem(kinematics, targets, goals, limits, cutoff_hz, dt).solve()
    positions = inside_limits(best, limits, dt)
    return Trajectory(
        positions=positions,
        velocities=np.diff(positions, axis=0, prepend=positions[:1]) * rate_hz,
        goals=goals,
        targets=targets,
        rate_hz=rate_hz,
        scale=scale,
        tip_residual=_tip_residual(kinematics, positions, targets),
        slack=_least_slack(kinematics, positions),
        limits=limits,
    )


def inside_limits(motion: Array, limits: JointLimits, dt: float) -> Array:
    """The motion [T, n] (rad) as commands that keep every limit exactly, from rest at its start.

    Each command goes where the motion is as fast as the limits let it, with the rule that guards a
    live robot (JointLimits). A motion inside the limits comes out as it went in.
    """
    positions, velocities = np.clip(motion[0], limits.lower, limits.upper), np.zeros(len(motion[0]))
    commands = [positions]
    for before, now in pairwise(motion):
        positions, velocities = limits.move_toward(
            now, (now - before) / dt, positions, velocities, dt
        )
        commands.append(positions)
    return np.array(commands)


def _check(joints: Array, rate_hz: float, cutoff_hz: float) -> None:
    if joints.ndim != 3 or joints.shape[1:] != (21, 3) or not 2 <= len(joints) <= MAX_FRAMES:
        raise RetargetError(
            f"A sequence needs joints of shape (T, 21, 3) with 2 to {MAX_FRAMES} frames, "
            f"not {joints.shape}."
        )
    low, high = RATE_RANGE_HZ
    if not low <= rate_hz <= high:
        raise RetargetError(f"The rate must be {low:g} to {high:g} Hz, not {rate_hz:g}.")
    if not 0.1 <= cutoff_hz <= rate_hz / 4.0:
        raise RetargetError(
            f"The cutoff must be 0.1 Hz to a quarter of the rate ({rate_hz / 4.0:g} Hz), "
            f"not {cutoff_hz:g}."
        )


def _tip_residual(
    kinematics: InverseKinematics, positions: Array, targets: list[Targets | None]
) -> Array:
    residual = np.full((len(positions), 4), np.nan)
    for i, (q, target) in enumerate(zip(positions, targets, strict=True)):
        if target is not None:
            tips = kinematics.kernel.vectors(q)[:4]
            residual[i] = np.linalg.norm(tips - target.tips, axis=1)
    return residual


def _least_slack(kinematics: InverseKinematics, positions: Array) -> Array:
    near = (kinematics.kernel.near(q, WITHIN_M, kinematics.table_height)[0] for q in positions)
    return np.array([np.min(slack, initial=WITHIN_M) for slack in near])
