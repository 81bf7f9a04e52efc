"""Rough grasps that wrap the robot's hand around something: the palm lies against it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amt_retarget.grasp.closing import Closing
from amt_retarget.grasp.configuration import Configuration, rotation_matrix, unit
from amt_retarget.grasp.hand_model import HandModel
from amt_retarget.grasp.objective import PALM_PAD
from amt_retarget.grasp.proximity import Proximity
from amt_retarget.grasp.surface import ObjectSurface

Array = NDArray[np.float64]

TILT_RAD = 0.3
"""Standard deviation of the palm's turn away from straight across, or along, what is held."""

WIDEST_WRAP_M = 0.115
"""What is wider does not fit between thumb and fingers."""
LOCAL = 0.5
"""Share of the wraps that are around the neighbourhood of one point instead of the whole part: a
piece of a rim, a corner of a box, the side of a handle that comes back to where it began."""
LOCAL_RADIUS_M = (0.025, 0.05)
LONG = 2.0
"""A part is long where its variance along one axis is so many times that along any other."""
FLAT = 6.0
"""... and flat where along both others it is so many times that along the third."""
FLAT_TILT_RAD = 0.1
"""Of the palm beside a sheet, which lies against the fingers."""
NARROW = 1.3
"""Fingers and thumb close across what is at most so many times as wide as the narrowest way."""
WRAP_TURNS = 8
"""Sides that are tried for a palm."""
AWAY_M = 0.1
"""A palm comes to the part from so far away."""
BLOCKED_M = 0.03
"""A palm that is stopped so far before the part is of no use."""
PALM_GAP_M = 0.0005
THUMB_TOP_M = -0.024
"""z in palm_link of the opposed thumb's inner side: what is held lies beyond."""
SPREAD_RAD = 0.08
WRAP_OPEN_RAD = ((-0.15, 0.25), (0.0, 0.3), (0.0, 0.3))
"""Bounds of a finger's joints 1 to 3 in an open hand."""
WRAP_OPEN_THUMB_RAD = ((0.9, 1.396), (-0.1, 0.9), (-0.15, 0.3), (0.0, 0.2))
LEAST_ON_PART = 0.6
"""Share of what a wrap touches that is of the part."""
CONTACT_M, SAME_PLACE_M = 0.0015, 0.004
"""A sample so near to the hand is touched; one so near to a point of the part belongs to it."""
STRAIGHT = 0.3
"""Share of the wraps whose fingers close from their first joint and bend less: along a sheet."""
CLOSING_RATES = (0.7, 1.0)
"""Bounds of the share of its way to the limit that a joint goes where nothing is met."""


