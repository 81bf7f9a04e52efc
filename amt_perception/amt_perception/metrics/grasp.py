"""Figures of functional grasps: where a hand touches an object, how near a grasp is to another.

The hand's parts are those of `model.interface.HAND_PARTS`, in their order. How strongly a part
touches a point is a kernel of their distance (`ContactKernel`); a predicted strength is judged by
inverting it: the point is touched where the predicted distance is less than CONTACT_DISTANCE_M.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.metrics.classification import (
    Decisions,
    Reliability,
    count_decisions,
    reliability,
)
from amt_perception.model.interface import HAND_PARTS

CONTACT_DISTANCE_M = 0.01
"""A point is touched by a part that is nearer than this."""
HAND_LENGTH_M = 0.1
"""A turn of one radian moves the fingertips about so far: it weighs angles against distances."""
NO_CONTACT = "no_contact"
KERNELS = ("exponential", "gaussian")
_LEAST_STRENGTH = 1e-12


@dataclass(frozen=True)
class ContactKernel:
    """Strength of contact in 0..1 at a distance: one at the surface, falling with distance."""

    shape: str = "exponential"
    """exponential: exp(-d / scale), or gaussian: exp(-d^2 / (2 scale^2))."""
    scale: float = 0.01
    """Of the distance (m)."""

    def __post_init__(self) -> None:
        """Raises AmtError for what cannot be."""
        if self.shape not in KERNELS:
            raise AmtError(f"contact kernel '{self.shape}': choose one of: {', '.join(KERNELS)}")
        if not self.scale > 0.0:
            raise AmtError(f"the contact kernel's scale is {self.scale} m; it must be positive")

    def strength(self, distance: np.ndarray) -> np.ndarray:
        """[...] of distances [...] (m)."""
        ratio = distance / self.scale
        return np.exp(-ratio if self.shape == "exponential" else -0.5 * ratio**2)

    def distance(self, strength: np.ndarray) -> np.ndarray:
        """[...] (m) at which the strength [...] is reached: the reverse of `strength`."""
        logarithm = -np.log(np.clip(strength, _LEAST_STRENGTH, 1.0))
        ratio = logarithm if self.shape == "exponential" else np.sqrt(2.0 * logarithm)
        return self.scale * ratio


def contact_decisions(
    strength: np.ndarray, distance: np.ndarray, kernel: ContactKernel
) -> dict[str, Decisions]:
    """By hand part: is each point touched by it? Parts that the hand has not are left out.

    strength: [S, N, 6] predicted; distance: [S, N, 6] true (m), NaN for parts that are not there.
    """
    found = kernel.distance(strength) < CONTACT_DISTANCE_M
    there = ~np.isnan(distance)
    with np.errstate(invalid="ignore"):
        truth = distance < CONTACT_DISTANCE_M
    return {
        part: count_decisions(found[..., k], truth[..., k], there[..., k])
        for k, part in enumerate(HAND_PARTS)
        if there[..., k].any()
    }


def contact_reliability(
    strength: np.ndarray, distance: np.ndarray, kernel: ContactKernel, least: float = 0.0
) -> Reliability:
    """How well predicted strengths agree with true ones, bin by bin of the predicted.

    Its `calibration_error` is the mean difference between the two. Almost all points of an object
    are far from the hand and easily right; `least` leaves out those where neither the prediction
    nor the truth reaches it. Shapes as in `contact_decisions`.
    """
    truth = kernel.strength(distance)
    with np.errstate(invalid="ignore"):
        counts = ~np.isnan(distance) & ((strength >= least) | (truth >= least))
    return reliability(strength[counts], truth[counts])


def class_accuracy(
    strength: np.ndarray, distance: np.ndarray, kernel: ContactKernel
) -> dict[str, float]:
    """Share of the points of each class that get it: NO_CONTACT and the hand's parts.

    A point's class is the nearest part, or NO_CONTACT where none is nearer than CONTACT_DISTANCE_M;
    the predicted one likewise, of the predicted distances. NaN for a class without points. Shapes
    as in `contact_decisions`.
    """
    truth = _nearest(np.where(np.isnan(distance), np.inf, distance))
    found = _nearest(np.where(np.isnan(distance), np.inf, kernel.distance(strength)))
    accuracy = {}
    for k, name in enumerate((NO_CONTACT, *HAND_PARTS)):
        mine = truth == k - 1
        accuracy[name] = float((found[mine] == k - 1).mean()) if mine.any() else float("nan")
    return accuracy


def _nearest(distance: np.ndarray) -> np.ndarray:
    """[S, N] the part of the least distance [S, N, 6], -1 where that is no contact."""
    return np.where(distance.min(-1) < CONTACT_DISTANCE_M, distance.argmin(-1), -1)


class GraspErrors(NamedTuple):
    """From grasps to others, each [...]."""

    angle: np.ndarray
    """Between the hand's orientations (rad)."""
    place: np.ndarray
    """Between its places (m)."""
    joints: np.ndarray
    """Mean difference of the joints (rad)."""

    @property
    def distance(self) -> np.ndarray:
        """Of the hand as a whole (m): place and angle, see HAND_LENGTH_M."""
        return self.place + HAND_LENGTH_M * self.angle

    def nearest(self) -> GraspErrors:
        """[...] of the one with the least `distance` among the last axis of [..., K]."""
        best = self.distance.argmin(-1)[..., None]
        return GraspErrors(*(np.take_along_axis(one, best, -1)[..., 0] for one in self))


