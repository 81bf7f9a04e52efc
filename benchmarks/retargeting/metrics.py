"""The figures of one joint trajectory. Every method is measured by the same functions.

Trajectories are [T, n] joint positions (rad) at a constant rate (Hz).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HUMAN_TIPS = [4, 8, 12, 16]
"""Thumb, index, middle and ring in the 21-joint order."""
HUMAN_FINGERS = [[5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]
"""Index, middle and ring from knuckle to tip."""
PINCH_M = 0.030
"""Human fingertips that are closer than this touch: the landmarks lie inside the tips."""
CLOSED_M = 0.026
"""Robot domes of 12 mm radius whose centres are closer than this touch, or nearly (2 mm)."""
POSITION_TOLERANCE = 1e-9
RATE_TOLERANCE = 1e-6
"""Relative; what taking differences of rounded positions may add to a velocity or acceleration."""
LARGEST_LAG_S = 0.5


def tip_errors(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """[T, 4] distance of each fingertip [T, 4, 3] from its target [T, 4, 3] (m)."""
    return np.linalg.norm(points - targets, axis=-1)


def lag_seconds(output: np.ndarray, reference: np.ndarray, rate_hz: float) -> float:
    """How long the output comes after the reference, both [T, n] (s; negative: before it).

    The time shift of least RMS difference between the two over the frames that both have; a
    parabola through the best whole frame and its neighbours gives the fraction. NaN when the
    reference does not move or the best shift is LARGEST_LAG_S.
    """
    if output.shape != reference.shape:
        raise ValueError(f"trajectories differ in shape: {output.shape} and {reference.shape}")
    if np.ptp(reference, axis=0).max() == 0.0:
        return float("nan")
    largest = min(round(LARGEST_LAG_S * rate_hz), len(output) // 3)
    # The same reference frames for every shift, so that none has an easier part of the motion.
    inner = reference[largest : len(reference) - largest]
    shifts = np.arange(-largest, largest + 1)
    errors = np.array(
        [
            np.mean((output[largest + shift : largest + shift + len(inner)] - inner) ** 2)
            for shift in shifts
        ]
    )
    best = int(np.argmin(errors))
    if best in (0, len(shifts) - 1):
        return float("nan")
    before, least, after = errors[best - 1 : best + 2]
    return float((shifts[best] + 0.5 * (before - after) / (before - 2.0 * least + after)) / rate_hz)


def jerk_rms(positions: np.ndarray, rate_hz: float) -> float:
    """Root mean square of the third difference, all joints and frames together (rad/s^3)."""
    return float(np.sqrt(np.mean((np.diff(positions, 3, axis=0) * rate_hz**3) ** 2)))


def largest_rate(positions: np.ndarray, rate_hz: float, order: int) -> float:
    """Largest velocity (order 1, rad/s) or acceleration (order 2, rad/s^2) of any joint."""
    return float(np.abs(np.diff(positions, order, axis=0)).max() * rate_hz**order)


@dataclass(frozen=True)
class LimitViolations:
    """Frames in which any joint is beyond a limit."""

    position: int
    velocity: int
    acceleration: int
    any: int


def limit_violations(
    positions: np.ndarray,
    rate_hz: float,
    lower: np.ndarray,
    upper: np.ndarray,
    velocity: np.ndarray,
    acceleration: np.ndarray,
) -> LimitViolations:
    """Count frames beyond limits [n] (rad, rad/s, rad/s^2); T - 1 frames have a velocity, T - 2 an
    acceleration, which count for the later frame.
    """
    frames = len(positions)
    beyond = np.zeros((3, frames), dtype=bool)
    beyond[0] = np.any(
        (positions < lower - POSITION_TOLERANCE) | (positions > upper + POSITION_TOLERANCE), axis=1
    )
    for order, limit in ((1, velocity), (2, acceleration)):
        rate = np.abs(np.diff(positions, order, axis=0)) * rate_hz**order
        beyond[order, order:] = np.any(rate > limit * (1.0 + RATE_TOLERANCE), axis=1)
    position_count, velocity_count, acceleration_count = (int(row.sum()) for row in beyond)
    return LimitViolations(
        position_count, velocity_count, acceleration_count, int(beyond.any(axis=0).sum())
    )


def pinch_distances(points: np.ndarray) -> np.ndarray:
    """[T, 3] distance of index, middle and ring from the thumb; points [T, 4, 3], thumb first."""
    return np.linalg.norm(points[:, 1:] - points[:, :1], axis=-1)


def human_pinches(joints: np.ndarray) -> np.ndarray:
    """[T, 3] whether the person's finger touches the thumb, from joints [T, 21, 3] (m)."""
    return pinch_distances(joints[:, HUMAN_TIPS]) < PINCH_M


def closed_share(pinches: np.ndarray, points: np.ndarray) -> float:
    """Share of the person's pinches [T, 3] in which the robot's points [T, 4, 3] are closer than
    CLOSED_M; NaN without any pinch.
    """
    closed = pinch_distances(points)[pinches] < CLOSED_M
    return float(closed.mean()) if closed.size else float("nan")


def stretch(chain: np.ndarray) -> np.ndarray:
    """[...] how far a finger is stretched: 1 straight, less the more it is bent.

    chain: [..., k, 3] points from the knuckle to the tip; distance of its ends over its length.
    """
    ends = np.linalg.norm(chain[..., -1, :] - chain[..., 0, :], axis=-1)
    return ends / np.linalg.norm(np.diff(chain, axis=-2), axis=-1).sum(axis=-1)
