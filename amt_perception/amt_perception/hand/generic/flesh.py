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
_FINGER_CONES = 3


@dataclass(frozen=True)
class Flesh:
    """Round cones: axis from `start` to `end` with a radius at each end, in metres.

    Three of each finger come first, thumb to pinky, then those of the palm.
    """

    start: np.ndarray
    end: np.ndarray
    radius_start: np.ndarray
    radius_end: np.ndarray
    group: np.ndarray
    """[N] which finger the cone belongs to, or PALM."""
    size: float
    """Factor on the widths over which cones blend."""

    def project(self, points: np.ndarray, group: np.ndarray, steps: int) -> np.ndarray:
        """Pull points [N, 3] onto the skin; finger points see only their own finger and the palm.

        group: [N] finger of each point or PALM.
        """
        points = points.copy()
        sees = (self.group == PALM) | (group[:, None] == PALM) | (self.group == group[:, None])
        for _ in range(steps):
            value, gradient = self._field(points, sees)
            # In a cleft the normals cancel; the bound keeps the step short there.
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
        fingers, palm = slice(0, 5 * _FINGER_CONES), slice(5 * _FINGER_CONES, None)
        inner, inner_normal = _smooth_minimum(
            distance[:, fingers].reshape(-1, 5, _FINGER_CONES),
            normal[:, fingers].reshape(-1, 5, _FINGER_CONES, 3),
            _FINGER_BLEND * self.size,
        )
        return _smooth_minimum(
            np.concatenate([distance[:, palm], inner], axis=1),
            np.concatenate([normal[:, palm], inner_normal], axis=1),
            _PALM_BLEND * self.size,
        )


def _smooth_minimum(
    distance: np.ndarray, normal: np.ndarray, blend: float
) -> tuple[np.ndarray, np.ndarray]:
    """-blend * log(sum(exp(-distance / blend))) of [..., K], and its gradient of [..., K, 3]."""
    nearest = distance.min(axis=-1, keepdims=True)
    unseen = ~np.isfinite(nearest[..., 0])
    nearest = np.where(np.isfinite(nearest), nearest, 0.0)
    weight = np.exp((nearest - distance) / blend)
    total = np.where(unseen, 1.0, weight.sum(axis=-1))
    value = np.where(unseen, np.inf, nearest[..., 0] - blend * np.log(total))
    return value, (weight[..., None, :] @ normal)[..., 0, :] / total[..., None]


def build_flesh(skeleton: Skeleton) -> Flesh:
    """Cones for fingers, metacarpals, the balls of the thumb and little finger, and the wrist."""
    cones: list[tuple[np.ndarray, np.ndarray, float, float, int]] = []
    for finger in range(5):
        chain, girth = skeleton.chain(finger), skeleton.girth[finger]
        # The last cone ends one radius inside, so that its round end touches the fingertip.
        bone = chain[3] - chain[2]
        chain[3] -= bone / np.linalg.norm(bone) * girth[3]
        for i in range(_FINGER_CONES):
            cones.append((chain[i], chain[i + 1], girth[i], girth[i + 1], finger))

    millimetre = 1e-3 * skeleton.size

    def palm_cone(
        start: np.ndarray,
        start_offset: tuple[float, float, float],
        end: np.ndarray,
        end_offset: tuple[float, float, float],
        radii: tuple[float, float],
        girth: float,
    ) -> None:
        """Offsets from the bones and radii in millimetres of the mean hand."""
        cones.append(
            (
                start + np.array(start_offset) * millimetre,
                end + np.array(end_offset) * millimetre,
                radii[0] * girth * millimetre,
                radii[1] * girth * millimetre,
                PALM,
            )
        )

    thick, carpus = skeleton.palm_thickness, skeleton.carpus
    for finger in range(1, 5):
        knuckle = skeleton.chain(finger)[0]
        palm_cone(carpus[finger], (0, -3, 0), knuckle, (0, -1.5, 0), (11.5, 10), thick)
    thumb, index, pinky = (skeleton.chain(finger) for finger in (0, 1, 4))
    middle_of_thumb = 0.55 * thumb[0] + 0.45 * thumb[1]
    # The ball of the thumb, the web between thumb and index, the ball of the little finger.
    palm_cone(carpus[0], (0, -3, -3), middle_of_thumb, (-2, -3, -5), (13, 12), thick)
    palm_cone(carpus[1], (0, -9, -1), index[0], (22, -8, 2), (10, 8), thick)
    palm_cone(carpus[4], (4, -7, 0), pinky[0], (14, -6, 1), (11, 9), thick)
    wrist = skeleton.joints[0]
    for z in (-11.0, 0.0, 11.0):
        palm_cone(wrist, (40, -2, z), wrist, (-10, -3, z), (15, 14), skeleton.wrist_girth)

    start, end, radius_start, radius_end, group = (np.array(c) for c in zip(*cones, strict=True))
    return Flesh(start, end, radius_start, radius_end, group, skeleton.size)
