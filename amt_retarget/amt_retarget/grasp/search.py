"""Rough grasps of the robot's hand around one part of an object, by chance: wraps and pinches.

A wrap lays the palm against a part that lies across it and closes the fingers around; a pinch puts
the thumb's tip opposite to those of one to three fingers, at both sides of something thin. What
cannot fit is rejected early; GraspRefiner makes the rest touch, and a trial tells what holds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amt_retarget.grasp.clearance import Clearance
from amt_retarget.grasp.closing import Closing
from amt_retarget.grasp.configuration import Configuration, rotation_matrix
from amt_retarget.grasp.hand_model import HandModel
from amt_retarget.grasp.human import Contact
from amt_retarget.grasp.objective import PALM_PAD, Goals, contact_offset
from amt_retarget.grasp.optimizer import GraspOptimizer, Margins, Problem
from amt_retarget.grasp.proximity import Proximity
from amt_retarget.grasp.surface import ObjectSurface
from amt_retarget.robot.description import FINGERS
from amt_retarget.robot.robot import Robot

Array = NDArray[np.float64]

WRAPS = 0.6
"""Share of the proposals that are wraps."""
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

WIDEST_PINCH_M = 0.13
PINCH_TURNS, PINCH_TRIES = 12, 3
"""Directions to come from that are looked at, and tried."""
PINCH_FINGERS = (("index", "middle", "ring"),) * 3 + (("index", "middle"), ("middle", "ring"))
"""Rather three: of 100 such pinches 79 held, and 53 of those with two fingers."""
FINGER_SPACING_M = (0.028, 0.04)
"""Bounds of the distance between neighbouring fingertips; a finger is 27.5 mm wide."""
PINCH_MIDDLE_M = np.array([0.085, 0.0, 0.03])
"""[3] in palm_link between the tips of a hand that pinches."""
PINCH_OPEN_RAD = (0.0, 0.7, 0.5, 0.7)
PINCH_OPEN_THUMB_RAD = (1.25, 0.1, 0.5, 0.3)
STRAIGHT_RAD, CURLED_RAD = (0.0, 0.0, 0.0, 0.0), (0.0, 1.4, 1.5, 1.0)
"""Of a finger that does not take part."""
SEARCH_STEPS = 25
MISSED_M = 0.004
"""A fingertip that misses its contact by more makes a pinch worthless."""
DEEPEST_M = 0.008
"""A proposal that penetrates more is not worth refining."""
SNAP_M = 0.015
"""A finger beside the first takes the surface's nearest point up to so far away."""
FINGER_ORDER = {"index": 1.0, "middle": 0.0, "ring": -1.0}
"""Along y of palm_link, of a right hand."""
FACING = 0.7
"""... whose normal is at most so far (cosine) from the line of the pinch."""
SAME_LINE_M = 0.004
"""Samples so close to a line lie on it."""
OPPOSED = -0.85
"""Cosine between normals of opposite sides: well within the friction cones of both."""

FAR_AWAY = ObjectSurface(np.array([[10.0, 0.0, 0.0]]), np.array([[-1.0, 0.0, 0.0]]))


