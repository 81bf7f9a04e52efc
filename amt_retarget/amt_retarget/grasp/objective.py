"""What makes a good robot grasp: the person's contacts kept, with a hand held as theirs.

Everything is a residual in metres whose squares are added, as a function of the configuration: the
palm's rotation and position in the object's frame and the 16 joints. A change of it is [22]: the
palm's translation (m), its rotation vector (rad), both along the object's axes, and the joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amt_retarget.grasp.hand_model import HandModel, HandState
from amt_retarget.grasp.human import Contact
from amt_retarget.robot.description import FINGERS

Array = NDArray[np.float64]

PALM_PAD = np.array([0.0121, 0.0, -0.044])
"""[3] middle of the palm's inner side in palm_link (m), as urdf/allegro.xacro draws it."""

PALM_CONTACT_WEIGHT = 0.3
"""Of a millimetre between palm and its contact against one of a fingertip: the robot's palm is a
flat box, so it can keep a person's palm contact only roughly."""
ROTATION_LENGTH_M = 0.01
"""So many metres of contact error is one radian between the palms' orientations worth."""
DIRECTION_LENGTH_M = 0.006
"""... and one unit between the directions of a finger."""
PAD_LENGTH_M = 0.004
"""... and one unit between the pad's direction and the surface's normal."""
PAD_DIRECTION = np.array([np.sqrt(0.5), 0.0, np.sqrt(0.5)])
"""[3] where the middle of a fingertip's pad looks, in the frame of the finger's last link."""


@dataclass(frozen=True)
class Configuration:
    """Where the robot's hand is. Object's frame, metres, radians."""

    rotation: Array
    """[3, 3] palm_link to the object's frame."""
    position: Array
    """[3] of palm_link."""
    joints: Array
    """[16] in the project's order."""

    def moved(self, change: Array) -> Configuration:
        """This configuration after a change [22]."""
        return Configuration(
            rotation_matrix(change[3:6]) @ self.rotation,
            self.position + change[:3],
            self.joints + change[6:],
        )

    def to_object(self, points: Array) -> Array:
        """Points [n, 3] of the palm's frame in the object's frame."""
        return points @ self.rotation.T + self.position


@dataclass(frozen=True)
class Goals:
    """What a configuration is to meet. Object's frame."""

    contacts: dict[str, Contact]
    """By finger: what its dome is to touch."""
    palm_contact: Contact | None
    rotation: Array
    """[3, 3] of the palm."""
    directions: dict[str, Array]
    """By finger: unit vector [3] from its knuckle to its tip."""
    gap: float = 0.0
    """Distance that every fingertip keeps from its contact, along the normal (m)."""
    position: Array | None = None
    """[3] of the palm; None leaves it to the contacts (m)."""


def contact_offsets(
    hand: HandModel, state: HandState, configuration: Configuration, contacts: dict[str, Contact]
) -> dict[str, Array]:
    """By finger: vector [3] from its contact point to the point of its dome that faces it (m)."""
    offsets = {}
    for finger, contact in contacts.items():
        centre = dome_centre(hand, state, finger)
        facing = configuration.to_object(centre) - hand.domes[finger].radius * contact.normal
        offsets[finger] = facing - contact.point
    return offsets


def dome_centre(hand: HandModel, state: HandState, finger: str) -> Array:
    """Centre [3] of a finger's dome in the palm's frame (m)."""
    joint = hand.dome_joints[finger]
    return state.positions[joint] + state.rotations[joint] @ hand.domes[finger].centre


def residuals(
    hand: HandModel, state: HandState, configuration: Configuration, goals: Goals
) -> tuple[Array, Array]:
    """Residuals [m] (m) and their Jacobian [m, 22]."""
    turn = configuration.rotation
    rows: list[tuple[Array, Array]] = []

    offsets = contact_offsets(hand, state, configuration, goals.contacts)
    for finger, contact in goals.contacts.items():
        joint = hand.dome_joints[finger]
        centre = dome_centre(hand, state, finger)
        motion = point_motion(configuration, centre, state.point_jacobian(joint, centre[None])[0])
        rows.append((offsets[finger] - goals.gap * contact.normal, motion))
        pad = turn @ state.rotations[joint] @ PAD_DIRECTION
        spin = turn_motion(pad, turn @ state.jacobians[joint, 3:])
        rows.append((PAD_LENGTH_M * (pad + contact.normal), PAD_LENGTH_M * spin))

    if goals.palm_contact is not None:
        offset = configuration.to_object(PALM_PAD) - goals.palm_contact.point
        motion = point_motion(configuration, PALM_PAD, np.zeros((3, hand.rest.size)))
        shift = offset - goals.gap * goals.palm_contact.normal
        rows.append((PALM_CONTACT_WEIGHT * shift, PALM_CONTACT_WEIGHT * motion))

    for finger in FINGERS:
        knuckle_joint, dome_joint = hand.knuckle_joints[finger], hand.dome_joints[finger]
        knuckle, centre = state.positions[knuckle_joint], dome_centre(hand, state, finger)
        length = float(np.linalg.norm(centre - knuckle))
        along = turn @ (centre - knuckle) / length
        relative = turn @ (
            state.point_jacobian(dome_joint, centre[None])[0]
            - state.point_jacobian(knuckle_joint, knuckle[None])[0]
        )
        across = (np.eye(3) - np.outer(along, along)) / length
        motion = np.column_stack([np.zeros((3, 3)), -cross_matrix(along), across @ relative])
        error = along - goals.directions[finger]
        rows.append((DIRECTION_LENGTH_M * error, DIRECTION_LENGTH_M * motion))

    # Half the sum of cross products of the axes: sin(angle) times the axis from goal to palm.
    twist = np.cross(goals.rotation, turn, axis=0).sum(axis=1) / 2.0
    trace = np.trace(goals.rotation.T @ turn)
    angle = np.arccos(np.clip((trace - 1.0) / 2.0, -1.0, 1.0))
    sine = float(np.linalg.norm(twist))
    vector = twist * (angle / sine if sine > 1e-9 else 1.0)
    motion = np.zeros((3, 6 + hand.rest.size))
    motion[:, 3:6] = np.eye(3)
    rows.append((ROTATION_LENGTH_M * vector, ROTATION_LENGTH_M * motion))

    if goals.position is not None:
        motion = np.zeros((3, 6 + hand.rest.size))
        motion[:, :3] = np.eye(3)
        rows.append((configuration.position - goals.position, motion))
    return np.concatenate([r for r, _ in rows]), np.concatenate([m for _, m in rows])


def point_motion(configuration: Configuration, point: Array, jacobian: Array) -> Array:
    """Motion [3, 22] in the object's frame of a point [3] with Jacobian [3, 16], palm frame."""
    turn = configuration.rotation
    return np.column_stack([np.eye(3), -cross_matrix(turn @ point), turn @ jacobian])


def turn_motion(direction: Array, angular: Array) -> Array:
    """Motion [3, 22] of a unit vector [3] that turns with a link of angular Jacobian [3, 16]."""
    matrix = -cross_matrix(direction)
    return np.column_stack([np.zeros((3, 3)), matrix, matrix @ angular])


def cross_matrix(vector: Array) -> Array:
    """The matrix [3, 3] whose product with w is vector x w."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def rotation_matrix(vector: Array) -> Array:
    """Rotation [3, 3] by a rotation vector [3] (rad)."""
    import pinocchio

    return np.asarray(pinocchio.exp3(vector))
