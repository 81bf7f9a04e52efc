"""Estimators by name."""

from __future__ import annotations

import logging
from pathlib import Path

from amt_perception.errors import AmtError
from amt_perception.estimators.interface import Estimator
from amt_perception.model.config import DEVICES, PRECISIONS

ESTIMATORS = ("auto", "amt", "mediapipe")
SHIPPED_CHECKPOINT = Path(__file__).parents[1] / "weights" / "compact.safetensors"
"""A small AMT model that comes with this package, trained on drawn pictures alone."""

_log = logging.getLogger(__name__)


def create_estimator(
    name: str = "auto",
    mano_folder: Path | None = None,
    hand_length_m: float | None = None,
    checkpoint: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    single_images: bool = False,
) -> Estimator:
    """The estimator of that name; "auto" takes AMT when a checkpoint is given, else MediaPipe.

    mano_folder: the user's MANO files, None for the generic hand. hand_length_m: wrist to the tip
    of the middle finger, None for an average adult; MediaPipe only, since AMT estimates the size.
    checkpoint, device, precision: weights of the AMT model (None for the ones that come with this
    package), where and with what numbers it computes. single_images: the images do not follow each
    other; call `reset` between them. Logs which estimator it is. Raises AmtError for an unknown
    name, for what the estimator cannot take, and when something that it needs is missing.
    """
    for what, value, choices in (
        ("estimator", name, ESTIMATORS),
        ("device", device, DEVICES),
        ("precision", precision, PRECISIONS),
    ):
        if value not in choices:
            raise AmtError(f"there is no {what} '{value}'; choose one of: {', '.join(choices)}")
    if resolved_name(name, checkpoint) == "amt":
        estimator = _amt(mano_folder, hand_length_m, checkpoint, device, precision)
    else:
        if checkpoint is not None:
            raise AmtError(
                f"MediaPipe cannot load {checkpoint}; set the estimator to amt, or give no "
                "checkpoint"
            )
        if device == "cuda":
            raise AmtError("MediaPipe computes on the CPU; set the device to auto or cpu")
        if precision != "auto":
            raise AmtError("MediaPipe has one precision only; leave the precision at auto")
        from amt_perception.estimators.mediapipe import MediaPipeEstimator

        estimator = MediaPipeEstimator(mano_folder, hand_length_m, single_images)
    _log.info("hand estimator: %s (asked for: %s)", estimator.name, name)
    return estimator


def resolved_name(name: str, checkpoint: Path | None) -> str:
    """Which estimator "auto" means: AMT when a checkpoint is given, else MediaPipe."""
    if name != "auto":
        return name
    return "mediapipe" if checkpoint is None else "amt"


def _amt(
    mano_folder: Path | None,
    hand_length_m: float | None,
    checkpoint: Path | None,
    device: str,
    precision: str,
) -> Estimator:
    checkpoint = checkpoint or SHIPPED_CHECKPOINT
    if not checkpoint.exists():
        raise AmtError(f"there is no checkpoint {checkpoint}; give the path of a trained model")
    if hand_length_m is not None:
        raise AmtError(
            "AMT estimates the hand's size itself; give no hand length, or choose mediapipe"
        )
    from amt_perception.estimators.amt_tracking import AmtTracker

    return AmtTracker.load(checkpoint, mano_folder, device, precision)