def grasp_errors(
    rotation: np.ndarray, position: np.ndarray, joints: np.ndarray,
    true_rotation: np.ndarray, true_position: np.ndarray, true_joints: np.ndarray,
) -> GraspErrors:  # fmt: skip
    """Errors of grasps whose leading axes broadcast: rotation [..., 3, 3], position [..., 3] (m).

    joints: [..., J] positions, or [..., J, 3] axis-angle vectors, whose rotations are compared
    (rad).
    """
    if joints.shape[-1] == 3 and joints.ndim == rotation.ndim:
        joint_error = _angle(_matrices(joints), _matrices(true_joints)).mean(-1)
    else:
        joint_error = np.abs(joints - true_joints).mean(-1)
    return GraspErrors(
        _angle(rotation, true_rotation),
        np.linalg.norm(position - true_position, axis=-1),
        joint_error,
    )


def _angle(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Between rotations [..., 3, 3] (rad); from sine and cosine, exact near zero and pi."""
    between = np.swapaxes(first, -1, -2) @ second
    axis = np.stack(
        [
            between[..., 2, 1] - between[..., 1, 2],
            between[..., 0, 2] - between[..., 2, 0],
            between[..., 1, 0] - between[..., 0, 1],
        ],
        axis=-1,
    )
    trace = np.trace(between, axis1=-2, axis2=-1)
    return np.arctan2(np.linalg.norm(axis, axis=-1), trace - 1.0)


def _matrices(vectors: np.ndarray) -> np.ndarray:
    """[..., 3, 3] of axis-angle vectors [..., 3]."""
    from scipy.spatial.transform import Rotation

    flat = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix()
    return flat.reshape(*vectors.shape, 3)


class Interval(NamedTuple):
    """A figure, and where it may lie."""

    value: float
    low: float
    high: float


def bootstrap_interval(
    values: np.ndarray,
    groups: np.ndarray,
    statistic: Callable[[np.ndarray], float] = np.mean,
    level: float = 0.95,
    draws: int = 1000,
) -> Interval:
    """A statistic of values [S] and its interval when whole groups are drawn anew.

    groups: [S] whose samples belong together, such as the names of the objects: grasps of one
    object are alike and count as one piece of evidence. Percentile interval of the cluster
    bootstrap (Efron and Tibshirani, "An introduction to the bootstrap", 1993); the same draws each
    time. NaN without values.
    """
    values, groups = np.asarray(values, dtype=float), np.asarray(groups)
    if values.shape != groups.shape or values.ndim != 1:
        raise ValueError(f"{values.shape} values but {groups.shape} groups")
    if not len(values):
        return Interval(float("nan"), float("nan"), float("nan"))
    members = [values[groups == name] for name in np.unique(groups)]
    random = np.random.default_rng(0)
    drawn = [
        statistic(
            np.concatenate([members[k] for k in random.integers(len(members), size=len(members))])
        )
        for _ in range(draws)
    ]
    low, high = np.quantile(drawn, [0.5 - level / 2.0, 0.5 + level / 2.0])
    return Interval(float(statistic(values)), float(low), float(high))
