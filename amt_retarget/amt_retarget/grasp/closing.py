"""Fingers of the robot's hand that close around an object until they touch it, each by itself.

As in GraspIt! (Miller and Allen, IEEE Robotics & Automation Magazine 11, 2004): the joints of a
finger close together; where a link touches, that joint and those before it stop, and the outer ones
go on. Nothing is jumped over: no point of a link can reach the object in less than the distance
between them (conservative advancement).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amt_retarget.grasp.configuration import Configuration
from amt_retarget.grasp.hand_model import HandModel, HandState
from amt_retarget.grasp.proximity import Proximity
from amt_retarget.robot.description import FINGERS

Array = NDArray[np.float64]

TOUCH_M = 0.0004
"""A link this close touches."""
LEAST_STEP_M = 0.0006
"""Shortest step, for a link that slides along something without coming nearer."""
SEEN_M = 0.04
"""Distances beyond are not looked for; no step is longer."""
MOST_STEPS = 60
JOINTS_PER_FINGER = 4


@dataclass(frozen=True, eq=False)
class Closed:
    """A hand whose fingers have closed."""

    configuration: Configuration
    touching: frozenset[str]
    """Fingers that touch the object."""


class Closing:
    """Closes the fingers of one hand around one object."""

    def __init__(self, hand: HandModel, proximity: Proximity) -> None:
        self._hand = hand
        self._proximity = proximity
        self._first_joint = {f: hand.dome_joints[f] - JOINTS_PER_FINGER + 1 for f in FINGERS}
        self._reach = self._stretched_reach()

    def close(self, start: Configuration, end: Array, fingers: Iterable[str] = FINGERS) -> Closed:
        """Move fingers from `start` towards joints end [16] (rad) until they touch.

        They stop at each other and at the palm, too. A finger that meets nothing arrives at `end`;
        those that are not named stay. start: clear of the object.
        """
        hand, now = self._hand, start
        moving = dict.fromkeys(fingers, 0)  # the first joint of each that still moves
        touching: set[str] = set()
        for _ in range(MOST_STEPS):
            state = hand(now.joints)
            to_object = self._joint_gaps(self._proximity.gaps(state, now, SEEN_M))
            to_links = self._gaps_between_links(state)
            joints = now.joints.copy()
            for finger, first in list(moving.items()):
                own = self._first_joint[finger] + np.arange(JOINTS_PER_FINGER)
                met = np.minimum(to_object[own], to_links[own]) <= TOUCH_M
                if (to_object[own[first:]] <= TOUCH_M).any():
                    touching.add(finger)
                first = max(first, int(np.flatnonzero(met).max(initial=-1)) + 1)
                place = JOINTS_PER_FINGER * FINGERS.index(finger) + np.arange(first, 4)
                way = end[place] - joints[place]
                if not np.any(np.abs(way) > 1e-6):
                    del moving[finger]
                    continue
                moving[finger] = first
                gap = np.minimum(to_object[own], 0.5 * to_links[own])[first:]
                speed = self._reach[own[first:], first:] @ np.abs(way)
                step = np.maximum(gap - 0.5 * TOUCH_M, LEAST_STEP_M) / np.maximum(speed, 1e-9)
                joints[place] += min(1.0, float(step.min())) * way
            if not moving:
                break
            now = Configuration(start.rotation, start.position, joints)
        return Closed(now, frozenset(touching))

    def _stretched_reach(self) -> Array:
        """[J, 4] how far a point of each joint's link can be from each joint of its finger (m)."""
        hand = self._hand
        state = hand(np.zeros_like(hand.lower))  # straight: what is bent reaches less far
        reach = np.zeros((len(state.positions), JOINTS_PER_FINGER))
        for shape, joint, (_, centre) in zip(
            hand.shapes, hand.shape_joints, state.shape_poses, strict=True
        ):
            for first in self._first_joint.values():
                for i, moved_by in enumerate(range(first, joint + 1)):
                    if joint < first + JOINTS_PER_FINGER:
                        far = np.linalg.norm(centre - state.positions[moved_by])
                        reach[joint, i] = max(reach[joint, i], far + shape.outer_radius)
        return reach

    def _joint_gaps(self, gaps: Array) -> Array:
        """[J] least of the shapes' gaps [S] for each joint's link (m)."""
        least = np.full(len(self._reach), SEEN_M)
        np.minimum.at(least, self._hand.shape_joints, gaps)
        return least

    def _gaps_between_links(self, state: HandState) -> Array:
        """[J] from each joint's link to other fingers and the palm (m)."""
        least = np.full(len(self._reach), SEEN_M)
        for pair in self._hand.near_links(state, SEEN_M):
            for joint in pair.joints:
                least[joint] = min(least[joint], pair.distance)
        return least
