"""Commands that press the hand on the object so that the object stays where it is.

A finger under position control presses as far as its command lies inside the object. If all did so
alike, three fingers would push the object away against one thumb. So first the contact forces are
found that balance each other within the friction cones (the internal forces of Salisbury and Roth,
"Kinematic and force analysis of articulated mechanical hands", 1983); joints that are all equally
stiff then exert a force f at the tip when they are commanded J' f / stiffness away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.configuration import Configuration, cross_matrix, cross_rows
from amt_retarget.grasp.hand_model import HandModel, HandState
from amt_retarget.grasp.human import Contact

Array = NDArray[np.float64]

SQUEEZE_DEPTH_M = 0.008
"""How far inside the object the deepest of the touching points is commanded."""
FRICTION = 0.5
"""Between rubber and what people hold; the forces stay within its cone."""
LEAST_SHARE = 0.25
"""Every contact presses with at least this share of the mean force, so that none lets go."""
MOMENT_LENGTH_M = 0.03
"""Lever at which a moment counts as much as a force: the size of what a hand holds."""
TANGENT_COST = 1e-3
"""Of forces along the surface, against those left unbalanced: friction is used where needed."""


@dataclass(frozen=True, eq=False)
class Press:
    """Where a link pushes on the object."""

    joint: int
    """Of Pinocchio's, that moves the link; 0 for the palm, which is held."""
    point: Array
    """[3] of the link, palm frame (m)."""
    contact: Contact
    """What it touches, object frame."""


@dataclass(frozen=True, eq=False)
class Squeeze:
    """How to press on the object."""

    joints: Array
    """[16] to command (rad): the fingers that touch press, the others stay as they are."""
    unbalanced: float
    """Size of the force (and moment, over MOMENT_LENGTH_M) that the contacts cannot balance, in
    units of their mean force: 0 where the object stays, above some tenths where it slides."""


def fingertip_presses(
    hand: HandModel, state: HandState, contacts: dict[str, Contact]
) -> list[Press]:
    """What fingers that touch contacts, by finger, push with: the middles of their domes."""
    return [
        Press(hand.dome_joints[finger], hand.dome_centre(state, finger), contact)
        for finger, contact in contacts.items()
    ]


def squeeze(
    hand: HandModel, state: HandState, touching: Configuration, presses: Sequence[Press]
) -> Squeeze:
    """The squeeze of a hand that touches, inside the position limits. The palm stays as it is.

    state: the hand at touching's joints; presses: at least one.
    """
    points = np.stack([press.contact.point for press in presses])
    forces = balanced_forces(points, np.stack([press.contact.normal for press in presses]))
    change = np.zeros_like(touching.joints)
    deepest = 0.0
    for press, force in zip(presses, forces, strict=True):
        jacobian = touching.rotation @ state.point_jacobian(press.joint, press.point)
        torque = jacobian.T @ force
        deepest = max(deepest, float(-press.contact.normal @ jacobian @ torque))
        change += torque
    if deepest > 0.0:  # else only the palm touches, and nothing can press
        change *= SQUEEZE_DEPTH_M / deepest
    joints = np.clip(touching.joints + change, hand.lower, hand.upper)
    return Squeeze(joints, left_over(points, forces))


def left_over(points: Array, forces: Array) -> float:
    """Size of the sum of forces [n, 3] at points [n, 3] (m) and of their moment over a lever."""
    moment = cross_rows(points - points.mean(axis=0), forces).sum(axis=0) / MOMENT_LENGTH_M
    return float(np.hypot(np.linalg.norm(forces.sum(axis=0)), np.linalg.norm(moment)))


def balanced_forces(points: Array, normals: Array) -> Array:
    """Forces [n, 3] into the object at contacts [n, 3] whose sum and moment vanish, or nearly so.

    points: m; normals: unit vectors out of the object. The mean normal force is 1; multiples of the
    answer balance as well. The friction cone is replaced by the pyramid inside it. Contacts that
    cannot balance, such as those of a single finger, leave what they must.
    """
    try:
        import daqp
    except ImportError as error:
        raise RetargetError("The grasp solver needs daqp: pip install daqp") from error
    count = len(points)
    frames = np.stack([contact_axes(normal) for normal in normals])
    middle = points.mean(axis=0)
    # Columns: normal force, then two tangential ones, of each contact.
    wrench = np.concatenate(
        [
            np.concatenate([frame, cross_matrix(point - middle) @ frame / MOMENT_LENGTH_M])
            for frame, point in zip(frames, points, strict=True)
        ],
        axis=1,
    )
    hessian = wrench.T @ wrench + TANGENT_COST * np.eye(3 * count)
    normal = np.arange(0, 3 * count, 3)
    lower, upper = np.full(3 * count, -np.inf), np.full(3 * count, np.inf)
    lower[normal] = LEAST_SHARE
    mean = np.zeros((1, 3 * count))
    mean[0, normal] = 1.0 / count
    pyramid = np.zeros((4 * count, 3 * count))
    for i, column in enumerate(normal):
        for k, (tangent, sign) in enumerate([(1, 1.0), (1, -1.0), (2, 1.0), (2, -1.0)]):
            pyramid[4 * i + k, column] = -FRICTION / np.sqrt(2.0)
            pyramid[4 * i + k, column + tangent] = sign
    sense = np.zeros(len(lower) + 1 + len(pyramid), dtype=np.int32)
    sense[len(lower)] = 5  # daqp's mark of an equality
    forces, _, status, _ = daqp.solve(
        hessian,
        np.zeros(3 * count),
        np.concatenate([mean, pyramid]),
        np.concatenate([upper, [1.0], np.zeros(len(pyramid))]),
        np.concatenate([lower, [1.0], np.full(len(pyramid), -np.inf)]),
        sense,
    )
    if status != 1:
        raise RetargetError(f"The contact forces were not found (daqp's status {status}).")
    return np.einsum("nij,nj->ni", frames, np.asarray(forces).reshape(count, 3))


def contact_axes(normal: Array) -> Array:
    """Columns [3, 3]: into the object, and two along its surface."""
    aside = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    aside /= np.linalg.norm(aside)
    return np.column_stack([-normal, aside, np.cross(-normal, aside)])
