"""Colours of the rendered hand and of the room behind it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from amt_perception.hand.joints import MANO_PARENTS, Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.limits import anatomical_axes
from amt_perception.hand.model_data import HandModelData
from amt_perception.sample.mesh import Mesh, vertex_normals

Colour = tuple[float, float, float]

BACK_OF_HAND, PALM = (190, 145, 120), (212, 164, 145)
CREASE, NAIL = (150, 92, 76), (240, 203, 192)
SLEEVE = (52, 70, 92)
WALL, WALL_SHADE, DESK, DESK_SHADE = (238, 234, 227), (172, 174, 178), (150, 118, 92), (92, 72, 58)
"""sRGB, 0 to 255."""

SKIN_TEXTURE_SIZE = 64
LAST_JOINTS = (15, 3, 6, 12, 9)
"""MANO joints that carry the fingertips, thumb to pinky."""


class SkinColours(NamedTuple):
    """Of a person's hands, sRGB, 0 to 255; the default is the built-in clip's."""

    back: Colour = BACK_OF_HAND
    palm: Colour = PALM
    crease: Colour = CREASE
    nail: Colour = NAIL


BUILT_IN_SKIN = SkinColours()


def skin_texture(colours: SkinColours = BUILT_IN_SKIN) -> np.ndarray:
    """[64, 64, 3] uint8 RGB: from back (left) to palm, and from crease (first row) to nail."""
    across, upwards = np.meshgrid(
        np.linspace(0.0, 1.0, SKIN_TEXTURE_SIZE), np.linspace(-1.0, 1.0, SKIN_TEXTURE_SIZE)
    )
    skin = _blend(colours.back, colours.palm, across)
    creased = _blend(skin, colours.crease, np.clip(-upwards, 0.0, 1.0))
    return _blend(creased, colours.nail, np.clip(upwards, 0.0, 1.0)).astype(np.uint8)


def skin_coordinates(data: HandModelData, mesh: Mesh) -> np.ndarray:
    """[N, 2] place in `skin_texture` (0..1) of each vertex of a right hand."""
    joints, tips = HandKinematics(data).rest(np.zeros(10))
    axes = anatomical_axes(joints, tips, Side.RIGHT)
    normals = vertex_normals(mesh)
    palm = 0.5 - 0.5 * normals[:, 1] + _mottle(mesh.vertices)
    nail = np.zeros(len(palm))
    crease = _palm_lines(joints, mesh.vertices) * np.clip(-2.0 * normals[:, 1], 0.0, 1.0)
    crease = np.maximum(crease, _hollows(joints, mesh.vertices) * np.clip(normals[:, 1], 0.0, 1.0))
    for joint in range(1, 16):
        back, bone = axes[joint - 1, :, 1], axes[joint - 1, :, 2]
        near = mesh.weights[:, joint] + mesh.weights[:, MANO_PARENTS[joint]] > 0.9
        along = (mesh.vertices - joints[joint]) @ bone
        if joint % 3 != 1:  # the knuckles' creases are the palm's
            band = 0.4 * np.exp(-((along / 0.0012) ** 2)) + 0.2 * np.exp(-((along / 0.004) ** 2))
            crease = np.maximum(crease, near * band)
        if joint in LAST_JOINTS:
            from_tip = (tips[LAST_JOINTS.index(joint)] - mesh.vertices) @ bone
            own = mesh.weights[:, joint] > 0.97
            facing = np.clip((normals @ back - 0.5) / 0.15, 0.0, 1.0)
            nail = np.maximum(
                nail, own * facing * _step(from_tip, 0.0005) * _step(-from_tip, -0.011)
            )
            palm = np.where(own, np.maximum(palm, 1.0 - from_tip / 0.03), palm)  # rosy fingertips
    shade = np.where(nail > 0.0, nail, -np.clip(crease, 0.0, 1.0))
    coordinates = np.column_stack([np.clip(palm, 0.0, 1.0), 0.5 + 0.5 * shade])
    return 0.01 + 0.98 * coordinates  # the texture repeats beyond its edges


def room(width: int, height: int) -> np.ndarray:
    """[height, width, 3] uint8 RGB: a wall in soft light over a desk, out of focus."""
    x, y = np.meshgrid(np.linspace(-1.0, 1.0, width), np.linspace(-1.0, 1.0, height))
    light = np.exp(-(((x + 0.35) / 1.3) ** 2 + ((y + 0.35) / 1.1) ** 2))
    wall = _blend(WALL_SHADE, WALL, light)
    desk = _blend(DESK_SHADE, DESK, np.exp(-(((x + 0.2) / 1.1) ** 2)))
    picture = _blend(wall, desk, 1.0 / (1.0 + np.exp(-(y - 0.62) / 0.02)))
    # A trace of noise keeps the slow gradients from showing bands.
    noise = np.random.default_rng(0).normal(0.0, 1.2, (height, width, 1))
    return np.clip(picture + noise, 0.0, 255.0).astype(np.uint8)


def _palm_lines(joints: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """[N] how much of the heart, head or life line is at each vertex, seen from the palm."""
    wrist, index, middle, pinky, ring = joints[[0, 1, 4, 7, 10]]
    radial = index + 0.28 * (wrist - index) + (0.0, 0.0, 0.010)
    lines = (
        (pinky + 0.22 * (wrist - pinky) - (0.0, 0.0, 0.012), ring + 0.32 * (wrist - ring),
         0.5 * (index + middle) + 0.02 * (wrist - middle)),
        (radial, middle + 0.42 * (wrist - middle), pinky + 0.55 * (wrist - pinky)),
        (radial, middle + 0.45 * (wrist - middle), wrist + 0.12 * (middle - wrist)),
    )  # fmt: skip
    t = np.linspace(0.0, 1.0, 60)[:, None]
    flat = np.array([1.0, 0.0, 1.0])  # the palm's plane
    amount = np.zeros(len(vertices))
    for start, bend, end in lines:
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end
        distance = np.linalg.norm((vertices[:, None] - curve) * flat, axis=2).min(axis=1)
        amount = np.maximum(amount, 0.4 * np.exp(-((distance / 0.0019) ** 2)))
    return amount


def _hollows(joints: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """[N] shade of the hollows between the knuckles, seen from the back; the mesh is too coarse."""
    knuckles = joints[[1, 4, 10, 7]]
    amount = np.zeros(len(vertices))
    for middle in 0.5 * (knuckles[1:] + knuckles[:-1]):
        towards_wrist = joints[0] - middle
        towards_wrist /= np.linalg.norm(towards_wrist)
        offset = vertices - middle
        along = offset @ towards_wrist
        across = np.linalg.norm((offset - along[:, None] * towards_wrist)[:, ::2], axis=1)
        amount += np.exp(-((across / 0.0035) ** 2) - ((along - 0.001) / 0.011) ** 2)
    return 0.35 * amount


def _mottle(vertices: np.ndarray) -> np.ndarray:
    """[N] slow irregular changes of tone, as skin has."""
    waves = np.random.default_rng(1).normal(0.0, 250.0, (12, 3))
    return 0.05 * np.sin(vertices @ waves.T + np.arange(12)).sum(axis=1)


def _step(value: np.ndarray, edge: float) -> np.ndarray:
    """0 below the edge, 1 from a millimetre above it."""
    return np.clip((value - edge) / 0.001, 0.0, 1.0)


def _blend(one: np.ndarray | tuple, other: np.ndarray | tuple, share: np.ndarray) -> np.ndarray:
    """Colours between two, [..., 3]; share: [...]."""
    start = np.asarray(one, dtype=float)
    return start + (np.asarray(other, dtype=float) - start) * share[..., None]
