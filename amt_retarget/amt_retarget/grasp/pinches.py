"""Rough grasps that pinch something thin: the thumb's tip opposite to fingertips."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amt_retarget.grasp.clearance import Clearance
from amt_retarget.grasp.configuration import Configuration, rotation_matrix, unit
from amt_retarget.grasp.hand_model import HandModel
from amt_retarget.grasp.human import Contact
from amt_retarget.grasp.objective import Goals, contact_offset
from amt_retarget.grasp.optimizer import GraspOptimizer, Margins, Problem
from amt_retarget.grasp.proximity import Proximity
from amt_retarget.grasp.surface import ObjectSurface
from amt_retarget.robot.description import FINGERS

Array = NDArray[np.float64]

TILT_RAD = 0.3
"""Standard deviation of the palm's turn away from straight between thumb and fingertips."""
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


class Pinches:
    """Draws pinches of one object. The same state of `random` gives the same ones."""

    def __init__(self, hand: HandModel, mirror: float, proximity: Proximity) -> None:
        """mirror: 1 for a right hand, -1 for a left one; proximity: of the hand and the object."""
        self._hand, self._mirror, self._proximity = hand, mirror, proximity
        self._palm = np.flatnonzero(np.array(hand.shape_joints) == 0)
        # Knows the hand's own links only: what a pinch reaches without regard to the object.
        self._fingertips = GraspOptimizer(hand, Clearance(hand, FAR_AWAY))

    def propose(self, part: ObjectSurface, random: np.random.Generator) -> Configuration | None:
        """Thumb and fingertips at opposite sides of the part; None where a try failed."""
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
        if self._depth(start, self._palm) > DEEPEST_M:
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
