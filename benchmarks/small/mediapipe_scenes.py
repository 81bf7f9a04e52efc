"""MediaPipe on the held-out scenes: which hands it finds, and where it has their joints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.estimators.detection import HandDetection
from amt_perception.estimators.hand_box import HandBox
from amt_perception.estimators.interface import HandEstimate
from amt_perception.estimators.mediapipe import MAX_HANDS, MediaPipeEstimator
from amt_perception.estimators.mediapipe_detector import MediaPipeDetector
from amt_perception.model.interface import LEFT, RIGHT
from amt_training.data.sample import HandDataset, HandSample
from amt_training.evaluation.predictions import Arrays, Predictions

LEAST_OVERLAP = 0.3
"""A hand is found when the box around MediaPipe's keypoints and the true one overlap by so much
(intersection over union)."""


@dataclass(frozen=True)
class MediaPipeHands(Arrays):
    """Of the N entries of a data set; zeros where the hand was not found."""

    found: np.ndarray
    """[N] bool."""
    side: np.ndarray
    """[N] LEFT or RIGHT, which MediaPipe took it for."""
    joints: np.ndarray
    """[N, 21, 3] of the generic hand that was fitted to the keypoints, camera frame (m)."""
    world_joints: np.ndarray
    """[N, 21, 3] MediaPipe's own, about the hand's centre (m)."""
    keypoints: np.ndarray
    """[N, 21, 2] pixels."""


def mediapipe_hands(dataset: HandDataset, cache: Path) -> MediaPipeHands:
    """What MediaPipe says about each entry's picture by itself; kept in `cache` for the next time.

    Raises AmtError without MediaPipe or its models, or when the file cannot be written.
    """
    if cache.is_file():
        return MediaPipeHands.load(cache)
    count = len(dataset.entries)
    hands = MediaPipeHands(
        found=np.zeros(count, bool),
        side=np.zeros(count, int),
        joints=np.zeros((count, 21, 3)),
        world_joints=np.zeros((count, 21, 3)),
        keypoints=np.zeros((count, 21, 2)),
    )
    detector = MediaPipeDetector(MAX_HANDS, single_images=True)
    estimator = MediaPipeEstimator(single_images=True)
    for index in tqdm(range(count), desc="MediaPipe", unit="hand"):
        best = _hand(dataset.sample(index), detector, estimator)
        if best is not None:
            hand, detection = best
            hands.found[index] = True
            hands.side[index] = LEFT if hand.side == hand.side.LEFT else RIGHT
            hands.joints[index] = hand.joints
            hands.world_joints[index] = detection.world_joints
            hands.keypoints[index] = hand.keypoints_px
    detector.close()
    estimator.close()
    hands.save(cache)
    return hands


def as_predictions(hands: MediaPipeHands, joints: np.ndarray) -> Predictions:
    """For the protocols for hands. joints: [N, 21, 3] the fitted ones or MediaPipe's own (m)."""
    count = len(joints)
    return Predictions(
        joints=joints,
        joint_confidence=np.ones((count, 21)),
        keypoints=hands.keypoints,
        object_pose=np.zeros((count, 0, 4, 4)),
        object_chance=np.zeros((count, 0, 0)),
        contact_probability=np.zeros((count, 0)),
        contact_points=np.zeros((count, 0, 3)),
        contact_confidence=np.zeros((count, 0)),
        interaction_probability=np.zeros((count, 0)),
    )


def _hand(
    sample: HandSample, detector: MediaPipeDetector, estimator: MediaPipeEstimator
) -> tuple[HandEstimate, HandDetection] | None:
    """The hand that is meant, as it was fitted and as it was detected; None for not found."""
    height, width = sample.image.shape[:2]
    matrix = sample.camera
    camera = Intrinsics(matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2], width, height)
    detections = detector.detect(sample.image, 0.0)
    estimator.reset()
    hands = estimator.estimate_from(detections, camera, 0.0).hands
    overlaps = [
        overlap(HandBox.around(hand.keypoints_px, hand.side).array, sample.hand_box)
        for hand in hands
    ]
    if not hands or max(overlaps) < LEAST_OVERLAP:
        return None
    hand = hands[int(np.argmax(overlaps))]
    own = [one for one in detections if one.keypoints_px is hand.keypoints_px]
    return (hand, own[0]) if own else None


def overlap(box: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes [4] x, y, width, height."""
    low = np.maximum(box[:2], other[:2])
    high = np.minimum(box[:2] + box[2:], other[:2] + other[2:])
    common = float(np.prod((high - low).clip(min=0.0)))
    return common / float(box[2:].prod() + other[2:].prod() - common)
