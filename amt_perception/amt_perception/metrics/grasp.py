"""Figures of functional grasps: where a hand touches an object, how near a grasp is to another.

The hand's parts are those of `model.interface.HAND_PARTS`, in their order. A model predicts
probabilities of contact, which its kernel turns into distances (`grasp.contact.ContactKernel`): a
point is touched where the distance is less than CONTACT_DISTANCE_M.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

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


def contact_decisions(found: np.ndarray, truth: np.ndarray) -> dict[str, Decisions]:
    """By hand part: is each point touched by it? Parts that the hand has not are left out.

    found, truth: [S, N, 6] distances (m), the truth NaN for parts that are not there.
    """
    there = ~np.isnan(truth)
    touched = np.less(truth, CONTACT_DISTANCE_M, where=there, out=np.zeros(truth.shape, bool))
    return {
        part: count_decisions(found[..., k] < CONTACT_DISTANCE_M, touched[..., k], there[..., k])
        for k, part in enumerate(HAND_PARTS)
        if there[..., k].any()
    }


def contact_reliability(found: np.ndarray, truth: np.ndarray, least: float = 0.0) -> Reliability:
    """How well predicted probabilities of contact agree with the targets, in bins of the former.

    found, truth: [S, N, 6], the truth NaN for parts that are not there. `calibration_error` is the
    mean difference of the two. Almost all points of an object are far from the hand and easily
    right: `least` leaves out those where neither reaches it.
    """
    counts = ~np.isnan(truth) & (np.fmax(found, truth) >= least)
    return reliability(found[counts], truth[counts])


def class_accuracy(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Share of the points of each class that get it: NO_CONTACT and the hand's parts.

    A point's class is the nearest part, or NO_CONTACT where none is nearer than
    CONTACT_DISTANCE_M. found, truth: as in `contact_decisions`. NaN for a class without points.
    """
    there = ~np.isnan(truth)
    true_class, found_class = (
        _nearest(np.where(there, distance, np.inf)) for distance in (truth, found)
    )
    accuracy = {}
    for k, name in enumerate((NO_CONTACT, *HAND_PARTS)):
        mine = true_class == k - 1
        right = found_class[mine] == k - 1
        accuracy[name] = float(right.mean()) if mine.any() else float("nan")
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
    """A statistic of values [S, ...] and its interval when whole groups are drawn anew.

    groups: [S] whose samples belong together, such as the names of the objects: grasps of one
    object are alike and count as one piece of evidence. Percentile interval of the cluster
    bootstrap (Efron and Tibshirani, "An introduction to the bootstrap", 1993); the same draws each
    time. NaN without values.
    """
    values, groups = np.asarray(values, dtype=float), np.asarray(groups)
    if groups.shape != values.shape[:1]:
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
