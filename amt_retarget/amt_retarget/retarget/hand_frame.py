"""The palm frame of a human hand, in the axes of the Allegro hand's palm.

Joints are [21, 3] in the order of OpenPose, MediaPipe and DexYCB: the wrist, then thumb, index,
middle, ring and pinky, four joints each from base to tip. (The one home of this order is the
perception package, of which this package must not know; the few indices needed stand here.)

The Allegro's palm frame has z along the fingers and x out of the palm, so an open hand held
upright with the palm to the viewer has the same frame on the human and on the robot. y completes
a right-handed frame: it points to the index finger on a right hand and to the ring finger on a
left one. Its origin is the base of the middle finger: there the two hands, whose fingers and palms
differ in proportion, are laid on each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

WRIST, INDEX_MCP, MIDDLE_MCP, RING_MCP = 0, 5, 9, 13
TIPS = [4, 8, 12, 16]
"""Fingertips of thumb, index, middle and ring: the fingers that the Allegro has."""
MIDDLE_FINGER = [9, 10, 11, 12]
"""The middle finger from its knuckle to its tip."""

MIN_LENGTH_M, MAX_LENGTH_M = 0.02, 0.5
"""A palm or finger shorter than this, or a joint farther from the wrist, is no human hand."""
MIN_KNUCKLE_SINE = 0.05
"""Least sine of the angle between index and ring knuckle, seen from the wrist (real: about 0.4)."""


class Side(IntEnum):
    """Side of a hand. Values equal the constants of amt_msgs/HandPose."""

    UNKNOWN = 0
    LEFT = 1
    RIGHT = 2


@dataclass(frozen=True)
class HandFrame:
    """Where the human hand is and what its fingers do, in the frame its joints were given in."""

    wrist: np.ndarray
    """[3] position of the wrist (m)."""
    rotation: np.ndarray
    """[3, 3] palm frame to the joints' frame; columns: out of the palm, y, along the fingers."""
    tips: np.ndarray
    """[4, 3] thumb, index, middle and ring tip in the palm frame (m)."""
    finger_length: float
    """Length of the middle finger's bones from knuckle to tip, so of the stretched finger (m)."""


def hand_frame(joints: np.ndarray, side: Side) -> HandFrame | None:
    """Palm frame and fingertips of one hand.

    joints: [21, 3] in metres in any right-handed frame; side: LEFT or RIGHT. Wrist and middle
    knuckle give the direction of the fingers; index and ring knuckle, the outer ones of the three
    fingers that the Allegro has, the plane of the palm. Bending the fingers does not move it.

    Returns None where the joints do not make a hand: not finite, of an impossible size, or without
    a palm plane.
    Raises ValueError for another shape or an unknown side.
    """
    joints = np.asarray(joints, dtype=float)
    if joints.shape != (21, 3):
        raise ValueError(f"A hand has joints of shape (21, 3), not {joints.shape}.")
    if side not in (Side.LEFT, Side.RIGHT):
        raise ValueError("A palm frame needs to know whether the hand is left or right.")
    if not np.isfinite(joints).all():
        return None

    wrist, knuckle = joints[WRIST], joints[MIDDLE_MCP]
    along = knuckle - wrist
    index, ring = joints[INDEX_MCP] - wrist, joints[RING_MCP] - wrist
    out = _cross(index, ring) if side == Side.RIGHT else _cross(ring, index)
    palm_length = _length(along)
    finger = joints[MIDDLE_FINGER]
    bones = finger[1:] - finger[:-1]
    finger_length = np.sqrt((bones * bones).sum(axis=1)).sum()
    reach = np.abs(joints - wrist).max()
    if min(palm_length, finger_length) < MIN_LENGTH_M or reach > MAX_LENGTH_M:
        return None
    z = along / palm_length
    x = out - z * (out @ z)
    out_length = _length(x)
    if out_length <= MIN_KNUCKLE_SINE * _length(index) * _length(ring):
        return None
    x /= out_length
    rotation = np.array([x, _cross(z, x), z]).T
    return HandFrame(
        wrist=wrist.copy(),
        rotation=rotation,
        tips=(joints[TIPS] - knuckle) @ rotation,
        finger_length=float(finger_length),
    )


def mirrored(tips: np.ndarray) -> np.ndarray:
    """Fingertips [4, 3] of a hand in the palm frame of the other side's hand.

    A robot hand of the other side takes the person's palm orientation as it is (fingers and palm
    point the same way) and mirrors the fingers across the plane through palm normal and middle
    finger, so that its thumb does what the person's thumb does.
    """
    return tips * np.array([1.0, -1.0, 1.0])


def _length(vector: np.ndarray) -> float:
    return math.sqrt(vector @ vector)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross product of two vectors [3]; NumPy's costs ten times as much for a single pair."""
    return np.array(
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    )
