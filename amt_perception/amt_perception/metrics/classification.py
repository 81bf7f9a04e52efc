"""Figures of yes-or-no decisions, and of the probabilities behind them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BINS = 15


class Decisions(NamedTuple):
    """How many decisions were right and wrong; ratios are NaN where there is nothing to divide."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)

    @property
    def precision(self) -> float:
        """Share of what was found that is there."""
        return _ratio(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> float:
        """Share of what is there that was found."""
        return _ratio(self.true_positive, self.true_positive + self.false_negative)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        wrong = self.false_positive + self.false_negative
        return _ratio(2 * self.true_positive, 2 * self.true_positive + wrong)

    @property
    def accuracy(self) -> float:
        """Share of right decisions."""
        return _ratio(self.true_positive + self.true_negative, self.total)


def count_decisions(found: np.ndarray, truth: np.ndarray, valid: np.ndarray) -> Decisions:
    """Counts over arrays of bool of one shape; only those that are valid count."""
    if not found.shape == truth.shape == valid.shape:
        raise ValueError(f"shapes differ: {found.shape}, {truth.shape} and {valid.shape}")
    found, truth = found[valid].astype(bool), truth[valid].astype(bool)
    return Decisions(
        int(np.sum(found & truth)),
        int(np.sum(found & ~truth)),
        int(np.sum(~found & truth)),
        int(np.sum(~found & ~truth)),
    )


class Reliability(NamedTuple):
    """Of equally wide bins of confidence."""

    sizes: np.ndarray
    """[B] number of values in each bin."""
    confidence: np.ndarray
    """[B] their mean confidence; NaN for an empty bin."""
    accuracy: np.ndarray
    """[B] the share of them that is right; NaN for an empty bin."""

    @property
    def calibration_error(self) -> float:
        """Expected calibration error (Guo et al., ICML 2017): |accuracy - confidence|, on average.

        NaN when there are no values.
        """
        filled = self.sizes > 0
        if not filled.any():
            return float("nan")
        gap = np.abs(self.accuracy - self.confidence)[filled]
        return float(np.average(gap, weights=self.sizes[filled]))


def reliability(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> Reliability:
    """How often a confidence [N] of 0..1 is right, correct: [N] bool, bin by bin.

    A bin holds its upper edge, not its lower one; the first holds 0, too.
    """
    confidence = np.asarray(confidence, dtype=float)
    if len(confidence) and not (confidence.min() >= 0.0 and confidence.max() <= 1.0):
        raise ValueError("a confidence is not in 0..1")
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    sizes = np.bincount(place, minlength=bins)

    def mean(values: np.ndarray) -> np.ndarray:
        sums = np.bincount(place, weights=values, minlength=bins)
        return np.divide(sums, sizes, out=np.full(bins, np.nan), where=sizes > 0)

    return Reliability(sizes, mean(confidence), mean(np.asarray(correct, dtype=float)))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
