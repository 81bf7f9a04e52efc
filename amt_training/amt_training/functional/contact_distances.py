"""Distances from an object's points to the parts of a MANO hand, as targets of the contact head."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from amt_perception.errors import AmtError
from amt_perception.hand.model_data import HandModelData
from amt_perception.model.interface import HAND_PARTS
from amt_training.data.contacts import PART_OF_JOINT


class ManoParts:
    """Which part of the hand each place of a MANO hand's skin belongs to.

    A vertex belongs to the part of the joint that carries most of it (its skinning weights), a
    triangle to the one that carries most of its corners. Distances go to vertices and to the
    middles of triangles: together they lie about 3 mm apart.
    """

    def __init__(self, model: HandModelData) -> None:
        self._faces = model.faces
        weights = np.concatenate([model.weights, model.weights[model.faces].mean(axis=1)])
        part = PART_OF_JOINT[weights.argmax(axis=1)]
        self._members = [np.flatnonzero(part == number) for number in range(len(HAND_PARTS))]

    def distances(self, vertices: np.ndarray, points: np.ndarray) -> np.ndarray:
        """[N, 6] float32 from points [N, 3] to each of HAND_PARTS (m).

        vertices: [778, 3] of the posed hand in the frame of the points (m). Raises AmtError for
        values that are not finite.
        """
        if not (np.isfinite(vertices).all() and np.isfinite(points).all()):
            raise AmtError("distances between hand and object need finite vertices and points")
        skin = np.concatenate([vertices, vertices[self._faces].mean(axis=1)])
        found = [KDTree(skin[members]).query(points)[0] for members in self._members]
        return np.stack(found, axis=1).astype(np.float32)
