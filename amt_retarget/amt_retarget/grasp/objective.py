"""What makes a good robot grasp: the person's contacts kept, with a hand held as theirs.

Everything is a residual in metres whose squares are added, as a function of the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amt_retarget.grasp.configuration import Configuration, cross_matrix, rotation_vector
from amt_retarget.grasp.hand_model import HandModel, HandState
from amt_retarget.grasp.human import Contact

Array = NDArray[np.float64]

PALM_PAD = np.array([0.0121, 0.0, -0.044])
"""[3] middle of the palm's inner side in palm_link (m), as urdf/allegro.xacro draws it."""

PALM_CONTACT_WEIGHT = 0.3
"""Of a millimetre between palm and its contact against one of a fingertip: the robot's palm is a
flat box, so it can keep a person's palm contact only roughly."""
ROTATION_LENGTH_M = 0.005
"""So many metres of contact error is one radian between the palms' orientations worth."""
JOINT_LENGTH_M = 0.05
"""... and one radian of a joint that is to stay: half a finger's length."""
DIRECTION_LENGTH_M = 0.003
"""... and one unit between the directions of a finger."""
PAD_LENGTH_M = 0.002
"""... and one unit between the pad's direction and the surface's normal."""
PAD_DIRECTION = np.array([np.sqrt(0.5), 0.0, np.sqrt(0.5)])
"""[3] where the middle of a fingertip's pad looks, in the frame of the finger's last link."""

Term = tuple[Array, Array]
"""Residuals [m] and their motion [m, 22], the Jacobian by a configuration's change."""


@dataclass(frozen=True, eq=False)
class Goals:
    """What a configuration is to meet. Object's frame."""

    contacts: dict[str, Contact]
    """By finger: what its dome is to touch."""
    palm_contact: Contact | None
    """What the middle of the palm is to touch, if anything."""
    rotation: Array
    """[3, 3] of the palm."""
    directions: dict[str, Array]
    """By finger: unit vector [3] from its knuckle to its tip."""
    gap: float = 0.0
    """Distance that every fingertip keeps from its contact, along the normal (m)."""
    position: Array | None = None
    """[3] of the palm; None leaves it to the contacts (m)."""
    joints: Array | None = None
    """[16] of the fingers; None leaves them to the contacts (rad)."""
    rotation_length: float = ROTATION_LENGTH_M
    """So many metres of contact error is one radian from `rotation` worth."""


def contact_offset(
    hand: HandModel, state: HandState, configuration: Configuration, finger: str, contact: Contact
) -> Array:
    """Vector [3] from a contact's point to the point of the finger's dome that faces it (m)."""
    centre = configuration.to_object(hand.dome_centre(state, finger))
    return centre - hand.domes[finger].radius * contact.normal - contact.point


def residuals(
    hand: HandModel, state: HandState, configuration: Configuration, goals: Goals
) -> Term:
    """Residuals [m] (m) of a configuration, whose HandState is given, and their motion [m, 22]."""
    terms = [_rotation(configuration, goals.rotation, goals.rotation_length)]
    for finger, contact in goals.contacts.items():
        terms.append(_touch(hand, state, configuration, finger, contact, goals.gap))
        terms.append(_pad(hand, state, configuration, finger, contact))
    for finger, direction in goals.directions.items():
        terms.append(_direction(hand, state, configuration, finger, direction))
    if goals.palm_contact is not None:
        terms.append(_palm(configuration, goals.palm_contact))
    if goals.position is not None:
        terms.append((configuration.position - goals.position, np.eye(3, 22)))
    if goals.joints is not None:
        error = configuration.joints - goals.joints
        terms.append((JOINT_LENGTH_M * error, JOINT_LENGTH_M * np.eye(16, 22, 6)))
    return np.concatenate([r for r, _ in terms]), np.concatenate([m for _, m in terms])


def _touch(
    hand: HandModel,
    state: HandState,
    configuration: Configuration,
    finger: str,
    contact: Contact,
    gap: float,
) -> Term:
    """The dome touches the contact's point, or keeps the gap from it."""
    centre = hand.dome_centre(state, finger)
    jacobian = state.point_jacobian(hand.dome_joints[finger], centre)
    offset = contact_offset(hand, state, configuration, finger, contact)
    return offset - gap * contact.normal, _point_motion(configuration, centre, jacobian)


def _pad(
    hand: HandModel, state: HandState, configuration: Configuration, finger: str, contact: Contact
) -> Term:
    """The middle of the fingertip's pad looks into the surface, so that no nail touches."""
    joint, turn = hand.dome_joints[finger], configuration.rotation
    pad = turn @ state.rotations[joint] @ PAD_DIRECTION
    spin = -cross_matrix(pad)
    motion = np.column_stack([np.zeros((3, 3)), spin, spin @ turn @ state.jacobians[joint, 3:]])
    return PAD_LENGTH_M * (pad + contact.normal), PAD_LENGTH_M * motion


def _direction(
    hand: HandModel, state: HandState, configuration: Configuration, finger: str, wanted: Array
) -> Term:
    """The finger points from knuckle to tip where the person's does."""
    knuckle_joint, turn = hand.knuckle_joints[finger], configuration.rotation
    knuckle, centre = state.positions[knuckle_joint], hand.dome_centre(state, finger)
    length = float(np.linalg.norm(centre - knuckle))
    along = turn @ (centre - knuckle) / length
    relative = turn @ (
        state.point_jacobian(hand.dome_joints[finger], centre)
        - state.point_jacobian(knuckle_joint, knuckle)
    )
    across = (np.eye(3) - np.outer(along, along)) / length
    motion = np.column_stack([np.zeros((3, 3)), -cross_matrix(along), across @ relative])
    return DIRECTION_LENGTH_M * (along - wanted), DIRECTION_LENGTH_M * motion


def _palm(configuration: Configuration, contact: Contact) -> Term:
    """The middle of the palm touches where the person's palm does."""
    motion = _point_motion(configuration, PALM_PAD, np.zeros((3, 16)))
    offset = configuration.to_object(PALM_PAD) - contact.point
    return PALM_CONTACT_WEIGHT * offset, PALM_CONTACT_WEIGHT * motion


def _rotation(configuration: Configuration, wanted: Array, length: float) -> Term:
    """The palm is turned as the person's is. The motion is exact to first order in the error."""
    vector = rotation_vector(configuration.rotation @ wanted.T)
    return length * vector, length * np.eye(3, 22, 3)


def _point_motion(configuration: Configuration, point: Array, jacobian: Array) -> Array:
    """Motion [3, 22] in the object's frame of a point [3] with Jacobian [3, 16], palm frame."""
    turn = configuration.rotation
    return np.column_stack([np.eye(3), -cross_matrix(turn @ point), turn @ jacobian])
