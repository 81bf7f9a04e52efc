"""Curves over a threshold: the share of correct keypoints, and the recall of poses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LARGEST_ERROR_M = 0.05
"""Of the area under the PCK curve, as FreiHAND, DexYCB and HO3D take it."""
STEPS = 100


class Curve(NamedTuple):
    """A share (0..1) for each threshold."""

    thresholds: np.ndarray
    """[S], in the unit of the errors."""
    share: np.ndarray
    """[S]; NaN when there is nothing to count."""

    @property
    def area(self) -> float:
        """Area under the curve over its width, 0..1, by the trapezoidal rule."""
        width = self.thresholds[-1] - self.thresholds[0]
        return float(np.trapezoid(self.share, self.thresholds) / width)


def pck_curve(
    errors: np.ndarray,
    valid: np.ndarray,
    largest: float = LARGEST_ERROR_M,
    steps: int = STEPS,
) -> Curve:
    """Share of correct keypoints: of those whose error is at most the threshold.

    errors: [N, J] (m); valid: [N, J] bool, only these count. The share is each joint's own, then
    the mean over the joints that were seen at all, at `steps` thresholds from 0 to `largest`: the
    protocol of FreiHAND's `EvalUtil` (Zimmermann et al., ICCV 2019), which DexYCB uses, too. Its
    `area` is their AUC.
    """
    thresholds = np.linspace(0.0, largest, steps)
    if errors.shape != valid.shape:
        raise ValueError(f"errors {errors.shape} and valid {valid.shape} differ in shape")
    if not np.isfinite(errors[valid]).all():
        raise ValueError("an error that counts is not finite")
    shares = [
        np.searchsorted(np.sort(joint[known]), thresholds, side="right") / known.sum()
        for joint, known in zip(errors.T, valid.T, strict=True)
        if known.any()
    ]
    if not shares:
        return Curve(thresholds, np.full(steps, np.nan))
    return Curve(thresholds, np.mean(shares, axis=0))


def average_recall(errors: np.ndarray, thresholds: np.ndarray) -> float:
    """Mean over thresholds [S] of the share of errors [N] below each; NaN for no errors.

    The benchmark BOP's AR (Hodan et al., ECCVW 2020). An object that was not found has an infinite
    error. thresholds: [S], or [N, S] where each object has its own.
    """
    if np.isnan(errors).any():
        raise ValueError("an error is NaN; an object that was not found has an infinite error")
    if len(errors) == 0:
        return float("nan")
    return float((errors[:, None] < thresholds).mean())
