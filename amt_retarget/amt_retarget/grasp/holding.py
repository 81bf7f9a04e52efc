"""How hard an object can be pushed before a grasp must let it go, by statics alone.

Contacts can hold what forces inside their friction cones can balance (Ferrari and Canny, "Planning
Optimal Grasps", ICRA 1992); here the motors' torques are limited instead of the forces' sum, and
the pushes that count are those of a trial. Of 285 grasps that were pushed with 1 N in MuJoCo, 94 %
of those held that withstand 3 N by this, and 17 % of those that withstand less than 1 N.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from amt_retarget.grasp.configuration import Configuration
from amt_retarget.grasp.hand_model import HandModel, HandState
from amt_retarget.grasp.proximity import Proximity
from amt_retarget.grasp.squeeze import contact_axes
from amt_retarget.grasp.surface import ObjectSurface

Array = NDArray[np.float64]

FRICTION = 0.6
CONE_EDGES = 6
"""Edges of the pyramid inside a friction cone."""
TOUCH_M = 0.002
"""Samples this near to a link are touched once it presses: rubber gives way."""
POINTS_A_LINK = 3
"""Contacts that stand for a link's: the nearest sample, then those far from the others."""
LEAST_SPACING_M = 0.003
MOST_FORCE_N = 20.0
"""Of an edge: the palm has no motor that would limit it."""
MOST_PUSH_N = 10.0
"""Pushes beyond are not told apart."""


@dataclass(frozen=True, eq=False)
class Contacts:
    """Points at which a hand can press on an object. Object's frame."""

    points: Array
    """[C, 3] m."""
    normals: Array
    """[C, 3] unit vectors out of the object."""
    jacobians: Array
    """[C, 3, 16] of the hand's points there."""


def link_contacts(
    hand: HandModel,
    state: HandState,
    touching: Configuration,
    surface: ObjectSurface,
    proximity: Proximity,
) -> Contacts:
    """Up to POINTS_A_LINK contacts of each link that touches. state: the hand at its joints."""
    pairs = proximity.pairs(state, touching, TOUCH_M)
    links = np.array(hand.shape_links)[pairs.shapes]
    samples, jacobians = [], []
    for link in dict.fromkeys(links):
        own = np.flatnonzero(links == link)
        near = pairs.samples[own[np.argsort(pairs.distances[own])]]
        joint = hand.shape_joints[hand.shape_links.index(link)]
        for sample in near[_spread(surface.points[near])]:
            in_palm = (surface.points[sample] - touching.position) @ touching.rotation
            samples.append(sample)
            jacobians.append(touching.rotation @ state.point_jacobian(joint, in_palm))
    return Contacts(
        surface.points[samples], surface.normals[samples],
        np.reshape(jacobians, (-1, 3, len(hand.lower))),
    )  # fmt: skip


def withstood_push(contacts: Contacts, effort: Array, middle: Array) -> float:
    """Largest force (N) along either way of each axis at a point that the contacts can balance.

    effort: [16] largest torques of the hand's motors (Nm); middle: [3] where the object is pushed,
    its centre of mass (m). At most MOST_PUSH_N; 0 for contacts that cannot even hold each other.
    """
    if not len(contacts.points):
        return 0.0
    angles = 2.0 * np.pi * np.arange(CONE_EDGES) / CONE_EDGES
    edges = np.stack(
        [np.ones(CONE_EDGES), FRICTION * np.cos(angles), FRICTION * np.sin(angles)]
    )  # in the contact's axes
    forces = np.stack([contact_axes(normal) @ edges for normal in contacts.normals])  # [C, 3, E]
    arms = contacts.points - middle
    moments = np.cross(arms[:, :, None], forces, axisa=1, axisb=1, axisc=1)
    wrench = np.concatenate([forces, moments], axis=1).transpose(1, 0, 2).reshape(6, -1)
    torque = np.einsum("cdj,cde->jce", contacts.jacobians, forces).reshape(len(effort), -1)
    no_push = np.zeros((len(effort), 1))
    limits = np.block([[torque, no_push], [-torque, no_push]])
    cost = np.zeros(wrench.shape[1] + 1)
    cost[-1] = -1.0
    bounds = [(0.0, MOST_FORCE_N)] * wrench.shape[1] + [(0.0, MOST_PUSH_N)]
    least = MOST_PUSH_N
    for push in np.concatenate([np.eye(6)[:3], -np.eye(6)[:3]]):
        found = linprog(
            cost,
            A_ub=limits,
            b_ub=np.tile(effort, 2),
            A_eq=np.column_stack([wrench, push]),
            b_eq=np.zeros(6),
            bounds=bounds,
            method="highs",
        )
        least = min(least, float(found.x[-1]) if found.status == 0 else 0.0)
    return least


def _spread(points: Array) -> list[int]:
    """Indices of the first point [n, 3] and of up to POINTS_A_LINK - 1 that are far from others."""
    chosen = [0]
    gaps = np.linalg.norm(points - points[0], axis=1)
    while len(chosen) < POINTS_A_LINK and gaps.max() > LEAST_SPACING_M:
        chosen.append(int(gaps.argmax()))
        gaps = np.minimum(gaps, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return chosen
