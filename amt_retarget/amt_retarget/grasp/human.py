"""A person's grasp, and what of it the robot is to keep: where each fingertip touches, and how."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.hand_frame import HandFrame, Side, hand_frame
from amt_retarget.robot.description import FINGERS

Array = NDArray[np.float64]

PARTS = ("palm", "thumb", "index", "middle", "ring", "pinky")
"""Parts of a hand that touch, in the order of amt_msgs/Contact's PART_*."""
HUMAN_TIPS = {"thumb": 4, "index": 8, "middle": 12, "ring": 16, "pinky": 20}
HUMAN_KNUCKLES = {"thumb": 2, "index": 5, "middle": 9, "ring": 13, "pinky": 17}
"""Where a finger becomes free of the palm."""
PAD_RADIUS_M = 0.012
"""Contact points this close to the one nearest the fingertip belong to its pad."""


@dataclass(frozen=True, eq=False)
class HumanGrasp:
    """A hand that holds an object, in the object's frame, metres.

    Raises RetargetError where the joints make no hand, a part is unknown, contacts and normals do
    not fit each other, no part touches, or a value is not finite.
    """

    joints: Array
    """[21, 3] in the order of OpenPose: wrist, then thumb to pinky from base to tip."""
    side: Side
    """LEFT or RIGHT; the numbers of amt_msgs/HandPose do as well."""
    contacts: dict[str, Array]
    """Part (see PARTS) to the points [n, 3] of the object that it touches."""
    normals: dict[str, Array]
    """Part to the object's outward normals [n, 3] at those points."""

    def __post_init__(self) -> None:
        joints = np.array(self.joints, dtype=float)
        if joints.shape != (21, 3) or self.side not in (Side.LEFT, Side.RIGHT):
            raise RetargetError(
                f"A grasp needs 21 joints of a LEFT or RIGHT hand, not {joints.shape} joints of "
                f"side {self.side!r}."
            )
        if hand_frame(joints, self.side) is None:
            raise RetargetError(
                "The joints of the grasp make no hand: give 21 finite positions in metres."
            )
        contacts = {part: np.array(points, float) for part, points in self.contacts.items()}
        normals = {part: np.array(vectors, float) for part, vectors in self.normals.items()}
        if unknown := (set(contacts) | set(normals)) - set(PARTS):
            raise RetargetError(
                f"Unknown parts of the hand {', '.join(sorted(unknown))}: known are "
                f"{', '.join(PARTS)}."
            )
        for part, points in contacts.items():
            vectors = normals.get(part, np.zeros((0, 3)))
            if points.ndim != 2 or points.shape[1:] != (3,) or points.shape != vectors.shape:
                raise RetargetError(
                    f"The {part}'s contacts need shape (n, 3) and as many normals, not "
                    f"{points.shape} and {vectors.shape}."
                )
            lengths = np.linalg.norm(vectors, axis=1)
            if not np.all(np.isfinite(points)) or not np.all(np.isfinite(lengths) & (lengths > 0)):
                raise RetargetError(
                    f"The {part}'s contacts must be finite and their normals have a direction."
                )
        if not any(len(points) for points in contacts.values()):
            raise RetargetError("No part of the hand touches the object: a grasp needs contacts.")
        object.__setattr__(self, "joints", joints)
        object.__setattr__(self, "side", Side(self.side))
        object.__setattr__(self, "contacts", contacts)
        object.__setattr__(self, "normals", normals)

    @property
    def frame(self) -> HandFrame:
        """The palm's frame in the object's frame."""
        frame = hand_frame(self.joints, self.side)
        assert frame is not None
        return frame

    def finger_direction(self, finger: str) -> Array:
        """Unit vector [3] from the knuckle of a finger to its tip."""
        direction = self.joints[HUMAN_TIPS[finger]] - self.joints[HUMAN_KNUCKLES[finger]]
        return direction / max(float(np.linalg.norm(direction)), 1e-9)


@dataclass(frozen=True, eq=False)
class Contact:
    """One touch to keep. Object's frame."""

    point: Array
    """[3] on the object's surface (m)."""
    normal: Array
    """[3] unit vector out of the object."""


def fingertip_contacts(grasp: HumanGrasp) -> dict[str, Contact]:
    """The touch that each of the robot's fingers is to keep; those that have none are left out.

    A person's finger may touch with its whole length. The robot's, which is longer and bends
    elsewhere, keeps the touch of the fingertip's pad. The robot has no little finger: its ring
    finger takes over what a little finger touches, if the person's ring finger touches nothing.
    """
    found = {}
    for finger in FINGERS:
        for part in (finger, "pinky") if finger == "ring" else (finger,):
            if len(grasp.contacts.get(part, ())):
                tip = grasp.joints[HUMAN_TIPS[part]]
                found[finger] = _pad(grasp.contacts[part], grasp.normals[part], tip)
                break
    return found


def palm_contact(grasp: HumanGrasp) -> Contact | None:
    """The middle of what the palm touches, or None."""
    if not len(grasp.contacts.get("palm", ())):
        return None
    points, normals = grasp.contacts["palm"], grasp.normals["palm"]
    return _middle(points, normals)


def _pad(points: Array, normals: Array, tip: Array) -> Contact:
    """The middle of the contact points [n, 3] about the one nearest to the fingertip [3]."""
    nearest = points[np.argmin(np.linalg.norm(points - tip, axis=1))]
    pad = np.linalg.norm(points - nearest, axis=1) <= PAD_RADIUS_M
    return _middle(points[pad], normals[pad])


def _middle(points: Array, normals: Array) -> Contact:
    """The contact point nearest to the mean of all, which itself may lie off the surface.

    Its normal is the mean of the normals, which on the triangles of a mesh is steadier than one.
    """
    middle = np.argmin(np.linalg.norm(points - points.mean(axis=0), axis=1))
    normal = (normals / np.linalg.norm(normals, axis=1, keepdims=True)).mean(axis=0)
    if np.linalg.norm(normal) < 0.5:  # on both sides of something thin: no common normal
        normal = normals[middle]
    return Contact(points[middle], normal / np.linalg.norm(normal))
