"""Objects and hands for the tests of grasp retargeting: simple shapes, held as a person would."""

from __future__ import annotations

import numpy as np

from amt_retarget.grasp import HumanGrasp, ObjectSurface
from amt_retarget.retarget.hand_frame import Side

BONES_M = {"index": (0.040, 0.025, 0.022), "middle": (0.045, 0.028, 0.023)}
BONES_M |= {"ring": (0.041, 0.027, 0.023), "pinky": (0.033, 0.020, 0.020)}
BENDS_RAD = (0.6, 1.3, 2.0)
"""From the palm's plane to each bone of a finger."""
KNUCKLES_M = {"index": 0.026, "middle": 0.004, "ring": -0.018, "pinky": -0.038}
"""Across the palm, along y of a right hand's palm frame."""
THUMB_M = ((0.018, 0.025, -0.075), (0.035, 0.030, -0.075), (0.050, 0.025, -0.072))
THUMB_TIP_M = (0.065, 0.018, -0.065)
PALM_M = 0.090
OBJECT_IN_PALM_M = (0.048, 0.0, -0.015)
"""Where the middle of a held object is."""


def human_hand(side: Side) -> np.ndarray:
    """Joints [21, 3] of an adult's hand about something thick, in the palm's frame (m)."""
    joints = [(0.0, 0.0, -PALM_M), *THUMB_M, THUMB_TIP_M]
    for finger, lengths in BONES_M.items():
        point = np.array([0.0, KNUCKLES_M[finger], 0.0])
        joints.append(tuple(point))
        for length, bend in zip(lengths, BENDS_RAD, strict=True):
            point = point + length * np.array([np.sin(bend), 0.0, np.cos(bend)])
            joints.append(tuple(point))
    return np.array(joints) * [1.0, 1.0 if side == Side.RIGHT else -1.0, 1.0]


def sphere_mesh(radius: float, count: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """A sphere of latitudes and longitudes."""
    polar = np.linspace(0.0, np.pi, count // 2)
    profile = np.column_stack([np.sin(polar), -np.cos(polar)]) * radius
    return _lathe(profile, count)


def cylinder_mesh(radius: float, height: float, count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A closed cylinder about z."""
    half = height / 2.0
    return _lathe(np.array([[0.0, -half], [radius, -half], [radius, half], [0.0, half]]), count)


def box_mesh(sides: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A box about the origin."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [triangle for a, b, c, d in quads for triangle in ((a, b, c), (a, c, d))]
    return corners * np.array(sides) / 2.0, np.array(faces)


def _lathe(profile: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The surface of a profile [n, 2] (radius, z) turned about z."""
    angle = 2.0 * np.pi * np.arange(count) / count
    ring = np.column_stack([np.cos(angle), np.sin(angle)])
    vertices = [np.column_stack([r * ring, np.full(count, z)]) for r, z in profile]
    faces = []
    for i in range(len(profile) - 1):
        for k in range(count):
            a, b = i * count + k, i * count + (k + 1) % count
            faces += [(a, b, b + count), (a, b + count, a + count)]
    return np.concatenate(vertices), np.array(faces)


def held(surface: ObjectSurface, side: Side) -> HumanGrasp:
    """A hand that pinches an object between thumb and three fingers; its z lies across them.

    Fingertips touch where the surface is nearest to them.
    """
    turned = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    joints = (human_hand(side) - OBJECT_IN_PALM_M) @ turned
    contacts, normals = {}, {}
    for finger, tip in {"thumb": 4, "index": 8, "middle": 12, "ring": 16}.items():
        nearest = surface.nearest(joints[[tip]])
        contacts[finger], normals[finger] = surface.points[nearest], surface.normals[nearest]
    return HumanGrasp(joints, side, contacts, normals)
