"""What the hand of the built-in clip does: postures, and the way from one to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import JOINT_NAMES, Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.limits import JointLimits

SIDE = Side.RIGHT
ELBOW = (0.03, 0.36, 0.50)
"""Where the forearm comes from, in the camera frame (m)."""
HOLD_S = 0.2
"""How long every gesture stands still."""

FINGERS_UP_PALM_TO_CAMERA = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""Rotation of a right hand's model frame to the camera frame before it turns."""

Finger = tuple[float, float, float, float]
Thumb = tuple[float, float, float, float, float]


@dataclass(frozen=True)
class Posture:
    """Anatomical angles in degrees, as in `hand.limits`; in MANO's order of the fingers.

    A finger: flexion and abduction of the knuckle, flexion of the middle and of the end joint.
    The thumb: flexion, abduction and twist of its base, flexion of the two outer joints.
    """

    index: Finger
    middle: Finger
    pinky: Finger
    ring: Finger
    thumb: Thumb

    def angles(self) -> np.ndarray:
        """[15, 3] flexion, abduction and twist (rad) of MANO joints 1 to 15."""
        fingers = (self.index, self.middle, self.pinky, self.ring)
        rows: list[tuple[float, float, float]] = []
        for knuckle, abduction, middle_joint, end_joint in fingers:
            rows += [(knuckle, abduction, 0.0), (middle_joint, 0.0, 0.0), (end_joint, 0.0, 0.0)]
        base, abduction, twist, knuckle, end_joint = self.thumb
        rows += [(base, abduction, twist), (knuckle, 0.0, 0.0), (end_joint, 0.0, 0.0)]
        return np.radians(rows)


STRAIGHT_INDEX: Finger = (2, -3, 5, 3)
STRAIGHT_MIDDLE: Finger = (2, 0, 5, 3)
STRAIGHT_PINKY: Finger = (4, 8, 6, 4)
STRAIGHT_RING: Finger = (3, 3, 6, 3)
BENT_INDEX: Finger = (80, -4, 98, 62)
BENT_MIDDLE: Finger = (80, 0, 98, 62)
BENT_PINKY: Finger = (80, 16, 98, 62)
BENT_RING: Finger = (80, 4, 98, 62)
BENT_THUMB: Thumb = (42, -12, -20, 38, 60)

OPEN = Posture(STRAIGHT_INDEX, STRAIGHT_MIDDLE, STRAIGHT_PINKY, STRAIGHT_RING, (4, -4, 0, 4, 4))
SPREAD = Posture((-4, 9, 2, 0), (-4, 1, 2, 0), (-4, -9, 2, 0), (-4, -4, 2, 0), (-8, 6, 0, -4, -4))
FIST = Posture(BENT_INDEX, BENT_MIDDLE, BENT_PINKY, BENT_RING, BENT_THUMB)
ONE = replace(FIST, index=(0, 0, 5, 3))
TWO = replace(ONE, index=(0, 4, 5, 3), middle=(0, -6, 5, 3))
FOUR = Posture((0, 3, 5, 3), (0, 0, 5, 3), (2, 0, 6, 4), (0, 0, 5, 3), (48, -12, -28, 35, 45))
PINCH = Posture(
    (48, -4, 52, 28), (20, 0, 25, 12), (12, 2, 20, 12), (15, 2, 22, 12), (42, -15, -25, 13, 29)
)
RELAXED = Posture(
    (20, -3, 25, 15), (27, 0, 30, 18), (35, 10, 32, 20), (32, 3, 32, 20), (18, -15, 0, 10, 12)
)


@dataclass(frozen=True)
class Gesture:
    """Where the hand gets to, and how."""

    posture: Posture
    move_s: float
    """Time that it takes to get here from the gesture before."""
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Degrees about the camera's z (a wave), y (a turn of the wrist) and x (a nod)."""
    palm: tuple[float, float, float] = (0.0, 0.02, 0.47)
    """Middle of the palm in the camera frame (m)."""