class Wraps:
    """Draws wraps of one object. The same state of `random` gives the same ones."""

    def __init__(
        self, hand: HandModel, mirror: float, surface: ObjectSurface, proximity: Proximity
    ) -> None:
        """mirror: 1 for a right hand, -1 for a left one; proximity: of the hand and the surface."""
        self._hand, self._mirror = hand, mirror
        self._surface, self._proximity = surface, proximity
        self._closing = Closing(hand, proximity)

    def propose(self, part: ObjectSurface, random: np.random.Generator) -> Configuration | None:
        """Palm against the part, fingers and thumb closed around it; None where a try failed."""
        open_joints = self._open_hand(random)
        held = _neighbourhood(part, random) if random.random() < LOCAL else part
        place = self._palm_place(held, open_joints, random)
        if place is None:
            return None
        limits = self._hand.upper
        rates = random.uniform(*CLOSING_RATES, len(limits))
        rates[[0, 4, 8, 12, 13]] = 0.0  # spread, and the thumb's swing and turn, stay
        if random.random() < STRAIGHT:
            rates[[2, 3, 6, 7, 10, 11]] *= random.random()
        end = open_joints + rates * (limits - open_joints)
        closed = self._closing.close(place, end)
        if "thumb" not in closed.touching or len(closed.touching) < 2:
            return None
        if self._share_on(part, closed.configuration) < LEAST_ON_PART:
            return None
        return closed.configuration

    def _open_hand(self, random: np.random.Generator) -> Array:
        """Joints [16] of an open hand, the thumb opposed."""
        fingers = [
            [random.normal(0.0, SPREAD_RAD), *(random.uniform(*bounds) for bounds in WRAP_OPEN_RAD)]
            for _ in range(3)
        ]
        thumb = [random.uniform(*bounds) for bounds in WRAP_OPEN_THUMB_RAD]
        joints = np.array([*np.ravel(fingers), *thumb])
        return np.clip(joints, self._hand.lower, self._hand.upper)

    def _palm_place(
        self, part: ObjectSurface, joints: Array, random: np.random.Generator
    ) -> Configuration | None:
        """An open hand whose palm touches the part, or nearly so."""
        points = part.points
        centre = points.mean(axis=0)
        spread, axes = np.linalg.eigh((points - centre).T @ (points - centre))
        flat = spread[1] > FLAT * spread[0]
        if spread[2] > LONG * spread[1]:
            along = axes[:, 2]
        elif flat:  # across a sheet, any way
            along = rotation_matrix(random.uniform(0.0, np.pi) * axes[:, 0]) @ axes[:, 1]
        else:
            along = unit(random.normal(size=3))
        across = unit(np.cross(along, unit(random.normal(size=3))))
        angles = random.uniform(0.0, 2.0 * np.pi, WRAP_TURNS)
        forwards = np.stack([rotation_matrix(angle * along) @ across for angle in angles])
        if flat:  # into its edge
            inward = np.cross(along, axes[:, 0])
            forwards[:2] = inward, -inward
        widths = np.ptp(points @ np.cross(forwards, along).T, axis=0)
        fitting = np.flatnonzero(widths < min(WIDEST_WRAP_M, NARROW * widths.min()))
        if not fitting.size:
            return None
        chosen = random.choice(fitting)
        forward, width = forwards[chosen], widths[chosen]
        tilt = rotation_matrix(random.normal(0.0, FLAT_TILT_RAD if flat else TILT_RAD) * forward)
        across_fingers = tilt @ along * random.choice([-1.0, 1.0])
        rotation = np.column_stack([forward, across_fingers, np.cross(forward, across_fingers)])

        lengthwise = points @ along
        room = max(0.5 * float(np.ptp(lengthwise)) - 0.04, 0.0)
        middle = 0.5 * (lengthwise.min() + lengthwise.max()) + random.uniform(-room, room)
        aim = centre + (middle - centre @ along) * along
        near = points[np.abs(lengthwise - middle) < 0.04]
        half_depth = float(((near if len(near) else points) @ -forward).max() + aim @ forward)
        held = np.array([
            PALM_PAD[0] + half_depth,
            self._mirror * random.uniform(-0.01, 0.02),
            THUMB_TOP_M + 0.5 * width + random.uniform(0.0, 0.015),
        ])  # fmt: skip
        far = aim - rotation @ held - AWAY_M * forward
        return self._moved_in(Configuration(rotation, far, joints), forward, random)

    def _moved_in(
        self, far: Configuration, forward: Array, random: np.random.Generator
    ) -> Configuration | None:
        """A hand moved along a direction [3] until it nearly touches; None if that is too early."""
        state = self._hand(far.joints)
        left = PALM_GAP_M + random.uniform(0.0, 0.006)
        way = 0.0
        while way < AWAY_M:
            place = Configuration(far.rotation, far.position + way * forward, far.joints)
            # No point can reach the surface in less than its distance.
            gap = float(self._proximity.gaps(state, place, AWAY_M).min())
            if gap < left + 0.0005:
                break
            way = min(way + gap - left, AWAY_M)
        if way < AWAY_M - BLOCKED_M:
            return None
        return Configuration(far.rotation, far.position + way * forward, far.joints)

    def _share_on(self, part: ObjectSurface, touching: Configuration) -> float:
        """Share of the object's samples at the hand that belong to a part."""
        state = self._hand(touching.joints)
        pairs = self._proximity.pairs(state, touching, CONTACT_M)
        touched = self._surface.points[np.unique(pairs.samples)]
        if not len(touched):
            return 0.0
        gaps = np.sqrt(part.squared_distances(touched).min(axis=1))
        return float(np.mean(gaps < SAME_PLACE_M))


def _neighbourhood(part: ObjectSurface, random: np.random.Generator) -> ObjectSurface:
    """What of a part is near to one of its points, both sides of something thin."""
    middle = part.points[random.integers(len(part.points))]
    distances = np.linalg.norm(part.points - middle, axis=1)
    near = distances <= random.uniform(*LOCAL_RADIUS_M)
    return ObjectSurface(part.points[near], part.normals[near])