class GraspSearch:
    """Draws rough grasps of one object. The same state of `random` gives the same grasps."""

    def __init__(self, robot: Robot, surface: ObjectSurface) -> None:
        self._surface = surface
        self._hand = HandModel(robot)
        self._mirror = 1.0 if robot.hand == "right" else -1.0
        self._proximity = Proximity(self._hand, surface)
        self._closing = Closing(self._hand, self._proximity)
        self._base = np.flatnonzero(np.array(self._hand.shape_joints) == 0)  # the palm
        # Knows the hand's own links only: what a pinch reaches without regard to the object.
        self._fingertips = GraspOptimizer(self._hand, Clearance(self._hand, FAR_AWAY))

    def propose(
        self, points: Array, normals: Array, random: np.random.Generator
    ) -> Configuration | None:
        """A rough grasp of the part with these points [P, 3] (m), or None where a try failed.

        normals: [P, 3] out of the object. Object frame; the points lie about as close together as
        the surface's. Raises RetargetError for arrays that are not finite or do not fit each other.
        """
        part = ObjectSurface(points, normals)  # checks them
        if random.random() < WRAPS:
            return self._wrap(part, random)
        return self._pinch(part, random)

    def _wrap(self, part: ObjectSurface, random: np.random.Generator) -> Configuration | None:
        """Palm against the part, fingers and thumb closed around it."""
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

    def _pinch(self, part: ObjectSurface, random: np.random.Generator) -> Configuration | None:
        """Thumb and fingertips at opposite sides of something thin."""
        one = int(random.integers(len(part.points)))
        thumb = Contact(part.points[one], part.normals[one])
        other = opposite(thumb, part)
        if other is None:
            return None
        if random.random() < 0.5:
            thumb, other = other, thumb
        upward = unit(other.point - thumb.point + 1e-6 * other.normal)
        aside = unit(np.cross(upward, np.eye(3)[np.argmin(np.abs(upward))]))
        fingers = PINCH_FINGERS[random.integers(len(PINCH_FINGERS))]
        touches = []
        for angle in random.uniform(0.0, 2.0 * np.pi, PINCH_TURNS):
            lateral = rotation_matrix(angle * upward) @ aside
            found = self._finger_contacts(part, other, fingers, lateral, upward, random)
            touches.append((lateral, found))
        # Rather where more fingers find something to touch.
        touches.sort(key=lambda touch: -len(touch[1]))
        for lateral, contacts in touches[:PINCH_TRIES]:
            rotation = np.column_stack([np.cross(lateral, upward), lateral, upward])
            tilt = rotation_matrix(random.normal(0.0, TILT_RAD) * lateral)
            rough = self._pinch_place(thumb, contacts, tilt @ rotation, random)
            if rough is not None:
                return rough
        return None

    def _finger_contacts(
        self,
        part: ObjectSurface,
        other: Contact,
        fingers: tuple[str, ...],
        lateral: Array,
        upward: Array,
        random: np.random.Generator,
    ) -> dict[str, Contact]:
        """What fingers side by side along lateral [3] touch around the point opposite the thumb."""
        offsets = np.array([FINGER_ORDER[finger] for finger in fingers])
        offsets = self._mirror * random.uniform(*FINGER_SPACING_M) * (offsets - offsets.mean())
        points = other.point + offsets[:, None] * lateral
        nearest = part.nearest(points)
        places, normals = part.points[nearest], part.normals[nearest]
        found = (np.linalg.norm(places - points, axis=1) < SNAP_M) & (normals @ upward > FACING)
        return {
            finger: Contact(places[i], normals[i]) for i, finger in enumerate(fingers) if found[i]
        }

    def _pinch_place(
        self,
        thumb: Contact,
        fingers: dict[str, Contact],
        rotation: Array,
        random: np.random.Generator,
    ) -> Configuration | None:
        """Palm and joints that bring the fingertips to contacts, about at a rotation [3, 3]."""
        if not fingers:
            return None
        contacts = {"thumb": thumb, **fingers}
        tips = np.mean([contact.point for contact in fingers.values()], axis=0)
        middle = 0.5 * (thumb.point + tips)
        idle = STRAIGHT_RAD if random.random() < 0.5 else CURLED_RAD
        postures = [PINCH_OPEN_RAD if finger in contacts else idle for finger in FINGERS[:3]]
        joints = np.ravel([*postures, PINCH_OPEN_THUMB_RAD])
        joints = np.clip(joints, self._hand.lower, self._hand.upper)
        start = Configuration(rotation, middle - rotation @ PINCH_MIDDLE_M, joints)
        if self._depth(start, self._base) > DEEPEST_M:
            return None
        goals = Goals(contacts=contacts, palm_contact=None, rotation=rotation, directions={})
        problem = Problem(goals, Margins(fingertips=0.0, others=0.001))
        rough, _ = self._fingertips.solve(problem, start, SEARCH_STEPS)
        state = self._hand(rough.joints)
        for finger, contact in contacts.items():
            offset = contact_offset(self._hand, state, rough, finger, contact)
            if np.linalg.norm(offset) > MISSED_M:
                return None
        return rough if self._depth(rough, slice(None)) <= DEEPEST_M else None

    def _depth(self, configuration: Configuration, shapes: slice | NDArray[np.int64]) -> float:
        """Deepest penetration of the object by some of the hand's shapes (m); 0 for none."""
        state = self._hand(configuration.joints)
        gaps = self._proximity.gaps(state, configuration, 0.0)[shapes]
        return -float(np.min(gaps, initial=0.0))

    def _share_on(self, part: ObjectSurface, touching: Configuration) -> float:
        """Share of the object's samples at the hand that belong to a part."""
        state = self._hand(touching.joints)
        pairs = self._proximity.pairs(state, touching, CONTACT_M)
        touched = self._surface.points[np.unique(pairs.samples)]
        if not len(touched):
            return 0.0
        gaps = np.sqrt(part.squared_distances(touched).min(axis=1))
        return float(np.mean(gaps < SAME_PLACE_M))


def opposite(contact: Contact, part: ObjectSurface) -> Contact | None:
    """Where a line into a part from a contact on it comes out at an opposed side, if it does."""
    offsets = part.points - contact.point
    depths = offsets @ -contact.normal
    aside = np.linalg.norm(offsets + depths[:, None] * contact.normal, axis=1)
    facing = part.normals @ contact.normal < OPPOSED
    found = np.flatnonzero((aside < SAME_LINE_M) & (depths > 0.0) & facing)
    if not found.size:
        return None
    nearest = found[np.argmin(depths[found])]
    if depths[nearest] > WIDEST_PINCH_M:
        return None
    return Contact(part.points[nearest], part.normals[nearest])


def _neighbourhood(part: ObjectSurface, random: np.random.Generator) -> ObjectSurface:
    """What of a part is near to one of its points, both sides of something thin."""
    middle = part.points[random.integers(len(part.points))]
    distances = np.linalg.norm(part.points - middle, axis=1)
    near = distances <= random.uniform(*LOCAL_RADIUS_M)
    return ObjectSurface(part.points[near], part.normals[near])


def unit(vector: Array) -> Array:
    """A vector [3] of length 1 along another."""
    return vector / np.linalg.norm(vector)
