"""Metrics of decisions, confidence and keypoints against their definitions written out."""

import numpy as np
import pytest

from amt_perception.metrics.classification import count_decisions, reliability
from amt_perception.metrics.keypoints import (
    RECALLS,
    THRESHOLDS,
    average_precision,
    keypoint_similarity,
)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(3)


def test_decisions_by_hand(random):
    found, truth, valid = random.random((3, 50, 6)) < 0.6
    decisions = count_decisions(found, truth, valid)
    table = {(a, b): 0 for a in (True, False) for b in (True, False)}
    for a, b, known in zip(found.ravel(), truth.ravel(), valid.ravel(), strict=True):
        table[bool(a), bool(b)] += bool(known)
    hits = table[True, True]
    assert decisions.total == valid.sum()
    precision, recall = hits / (hits + table[True, False]), hits / (hits + table[False, True])
    assert decisions.precision == pytest.approx(precision, abs=1e-12)
    assert decisions.recall == pytest.approx(recall, abs=1e-12)
    expected = 2 * precision * recall / (precision + recall)
    assert decisions.f1 == pytest.approx(expected, abs=1e-12)
    right = np.mean(found[valid] == truth[valid])
    assert decisions.accuracy == pytest.approx(right, abs=1e-12)


def test_no_decisions_have_no_ratios():
    nothing = np.zeros((4, 6), bool)
    assert np.isnan(count_decisions(nothing, nothing, nothing).accuracy)
    decisions = count_decisions(nothing, nothing, ~nothing)
    assert decisions.accuracy == 1.0
    assert np.isnan([decisions.precision, decisions.recall, decisions.f1]).all()
    with pytest.raises(ValueError, match="shapes differ"):
        count_decisions(nothing, nothing, nothing[:2])


def test_calibration_error_bin_by_bin(random):
    confidence = np.concatenate([random.random(500), [0.0, 1.0]])
    # Too sure in one bin, too unsure in the next: bins that flow together would cancel out.
    correct = random.random(502) < confidence + 0.3 * (-1.0) ** np.ceil(15 * confidence)
    expected = 0.0
    for number in range(15):
        low, high = number / 15, (number + 1) / 15
        inside = (confidence > low) & (confidence <= high) | (confidence == 0.0) & (number == 0)
        gap = abs(correct[inside].mean() - confidence[inside].mean())
        expected += inside.mean() * gap
    found = reliability(confidence, correct)
    assert found.calibration_error == pytest.approx(expected, abs=1e-12)
    assert found.sizes.sum() == 502
    assert np.isnan(reliability(np.array([]), np.array([])).calibration_error)
    with pytest.raises(ValueError, match=r"not in 0\.\.1"):
        reliability(np.array([np.nan]), np.array([True]))


def coco_similarity(keypoints, truth, visible, area) -> float:
    """computeOks of pycocotools for one hand and one detection."""
    variances = (np.full(21, 0.05) * 2) ** 2
    dx, dy = (keypoints - truth).T
    e = (dx**2 + dy**2) / variances / (area + np.spacing(1)) / 2
    return float(np.sum(np.exp(-e[visible])) / np.count_nonzero(visible))


def test_keypoint_similarity_is_cocos(random):
    truth = random.uniform(0.0, 200.0, (9, 21, 2))
    keypoints = truth + random.normal(scale=6.0, size=truth.shape)
    visible = random.random((9, 21)) < 0.7
    area = random.uniform(2e3, 3e4, 9)
    found = keypoint_similarity(
        np.where(visible[..., None], keypoints, np.nan), truth, visible, area
    )
    expected = [coco_similarity(*one) for one in zip(keypoints, truth, visible, area, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.isnan(keypoint_similarity(truth, truth, np.zeros_like(visible), area)).all()
    with pytest.raises(ValueError, match="positive"):
        keypoint_similarity(truth, truth, visible, area - area.min())


def coco_precision(pictures, threshold) -> float:
    """evaluateImg and accumulate of pycocotools, for one threshold, written out."""
    scores, matched, hands = [], [], 0
    for score, similarity in pictures:
        hands += similarity.shape[1]
        taken = [False] * similarity.shape[1]
        for d in np.argsort(-score, kind="mergesort"):
            best, match = min(threshold, 1 - 1e-10), -1
            for g in range(similarity.shape[1]):
                if taken[g] or similarity[d, g] < best:
                    continue
                best, match = similarity[d, g], g
            if match >= 0:
                taken[match] = True
            scores.append(score[d])
            matched.append(match >= 0)
    order = np.argsort(-np.array(scores), kind="mergesort")
    true = np.cumsum(np.array(matched)[order]).astype(float)
    false = np.cumsum(~np.array(matched)[order]).astype(float)
    recall, precision = true / hands, (true / (true + false)).tolist()
    for i in range(len(precision) - 1, 0, -1):
        if precision[i] > precision[i - 1]:
            precision[i - 1] = precision[i]
    sampled = np.zeros(101)
    for ri, place in enumerate(np.searchsorted(recall, RECALLS, side="left")):
        if place < len(precision):
            sampled[ri] = precision[place]
    return float(sampled.mean())


def test_average_precision_is_cocos(random):
    pictures = []
    for _ in range(60):
        found, hands = int(random.integers(0, 4)), int(random.integers(0, 3))
        pictures.append((random.random(found).round(1), random.uniform(0.3, 1.0, (found, hands))))
    expected = np.mean([coco_precision(pictures, one) for one in THRESHOLDS])
    assert average_precision(pictures) == pytest.approx(expected, abs=1e-9)
    assert 0.05 < expected < 0.95
    assert np.isnan(average_precision([(np.array([0.5]), np.zeros((1, 0)))]))
    assert average_precision([(np.zeros(0), np.zeros((0, 2)))]) == 0.0
