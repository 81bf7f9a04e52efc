"""A rough grasp of the robot's hand becomes one that touches: what a model draws is never exact.

Fingertips are drawn to what their pads look at and the hand is pushed out of the object, both with
the smallest change; then the fingers close until they touch, and what touches is pressed so that
the forces balance. Any link may touch, and the palm.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.clearance import Clearance
from amt_retarget.grasp.closing import JOINTS_PER_FINGER, Closing
from amt_retarget.grasp.configuration import Configuration
from amt_retarget.grasp.contact_parts import part_of_link
from amt_retarget.grasp.hand_model import HandModel, HandState
from amt_retarget.grasp.holding import link_contacts, withstood_push
from amt_retarget.grasp.human import Contact
from amt_retarget.grasp.objective import PAD_DIRECTION, Goals
from amt_retarget.grasp.optimizer import GraspOptimizer, Margins, Problem
from amt_retarget.grasp.proximity import Proximity
from amt_retarget.grasp.retargeter import RobotGrasp
from amt_retarget.grasp.squeeze import Press, squeeze
from amt_retarget.grasp.surface import ObjectSurface
from amt_retarget.robot.description import FINGERS
from amt_retarget.robot.robot import Robot

Array = NDArray[np.float64]

CLEAR = Margins(fingertips=0.0, others=0.0)
CLEAR_STEPS = 12
"""Of the optimizer that pushes the hand out; four to six are common."""
ROTATION_LENGTH_M = 0.05
"""So many metres of the palm's motion is one radian of its rotation worth."""
WITHDRAW_RAD, WITHDRAWALS = 0.1, 10
"""A finger that is inside the object opens by so much, up to so many times."""
WITHDRAWN_M = 0.001
"""A finger that is less deep is left to the optimizer."""
CLOSING_RAD = (0.0, 0.5, 0.5, 0.5)
CLOSING_THUMB_RAD = (0.0, 0.0, 0.5, 0.5)
"""Most that joints of a finger and of the thumb close beyond the rough grasp, after it was pushed
out. A finger's spread and where the thumb stands are the model's choice."""
CONTACT_M = 0.001
"""A link this close to the object touches it once it presses."""
PATCH_M = 0.0005
"""Samples that are so little farther than a link's nearest one are of the same contact."""
OPENINGS_RAD = (1.2, 0.8, 0.4)
"""How far every joint of a finger opens before the grasp; what has a clear way first is taken."""
RETREATS_M = (0.05, 0.02, 0.0)
"""... with the palm so far back along its normal."""
CLEAR_WAY_M = 0.001
"""Penetration up to which a way counts as clear."""
WAY_SAMPLES = 7
"""Where on the way penetration is looked for."""
OPENS, OPENS_THUMB = (0.0, 1.0, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0)
"""Joints of a finger and of the thumb that open it; the thumb stays opposed."""
LEAST_NORMAL = 0.3
"""Length of a contact's mean normal below which its samples look to all sides."""
FAR_M = 0.1
"""Distances beyond are not measured."""
FACING, REACH_M = 0.3, 0.03
"""A fingertip is drawn to the nearest point so near to it whose normal is at least so much
(cosine) against its pad."""
TRIES = 6
"""Of `refine_best`."""
NEARBY = ((0.006, 3), (0.1, 3), (0.08, 16))
"""Standard deviations of the palm's place (m) and rotation and of the joints (rad), and how many
numbers each has: what is tried besides a rough grasp."""
ENOUGH_N = 6.0
"""What withstands so much is not improved any further."""
MOST_PENETRATION_M = 0.002
"""A grasp that penetrates more is worth nothing."""


