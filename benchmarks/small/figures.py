"""Figures of one run over held-out scenes, by the protocols of `amt_training.evaluation`.

Values for JSON: None where nothing can be said.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from amt_perception.hand.joints import WRIST
from amt_perception.model.interface import HAND_PARTS
from amt_training.data.sample import ObjectModel, learned_class
from amt_training.evaluation.contacts import contact_tables
from amt_training.evaluation.hands import ALIGNMENTS, hand_errors
from amt_training.evaluation.objects import ObjectErrors, object_errors
from amt_training.evaluation.predictions import Predictions, Truth
from amt_training.evaluation.tables import Table
from amt_training.synthetic.settings import WorldSettings

DEPTHS_M = (0.25, 0.35, 0.5, 0.7, 1.0, 1.5)
"""Edges of the ranges of the true wrist's depth; what lies beyond belongs to the last ones."""
_FOCAL_ENDS = WorldSettings().held_out_focal
HELD_OUT_FOCAL = tuple(zip(_FOCAL_ENDS[::2], _FOCAL_ENDS[1::2], strict=True))
"""Ranges of focal lengths (pixels at 640 wide) of which training has seen none."""
FOCAL_EDGES = tuple(sorted({*WorldSettings().focal, *_FOCAL_ENDS}))
"""Edges of the ranges of the focal length."""
CLEAR_SHARE, CLEAR_PX = 0.8, 60.0
"""A hand can be found when so many of its joints can be seen, and its box is so large."""
CLEAR = f"in plain sight ({CLEAR_SHARE:.0%} of the joints, {CLEAR_PX:g} px)"
SIZES_PX = (60.0, 100.0, 180.0, 640.0)
"""Edges of the ranges of the longer side of the hand's box."""
PCK_M = (0.01, 0.02, 0.03)
_NAMES = ("absolute", "relative", "procrustes", "procrustes_official")
"""Of ALIGNMENTS in JSON."""


def hand_figures(predictions: Predictions, truth: Truth) -> dict[str, Any]:
    """Mean joint errors (mm), areas under the curve and shares of correct joints, by alignment."""
    errors = hand_errors(predictions, truth)
    figures: dict[str, Any] = {"samples": len(truth)}
    for number, name in enumerate(_NAMES):
        of_samples, curve = errors.of_samples(number), errors.curve(number)
        figures[name] = {
            "mean_mm": number_or_none(1e3 * _mean(of_samples)),
            "median_mm": number_or_none(1e3 * _quantile(of_samples, 0.5)),
            "auc_0_50_mm": number_or_none(curve.area),
            "pck": {
                f"{1e3 * limit:.0f} mm": number_or_none(
                    float(np.interp(limit, curve.thresholds, curve.share))
                )
                for limit in PCK_M
            },
        }
    assert len(_NAMES) == len(ALIGNMENTS)
    return figures


def depth_figures(predictions: Predictions, truth: Truth) -> dict[str, Any]:
    """Error of the wrist's distance along the camera's axis, in percent of the true one."""
    depth = np.where(truth.joints_valid[:, WRIST], truth.joints[:, WRIST, 2], np.nan)
    error = (predictions.joints[:, WRIST, 2] - depth) / depth
    focal = truth.intrinsics[:, 0, 0] * 640.0 / truth.picture_size[:, 0]
    held_out = np.any([(focal >= low) & (focal < high) for low, high in HELD_OUT_FOCAL], axis=0)
    return _depth_row(error) | {
        "by_depth_m": _binned(error, depth, DEPTHS_M),
        "by_focal_px": _binned(error, focal, FOCAL_EDGES),
        "held_out_focal": _depth_row(error[held_out]),
        "trained_focal": _depth_row(error[~held_out]),
    }


def object_figures(
    predictions: Predictions, truth: Truth, models: Mapping[int, ObjectModel]
) -> dict[str, Any]:
    """Errors of the poses of annotated objects, and how often the surest class is there.

    Of all objects about a hand, and of the one nearest to it alone, which is annotated first.
    Rotations count with the objects' symmetries. The class is right where the one that the model is
    surest of is that of an annotated object.
    """
    errors = object_errors(predictions, truth, models)
    _, nearest = np.unique(errors.sample, return_index=True)
    with_objects = np.flatnonzero(truth.objects_annotated & (truth.object_class > 0).any(axis=1))
    surest = predictions.object_chance[with_objects].max(axis=1).argmax(axis=1)
    right = [
        int(kind) in {learned_class(models, int(one)) for one in truth.object_class[sample] if one}
        for sample, kind in zip(with_objects, surest, strict=True)
    ]
    return _pose_figures(errors) | {
        "nearest": _pose_figures(errors[nearest]),
        "pictures_with_objects": len(with_objects),
        "class_accuracy": number_or_none(_mean(np.array(right, dtype=float))),
    }


