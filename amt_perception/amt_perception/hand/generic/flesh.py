"""The skin of the generic hand as a smooth implicit surface around its skeleton.

The flesh is a smooth union of round cones (Quilez, "Distance functions", 2008; the union is the
exponential smooth minimum). Vertices are pulled onto its zero level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amt_perception.hand.generic.skeleton import Skeleton

PALM = 5
"""Group number of the palm; 0 to 4 are the fingers, thumb to pinky."""

_FINGER_BLEND = 0.0015
_PALM_BLEND = 0.0045


@dataclass(frozen=True)
class Flesh:
    """Round cones: axis from `start` to `end` with a radius at each end, in metres."""

    start: np.ndarray
    end: np.ndarray
    radius_start: np.ndarray
    radius_end: np.ndarray
    group: np.ndarray
    """[N] which finger the cone belongs to, or PALM."""

    def project(self, points: np.ndarray, group: np.ndarray, steps: int) -> np.ndarray:
        """Pull points [N, 3] onto the skin; finger points see only their own finger and the palm.

        group: [N] finger of each point or PALM.
        """
        points = points.copy()
        sees = (self.group == PALM) | (group[:, None] == PALM) | (self.group == group[:, None])
        for _ in range(steps):
            value, gradient = self._field(points, sees)
            slope = np.maximum((gradient**2).sum(1), 0.3)
            points -= (value / slope)[:, None] * gradient
        return points

    def _field(self, points: np.ndarray, sees: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Signed distance [N] (negative inside) and its gradient [N, 3]."""
        axis = self.end - self.start
        along = np.einsum("nkd,kd->nk", points[:, None] - self.start, axis)
        along = np.clip(along / (axis**2).sum(1), 0.0, 1.0)
        offset = points[:, None] - (self.start + along[..., None] * axis)
        length = np.linalg.norm(offset, axis=2)
        distance = length - (self.radius_start + along * (self.radius_end - self.radius_start))
        distance = np.where(sees, distance, np.inf)
        normal = offset / np.maximum(length, 1e-9)[..., None]

        # A finger's own cones first, tightly; then fingers and palm, softly.
        inner = np.empty((len(points), 5))
        inner_normal = np.empty((len(points), 5, 3))
        for finger in range(5):
            mine = self.group == finger
            inner[:, finger], inner_normal[:, finger] = _smooth_minimum(
                distance[:, mine], normal[:, mine], _FINGER_BLEND
            )
        palm = self.group == PALM
        return _smooth_minimum(
            np.concatenate([distance[:, palm], inner], axis=1),
            np.concatenate([normal[:, palm], inner_normal], axis=1),
            _PALM_BLEND,
        )


def _smooth_minimum(
    distance: np.ndarray, normal: np.ndarray, blend: float
) -> tuple[np.ndarray, np.ndarray]:
    """-blend * log(sum(exp(-distance / blend))) over axis 1, and its gradient."""
    nearest = distance.min(axis=1, keepdims=True)
    unseen = ~np.isfinite(nearest[:, 0])
    nearest = np.where(np.isfinite(nearest), nearest, 0.0)
    weight = np.exp((nearest - distance) / blend)
    total = np.where(unseen, 1.0, weight.sum(axis=1))
    value = np.where(unseen, np.inf, nearest[:, 0] - blend * np.log(total))
    return value, np.einsum("nk,nkd->nd", weight / total[:, None], normal)


def build_flesh(skeleton: Skeleton) -> Flesh:
    """Cones for the phalanges, the metacarpals, the balls of the thumb and little finger, the wrist."""
    cones: list[tuple[np.ndarray, np.ndarray, float, float, int]] = []
    size = np.linalg.norm(skeleton.joints[4]) / 0.0895  # wrist to middle knuckle
    millimetre = 1e-3 * size
    depth = skeleton.palm_thickness * millimetre

    def at(point: np.ndarray, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
        return point + np.array([x, y, z]) * millimetre

    for finger in range(5):
        chain = skeleton.chain(finger)
        girth = skeleton.girth[finger]
        bone = chain[3] - chain[2]
        # The last cone ends one radius inside, so that its round end touches the fingertip.
        end = chain[3] - bone / np.linalg.norm(bone) * girth[3]
        ends = np.vstack([chain[:3], end])
        for i in range(3):
            cones.append((ends[i], ends[i + 1], girth[i], girth[i + 1], finger))

    for finger in range(1, 5):
        knuckle, carpus = skeleton.joints[[0, 1, 4, 10, 7][finger]], skeleton.carpus[finger]
        cones.append((at(carpus, y=-3), at(knuckle, y=-3), 11.5 * depth, 10.0 * depth, PALM))

    thumb, index, pinky = skeleton.chain(0), skeleton.joints[1], skeleton.joints[7]
    middle_of_thumb = 0.55 * thumb[0] + 0.45 * thumb[1]
    cones += [
        # thenar: the ball of the thumb, and the web to the index finger
        (at(thumb[0], y=-3, z=-3), at(middle_of_thumb, x=-2, y=-3, z=-5), 13 * depth, 12 * depth, PALM),
        (at(skeleton.carpus[1], y=-9, z=-1), at(index, x=22, y=-8, z=2), 10 * depth, 8 * depth, PALM),
        # hypothenar: the ball of the little finger
        (at(skeleton.carpus[4], x=4, y=-7), at(pinky, x=14, y=-6, z=1), 11 * depth, 9 * depth, PALM),
    ]
    girth = skeleton.wrist_girth * millimetre
    for z in (-11.0, 0.0, 11.0):
        cones.append((
            at(np.zeros(3), x=40, y=-2, z=z),
            at(np.zeros(3), x=-10, y=-3, z=z),
            15 * girth,
            14 * girth,
            PALM,
        ))  # fmt: skip
    start, end, radius_start, radius_end, group = (np.array(c) for c in zip(*cones, strict=True))
    return Flesh(start, end, radius_start, radius_end, group)
