"""Joint orders, joint names and sides: the one home of every hand index.

The project's order is the 21-joint order of OpenPose, MediaPipe, DexYCB and FreiHAND: the wrist,
then thumb, index, middle, ring and pinky from base to tip. MANO (Romero et al., SIGGRAPH Asia
2017) has 16 joints in the order wrist, index, middle, pinky, ring, thumb; the five fingertips are
vertices of the mesh.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

FINGERS = ("thumb", "index", "middle", "ring", "pinky")

JOINT_NAMES = (
    "wrist",
    "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip",
    "index_mcp", "index_pip", "index_dip", "index_tip",
    "middle_mcp", "middle_pip", "middle_dip", "middle_tip",
    "ring_mcp", "ring_pip", "ring_dip", "ring_tip",
    "pinky_mcp", "pinky_pip", "pinky_dip", "pinky_tip",
)  # fmt: skip

WRIST = 0
BASES = (1, 5, 9, 13, 17)
"""First joint of each finger in the 21-order, thumb to pinky."""
TIPS = (4, 8, 12, 16, 20)
"""Fingertips in the 21-order, thumb to pinky."""
PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
"""Parent of each of the 21 joints; -1 for the wrist."""
BONES = tuple((parent, child) for child, parent in enumerate(PARENTS) if parent >= 0)

MANO_JOINT_NAMES = (
    "wrist",
    "index_mcp", "index_pip", "index_dip",
    "middle_mcp", "middle_pip", "middle_dip",
    "pinky_mcp", "pinky_pip", "pinky_dip",
    "ring_mcp", "ring_pip", "ring_dip",
    "thumb_cmc", "thumb_mcp", "thumb_ip",
)  # fmt: skip
MANO_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)
MANO_TIP_VERTICES = (744, 320, 443, 554, 671)
"""Fingertip vertices, thumb to pinky, as in smplx, HaMeR and HOT3D."""
MANO_TO_21 = np.array([0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20])
"""Index into [16 MANO joints, tips thumb to pinky] that gives the 21-order."""


class Side(IntEnum):
    """Which hand of the person, as an observer who stands behind the person would say.

    Values equal the constants of amt_msgs/HandPose.
    """

    UNKNOWN = 0
    LEFT = 1
    RIGHT = 2
