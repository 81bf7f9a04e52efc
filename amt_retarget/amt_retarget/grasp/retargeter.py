"""From a person's grasp to the robot's: the grasp, the hand opened before it, the squeeze after."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.clearance import Clearance
from amt_retarget.grasp.configuration import Configuration, rotation_matrix
from amt_retarget.grasp.hand_model import HandModel
from amt_retarget.grasp.human import (
    Contact,
    HumanGrasp,
    fingertip_contacts,
    palm_contact,
)
from amt_retarget.grasp.objective import Goals, contact_offset
from amt_retarget.grasp.optimizer import GraspOptimizer, Margins, Problem
from amt_retarget.grasp.squeeze import fingertip_presses, squeeze
from amt_retarget.grasp.surface import ObjectSurface
from amt_retarget.robot.robot import Robot

Array = NDArray[np.float64]

OPEN_GAP_M = 0.03
"""From each fingertip to its contact before the hand closes."""
RETREAT_M = 0.05
"""By so much the palm stands back before the hand closes."""

GRASP_MARGINS = Margins(fingertips=0.0, others=0.001)
"""Fingertips touch; a millimetre for the rest makes up for the distance between samples."""
OPEN_MARGINS = Margins(fingertips=0.02, others=0.002)

SEED_ANGLE_RAD = 0.5
"""By so much some searches begin with the wrist turned, about each axis of the palm."""
SEED_RETREAT_M = 0.06
"""The palm begins so far back that it closes around the object from outside."""
SEED_FINGER = (0.0, 0.25, 0.25, 0.25)
SEED_THUMB = (1.1, 0.4, 0.4, 0.4)
"""Joints of each finger and of the thumb that a search begins with: open, the thumb opposed (rad).
"""
SEEDS_KEPT = 2
"""So many of the searches, the best after SEED_STEPS, go on."""
SEED_STEPS, FINAL_STEPS, OPEN_STEPS = 15, 60, 40

REACHED_M = 0.005
"""A contact that is missed by more is not kept."""
MAX_PENETRATION_M = 0.001
WAY_SAMPLES = 20


@dataclass(frozen=True, eq=False)
class RobotGrasp:
    """A grasp of the robot's hand. Object's frame, metres, radians; joints [16] in the project's
    order (`Robot.hand_joint_names`), always within their limits."""

    rotation: Array
    """[3, 3] palm_link to the object's frame, at the grasp and at the squeeze."""
    position: Array
    """[3] of palm_link there."""
    joints: Array
    """[16] that touch."""
    squeeze: Array
    """[16] to command for grip force: what touches, a little inside the object."""
    unbalanced: float
    """What the contacts cannot balance when they press, in units of their mean force: near 0 the
    object stays, above some tenths it slides out of the person's contacts, whoever squeezes."""
    pre_grasp_rotation: Array
    """[3, 3] before closing: the palm stands back and the fingers are open."""
    pre_grasp_position: Array
    pre_grasp: Array
    """[16] before closing."""
    contacts: dict[str, Contact]
    """By link: what it is to touch. A person's contacts are kept by fingertips, the last links; in
    a refined grasp any link may touch, the palm as well."""
    contact_errors: dict[str, float]
    """By finger: from its contact point to the point of its dome that faces it (m); of a refined
    grasp, from its nearest link to the object."""
    penetration: float
    """Deepest point of any link in the object or in another link at the grasp (m); 0 for none."""
    approach_penetration: float
    """The same on the straight way from the pre-grasp to the grasp."""
    opening: float
    """Least distance of a touching finger's tip from the object at the pre-grasp (m)."""
    withstands: float = np.nan
    """Push at the object's middle, from any of six sides, that contacts and motors could balance
    (N, see `holding.py`); NaN where it was not looked for."""

    @property
    def reached(self) -> bool:
        """Whether every contact is kept and nothing penetrates, on the way there neither."""
        return (
            max(self.contact_errors.values(), default=np.inf) <= REACHED_M
            and max(self.penetration, self.approach_penetration) <= MAX_PENETRATION_M
        )


