"""How far the hand keeps from the object and from itself, as rows for a quadratic program.

The object's samples are tested against every shape of the hand with the shape's exact distance, so
concave objects and point clouds need no preparation. A link that is wholly inside the object holds
no sample: therefore the sphere inside every shape is tested against the object's surface as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amt_retarget.grasp.configuration import Configuration, cross_rows
from amt_retarget.grasp.hand_model import HandModel, HandState
from amt_retarget.grasp.surface import ObjectSurface

Array = NDArray[np.float64]

ROWS_PER_SHAPE = 12
"""Samples of the object that a shape looks at: its nearest ones."""

Rows = tuple[Array, Array, NDArray[np.bool_]]
"""Distances [n], their motion [n, 22] and whether it is a fingertip [n], as in ClearanceRows."""


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
        self._fingertip_joints = set(hand.dome_joints.values())

    def rows(self, state: HandState, configuration: Configuration, within: float) -> ClearanceRows:
        """Every distance below `within` (m), at most ROWS_PER_SHAPE for a shape and the object.

        state: the hand at the configuration's joints.
        """
        centres = np.stack([position for _, position in state.shape_poses])
        in_object = configuration.to_object(centres)
        squared = self._surface.squared_distances(in_object)
        inner, directions = self._surface.signed_distance(in_object, squared)
        rows = self._self_rows(state, within)
        for i, shape in enumerate(self._hand.shapes):
            near = np.flatnonzero(squared[i] < (shape.outer_radius + within) ** 2)
            if near.size:
                rows.append(self._sample_rows(state, configuration, i, near, within))
            if inner[i] - shape.inner_radius < within:
                distance = inner[[i]] - shape.inner_radius
                away = directions[[i]] @ configuration.rotation
                rows.append(self._row(state, configuration, i, distance, centres[[i]], away))
        if not rows:
            return ClearanceRows(np.zeros(0), np.zeros((0, 22)), np.zeros(0, bool))
        return ClearanceRows(*(np.concatenate(column) for column in zip(*rows, strict=True)))

    def penetration(self, configuration: Configuration) -> float:
        """Deepest penetration of the object by a link, or of two links (m); 0 for none."""
        rows = self.rows(self._hand(configuration.joints), configuration, 0.0)
        return float(np.max(-rows.distance, initial=0.0))

    def _sample_rows(
        self,
        state: HandState,
        configuration: Configuration,
        shape: int,
        near: NDArray[np.int64],
        within: float,
    ) -> Rows:
        """A shape's surface and those of the object's samples that are near it."""
        rotation, position = state.shape_poses[shape]
        samples = (self._surface.points[near] - configuration.position) @ configuration.rotation
        distance, gradient = self._hand.shapes[shape].signed_distance(
            (samples - position) @ rotation
        )
        nearest = np.argsort(distance, kind="stable")[:ROWS_PER_SHAPE]
        nearest = nearest[distance[nearest] < within]
        # The shape moves, the sample stays: the distance falls along the gradient.
        away = -gradient[nearest] @ rotation.T
        return self._row(state, configuration, shape, distance[nearest], samples[nearest], away)

    def _row(
        self,
        state: HandState,
        configuration: Configuration,
        shape: int,
        distance: Array,
        points: Array,
        away: Array,
    ) -> Rows:
        """Rows for distances [n] that grow when points [n, 3] of a shape move along away [n, 3].

        Points and directions are given in the palm's frame.
        """
        joint, turn = self._hand.shape_joints[shape], configuration.rotation
        # A unit force along `away` at the point: its moments tell how each motion changes the
        # distance, about the palm's origin for the palm and about the joint's for the fingers.
        moment = cross_rows(points - state.positions[joint], away)
        fingers = np.column_stack([away, moment]) @ state.jacobians[joint]
        motion = np.column_stack([away @ turn.T, cross_rows(points, away) @ turn.T, fingers])
        return distance, motion, np.full(len(distance), joint in self._fingertip_joints)

    def _self_rows(self, state: HandState, within: float) -> list[Rows]:
        """The hand's own links; how the palm lies does not matter."""
        rows: list[Rows] = []
        for pair in self._hand.near_links(state, within):
            first, second = (
                pair.normal @ state.point_jacobian(joint, point)
                for joint, point in zip(pair.joints, pair.points, strict=True)
            )
            motion = np.concatenate([np.zeros(6), second - first])
            rows.append((np.array([pair.distance]), motion[None], np.zeros(1, bool)))
        return rows
