"""Which points of an object a hand touches, where nobody has said so: those close to its joints."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.human import HumanGrasp
from amt_retarget.grasp.surface import ObjectSurface
from amt_retarget.retarget.hand_frame import Side

Array = NDArray[np.float64]

PART_JOINTS = {
    "palm": (0, 1, 5, 9, 13, 17),
    "thumb": (2, 3, 4),
    "index": (6, 7, 8),
    "middle": (10, 11, 12),
    "ring": (14, 15, 16),
    "pinky": (18, 19, 20),
}
"""Joints, in OpenPose's order, that stand for each part of a hand."""
TOUCH_DISTANCE_M = 0.012
"""From a joint in the middle of a finger to its skin, and a little for the error of an estimate."""


def grasp_by_distance(
    joints: Array, side: Side, surface: ObjectSurface, distance: float = TOUCH_DISTANCE_M
) -> HumanGrasp:
    """The grasp of a hand whose joints [21, 3] (object's frame, m) are at an object.

    Every sample of the surface within `distance` (m) of a joint is a contact of the part whose
    joint is nearest. Raises RetargetError where nothing is that close, and for
    a distance that is not above 0.
    """
    if not 0.0 < distance < np.inf:
        raise RetargetError(
            f"The distance that counts as a touch must be more than 0 mm, not {1000 * distance:g}."
        )
    joints = np.asarray(joints, dtype=float)
    order = [joint for part in PART_JOINTS.values() for joint in part]
    parts = np.repeat(np.arange(len(PART_JOINTS)), [len(part) for part in PART_JOINTS.values()])
    offsets = surface.points[:, None] - joints[None, order]
    distances = np.linalg.norm(offsets, axis=2)
    owner = np.where(distances.min(axis=1) <= distance, parts[distances.argmin(axis=1)], -1)
    contacts, normals = {}, {}
    for i, part in enumerate(PART_JOINTS):
        touched = owner == i
        if touched.any():
            contacts[part], normals[part] = surface.points[touched], surface.normals[touched]
    if not contacts:
        raise RetargetError(
            f"The hand is {1000 * distances.min():.0f} mm from the object and touches nothing: "
            "choose a moment at which the object is held."
        )
    return HumanGrasp(joints, side, contacts, normals)