class GraspRefiner:
    """Turns rough grasps of one object into ones that touch it; some 0.1 s each. Deterministic.

    1. The palm and the joints move as little as possible until fingertips are at the surfaces that
       they look at and no link is inside the object or another link (GraspOptimizer). Where that
       fails, the fingers that are inside open first.
    2. Every finger closes until it touches (Closing), or stays where it meets nothing.
    3. Each link next to the object is a contact; the squeeze presses them with balanced forces.
    4. The pre-grasp has the fingers opened and the palm back along its normal, as far as the
       straight way between both is clear.
    """

    def __init__(self, robot: Robot, surface: ObjectSurface) -> None:
        self._surface = surface
        self._middle = surface.points.mean(axis=0)  # evenly sampled: that of a hollow object
        self._hand = HandModel(robot)
        self._clearance = Clearance(self._hand, surface)
        self._optimizer = GraspOptimizer(self._hand, self._clearance)
        self._proximity = Proximity(self._hand, surface)
        self._closing = Closing(self._hand, self._proximity)

    def refine(self, configuration: Configuration) -> RobotGrasp:
        """The nearest grasp that touches; look at its `contacts` and `penetration` before using it.

        configuration: some millimetres and degrees wrong; joints beyond their limits are taken as
        at the limits. Raises RetargetError for values that are not finite, wrong shapes, and a
        rotation that is none.
        """
        hand = self._hand
        rough = checked(hand, configuration)
        clear = self._adjust(rough)
        if self._clearance.penetration(clear) > MOST_PENETRATION_M:
            clear = self._adjust(self._withdraw(rough))
        touching = self._close(clear, rough.joints)
        state = hand(touching.joints)
        presses = self._presses(state, touching)
        joints, unbalanced = touching.joints, np.inf
        if presses:
            pressing = squeeze(hand, state, touching, list(presses.values()))
            joints, unbalanced = pressing.joints, pressing.unbalanced
        gaps = self._finger_gaps(touching)
        touched = {part_of_link(link) for link in presses} & set(FINGERS)
        contacts = link_contacts(hand, state, touching, self._surface, self._proximity)
        opened, approach_penetration = self._open(touching)
        open_gaps = self._finger_gaps(opened)
        return RobotGrasp(
            rotation=touching.rotation,
            position=touching.position,
            joints=touching.joints,
            squeeze=joints,
            unbalanced=unbalanced,
            pre_grasp_rotation=opened.rotation,
            pre_grasp_position=opened.position,
            pre_grasp=opened.joints,
            contacts={link: press.contact for link, press in presses.items()},
            contact_errors={finger: abs(gaps[finger]) for finger in sorted(touched)},
            penetration=self._clearance.penetration(touching),
            approach_penetration=approach_penetration,
            opening=min((open_gaps[finger] for finger in touched), default=0.0),
            withstands=withstood_push(contacts, hand.effort, self._middle),
        )

    def refine_best(
        self, configuration: Configuration, random: np.random.Generator, tries: int = TRIES
    ) -> RobotGrasp:
        """The best of the refined grasps of a configuration and of others next to it.

        It ends early with one that withstands ENOUGH_N; the configuration itself comes first. The
        same state of `random` gives the same grasp. Raises RetargetError as `refine` does.
        """
        best = self.refine(configuration)
        for _ in range(tries - 1):
            if _worth(best) >= ENOUGH_N:
                break
            step = np.concatenate([random.normal(0.0, sigma, n) for sigma, n in NEARBY])
            best = max(best, self.refine(configuration.moved(step)), key=_worth)
        return best

    def _withdraw(self, rough: Configuration) -> Configuration:
        """Fingers opened as far as they are inside the object: they need not go around it."""
        joints = rough.joints.copy()
        opens = WITHDRAW_RAD * np.array([*OPENS * 3, *OPENS_THUMB]).reshape(-1, JOINTS_PER_FINGER)
        lower = np.minimum(joints, np.maximum(self._hand.lower, 0.0)).reshape(opens.shape)
        for _ in range(WITHDRAWALS):
            place = Configuration(rough.rotation, rough.position, joints)
            gaps = self._finger_gaps(place)
            inside = [gaps[finger] < -WITHDRAWN_M for finger in FINGERS]
            if not any(inside):
                break
            own = joints.reshape(opens.shape)  # a view
            own[inside] = np.maximum(own - opens, lower)[inside]
        return Configuration(rough.rotation, rough.position, joints)

    def _adjust(self, rough: Configuration) -> Configuration:
        """The nearest configuration whose fingertips reach what they look at and that penetrates
        nothing, or the least."""
        goals = Goals(
            contacts=self._facing(rough),
            palm_contact=None,
            rotation=rough.rotation,
            directions={},
            position=rough.position,
            joints=rough.joints,
            rotation_length=ROTATION_LENGTH_M,
        )
        return self._optimizer.solve(Problem(goals, CLEAR), rough, CLEAR_STEPS)[0]

    def _facing(self, rough: Configuration) -> dict[str, Contact]:
        """By finger: the surface that its pad looks at, where some is near."""
        hand, surface = self._hand, self._surface
        state = hand(rough.joints)
        found = {}
        for finger in FINGERS:
            pad = rough.rotation @ state.rotations[hand.dome_joints[finger]] @ PAD_DIRECTION
            offset = surface.points - rough.to_object(hand.dome_centre(state, finger))
            distance = np.linalg.norm(offset, axis=1)
            distance[surface.normals @ pad > -FACING] = np.inf
            nearest = int(distance.argmin())
            if distance[nearest] < REACH_M:
                found[finger] = Contact(surface.points[nearest], surface.normals[nearest])
        return found

    def _close(self, clear: Configuration, wanted: Array) -> Configuration:
        """Fingers closed until they touch, little beyond joints wanted [16]; those that meet
        nothing stay as they are."""
        hand = self._hand
        further = np.array([*CLOSING_RAD * 3, *CLOSING_THUMB_RAD])
        end = np.minimum(np.maximum(clear.joints, wanted) + further, hand.upper)
        closed = self._closing.close(clear, end)
        joints = closed.configuration.joints.copy()
        for i, finger in enumerate(FINGERS):
            if finger not in closed.touching:
                joints[4 * i : 4 * i + 4] = clear.joints[4 * i : 4 * i + 4]
        return Configuration(clear.rotation, clear.position, joints)

    def _presses(self, state: HandState, touching: Configuration) -> dict[str, Press]:
        """By link: the middle of its contact with the object, where it has one."""
        hand, surface = self._hand, self._surface
        pairs = self._proximity.pairs(state, touching, CONTACT_M + PATCH_M)
        links = np.array(hand.shape_links)[pairs.shapes]
        presses = {}
        for link in dict.fromkeys(hand.shape_links):
            own = np.flatnonzero(links == link)
            if not own.size or pairs.distances[own].min() > CONTACT_M:
                continue
            patch = own[pairs.distances[own] <= pairs.distances[own].min() + PATCH_M]
            point = surface.points[pairs.samples[patch]].mean(axis=0)
            normal = surface.normals[pairs.samples[patch]].mean(axis=0)
            length = np.linalg.norm(normal)
            if length < LEAST_NORMAL:
                continue  # both sides of something thinner than the link: no side to press on
            in_palm = (point - touching.position) @ touching.rotation
            joint = hand.shape_joints[hand.shape_links.index(link)]
            presses[link] = Press(joint, in_palm, Contact(point, normal / length))
        return presses

    def _open(self, touching: Configuration) -> tuple[Configuration, float]:
        """The hand before the grasp, and the deepest penetration on the straight way from there."""
        ways: list[tuple[float, int, Configuration]] = []
        for opening in OPENINGS_RAD:
            open_joints = self._opened(touching.joints, opening)
            for retreat in RETREATS_M:
                back = touching.position - retreat * touching.rotation[:, 0]
                opened = Configuration(touching.rotation, back, open_joints)
                depth = self._way_penetration(opened, touching)
                if depth <= CLEAR_WAY_M:
                    return opened, depth
                ways.append((depth, len(ways), opened))
        depth, _, opened = min(ways)
        return opened, depth

    def _opened(self, joints: Array, opening: float) -> Array:
        """Joints [16] opened by so much (rad)."""
        back = opening * np.array([*OPENS * 3, *OPENS_THUMB])
        return np.maximum(joints - back, np.minimum(joints, np.maximum(self._hand.lower, 0.0)))

    def _way_penetration(self, start: Configuration, end: Configuration) -> float:
        """Deepest penetration on the straight way between two configurations (m)."""
        deepest = 0.0
        for share in np.linspace(1.0, 0.0, WAY_SAMPLES):
            place = start.towards(end, share)
            state = self._hand(place.joints)
            links = self._hand.near_links(state, 0.0)
            gaps = self._proximity.gaps(state, place, 0.0)
            deepest = max(deepest, -float(gaps.min()), *(-pair.distance for pair in links))
        return deepest

    def _finger_gaps(self, configuration: Configuration) -> dict[str, float]:
        """Distance of each finger to the object (m); FAR_M for those that are farther."""
        gaps = self._proximity.gaps(self._hand(configuration.joints), configuration, FAR_M)
        parts = [part_of_link(link) for link in self._hand.shape_links]
        return {
            finger: float(min(gap for gap, part in zip(gaps, parts, strict=True) if part == finger))
            for finger in FINGERS
        }


def _worth(grasp: RobotGrasp) -> float:
    """What a grasp withstands (N); below zero for one that penetrates."""
    deep = max(grasp.penetration, grasp.approach_penetration)
    return -deep if deep > MOST_PENETRATION_M else min(grasp.withstands, ENOUGH_N)


def checked(hand: HandModel, configuration: Configuration) -> Configuration:
    """A configuration with its joints inside their limits. Raises RetargetError if it is none."""
    rotation, position, joints = (
        np.asarray(value, dtype=float)
        for value in (configuration.rotation, configuration.position, configuration.joints)
    )
    if (rotation.shape, position.shape, joints.shape) != ((3, 3), (3,), hand.lower.shape):
        raise RetargetError(
            "A grasp has a rotation (3, 3), a position (3,) and joints (16,), not "
            f"{rotation.shape}, {position.shape} and {joints.shape}."
        )
    if not all(np.isfinite(value).all() for value in (rotation, position, joints)):
        raise RetargetError("A grasp has values that are not finite: draw another.")
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-4) or np.linalg.det(rotation) < 0:
        raise RetargetError("A grasp's rotation is none: give an orthonormal matrix [3, 3].")
    return Configuration(rotation, position, np.clip(joints, hand.lower, hand.upper))
