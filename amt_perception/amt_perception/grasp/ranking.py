"""Which of the sampled grasps to try first, judged without knowing the hand.

A grasp is good when each part of the hand touches where the contact map wants it, and when forces
at those places can hold each other. Among good grasps, different ones come before near copies.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

REACH_M = 0.01
"""A place so far from the surface counts 1/e, as in the kernel of the contact map."""
FRICTION = 0.6
CONE_EDGES = 8
"""Edges of the pyramid that stands for a friction cone."""
SAME_POSITION_M = 0.03
SAME_ROTATION_RAD = np.radians(30.0)
"""Wrists that differ by so much are different grasps."""
COPY_PENALTY = 0.5
"""An exact copy of a grasp that comes first counts for this share less."""


def agreement(
    places: np.ndarray, touches: np.ndarray, points: np.ndarray, contact: np.ndarray
) -> np.ndarray:
    """[G] in 0..1: how well sampled contact places agree with the contact map.

    places: [G, 6, 3] of each hand part (m); touches: [G, 6] bool; points: [N, 3] of the object (m);
    contact: [N, 6] probability of each point to be touched by each part. A place counts the
    probability at the nearest point, less the farther that is; a grasp has the mean over the parts
    that touch, and 0 where none does.
    """
    distance, nearest = cKDTree(points).query(places)
    found = contact[nearest, np.arange(contact.shape[1])] * np.exp(-distance / REACH_M)
    return (found * touches).sum(axis=1) / np.maximum(touches.sum(axis=1), 1)


def balance(places: np.ndarray, normals: np.ndarray) -> float:
    """0..1: how nearly pushing forces at contact places can hold each other.

    places: [K, 3] (m); normals: [K, 3] unit vectors out of the object there. 1: the hand can
    squeeze and the object stays, which a force-closure grasp needs (Nguyen, "Constructing
    force-closure grasps", IJRR 1988); 0: all forces push the same way. Forces lie in pyramids of
    FRICTION; with normal forces that sum up to 1, the smallest wrench that is left (force, and
    torque over the places' mean distance from their middle) is taken from 1.
    """
    if len(places) < 2:
        return 0.0
    arms = places - places.mean(axis=0)
    lever = max(float(np.linalg.norm(arms, axis=1).mean()), 1e-6)
    forces = _pyramids(normals)  # [K, E, 3]
    torques = np.cross(arms[:, None], forces) / lever
    wrenches = np.concatenate([forces, torques], axis=-1).reshape(-1, 6)
    # Least squares that also ask for a sum of 1. They shrink the forces when a wrench w is left:
    # what remains then is w^2 / (1 + w^2), from which w follows.
    system = np.vstack([wrenches.T, np.ones(len(wrenches))])
    remaining = min(nnls(system, np.eye(7)[6])[1] ** 2, 1.0 - 1e-9)
    return 1.0 - min(1.0, float(np.sqrt(remaining / (1.0 - remaining))))


def score(
    places: np.ndarray,
    touches: np.ndarray,
    points: np.ndarray,
    normals: np.ndarray,
    contact: np.ndarray,
) -> np.ndarray:
    """[G] in 0..1: agreement times balance; arguments as there, normals [N, 3] of the points."""
    nearest = cKDTree(points).query(places)[1]
    balances = [
        balance(place[touch], normals[index[touch]])
        for place, touch, index in zip(places, touches, nearest, strict=True)
    ]
    return agreement(places, touches, points, contact) * balances


def order(scores: np.ndarray, rotations: np.ndarray, positions: np.ndarray) -> list[int]:
    """All grasps, the best one first and near copies of earlier ones late.

    scores: [G]; rotations: [G, 3, 3] and positions [G, 3] (m) of the wrist or palm. Each next grasp
    is the best after a penalty for its likeness to those before it (maximal marginal relevance,
    Carbonell and Goldstein, SIGIR 1998).
    """
    angles = Rotation.from_matrix(np.swapaxes(rotations, 1, 2)[:, None] @ rotations).magnitude()
    steps = np.linalg.norm(positions[:, None] - positions, axis=-1)
    likeness = np.exp(-((angles / SAME_ROTATION_RAD) ** 2) - (steps / SAME_POSITION_M) ** 2)
    left, chosen = list(range(len(scores))), []
    alike = np.zeros(len(scores))
    while left:
        best = max(left, key=lambda one: scores[one] * (1.0 - COPY_PENALTY * alike[one]))
        left.remove(best)
        chosen.append(best)
        alike = np.maximum(alike, likeness[best])
    return chosen


def _pyramids(normals: np.ndarray) -> np.ndarray:
    """[K, E, 3] edges of the friction pyramids about -normals [K, 3], of normal force 1."""
    across = np.cross(normals, np.eye(3)[np.abs(normals).argmin(axis=1)])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    along = np.cross(normals, across)
    angles = 2.0 * np.pi * np.arange(CONE_EDGES)[:, None] / CONE_EDGES
    sideways = np.cos(angles) * across[:, None] + np.sin(angles) * along[:, None]
    return FRICTION * sideways - normals[:, None]
