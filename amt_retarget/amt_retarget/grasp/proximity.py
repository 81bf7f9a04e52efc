"""How near the hand's shapes are to an object, without derivatives: all pairs at once, fast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amt_retarget.grasp.configuration import Configuration
from amt_retarget.grasp.hand_model import HandModel, HandState
from amt_retarget.grasp.surface import ObjectSurface

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class NearPairs:
    """Shapes of the hand and samples of the object that are near each other."""

    shapes: Indices
    """[n] index into HandModel.shapes."""
    samples: Indices
    """[n] index into ObjectSurface.points."""
    distances: Array
    """[n] m, negative for a sample inside the shape."""


class Proximity:
    """Distances between the shapes of a hand and the samples of an object.

    As in Clearance, they are exact for the samples; a shape that is wholly inside the object, and
    so holds no sample, is not seen here.
    """

    def __init__(self, hand: HandModel, surface: ObjectSurface) -> None:
        self._surface = surface
        self._reach = np.array([shape.outer_radius for shape in hand.shapes])
        # Every kind of shape becomes a box: a cylinder in radius and height, a sphere in radius.
        self._half = np.full((len(hand.shapes), 3), np.inf)
        for half, shape in zip(self._half, hand.shapes, strict=True):
            half[[0, 2] if shape.kind == "cylinder" else range(len(shape.size))] = shape.size
        kinds = np.array([shape.kind for shape in hand.shapes])
        self._cylinders, self._spheres = kinds == "cylinder", kinds == "sphere"

    def pairs(self, state: HandState, configuration: Configuration, within: float) -> NearPairs:
        """All pairs closer than `within` (m). state: the hand at the configuration's joints."""
        rotations = np.stack([rotation for rotation, _ in state.shape_poses])
        positions = np.stack([position for _, position in state.shape_poses])
        centres = configuration.to_object(positions)
        squared = self._surface.squared_distances(centres)
        shapes, samples = np.nonzero(squared < ((self._reach + within) ** 2)[:, None])
        turns = configuration.rotation @ rotations
        local = np.einsum(
            "nij,ni->nj", turns[shapes], self._surface.points[samples] - centres[shapes]
        )
        round_, ball = self._cylinders[shapes], self._spheres[shapes]
        local[round_, 0] = np.hypot(local[round_, 0], local[round_, 1])
        local[ball, 0] = np.linalg.norm(local[ball], axis=1)
        beyond = np.abs(local) - self._half[shapes]
        distances = np.minimum(beyond.max(axis=1), 0.0)
        distances += np.linalg.norm(np.maximum(beyond, 0.0), axis=1)
        near = distances < within
        return NearPairs(shapes[near], samples[near], distances[near])

    def gaps(self, state: HandState, configuration: Configuration, within: float) -> Array:
        """Distance [S] (m) of each shape to the object, `within` for those that are farther."""
        pairs = self.pairs(state, configuration, within)
        gaps = np.full(len(self._reach), within)
        np.minimum.at(gaps, pairs.shapes, pairs.distances)
        return gaps
