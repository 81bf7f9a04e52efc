"""Keypoints in the picture as COCO judges them: similarity of keypoints, average precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

HAND_SIGMA = 0.05
"""Of every hand keypoint, as DexYCB's COCO protocol sets it."""
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)


def keypoint_similarity(
    keypoints: np.ndarray,
    truth: np.ndarray,
    valid: np.ndarray,
    area: np.ndarray,
    sigma: float = HAND_SIGMA,
) -> np.ndarray:
    """OKS [...] in 0..1: mean over valid keypoints of exp(-d^2 / (2 s^2 k^2)), k = 2 sigma.

    keypoints, truth: [..., J, 2] pixels; valid: [..., J] bool; area s^2: [...] of the hand in the
    picture (pixels^2). NaN where no keypoint is valid. The definition of cocodataset.org, without
    its guard of 2^-52 against empty areas: an area must be positive.
    """
    if not (np.asarray(area) > 0.0).all():
        raise ValueError("an area is not positive")
    squared = ((keypoints - truth) ** 2).sum(axis=-1)
    exponent = squared / (2.0 * (2.0 * sigma) ** 2 * np.asarray(area)[..., None])
    similarity = np.where(valid, np.exp(-np.where(valid, exponent, 0.0)), 0.0)
    count = valid.sum(axis=-1)
    return np.divide(
        similarity.sum(axis=-1), count, out=np.full(count.shape, np.nan), where=count > 0
    )


def average_precision(
    pictures: Sequence[tuple[np.ndarray, np.ndarray]], thresholds: np.ndarray = THRESHOLDS
) -> float:
    """COCO's AP: precision at 101 recalls, on average, and on average over the thresholds of OKS.

    pictures: of each, the scores [D] of what was found in it and the similarity [D, G] of each to
    the G hands that are there. The surest come first; each takes the most similar hand that is
    still free, if it is similar enough. NaN when there are no hands.
    """
    hands = sum(similarity.shape[1] for _, similarity in pictures)
    if hands == 0:
        return float("nan")
    scores = np.concatenate([np.sort(scores)[::-1] for scores, _ in pictures])
    # mergesort keeps the order of equal scores: by picture, as COCO's own code has it.
    order = np.argsort(-scores, kind="mergesort")
    precisions = []
    for threshold in thresholds:
        found = np.concatenate([_matched(*picture, threshold) for picture in pictures])[order]
        right = np.cumsum(found)
        recall = right / hands
        precision = right / np.arange(1, len(right) + 1)
        # What a higher recall still reaches holds for the lower ones, too.
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        place = np.searchsorted(recall, RECALLS, side="left")
        precisions.append(np.append(precision, 0.0)[place].mean())
    return float(np.mean(precisions))


def _matched(scores: np.ndarray, similarity: np.ndarray, threshold: float) -> np.ndarray:
    """[D] bool, the surest first: does it find a hand?"""
    found = np.zeros(len(scores), bool)
    free = np.ones(similarity.shape[1], bool)
    for place, one in enumerate(np.argsort(-scores, kind="mergesort")):
        candidates = np.where(free, similarity[one], -1.0)
        if len(candidates) and candidates.max() >= threshold:
            found[place] = True
            free[candidates.argmax()] = False
    return found