GESTURES = (
    Gesture(OPEN, 0.0, turn=(0, 8, 0)),
    Gesture(SPREAD, 0.45, turn=(4, 0, -6), palm=(0.01, 0.015, 0.44)),
    Gesture(SPREAD, 0.5, turn=(-20, -6, 0), palm=(-0.06, 0.01, 0.46)),
    Gesture(OPEN, 0.65, turn=(22, 10, 0), palm=(0.07, 0.02, 0.48)),
    Gesture(FIST, 0.7, turn=(4, 0, 6), palm=(0.02, 0.035, 0.49)),
    Gesture(ONE, 0.55, turn=(-4, 6, 0), palm=(-0.01, 0.04, 0.47)),
    Gesture(TWO, 0.5, turn=(2, 4, 0), palm=(-0.02, 0.035, 0.46)),
    Gesture(FOUR, 0.5, turn=(0, -4, -4), palm=(-0.03, 0.02, 0.45)),
    Gesture(PINCH, 0.6, turn=(6, -24, 4), palm=(-0.01, 0.02, 0.44)),
    Gesture(RELAXED, 0.7, turn=(-8, 32, 8), palm=(0.05, 0.0, 0.5)),
    Gesture(OPEN, 0.65, turn=(0, 8, 0)),
)
"""Ends where it begins, so that the clip can be repeated."""


class HandPosture(NamedTuple):
    """The hand at one time, in the camera frame (OpenCV axes)."""

    pose: np.ndarray
    """[16, 3] axis-angle in MANO's joint order, mean pose included (rad)."""
    translation: np.ndarray
    """[3] MANO's translation (m)."""
    joints: np.ndarray
    """[21, 3] in the project's order (m)."""


def duration_s() -> float:
    """Length of the whole motion in seconds."""
    return sum(gesture.move_s + HOLD_S for gesture in GESTURES)


def hand_at(time_s: float) -> HandPosture:
    """The generic right hand at a time from 0 to `duration_s()`.

    Every angle and the palm's position move along minimum-jerk curves (Flash and Hogan, Journal of
    Neuroscience 5, 1985), as human hands do.
    """
    limits, kinematics = _hand()
    angles, turn, palm = _interpolate(time_s)
    turned = Rotation.from_euler("ZYX", turn, degrees=True)
    upright = Rotation.from_matrix(FINGERS_UP_PALM_TO_CAMERA)
    pose = limits.pose(angles, (turned * upright).as_rotvec())
    shape = np.zeros(10)
    joints = kinematics.joints21(pose, shape, np.zeros(3))
    palm_joints = [JOINT_NAMES.index("wrist"), JOINT_NAMES.index("middle_mcp")]
    translation = palm - joints[palm_joints].mean(axis=0)
    return HandPosture(pose, translation, joints + translation)


@lru_cache(maxsize=1)
def _hand() -> tuple[JointLimits, HandKinematics]:
    data = generic_hand(SIDE)
    return JointLimits(data), HandKinematics(data)


def _interpolate(time_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles [15, 3] (rad), turn [3] (degrees) and palm [3] (m) at a time."""
    moves = np.array([gesture.move_s for gesture in GESTURES[1:]])
    starts = HOLD_S + np.cumsum(moves + HOLD_S) - (moves + HOLD_S)
    # Each move's share of its way is 0 before and 1 after it: the steps made so far add up.
    t = np.clip((time_s - starts) / moves, 0.0, 1.0)
    shares = t**3 * (10.0 - 15.0 * t + 6.0 * t**2)

    def along(knots: np.ndarray) -> np.ndarray:
        return knots[0] + np.tensordot(shares, np.diff(knots, axis=0), axes=1)

    return (
        along(np.array([gesture.posture.angles() for gesture in GESTURES])),
        along(np.array([gesture.turn for gesture in GESTURES])),
        along(np.array([gesture.palm for gesture in GESTURES])),
    )
