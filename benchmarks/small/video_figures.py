"""Figures of two estimators on one clip: what they find, how steady they are, how they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from amt_perception.estimators.hand_box import HandBox
from amt_perception.estimators.interface import HandEstimate
from amt_perception.hand.joints import BONES, Side
from amt_perception.metrics.jitter import bone_length_variation, jitter_rms
from amt_perception.metrics.pose import procrustes_mpjpe
from benchmarks.small.figures import number_or_none
from benchmarks.small.videos import Watched

SAME_HAND = 0.5
"""Hands of the two estimators whose keypoints are further apart (mean, over the longer side of the
box) are not the same."""


def clip_figures(ours: Watched, theirs: Watched) -> dict[str, Any]:
    """Of each estimator alone, and how the model's hands differ from MediaPipe's."""
    return {
        "frames": len(ours.hands),
        "small": estimator_figures(ours),
        "mediapipe": estimator_figures(theirs),
        "difference": difference_figures(ours, theirs),
    }


def estimator_figures(watched: Watched) -> dict[str, Any]:
    """Finds, flips and time, and the steadiness of the hands of each side.

    Jitter: root mean square distance of the wrist-relative joints to a Savitzky-Golay fit; bone
    variation: standard deviation over mean of each bone's length, the mean over the bones.
    """
    milliseconds = 1e3 * np.array(watched.seconds)
    return {
        "frames_with_a_hand": sum(bool(hands) for hands in watched.hands),
        "side_flips": _flips(watched.hands),
        "ms_p50": float(np.percentile(milliseconds, 50)),
        "ms_p95": float(np.percentile(milliseconds, 95)),
        "sides": {
            side.name.lower(): _steadiness(watched.hands, side) for side in (Side.LEFT, Side.RIGHT)
        },
    }


def difference_figures(ours: Watched, theirs: Watched) -> dict[str, Any]:
    """Over all hands that both see: 3D after a Procrustes alignment, and in the picture."""
    pairs = [
        pair
        for mine, other in zip(ours.hands, theirs.hands, strict=True)
        for pair in same_hands(mine, other)
    ]
    if not pairs:
        return {"hands": 0, "same_side": None, "pa_mm": None, "pa_median_mm": None,
                "pa_p90_mm": None, "keypoints_of_box": None}  # fmt: skip
    distance = 1e3 * np.array([procrustes_mpjpe(a.joints, b.joints) for a, b in pairs])
    return {
        "hands": len(pairs),
        "same_side": float(np.mean([a.side == b.side for a, b in pairs])),
        "pa_mm": float(distance.mean()),
        "pa_median_mm": float(np.median(distance)),
        "pa_p90_mm": float(np.percentile(distance, 90)),
        "keypoints_of_box": float(np.mean([keypoint_difference(a, b) for a, b in pairs])),
    }


def same_hands(
    ours: Sequence[HandEstimate], theirs: Sequence[HandEstimate]
) -> list[tuple[HandEstimate, HandEstimate]]:
    """Hands of one frame that lie in the same place of the picture, ours with theirs."""
    cost = np.array([[keypoint_difference(a, b) for b in theirs] for a in ours])
    chosen = zip(*linear_sum_assignment(cost.reshape(len(ours), len(theirs))), strict=True)
    return [(ours[i], theirs[k]) for i, k in chosen if cost[i, k] < SAME_HAND]


def keypoint_difference(ours: HandEstimate, theirs: HandEstimate) -> float:
    """Mean distance of the keypoints over the longer side of their hand's box."""
    box = HandBox.around(theirs.keypoints_px, theirs.side)
    distance = np.linalg.norm(ours.keypoints_px - theirs.keypoints_px, axis=-1).mean()
    return float(distance / max(box.width, box.height, 1.0))


def _steadiness(hands: Sequence[Sequence[HandEstimate]], side: Side) -> dict[str, Any]:
    joints = np.full((len(hands), 21, 3), np.nan)
    for frame, some in enumerate(hands):
        own = [hand for hand in some if hand.side == side]
        if own:
            joints[frame] = max(own, key=lambda hand: hand.confidence).joints
    seen = np.isfinite(joints[:, 0, 0])
    relative = joints - joints[:, :1]
    variation = bone_length_variation(joints[seen], BONES).mean() if seen.any() else np.nan
    return {
        "frames": int(seen.sum()),
        "jitter_mm": number_or_none(1e3 * jitter_rms(relative)),
        "bone_variation": number_or_none(float(variation)),
    }


def _flips(hands: Sequence[Sequence[HandEstimate]]) -> int:
    """How often a hand that is followed is called another side than before."""
    sides: dict[int, Side] = {}
    flips = 0
    for some in hands:
        for hand in some:
            flips += sides.get(hand.track_id, hand.side) != hand.side
            sides[hand.track_id] = hand.side
    return flips
