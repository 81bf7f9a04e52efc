"""Estimators by name."""

from __future__ import annotations

import logging
from pathlib import Path

from amt_perception.errors import AmtError
from amt_perception.estimators.interface import Estimator

ESTIMATORS = ("auto", "mediapipe")

_log = logging.getLogger(__name__)


def create_estimator(
    name: str = "auto",
    mano_folder: Path | None = None,
    hand_length_m: float | None = None,
    checkpoint: Path | None = None,
    device: str = "auto",
) -> Estimator:
    """The estimator of that name; "auto" takes the best one that is installed, and logs which.

    mano_folder: the user's MANO files, None for the generic hand. hand_length_m: wrist to the tip
    of the middle finger, None for an average adult. checkpoint: weights of the AMT model. device:
    auto, cpu or cuda. Raises AmtError for an unknown name or when something that the estimator
    needs is missing.
    """
    if name not in ESTIMATORS:
        raise AmtError(f"there is no estimator '{name}'; choose one of: {', '.join(ESTIMATORS)}")
    if checkpoint is not None:
        raise AmtError(
            f"this version has no AMT model to load {checkpoint} into; leave checkpoint empty"
        )
    if device == "cuda":
        raise AmtError("MediaPipe computes on the CPU; set device to auto or cpu")
    from amt_perception.estimators.mediapipe import MediaPipeEstimator

    estimator = MediaPipeEstimator(mano_folder, hand_length_m)
    _log.info("hand estimator: %s (asked for: %s)", estimator.name, name)
    return estimator
