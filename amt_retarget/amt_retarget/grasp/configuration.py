"""Where the robot's hand is: palm pose and finger joints, and how they change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Configuration:
    """Palm pose and joints of the hand. Object's frame, metres, radians.

    A change of it is [22]: the palm's translation (m), its rotation vector (rad) about the palm's
    origin, both along the object's axes, and the joints.
    """

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

    def towards(self, other: Configuration, share: float) -> Configuration:
        """The configuration at `share` (0 to 1) of the straight way to another one.

        Position and joints change evenly, the rotation about one axis.
        """
        turn = share * rotation_vector(other.rotation @ self.rotation.T)
        return Configuration(
            rotation_matrix(turn) @ self.rotation,
            (1.0 - share) * self.position + share * other.position,
            (1.0 - share) * self.joints + share * other.joints,
        )

    def to_object(self, points: Array) -> Array:
        """Points [n, 3] or [3] of the palm's frame in the object's frame."""
        return points @ self.rotation.T + self.position


def unit(vector: Array) -> Array:
    """A vector [3] of length 1 along another."""
    return vector / np.linalg.norm(vector)


def rotation_matrix(vector: Array) -> Array:
    """Rotation [3, 3] by a rotation vector [3] (rad)."""
    import pinocchio

    return np.asarray(pinocchio.exp3(vector))


def rotation_vector(matrix: Array) -> Array:
    """Rotation vector [3] (rad) of a rotation [3, 3]."""
    import pinocchio

    return np.asarray(pinocchio.log3(matrix))


def cross_matrix(vector: Array) -> Array:
    """The matrix [3, 3] whose product with w is vector x w."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def cross_rows(first: Array, second: Array) -> Array:
    """Cross products [n, 3] row by row: numpy's `cross`, ten times faster for a few rows."""
    a, b, c = first.T
    x, y, z = second.T
    return np.stack([b * z - c * y, c * x - a * z, a * y - b * x], axis=1)
