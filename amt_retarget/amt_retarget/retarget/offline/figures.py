"""The figures of a trajectory: how smooth, how close, how late, how near to every limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amt_retarget.retarget.hand_frame import TIPS
from amt_retarget.retarget.kinematics import CENTRES, make_kernel
from amt_retarget.retarget.offline.goals import TOUCH_M
from amt_retarget.retarget.offline.sequence import Trajectory
from amt_retarget.robot.robot import Robot

Array = NDArray[np.float64]

CLOSED_M = 0.026
"""Domes of 12 mm radius whose centres are closer than this touch, or nearly (2 mm)."""
LARGEST_LAG_S = 0.5


@dataclass(frozen=True)
class Figures:
    """SI units. Joint figures are of the hand; NaN where there is nothing to measure."""

    frames: int
    bridged: int
    """Frames without a hand."""
    scale: float
    jerk: float
    """Root mean square over the hand's joints, rad/s^3."""
    goal_jerk: float
    """The same of the goals, before smoothing."""
    tip_error: float
    """Mean distance of the fingertips from their targets (m)."""
    tip_error_person: float
    """The same in the person's size: divided by the scale."""
    lag: float
    """How long the hand's joints come after their goals (s); negative: before."""
    pinches: int
    """Human fingertips within TOUCH_M of the thumb's, frame by frame."""
    pinches_closed: float
    """Share of them in which the robot's domes touch, or nearly (CLOSED_M)."""
    least_slack: float
    """Of all distances beyond their minimum (m); below 0: too near."""
    velocity_share: float
    """Largest use of any joint's velocity limit: 1 is all of it."""
    acceleration_share: float


def figures(robot: Robot, trajectory: Trajectory, joints: Array) -> Figures:
    """joints: [T, 21, 3] those that the trajectory was made from (m)."""
    rate, limits, seen = trajectory.rate_hz, trajectory.limits, trajectory.seen
    hand = slice(len(robot.arm_joint_names), None)
    positions, goals = trajectory.positions[:, hand], trajectory.goals[:, hand]
    velocity = trajectory.velocities
    acceleration = np.diff(velocity, axis=0) * rate
    touching = np.zeros((len(joints), 3), dtype=bool)
    touching[seen] = thumb_distances(joints[seen][:, TIPS]) < TOUCH_M
    kernel = make_kernel(robot, [])
    domes = np.array([kernel.points(q)[list(CENTRES)] for q in trajectory.positions])
    closed = thumb_distances(domes)[touching] < CLOSED_M
    error = float(np.nanmean(trajectory.tip_residual))
    return Figures(
        frames=len(joints),
        bridged=int(np.sum(~seen)),
        scale=trajectory.scale,
        jerk=jerk_rms(positions, rate),
        goal_jerk=jerk_rms(goals, rate),
        tip_error=error,
        tip_error_person=error / trajectory.scale,
        lag=lag_seconds(positions, goals, rate),
        pinches=int(touching.sum()),
        pinches_closed=float(closed.mean()) if closed.size else np.nan,
        least_slack=float(trajectory.slack.min()),
        velocity_share=float(np.max(np.abs(velocity) / limits.velocity)),
        acceleration_share=float(np.max(np.abs(acceleration) / limits.acceleration)),
    )


def thumb_distances(points: Array) -> Array:
    """[T, 3] of index, middle and ring from the thumb; points: [T, 4, 3], thumb first."""
    return np.linalg.norm(points[:, 1:] - points[:, :1], axis=-1)


def jerk_rms(positions: Array, rate_hz: float) -> float:
    """Root mean square of the third differences of [T, n], rad/s^3; NaN for fewer than 4 frames."""
    if len(positions) < 4:
        return np.nan
    return float(np.sqrt(np.mean((np.diff(positions, 3, axis=0) * rate_hz**3) ** 2)))


def lag_seconds(output: Array, reference: Array, rate_hz: float) -> float:
    """The time shift (s) of least RMS difference between output and reference, both [T, n].

    A parabola through the best whole frame and its neighbours gives the fraction. NaN where the
    reference does not move or the best shift is LARGEST_LAG_S.
    """
    largest = min(round(LARGEST_LAG_S * rate_hz), len(output) // 3)
    if largest < 1 or np.ptp(reference, axis=0).max() == 0.0:
        return np.nan
    inner = reference[largest : len(reference) - largest]
    shifts = np.arange(-largest, largest + 1)
    starts = largest + shifts
    errors = [np.mean((output[start : start + len(inner)] - inner) ** 2) for start in starts]
    best = int(np.argmin(errors))
    if best in (0, len(shifts) - 1):
        return np.nan
    before, least, after = errors[best - 1 : best + 2]
    fraction = 0.5 * (before - after) / (before - 2.0 * least + after)
    return float((shifts[best] + fraction) / rate_hz)
