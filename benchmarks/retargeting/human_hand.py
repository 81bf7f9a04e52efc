"""A person's right hand to make motions with: postures, pinches and the noise of a hand tracker.

The generic adult hand of amt_perception, in the axes of the benchmark's base frame: in the zero
orientation the fingers point up (z) and the palm faces away from the robot (+x), as the robot's own
palm does in its ready pose.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.limits import JointLimits
from amt_perception.sample.motion import PINCH

FINGERS_UP_PALM_FORWARD = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])
"""Rotation of the right hand's model frame (fingers -x, back of the hand +y) to the base frame."""
TIPS = {"thumb": 4, "index": 8, "middle": 12, "ring": 16}
"""Fingertips in the 21-joint order."""
ANGLES = {"index": [0, 1, 2], "middle": [3, 4, 5], "ring": [9, 10, 11], "thumb": [12, 13, 14]}
"""Rows of each finger's joints in MANO's order."""
SLOW_NOISE_SHARE = 0.5
SLOW_NOISE_MEMORY_S = 0.1
"""Half of a tracker's noise power is new in every frame, half drifts over a few frames."""


@lru_cache(maxsize=1)
def _hand() -> tuple[JointLimits, HandKinematics]:
    data = generic_hand(Side.RIGHT)
    return JointLimits(data), HandKinematics(data)


def hand_joints(angles: np.ndarray, rotation: Rotation, wrist: np.ndarray) -> np.ndarray:
    """[21, 3] joints (m) in the base frame.

    angles: [15, 3] anatomical angles (rad, see amt_perception.hand.limits); rotation: of the whole
    hand from the zero orientation; wrist: [3] (m).
    """
    limits, kinematics = _hand()
    upright = rotation * Rotation.from_matrix(FINGERS_UP_PALM_FORWARD)
    joints = kinematics.joints21(
        limits.pose(angles, upright.as_rotvec()), np.zeros(10), np.zeros(3)
    )
    return joints - joints[0] + wrist


def pinch_angles(finger: str, distance: float, start: np.ndarray) -> np.ndarray:
    """[15, 3] angles (rad) near `start` that put thumb and finger tip this far apart (m).

    Only flexion and abduction of the two fingers, and the twist of the thumb's base, change, within
    their ranges of motion. The middle of the two tips stays in front of the palm as in `PINCH`.
    """
    limits, _ = _hand()
    free = np.zeros((15, 3), dtype=bool)
    free[ANGLES[finger] + ANGLES["thumb"], 0] = True
    free[[ANGLES[finger][0], ANGLES["thumb"][0]], 1] = True
    free[ANGLES["thumb"][0], 2] = True

    def residual(values: np.ndarray) -> np.ndarray:
        angles = start.copy()
        angles[free] = values
        joints = hand_joints(angles, Rotation.identity(), np.zeros(3))
        gap = np.linalg.norm(joints[TIPS["thumb"]] - joints[TIPS[finger]])
        return np.append((values - start[free]) * 0.3, (gap - distance) / 0.001)

    lower, upper = limits.lower[free], limits.upper[free]
    inside = np.clip(start[free], lower + 1e-3, upper - 1e-3)
    result = least_squares(residual, inside, bounds=(lower, upper), diff_step=1e-4)
    angles = start.copy()
    angles[free] = result.x
    return angles


def pinch_start(finger: str) -> np.ndarray:
    """[15, 3] angles (rad) of a pinch of thumb and finger, not yet exact: the sample's pinch of the
    index finger with the fingers' parts exchanged.
    """
    angles = PINCH.angles()
    if finger != "index":
        ours, index = ANGLES[finger], ANGLES["index"]
        angles[ours], angles[index] = angles[index].copy(), angles[ours].copy()
        angles[ANGLES["thumb"][0]] += np.radians([8.0, -8.0, -6.0])  # farther across the palm
    return angles


def minimum_jerk(share: np.ndarray) -> np.ndarray:
    """Way covered after a share 0..1 of the time (Flash and Hogan, J. Neuroscience 5, 1985)."""
    share = np.clip(share, 0.0, 1.0)
    return share**3 * (10.0 - 15.0 * share + 6.0 * share**2)


def tracker_noise(
    frames: int, rate_hz: float, rms_m: float, random: np.random.Generator
) -> np.ndarray:
    """[frames, 21, 3] displacement of every joint; rms_m is the RMS of its length (m).

    Independent from joint to joint; see SLOW_NOISE_SHARE for its course over time.
    """
    sigma = rms_m / np.sqrt(3.0)
    quick, fresh = random.normal(size=(2, frames, 21, 3))
    memory = np.exp(-1.0 / (rate_hz * SLOW_NOISE_MEMORY_S))
    slow = np.empty_like(fresh)
    slow[0] = fresh[0]
    for t in range(1, frames):
        slow[t] = memory * slow[t - 1] + np.sqrt(1.0 - memory**2) * fresh[t]
    return sigma * (np.sqrt(1.0 - SLOW_NOISE_SHARE) * quick + np.sqrt(SLOW_NOISE_SHARE) * slow)
