"""Bones, joints and girths of the generic hand, and how each shape coefficient changes them.

Bone lengths are the adult means of A. Buryanov and V. Kotiuk, "Proportions of Hand Segments",
International Journal of Morphology 28(3), 2010 (radiographs of 66 adults). Directions follow the
rest pose of MANO to a few degrees, so that a MANO pose means the same posture on this hand.
Frame: right hand, wrist at the origin, fingers to -x, back of the hand to +y, thumb to +z, metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FINGER_JOINTS = ((13, 14, 15), (1, 2, 3), (4, 5, 6), (10, 11, 12), (7, 8, 9))
"""MANO joints of each finger from base to tip, thumb to pinky."""

# Millimetres, thumb to pinky. The distal bone runs to the skin of the fingertip.
_METACARPALS = (68.1, 64.6, 58.0, 53.7)  # index to pinky
_PHALANGES = (
    (46.2, 31.6, 27.3),  # the thumb's first moving bone is its metacarpal
    (39.8, 22.4, 19.7),
    (44.6, 26.3, 21.4),
    (41.4, 25.7, 21.3),
    (32.7, 18.1, 19.7),
)

# MANO and MediaPipe put the joints where the fingers and the thumb's metacarpal start further out
# than the radiographs: over the visible knuckle rather than in the head of the bone (measured: the
# joints of a recorded MANO hand, and MediaPipe on pictures of this hand; 5 to 14 mm).
_BASE_JOINT_SHIFT = 7.5

# Where the metacarpals start, from the wrist's centre of rotation (mm), thumb to pinky.
_CARPUS = ((-17, -11, 19), (-18, -1, 11), (-25, 1, 1), (-24, 0, -8), (-21, -3, -16))

# Directions of the bones at rest in degrees: splay in the palm's plane (towards the thumb),
# then elevation (towards the back of the hand).
_METACARPAL_SPLAY = (7.5, -3.5, -14.0, -25.0)
_METACARPAL_ELEVATION = (-3.0, -1.5, -4.0, -5.5)
_SPLAY = (
    (49.0, 36.0, 46.0),
    (4.0, 2.0, -1.0),
    (-8.0, -8.0, -8.0),
    (-11.0, -15.0, -15.0),
    (-31.0, -30.0, -29.0),
)
_ELEVATION = (
    (-2.0, -9.0, -8.0),
    (5.0, -2.0, -7.0),
    (4.0, -2.0, -9.0),
    (4.0, -3.0, -7.0),
    (3.0, -2.0, -12.0),
)

# Half the breadth of each finger at its base, inner joints and tip (mm). Drawn by eye to
# the likeness of an adult hand; no joint position depends on them.
_GIRTH = (
    (14.0, 11.2, 10.2, 8.2),
    (10.6, 9.3, 8.2, 6.8),
    (10.8, 9.5, 8.4, 7.0),
    (10.2, 8.8, 7.8, 6.6),
    (9.2, 7.9, 7.0, 5.9),
)

SHAPE_NAMES = (
    "overall size",  # +5 %
    "long fingers, short palm",  # fingers +3 %, palm -3 %
    "breadth of the palm",  # +5 %
    "thickness of the palm",  # +6 %
    "girth of the fingers",  # +6 %
    "length of the thumb",  # +5 %
    "index longer than ring finger",  # index +2 %, ring -2 %
    "length of the little finger",  # +5 %
    "long outer phalanges",  # both outer phalanges +3 %, first ones -3 %
    "girth of the wrist",  # +6 %
)
"""What one unit (about one standard deviation between adults) of each shape coefficient does.

Named and sized by this project; MANO's own coefficients are principal components of scans."""


@dataclass(frozen=True)
class Skeleton:
    """The hand's inner measures in its rest pose, in metres."""

    joints: np.ndarray
    """[16, 3] in MANO's order."""
    tips: np.ndarray
    """[5, 3] fingertips on the skin, thumb to pinky."""
    carpus: np.ndarray
    """[5, 3] where the metacarpals start, thumb to pinky."""
    girth: np.ndarray
    """[5, 4] radius of each finger at base, inner joints and tip."""
    size: float
    """Factor of the overall size."""
    palm_thickness: float
    """Factor on the palm's depth."""
    wrist_girth: float
    """Factor on the radius of the wrist."""

    @property
    def landmarks(self) -> np.ndarray:
        """[26, 3] joints, tips and metacarpal bases."""
        return np.vstack([self.joints, self.tips, self.carpus])

    def chain(self, finger: int) -> np.ndarray:
        """[4, 3] joints of one finger and its tip."""
        return np.vstack([self.joints[list(FINGER_JOINTS[finger])], self.tips[finger]])


def build_skeleton(shape: np.ndarray) -> Skeleton:
    """The skeleton for shape coefficients [10]; all zero is the mean adult hand."""
    size = 1.0 + 0.05 * shape[0]
    finger_length = np.full(5, 1.0 + 0.03 * shape[1])
    finger_length[0] *= 1.0 + 0.05 * shape[5]
    finger_length[1] *= 1.0 + 0.02 * shape[6]
    finger_length[3] *= 1.0 - 0.02 * shape[6]
    finger_length[4] *= 1.0 + 0.05 * shape[7]
    outer = 1.0 + np.array([-0.03, 0.03, 0.03]) * shape[8]
    palm_scale = np.array([1.0 - 0.03 * shape[1], 1.0, 1.0 + 0.05 * shape[2]])

    carpus = np.array(_CARPUS) * palm_scale
    joints = np.zeros((16, 3))
    tips = np.zeros((5, 3))
    for finger in range(5):
        base = carpus[finger]
        if finger > 0:
            direction = _direction(_METACARPAL_SPLAY[finger - 1], _METACARPAL_ELEVATION[finger - 1])
            base = base + _METACARPALS[finger - 1] * direction * palm_scale
        points = [base]
        for bone in range(3):
            length = _PHALANGES[finger][bone] * finger_length[finger] * outer[bone]
            along = _direction(_SPLAY[finger][bone], _ELEVATION[finger][bone])
            points.append(points[-1] + length * along)
            if bone == 0:
                points[0] = base + _BASE_JOINT_SHIFT * along
        joints[list(FINGER_JOINTS[finger])] = points[:3]
        tips[finger] = points[3]

    millimetre = 1e-3 * size
    return Skeleton(
        joints=joints * millimetre,
        tips=tips * millimetre,
        carpus=carpus * millimetre,
        girth=np.array(_GIRTH) * (1.0 + 0.06 * shape[4]) * millimetre,
        size=size,
        palm_thickness=1.0 + 0.06 * shape[3],
        wrist_girth=1.0 + 0.06 * shape[9],
    )


def _direction(splay_deg: float, elevation_deg: float) -> np.ndarray:
    splay, elevation = np.radians([splay_deg, elevation_deg])
    return np.array(
        [-np.cos(elevation) * np.cos(splay), np.sin(elevation), np.cos(elevation) * np.sin(splay)]
    )
