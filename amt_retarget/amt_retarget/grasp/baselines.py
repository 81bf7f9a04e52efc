"""What needs no learning: grasps by a rule and by chance, to compare a model with.

Both open the hand, bring the palm as near as it fits, close the fingers until they touch and
squeeze as every refined grasp does, the best of some nearby; they differ in where the palm comes
from.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from amt_retarget.grasp.clearance import Clearance
from amt_retarget.grasp.closing import Closing
from amt_retarget.grasp.configuration import Configuration
from amt_retarget.grasp.hand_model import HandModel
from amt_retarget.grasp.proximity import Proximity
from amt_retarget.grasp.refine import GraspRefiner
from amt_retarget.grasp.retargeter import RobotGrasp
from amt_retarget.grasp.surface import ObjectSurface
from amt_retarget.robot.robot import Robot

Array = NDArray[np.float64]

GRIP = np.array([0.055, 0.0, -0.02])
"""Where fingers and thumb close upon each other, in palm_link (m)."""
OPEN_FINGER, CLOSED_FINGER = (0.0, 0.3, 0.3, 0.3), (0.0, 1.6, 1.7, 1.6)
OPEN_THUMB, CLOSED_THUMB = (1.396, 0.0, 0.0, 0.0), (1.396, 0.4, 1.6, 1.7)
"""Joints to begin with and to close towards (rad): the thumb opposed, and 9 cm between it and what
the fingers come to lie on."""
STEP_BACK_M = 0.005
CLEAR_M = 0.001
"""An open hand that penetrates less fits."""


class Baselines:
    """Scripted and random grasps of one object."""

    def __init__(self, robot: Robot, surface: ObjectSurface) -> None:
        self._hand = HandModel(robot)
        self._clearance = Clearance(self._hand, surface)
        self._closing = Closing(self._hand, Proximity(self._hand, surface))
        self._refiner = GraspRefiner(robot, surface)
        low, high = surface.points.min(axis=0), surface.points.max(axis=0)
        self._middle, self._sides = (low + high) / 2.0, high - low
        self._open = self._joints(OPEN_FINGER, OPEN_THUMB)
        self._closed = self._joints(CLOSED_FINGER, CLOSED_THUMB)

    def scripted(self) -> RobotGrasp:
        """Across the bounding box's shortest side, from where the palm comes nearest to its middle.

        The palm comes along one of the other two sides, from above or from the side, not from
        below (z is up). Deterministic.
        """
        places = [self._nearest(rotation) for rotation in self._scripted_rotations()]
        # A millimetre is no reason to come from elsewhere: the first of equals is from above.
        chosen = min(places, key=lambda place: round(self._distance(place), 3))
        return self._grip(chosen, np.random.default_rng(0))

    def random(self, random: np.random.Generator) -> RobotGrasp:
        """The palm comes towards the middle of the bounding box from anywhere."""
        return self._grip(self._nearest(Rotation.random(None, random).as_matrix()), random)

    def _scripted_rotations(self) -> Iterator[Array]:
        """Palm orientations [3, 3]: z, from the thumb to the fingers, along the shortest side."""
        axes = np.eye(3)
        shortest = int(np.argmin(self._sides))
        for forward, sign, thumb in product((2, 0, 1), (-1.0, 1.0), (1.0, -1.0)):
            from_below = forward == 2 and sign > 0.0
            if forward == shortest or from_below:
                continue
            x, z = sign * axes[forward], thumb * axes[shortest]
            yield np.column_stack([x, np.cross(z, x), z])

    def _nearest(self, rotation: Array) -> Configuration:
        """The open hand, turned so, with its grip as near to the object's middle as it fits."""
        position = self._middle - rotation @ GRIP
        while True:
            place = Configuration(rotation, position, self._open)
            if self._clearance.penetration(place) <= CLEAR_M:
                return place
            position = position - STEP_BACK_M * rotation[:, 0]

    def _distance(self, place: Configuration) -> float:
        """From the grip to the middle of the object (m)."""
        return float(np.linalg.norm(place.to_object(GRIP) - self._middle))

    def _grip(self, opened: Configuration, random: np.random.Generator) -> RobotGrasp:
        closed = self._closing.close(opened, self._closed).configuration
        return self._refiner.refine_best(closed, random)

    def _joints(self, finger: tuple[float, ...], thumb: tuple[float, ...]) -> Array:
        """[16] of three fingers alike and the thumb, within the limits (rad)."""
        return np.clip([*finger * 3, *thumb], self._hand.lower, self._hand.upper)