def _pose_figures(errors: ObjectErrors) -> dict[str, Any]:
    rotation = np.degrees(errors.rotation)
    return {
        "objects": len(errors),
        "position_mm": number_or_none(1e3 * _mean(errors.translation)),
        "position_median_mm": number_or_none(1e3 * _quantile(errors.translation, 0.5)),
        "position_from_wrist_mm": number_or_none(1e3 * _mean(errors.wrist_translation)),
        "rotation_deg": number_or_none(_mean(rotation)),
        "rotation_median_deg": number_or_none(_quantile(rotation, 0.5)),
    }


def contact_figures(
    predictions: Predictions, truth: Truth, models: Mapping[int, ObjectModel]
) -> dict[str, Any] | None:
    """F1 of the parts that touch: over all decisions (micro), for each part, and their mean.

    None where no contact is annotated.
    """
    tables = {table.title: table for table in contact_tables(predictions, truth, models)}
    parts = tables.get("Contact of the hand's parts")
    if parts is None:
        return None
    by_part = {name: _percent(parts, name, "F1 (%)") for name in HAND_PARTS}
    known = [value for value in by_part.values() if value is not None]
    return {
        "decisions": parts.value("all", "decisions"),
        "touching": parts.value("all", "touching"),
        "f1_micro": _percent(parts, "all", "F1 (%)"),
        "f1_mean": number_or_none(_mean(np.array(known))),
        "f1_by_part": by_part,
        "precision": _percent(parts, "all", "precision (%)"),
        "recall": _percent(parts, "all", "recall (%)"),
    }


def detection_figures(found: np.ndarray, in_sight: np.ndarray, truth: Truth) -> dict[str, Any]:
    """Share of the hands that a detector finds.

    found: [N] bool; in_sight: [N] share of the joints that can be seen. First of the hands that
    anybody could find, and of these by size and by whether the hand touches something; then of all.
    """
    size = truth.hand_box[:, 2:].max(axis=1)
    clear = (in_sight >= CLEAR_SHARE) & (size >= CLEAR_PX)
    touches = (truth.contact_part == 1).any(axis=1)
    groups = {
        CLEAR: clear,
        "of these, touching nothing": clear & ~touches,
        "of these, touching something": clear & touches,
        **{
            f"of these, {low:g} to {high:g} px": clear & (size >= low) & (size < high)
            for low, high in itertools.pairwise(SIZES_PX)
        },
        "all hands": np.ones(len(truth), bool),
    }
    return {
        name: {"hands": int(own.sum()), "rate": number_or_none(_mean(found[own].astype(float)))}
        for name, own in groups.items()
    }


def number_or_none(value: float) -> float | None:
    """For JSON, which knows no NaN."""
    return float(value) if math.isfinite(value) else None


def _depth_row(error: np.ndarray) -> dict[str, Any]:
    """Of relative errors [N]."""
    return {
        "samples": int(np.isfinite(error).sum()),
        "median_pct": number_or_none(100.0 * _quantile(np.abs(error), 0.5)),
        "p90_pct": number_or_none(100.0 * _quantile(np.abs(error), 0.9)),
        "bias_pct": number_or_none(100.0 * _mean(error)),
    }


def _binned(error: np.ndarray, value: np.ndarray, edges: Sequence[float]) -> list[dict[str, Any]]:
    """`_depth_row` for each range of a value [N]; the outer ranges have no end."""
    place = np.digitize(value, edges[1:-1])
    return [
        {"from": low, "to": high} | _depth_row(error[(place == k) & np.isfinite(value)])
        for k, (low, high) in enumerate(itertools.pairwise(edges))
    ]


def _percent(table: Table, row: str, column: str) -> float | None:
    """A percentage of a table as a share."""
    value = table.value(row, column)
    assert isinstance(value, (int, float))
    return number_or_none(value / 100.0)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _quantile(values: np.ndarray, share: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, share)) if len(known) else float("nan")
