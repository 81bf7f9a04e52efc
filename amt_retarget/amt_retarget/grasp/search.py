"""Rough grasps of the robot's hand around one part of an object, by chance: wraps and pinches.

A wrap lays the palm against a part that lies across it and closes the fingers around; a pinch puts
the thumb's tip opposite to those of one to three fingers, at both sides of something thin. What
cannot fit is rejected early; GraspRefiner makes the rest touch, and a trial tells what holds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amt_retarget.grasp.configuration import Configuration
from amt_retarget.grasp.hand_model import HandModel
from amt_retarget.grasp.pinches import Pinches
from amt_retarget.grasp.proximity import Proximity
from amt_retarget.grasp.surface import ObjectSurface
from amt_retarget.grasp.wraps import Wraps
from amt_retarget.robot.robot import Robot

Array = NDArray[np.float64]

WRAPS = 0.6
"""Share of the proposals that are wraps."""


class GraspSearch:
    """Draws rough grasps of one object. The same state of `random` gives the same grasps."""

    def __init__(self, robot: Robot, surface: ObjectSurface) -> None:
        hand = HandModel(robot)
        mirror = 1.0 if robot.hand == "right" else -1.0
        proximity = Proximity(hand, surface)
        self._wraps = Wraps(hand, mirror, surface, proximity)
        self._pinches = Pinches(hand, mirror, proximity)

    def propose(
        self, points: Array, normals: Array, random: np.random.Generator
    ) -> Configuration | None:
        """A rough grasp of the part with these points [P, 3] (m), or None where a try failed.

        normals: [P, 3] out of the object. Object frame; the points lie about as close together as
        the surface's. Raises RetargetError for arrays that are not finite or do not fit each other.
        """
        part = ObjectSurface(points, normals)  # checks them
        kind = self._wraps if random.random() < WRAPS else self._pinches
        return kind.propose(part, random)
