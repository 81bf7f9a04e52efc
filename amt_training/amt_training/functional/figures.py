"""Hands and objects in three dimensions, in one colour for each part of the hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from amt_perception.errors import AmtError
from amt_perception.grasp.interface import Grasps
from amt_perception.hand.joints import Side
from amt_perception.hand.mano_files import load_hand_model
from amt_perception.model.hand_layer import HandLayer
from amt_perception.model.interface import HAND_PARTS
from amt_training.data.contacts import PART_OF_JOINT
from amt_training.functional.sample import GraspObject

if TYPE_CHECKING:
    import trimesh

PART_COLOURS = np.array(
    [[110, 118, 132], [222, 72, 72], [245, 166, 35], [120, 190, 75], [60, 150, 220], [160, 95, 205]]
)
"""[6, 3] RGB 0..255 of palm, thumb, index, middle, ring, pinky."""
OBJECT_COLOUR = np.array([232, 228, 220])
"""Of an object where nothing touches it."""
_EDGE_M = 0.006
"""Longest edge of an object that is coloured: its colours change within that."""
_NEIGHBOURS = 3
"""Points of the cloud whose colours a vertex mixes."""


@dataclass(frozen=True)
class Piece:
    """A mesh, and where each grasp has it."""

    name: str
    mesh: trimesh.Trimesh
    poses: Mapping[int, np.ndarray]
    """[4, 4] to the object's frame, by the grasp's number."""


class HandFigure(Protocol):
    """Draws a kind of hand."""

    def pieces(self, grasps: Grasps) -> list[Piece]:
        """The hand at every one of G grasps; a piece that never bends comes once."""


def hand_figure(hand: str) -> HandFigure:
    """Of the Allegro hand (`allegro`) or of MANO's (`mano`, drawn as the generic hand)."""
    return _AllegroFigure() if hand == "allegro" else _ManoFigure()


def object_mesh(shown: GraspObject, strength: np.ndarray) -> trimesh.Trimesh:
    """The object, coloured by how strongly (0..1) [1024, 6] each hand part touches its points."""
    from scipy.spatial import cKDTree

    trimesh = _trimesh()
    vertices, faces = trimesh.remesh.subdivide_to_size(shown.vertices, shown.faces, _EDGE_M, 20)
    distance, nearest = cKDTree(shown.points).query(vertices, _NEIGHBOURS)
    weight = 1.0 / (distance + 1e-4)
    weight /= weight.sum(axis=1, keepdims=True)
    mixed = (weight[..., None] * strength[nearest]).sum(axis=1)
    strongest = mixed.argmax(axis=1)
    share = mixed.max(axis=1)[:, None]
    colours = (1.0 - share) * OBJECT_COLOUR + share * PART_COLOURS[strongest]
    return _coloured(trimesh.Trimesh(vertices, faces, process=False), colours)


class _AllegroFigure:
    """The links' collision shapes."""

    def __init__(self) -> None:
        from amt_retarget.grasp.hand_model import HandModel
        from amt_retarget.robot.robot import Robot

        self._hand = HandModel(Robot.load("ur5e", "right"))  # the arm does not matter

    def pieces(self, grasps: Grasps) -> list[Piece]:
        """See `HandFigure`."""
        palms = _poses(grasps.rotation.numpy(), grasps.position.numpy())
        states = [self._hand(joints) for joints in grasps.joints.double().numpy()]
        pieces = []
        for number, shape in enumerate(self._hand.shapes):
            part = HAND_PARTS.index(self._part(self._hand.shape_joints[number]))
            mesh = _shape_mesh(shape.kind, shape.size)
            turns, places = zip(*(state.shape_poses[number] for state in states), strict=True)
            poses = palms @ _poses(np.stack(turns), np.stack(places))
            colours = np.tile(PART_COLOURS[part], (len(mesh.vertices), 1))
            pieces.append(Piece(f"link_{number}", _coloured(mesh, colours), dict(enumerate(poses))))
        return pieces

    def _part(self, joint: int) -> str:
        """The part of the hand that one of Pinocchio's joints moves: each finger has four."""
        for finger, last in self._hand.dome_joints.items():
            if last - 3 <= joint <= last:
                return finger
        return "palm"


class _ManoFigure:
    """The skin."""

    def __init__(self) -> None:
        data = load_hand_model(Side.RIGHT, None)
        self._layer = HandLayer(data)
        self._faces = np.asarray(data.faces)
        part = PART_OF_JOINT[np.asarray(data.weights).argmax(axis=1)]
        self._colours = PART_COLOURS[part]

    def pieces(self, grasps: Grasps) -> list[Piece]:
        """See `HandFigure`."""
        import roma

        turns = torch.cat([grasps.rotation[:, None], roma.rotvec_to_rotmat(grasps.joints)], dim=1)
        with torch.no_grad():
            hand = self._layer(turns, grasps.shape)
        here = hand.vertices + grasps.position[:, None]
        mesh = _trimesh().Trimesh
        pieces = []
        for number, vertices in enumerate(here.numpy()):
            skin = _coloured(mesh(vertices, self._faces, process=False), self._colours)
            pieces.append(Piece(f"skin_{number}", skin, {number: np.eye(4)}))
        return pieces


@cache
def _trimesh():  # type: ignore[no-untyped-def]
    try:
        import trimesh
    except ImportError as error:
        raise AmtError("Pages in three dimensions need trimesh: pip install trimesh") from error
    return trimesh


def _shape_mesh(kind: str, size: tuple[float, ...]) -> trimesh.Trimesh:
    """Of a sphere (radius), a box (half sides) or a cylinder (radius, half length); m."""
    create = _trimesh().creation
    if kind == "sphere":
        return create.icosphere(subdivisions=2, radius=size[0])
    if kind == "box":
        return create.box(2.0 * np.array(size))
    return create.cylinder(radius=size[0], height=2.0 * size[1], sections=24)


def _coloured(mesh: trimesh.Trimesh, colours: np.ndarray) -> trimesh.Trimesh:
    """The mesh, dull and seen from both sides, with colours [V, 3] 0..255 of its vertices."""
    visual = _trimesh().visual
    opaque = np.full((len(colours), 1), 255.0)
    look = visual.TextureVisuals(
        material=visual.material.PBRMaterial(
            metallicFactor=0.0, roughnessFactor=0.8, doubleSided=True
        )
    )
    look.vertex_attributes["color"] = np.hstack([colours, opaque]).round().astype(np.uint8)
    mesh.visual = look
    return mesh


def _poses(rotation: np.ndarray, position: np.ndarray) -> np.ndarray:
    """[G, 4, 4] of rotations [G, 3, 3] and positions [G, 3]."""
    poses = np.tile(np.eye(4), (len(rotation), 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = rotation, position
    return poses
