"""How far the hand keeps from the object and from itself, as rows for a quadratic program.

The object's samples are tested against every shape of the hand with the shape's exact distance, so
concave objects and point clouds need no preparation. A link that is wholly inside the object holds
no sample: therefore the sphere inside every shape is tested against the object's surface as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amt_retarget.grasp.hand_model import HandModel, HandState
from amt_retarget.grasp.objective import Configuration
from amt_retarget.grasp.surface import ObjectSurface

Array = NDArray[np.float64]

ROWS_PER_SHAPE = 12
"""Samples of the object that a shape looks at: its nearest ones."""


@dataclass(frozen=True)
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
        """Every distance below `within` (m), at most ROWS_PER_SHAPE a shape."""
        found = [
            *self._object_rows(state, configuration, within),
            *self._inner_rows(state, configuration, within),
            *self._self_rows(state, configuration, within),
        ]
        width = 6 + self._hand.rest.size
        if not found:
            return ClearanceRows(np.zeros(0), np.zeros((0, width)), np.zeros(0, bool))
        return ClearanceRows(
            np.concatenate([distance for distance, _, _ in found]),
            np.concatenate([motion for _, motion, _ in found]),
            np.concatenate([np.full(len(d), fingertip) for d, _, fingertip in found]),
        )

    def _object_rows(
        self, state: HandState, configuration: Configuration, within: float
    ) -> list[tuple[Array, Array, bool]]:
        """The object's samples and the shapes' surfaces."""
        # Everything is computed in the palm's frame, where the shapes' poses are known.
        samples = (self._surface.points - configuration.position) @ configuration.rotation
        rows = []
        for shape, joint, (rotation, position) in self._shapes(state):
            reach = shape.outer_radius + within
            offsets = samples - position
            near = np.flatnonzero(np.einsum("ij,ij->i", offsets, offsets) < reach**2)
            if not near.size:
                continue
            distance, gradient = shape.signed_distance(offsets[near] @ rotation)
            nearest = np.argsort(distance, kind="stable")[:ROWS_PER_SHAPE]
            nearest = nearest[distance[nearest] < within]
            if nearest.size:
                # The shape moves, the sample stays: the distance falls along the gradient.
                away = -(gradient[nearest] @ rotation.T)
                points = samples[near[nearest]]
                motion = self._motion(state, configuration, joint, points, away)
                rows.append((distance[nearest], motion, joint in self._fingertip_joints))
        return rows

    def _inner_rows(
        self, state: HandState, configuration: Configuration, within: float
    ) -> list[tuple[Array, Array, bool]]:
        """The spheres inside the shapes and the object's surface."""
        centres = np.stack([position for _, position in state.shape_poses])
        distances, gradients = self._surface.signed_distance(configuration.to_object(centres))
        rows = []
        for i, (shape, joint, _) in enumerate(self._shapes(state)):
            distance = distances[i : i + 1] - shape.inner_radius
            if distance[0] < within:
                away = gradients[i : i + 1] @ configuration.rotation
                motion = self._motion(state, configuration, joint, centres[i : i + 1], away)
                rows.append((distance, motion, joint in self._fingertip_joints))
        return rows

    def _self_rows(
        self, state: HandState, configuration: Configuration, within: float
    ) -> list[tuple[Array, Array, bool]]:
        """The hand's links among themselves; how the hand is held does not matter."""
        rows = []
        for distance, first, second, on_first, on_second, apart in self._hand.self_distances(
            configuration.joints
        ):
            if distance < within:
                relative = (
                    state.point_jacobian(second, on_second[None])[0]
                    - state.point_jacobian(first, on_first[None])[0]
                )
                motion = np.concatenate([np.zeros(6), apart @ relative])[None]
                rows.append((np.array([distance]), motion, False))
        return rows

    def _shapes(self, state: HandState) -> zip:
        return zip(self._hand.shapes, self._hand.shape_joints, state.shape_poses, strict=True)

    @staticmethod
    def _motion(
        state: HandState, configuration: Configuration, joint: int, points: Array, away: Array
    ) -> Array:
        """Change [n, 22] of distances when points [n, 3] of a link move along away [n, 3].

        Points and directions in the palm's frame; the change is as `Configuration.moved` takes it.
        """
        turn = configuration.rotation
        direction = away @ turn.T
        lever = points @ turn.T
        jacobian = np.einsum("ni,nij->nj", away, state.point_jacobian(joint, points))
        return np.column_stack([direction, np.cross(lever, direction), jacobian])
