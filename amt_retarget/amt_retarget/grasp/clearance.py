"""How far the hand keeps from the object and from itself, as rows for a quadratic program.

The object's samples are tested against every shape of the hand with the shape's exact distance, so
concave objects and point clouds need no preparation. A link that is wholly inside the object holds
no sample: therefore the sphere inside every shape is tested against the object's surface as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from amt_retarget.grasp.configuration import Configuration, cross_rows
from amt_retarget.grasp.hand_model import HandModel, HandState
from amt_retarget.grasp.proximity import Proximity
from amt_retarget.grasp.surface import ObjectSurface

Array = NDArray[np.float64]

ROWS_PER_SHAPE = 12
"""Samples of the object that a shape looks at: its nearest ones."""


ShapeRows = tuple[NDArray[np.int64], Array, Array, Array]
"""Shapes [n], their distances [n] from something, and the points [n, 3] and directions [n, 3] in
the palm's frame along which these grow when the shape moves."""


@dataclass(frozen=True, eq=False)
class ClearanceRows:
    """Distances that are to stay above a least value, and how a change of configuration acts."""

    distance: Array
    """[m] m, negative where hand and object, or two links, penetrate."""
    motion: Array
    """[m, 22] change of the distance with the configuration."""
    fingertip: NDArray[np.bool_]
    """[m] whether it is a finger's last link and the object: they are meant to touch."""


class Clearance:
    """Distances between the hand and an object, and between the hand's own links."""

    def __init__(self, hand: HandModel, surface: ObjectSurface) -> None:
        self._hand = hand
        self._surface = surface
        self._proximity = Proximity(hand, surface)
        self._joints = np.array(hand.shape_joints)
        self._inner = np.array([shape.inner_radius for shape in hand.shapes])
        self._is_fingertip = np.isin(self._joints, list(hand.dome_joints.values()))

    def rows(self, state: HandState, configuration: Configuration, within: float) -> ClearanceRows:
        """Every distance below `within` (m), at most ROWS_PER_SHAPE for a shape and the object.

        state: the hand at the configuration's joints.
        """
        shapes, distance, points, away = (
            np.concatenate(both)
            for both in zip(
                self._sample_rows(state, configuration, within),
                self._inner_rows(state, configuration, within),
                strict=True,
            )
        )
        motion = self._motion(state, configuration, self._joints[shapes], points, away)
        own_distance, own_motion = self._self_rows(state, within)
        return ClearanceRows(
            np.concatenate([distance, own_distance]),
            np.concatenate([motion, own_motion]),
            np.concatenate([self._is_fingertip[shapes], np.zeros(len(own_distance), bool)]),
        )

    def penetration(self, configuration: Configuration) -> float:
        """Deepest penetration of the object by a link, or of two links (m); 0 for none."""
        rows = self.rows(self._hand(configuration.joints), configuration, 0.0)
        return float(np.max(-rows.distance, initial=0.0))

    def _sample_rows(
        self, state: HandState, configuration: Configuration, within: float
    ) -> ShapeRows:
        """The shapes' surfaces and the object's samples next to each."""
        pairs = self._proximity.pairs(state, configuration, within)
        ends = np.searchsorted(pairs.shapes, np.arange(len(self._hand.shapes) + 1))
        nearest = [
            start + np.argsort(pairs.distances[start:end], kind="stable")[:ROWS_PER_SHAPE]
            for start, end in pairwise(ends)
        ]
        samples = self._surface.points[pairs.samples[np.concatenate(nearest)]]
        samples = (samples - configuration.position) @ configuration.rotation
        shapes = np.repeat(np.arange(len(nearest)), [len(own) for own in nearest])
        distance, away = np.zeros(len(shapes)), np.zeros((len(shapes), 3))
        for i in np.unique(shapes):
            own = shapes == i
            rotation, position = state.shape_poses[i]
            distance[own], gradient = self._hand.shapes[i].signed_distance(
                (samples[own] - position) @ rotation
            )
            # The shape moves, the sample stays: the distance falls along the gradient.
            away[own] = -gradient @ rotation.T
        return shapes, distance, samples, away

    def _inner_rows(
        self, state: HandState, configuration: Configuration, within: float
    ) -> ShapeRows:
        """The spheres inside the shapes and the object's surface."""
        centres = np.stack([position for _, position in state.shape_poses])
        distance, directions = self._surface.signed_distance(configuration.to_object(centres))
        distance -= self._inner
        near = np.flatnonzero(distance < within)
        return near, distance[near], centres[near], directions[near] @ configuration.rotation

    def _motion(
        self,
        state: HandState,
        configuration: Configuration,
        joints: NDArray[np.int64],
        points: Array,
        away: Array,
    ) -> Array:
        """Motion [n, 22] of distances that grow when points [n, 3] of the links that joints [n]
        move go along away [n, 3]. Points and directions are given in the palm's frame."""
        turn = configuration.rotation
        # A unit force along `away` at the point: its moments tell how each motion changes the
        # distance, about the palm's origin for the palm and about the joint's for the fingers.
        moment = cross_rows(points - state.positions[joints], away)
        wrench = np.column_stack([away, moment])
        fingers = np.einsum("nk,nkj->nj", wrench, state.jacobians[joints])
        return np.column_stack([away @ turn.T, cross_rows(points, away) @ turn.T, fingers])

    def _self_rows(self, state: HandState, within: float) -> tuple[Array, Array]:
        """Distances [n] between the hand's own links and their motion [n, 22]; how the palm lies
        does not matter."""
        pairs = self._hand.near_links(state, within)
        motion = np.zeros((len(pairs), 22))
        for row, pair in zip(motion, pairs, strict=True):
            first, second = (
                pair.normal @ state.point_jacobian(joint, point)
                for joint, point in zip(pair.joints, pair.points, strict=True)
            )
            row[6:] = second - first
        return np.array([pair.distance for pair in pairs]), motion
