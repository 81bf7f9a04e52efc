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

ROUNDING_M = 1e-7
"""Squared distances between points of an object are exact to that."""


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
        self._points = np.ascontiguousarray(surface.points.T)
        self._inner = np.array([shape.inner_radius for shape in hand.shapes])
        self._outer = np.array([shape.outer_radius for shape in hand.shapes])
        # Every kind of shape becomes a box: a cylinder in radius and height, a sphere in radius.
        self._half = np.full((3, len(hand.shapes)), np.inf)
        for half, shape in zip(self._half.T, hand.shapes, strict=True):
            half[[0, 2] if shape.kind == "cylinder" else range(len(shape.size))] = shape.size
        kinds = np.array([shape.kind for shape in hand.shapes])
        self._cylinders, self._spheres = kinds == "cylinder", kinds == "sphere"

    def pairs(self, state: HandState, configuration: Configuration, within: float) -> NearPairs:
        """All pairs closer than `within` (m). state: the hand at the configuration's joints."""
        centres, squared = self._centres(state, configuration)
        pairs = self._pairs(state, configuration, centres, squared < self._seen(within))
        near = pairs.distances < within
        return NearPairs(pairs.shapes[near], pairs.samples[near], pairs.distances[near])

    def gaps(self, state: HandState, configuration: Configuration, within: float) -> Array:
        """Distance [S] (m) of each shape to the object, `within` for those that are farther."""
        centres, squared = self._centres(state, configuration)
        # The sample next to a shape's centre is so near that those farther out cannot be nearer.
        nearest = np.sqrt(squared.min(axis=1)) - self._inner
        pairs = self._pairs(
            state, configuration, centres, squared <= self._seen(np.minimum(nearest, within))
        )
        gaps = np.full(len(self._outer), within)
        np.minimum.at(gaps, pairs.shapes, pairs.distances)
        return gaps

    def _centres(self, state: HandState, configuration: Configuration) -> tuple[Array, Array]:
        """Centres [S, 3] (m) of the shapes in the object's frame; squared distances [S, N] (m^2)
        from them to the samples."""
        centres = configuration.to_object(np.stack([centre for _, centre in state.shape_poses]))
        return centres, self._surface.squared_distances(centres)

    def _seen(self, within: float | Array) -> Array:
        """[S, 1] squared distance (m^2) from its centre up to which a shape's samples count, where
        those closer than `within` (m) to the shape itself are looked for."""
        reach = self._outer + within + ROUNDING_M
        return np.square(reach)[:, None]

    def _pairs(
        self,
        state: HandState,
        configuration: Configuration,
        centres: Array,
        candidates: NDArray[np.bool_],
    ) -> NearPairs:
        """The pairs that candidates [S, N] marks, and their distances."""
        shapes, samples = np.nonzero(candidates)
        local = self._points[:, samples]
        ends = np.cumsum(np.count_nonzero(candidates, axis=1))
        for i, (rotation, _) in enumerate(state.shape_poses):
            own = slice(ends[i - 1] if i else 0, ends[i])
            turn = configuration.rotation @ rotation
            local[:, own] = turn.T @ (local[:, own] - centres[i, :, None])
        round_, ball = self._cylinders[shapes], self._spheres[shapes]
        local[0, round_] = np.hypot(local[0, round_], local[1, round_])
        local[0, ball] = np.linalg.norm(local[:, ball], axis=0)
        beyond = np.abs(local) - self._half[:, shapes]
        outside = np.maximum(beyond, 0.0)
        distances = np.sqrt((outside**2).sum(axis=0)) + np.minimum(beyond.max(axis=0), 0.0)
        return NearPairs(shapes, samples, distances)
