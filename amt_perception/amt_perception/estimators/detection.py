"""One hand that a detector found in one image, before tracking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from amt_perception.hand.joints import Side

DUPLICATE_DISTANCE = 0.25
"""Two detections nearer than this (mean keypoint distance over hand size) are one hand."""


@dataclass(frozen=True)
class HandDetection:
    """Keypoints of one hand in the project's joint order, and the side the detector believes in."""

    keypoints_px: np.ndarray
    """[21, 2] in the full image."""
    world_joints: np.ndarray
    """[21, 3] metres, about the hand's centre, axes parallel to the camera's; size and depth are
    a network's guess."""
    side: Side
    side_score: float
    """0.5..1: probability of that side."""

    @property
    def size_px(self) -> float:
        """Longer side of the box around the keypoints."""
        return float(np.ptp(self.keypoints_px, axis=0).max())


def remove_duplicates(detections: Sequence[HandDetection]) -> list[HandDetection]:
    """The detections without second ones of a hand: of two, the surer about its side stays."""
    kept: list[HandDetection] = []
    for detection in sorted(detections, key=lambda one: -one.side_score):
        if all(keypoint_distance(detection, other) >= DUPLICATE_DISTANCE for other in kept):
            kept.append(detection)
    return kept


def keypoint_distance(first: HandDetection, second: HandDetection) -> float:
    """Mean keypoint distance over the larger hand's size; about 1 for hands side by side."""
    distance = np.linalg.norm(first.keypoints_px - second.keypoints_px, axis=-1).mean()
    return float(distance / max(first.size_px, second.size_px, 1.0))