class GraspRetargeter:
    """Turns grasps of one object into grasps of one robot's hand. Deterministic.

    Each touch of a person's fingertip becomes one of the robot's at the same point of the object:
    the centre of its dome goes to the point plus the dome's radius along the normal. As far as that
    leaves a choice, palm and fingers are held as the person's are; no link enters the object or
    another link. The search starts from several orientations of the wrist.
    """

    def __init__(self, robot: Robot, surface: ObjectSurface) -> None:
        self._robot = robot
        self._surface = surface
        self._hand = HandModel(robot)
        self._clearance = Clearance(self._hand, surface)
        self._optimizer = GraspOptimizer(self._hand, self._clearance)

    def retarget(self, grasp: HumanGrasp) -> RobotGrasp:
        """The robot's grasp; look at its `reached` and `contact_errors` before using it.

        Raises RetargetError for a hand of the other side, and where only the palm touches.
        """
        if grasp.side.name.lower() != self._robot.hand:
            raise RetargetError(
                f"The grasp is of a {grasp.side.name.lower()} hand and the robot has a "
                f"{self._robot.hand} one: load the robot with the {grasp.side.name.lower()} hand."
            )
        contacts = fingertip_contacts(grasp)
        if not contacts:
            raise RetargetError(
                "Only the palm touches the object: a grasp needs contacts of a finger."
            )
        goals = Goals(
            contacts=contacts,
            palm_contact=palm_contact(grasp),
            rotation=grasp.frame.rotation,
            directions={finger: grasp.finger_direction(finger) for finger in self._hand.domes},
        )
        touching = self._best_of_seeds(goals)
        opened = self._open(touching, goals)
        state = self._hand(touching.joints)
        presses = fingertip_presses(self._hand, state, contacts)
        pressing = squeeze(self._hand, state, touching, presses)
        offsets = {
            finger: contact_offset(self._hand, state, touching, finger, contact)
            for finger, contact in contacts.items()
        }
        return RobotGrasp(
            rotation=touching.rotation,
            position=touching.position,
            joints=touching.joints,
            squeeze=pressing.joints,
            unbalanced=pressing.unbalanced,
            pre_grasp_rotation=opened.rotation,
            pre_grasp_position=opened.position,
            pre_grasp=opened.joints,
            contacts={f"{finger}_link_3": contact for finger, contact in contacts.items()},
            contact_errors={f: float(np.linalg.norm(offset)) for f, offset in offsets.items()},
            penetration=self._clearance.penetration(touching),
            approach_penetration=self._approach_penetration(opened, touching),
            opening=self._opening(opened, contacts),
        )

    def _best_of_seeds(self, goals: Goals) -> Configuration:
        """The best grasp over all starts."""
        problem = Problem(goals, GRASP_MARGINS)
        found = [self._optimizer.solve(problem, seed, SEED_STEPS) for seed in self._seeds(goals)]
        found.sort(key=lambda item: item[1])
        best = [
            self._optimizer.solve(problem, configuration, FINAL_STEPS)
            for configuration, _ in found[:SEEDS_KEPT]
        ]
        return min(best, key=lambda item: item[1])[0]

    def _seeds(self, goals: Goals) -> list[Configuration]:
        """Open hands in front of the contacts, turned like the person's and a little otherwise."""
        hand = self._hand
        joints = np.clip([*SEED_FINGER * 3, *SEED_THUMB], hand.lower, hand.upper)
        state = hand(joints)
        domes = np.mean([hand.dome_centre(state, finger) for finger in goals.contacts], axis=0)
        domes += [SEED_RETREAT_M, 0.0, 0.0]
        points = np.mean([contact.point for contact in goals.contacts.values()], axis=0)
        seeds = []
        for axis in (np.zeros(3), *np.eye(3), *-np.eye(3)):
            rotation = goals.rotation @ rotation_matrix(SEED_ANGLE_RAD * axis)
            seeds.append(Configuration(rotation, points - rotation @ domes, joints))
        return seeds

    def _open(self, touching: Configuration, goals: Goals) -> Configuration:
        """The hand opened along the contacts' normals and backed off along the palm's.

        The straight way from there to the grasp keeps clear of the object.
        """
        goals = Goals(
            contacts=goals.contacts,
            palm_contact=None,
            rotation=touching.rotation,
            directions={},
            gap=OPEN_GAP_M,
            position=touching.position - RETREAT_M * touching.rotation[:, 0],
        )
        problem = Problem(goals, OPEN_MARGINS, way_from=touching)
        return self._optimizer.solve(problem, touching, OPEN_STEPS)[0]

    def _approach_penetration(self, start: Configuration, end: Configuration) -> float:
        """Deepest penetration on the straight way from start to end (m)."""
        shares = np.linspace(0.0, 1.0, WAY_SAMPLES)
        return max(self._clearance.penetration(start.towards(end, share)) for share in shares)

    def _opening(self, opened: Configuration, contacts: dict[str, Contact]) -> float:
        """Least distance between the object and a dome of a finger that is to touch (m)."""
        state = self._hand(opened.joints)
        centres = np.stack([self._hand.dome_centre(state, finger) for finger in contacts])
        distances, _ = self._surface.signed_distance(opened.to_object(centres))
        radii = np.array([self._hand.domes[finger].radius for finger in contacts])
        return float(np.min(distances - radii))
