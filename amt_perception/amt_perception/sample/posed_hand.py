"""The drawn surface of a hand in any pose and shape: skin with a forearm, and a sleeve."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.mirror import mirror_model, mirror_pose
from amt_perception.hand.model_data import HandModelData
from amt_perception.hand.skinning import posed_joints, rest_vertices, skinned
from amt_perception.sample.appearance import skin_coordinates
from amt_perception.sample.mesh import (
    forearm_rings,
    hand_and_forearm,
    open_edge,
    sleeve,
    sleeve_rings,
    smooth,
    smoothed,
    subdivision,
)

_REFLECTION = np.array([-1.0, 1.0, 1.0])


class Surfaces(NamedTuple):
    """Vertices of both surfaces, in the frame of the hand's translation (m)."""

    skin: np.ndarray
    """[N, 3] of `PosedHand.skin_faces`."""
    sleeve: np.ndarray
    """[M, 3] of `PosedHand.sleeve_faces`."""


class PosedHand:
    """A hand model with a forearm and a sleeve grown on it, as smooth surfaces.

    A left hand is drawn as the mirror image of a right one.
    """

    def __init__(self, data: HandModelData, subdivisions: int = 2) -> None:
        """subdivisions: each makes four triangles of one."""
        self._is_left = data.side == Side.LEFT
        self._data = mirror_model(data) if self._is_left else data
        self._kinematics = HandKinematics(self._data)
        self._edge = open_edge(self._data.faces)
        skin, cloth = hand_and_forearm(self._data), sleeve(self._data)
        self._weights = skin.weights
        self._skin_rule, _ = subdivision(skin.faces, subdivisions)
        self._sleeve_rule, _ = subdivision(cloth.faces, subdivisions)
        fine = smooth(skin, subdivisions)
        self.skin_faces = self._outwards(fine.faces)
        """[F, 3] counter-clockwise seen from outside."""
        self.skin_coordinates = skin_coordinates(self._data, fine)
        """[N, 2] where each vertex of the skin lies in `appearance.skin_texture`."""
        self.sleeve_faces = self._outwards(smooth(cloth, subdivisions).faces)
        """[G, 3] counter-clockwise seen from outside."""

    def surfaces(
        self,
        pose: np.ndarray,
        shape: np.ndarray,
        translation: np.ndarray,
        elbow: np.ndarray | None = None,
    ) -> Surfaces:
        """Vertices for a pose [16, 3] (rad, mean included), shape [10] and translation [3] (m).

        elbow: [3] the point that the forearm comes from (m); None for a straight wrist.
        """
        if self._is_left:
            pose, translation = mirror_pose(pose), translation * _REFLECTION
            elbow = None if elbow is None else elbow * _REFLECTION
        bones = posed_joints(self._kinematics, pose, shape, translation)
        rotations, rest_joints, joints = (np.concatenate([bone, bone[:1]]) for bone in bones)
        if elbow is not None:
            # The shortest turn of the forearm towards the elbow: a bend of the wrist.
            along = rotations[0] @ [1.0, 0.0, 0.0]
            bend, _ = Rotation.align_vectors([elbow - joints[0]], [along])
            rotations[-1] = bend.as_matrix() @ rotations[0]
        rest = rest_vertices(self._data, pose, shape)
        arm = np.vstack([rest, forearm_rings(rest[self._edge])])
        skin = skinned(arm, self._weights, rotations, rest_joints, joints)
        cloth = sleeve_rings(rest[self._edge])
        cloth = (cloth - rest_joints[-1]) @ rotations[-1].T + joints[-1]
        return Surfaces(
            self._mirrored(smoothed(skin, self._skin_rule)),
            self._mirrored(smoothed(cloth, self._sleeve_rule)),
        )

    def _mirrored(self, points: np.ndarray) -> np.ndarray:
        return points * _REFLECTION if self._is_left else points

    def _outwards(self, faces: np.ndarray) -> np.ndarray:
        return faces[:, ::-1] if self._is_left else faces
