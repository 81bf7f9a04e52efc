"""The protocol for objects: poses of all that are annotated, and which of them were found.

For each annotated object, the query that is surest of its class is judged, however unsure it is:
which object is asked about is given, as in the benchmark BOP. Whether it would have been reported
stands in a table of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from tqdm import tqdm

from amt_perception.estimators.amt_results import LEAST_PROBABILITY
from amt_perception.hand.joints import WRIST
from amt_perception.metrics.classification import count_decisions
from amt_perception.metrics.curves import average_recall
from amt_perception.metrics.objects import (
    add_error,
    adds_error,
    all_symmetries,
    corner_error,
    diameter,
    mspd,
    mssd,
    outer_points,
    rotation_error,
    translation_error,
)
from amt_training.data.sample import ObjectModel, learned_class
from amt_training.evaluation.predictions import Predictions, Truth
from amt_training.evaluation.tables import Table, Value

ADD_S_SHARE = 0.1
"""An object counts as found in its place where its ADD-S is below this part of its diameter."""
MSSD_SHARES = np.linspace(0.05, 0.5, 10)
"""BOP's thresholds of MSSD, in diameters."""
MSPD_PIXELS = np.linspace(5.0, 50.0, 10)
"""BOP's thresholds of MSPD, in pixels of a picture that is BOP_WIDTH wide."""
BOP_WIDTH = 640.0


@dataclass(frozen=True)
class ObjectErrors:
    """Of O annotated objects whose surface is known."""

    sample: np.ndarray
    """[O] int, row of the sample."""
    class_index: np.ndarray
    """[O] int, index into `AmtConfig.object_classes`."""
    diameter: np.ndarray
    """[O] (m)."""
    add: np.ndarray
    """[O] (m)."""
    adds: np.ndarray
    """[O] (m)."""
    translation: np.ndarray
    """[O] (m)."""
    rotation: np.ndarray
    """[O] (rad), with symmetries."""
    mssd: np.ndarray
    """[O] (m)."""
    mspd: np.ndarray
    """[O] pixels of a picture that is BOP_WIDTH wide."""
    corner: np.ndarray
    """[O] (m)."""
    wrist_translation: np.ndarray
    """[O] (m), both seen from their own hand's wrist; NaN where the wrist is not known."""
    wrist_corner: np.ndarray
    """[O] (m), likewise."""

    def __getitem__(self, index: np.ndarray) -> ObjectErrors:
        """The chosen objects."""
        return ObjectErrors(**{one.name: getattr(self, one.name)[index] for one in fields(self)})

    def __len__(self) -> int:
        return len(self.sample)


def object_errors(
    predictions: Predictions, truth: Truth, models: Mapping[int, ObjectModel], frame_step: int = 1
) -> ObjectErrors:
    """Errors of all annotated objects that there are models of.

    models: `HandDataset.object_models`. frame_step: only frames whose number it divides count.
    Shows its progress: symmetries take their time.
    """
    symmetries = {
        number: all_symmetries(model.symmetry_rotations, model.symmetry_axis)
        for number, model in models.items()
    }
    sizes = {number: diameter(model.points) for number, model in models.items()}
    outer = {number: outer_points(model.points) for number, model in models.items()}
    rows: list[tuple[float, ...]] = []
    chosen = _annotated(truth) & (truth.frame % frame_step == 0)[:, None]
    annotated = [(int(n), int(m)) for n, m in np.argwhere(chosen)]
    for sample, place in tqdm(annotated, desc="object poses", unit="object", disable=not models):
        number = int(truth.object_class[sample, place])
        if number not in models:
            continue
        model, target = models[number], truth.object_pose[sample, place].astype(float)
        kind = learned_class(models, number)
        best = int(predictions.object_chance[sample, :, kind].argmax())
        pose = predictions.object_pose[sample, best].astype(float)
        points, camera = model.points, truth.intrinsics[sample]
        scale = truth.picture_size[sample, 0] / BOP_WIDTH
        from_wrist, target_from_wrist = pose.copy(), target.copy()
        from_wrist[:3, 3] -= predictions.joints[sample, WRIST]
        known = truth.joints_valid[sample, WRIST]
        target_from_wrist[:3, 3] -= truth.joints[sample, WRIST] if known else np.nan
        rows.append(
            (
                sample,
                kind,
                sizes[number],
                add_error(pose, target, points),
                adds_error(pose, target, points),
                translation_error(pose, target),
                rotation_error(
                    pose[:3, :3], target[:3, :3], model.symmetry_rotations, model.symmetry_axis
                ),
                mssd(pose, target, outer[number], symmetries[number]),
                mspd(pose, target, points, symmetries[number], camera) / scale,
                corner_error(pose, target, points),
                translation_error(from_wrist, target_from_wrist),
                corner_error(from_wrist, target_from_wrist, points),
            )
        )
    columns = np.array(rows).reshape(-1, len(fields(ObjectErrors))).T
    return ObjectErrors(columns[0].astype(int), columns[1].astype(int), *columns[2:])


def object_tables(
    predictions: Predictions,
    truth: Truth,
    models: Mapping[int, ObjectModel],
    errors: ObjectErrors,
    class_names: Sequence[str],
    frame_step: int = 1,
) -> list[Table]:
    """All tables about objects; none where nobody annotated them.

    models: `HandDataset.object_models`. errors: of `object_errors` with this frame_step.
    class_names: of the network, background first.
    """
    if not truth.objects_annotated.any():
        return []
    tables = [_found(predictions, truth, models, class_names)]
    if len(errors) > 0:
        tables += [_poses(errors, class_names), _recall(errors, class_names, frame_step)]
    return tables


def _annotated(truth: Truth) -> np.ndarray:
    """[N, M] bool: places of objects."""
    return truth.objects_annotated[:, None] & (truth.object_class > 0)


def _found(
    predictions: Predictions,
    truth: Truth,
    models: Mapping[int, ObjectModel],
    names: Sequence[str],
) -> Table:
    """Is there an object of this class in the picture?"""
    there = np.zeros((len(truth), len(names)), bool)
    sample, place = np.nonzero(_annotated(truth))
    numbers = truth.object_class[sample, place].tolist()
    there[sample, [learned_class(models, number) for number in numbers]] = True
    reported = predictions.object_chance.max(axis=1) >= LEAST_PROBABILITY
    known = np.broadcast_to(truth.objects_annotated[:, None], there.shape)
    rows: list[tuple[Value, ...]] = []
    for name, kinds in [("all", list(range(1, len(names))))] + [
        (names[kind], [kind]) for kind in range(1, len(names)) if there[:, kind].any()
    ]:
        one = count_decisions(reported[:, kinds], there[:, kinds], known[:, kinds])
        objects = one.true_positive + one.false_negative
        rows.append(
            (name, int(truth.objects_annotated.sum()), objects,
             100.0 * one.precision, 100.0 * one.recall, 100.0 * one.f1)
        )  # fmt: skip
    columns = ("class", "samples", "objects", "precision (%)", "recall (%)", "F1 (%)")
    note = f"An object is reported where its probability is at least {LEAST_PROBABILITY:.0%}."
    return Table("Objects found", columns, tuple(rows), note)


def _poses(errors: ObjectErrors, names: Sequence[str]) -> Table:
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (
            name,
            len(part),
            *(1e3 * float(np.mean(values)) for values in (part.add, part.adds, part.translation)),
            float(np.degrees(np.mean(part.rotation))),
            1e3 * float(np.mean(part.corner)),
            *(1e3 * _known_mean(values) for values in (part.wrist_translation, part.wrist_corner)),
        )
        for name, part in _by_class(errors, names)
    )
    columns = ("class", "objects", "ADD (mm)", "ADD-S (mm)", "centre (mm)", "rotation (°)",
               "corners (mm)", "centre from wrist (mm)", "corners from wrist (mm)")  # fmt: skip
    note = (
        "Centre: the origin of the object's frame. Corners: of the upright bounding box (MCE of "
        "HOISDF). From the wrist: both positions relative to their own hand's wrist, as tables "
        "of hands and objects together have them. Rotation: with the object's symmetries."
    )
    return Table("Object poses", columns, rows, note)


def _recall(errors: ObjectErrors, names: Sequence[str], frame_step: int) -> Table:
    rows = []
    for name, part in _by_class(errors, names):
        limits = part.diameter[:, None] * MSSD_SHARES
        rows.append(
            (
                name,
                len(part),
                100.0 * float(np.mean(part.adds < ADD_S_SHARE * part.diameter)),
                1e3 * float(np.mean(part.mssd)),
                100.0 * average_recall(part.mssd, limits),
                float(np.median(part.mspd)),
                100.0 * average_recall(part.mspd, MSPD_PIXELS),
            )
        )
    columns = ("class", "objects", "ADD-S < 10 % (%)", "MSSD (mm)", "AR of MSSD (%)",
               "median MSPD (px)", "AR of MSPD (%)")  # fmt: skip
    frames = "all frames" if frame_step == 1 else f"one of {frame_step} frames"
    note = (
        f"Poses are judged in {frames}. MSSD, MSPD and their average recalls as BOP defines them, "
        "for the class that is asked about in every annotated sample; BOP's third figure, VSD, "
        "needs depth pictures and is not computed."
    )
    return Table("Object poses, recall", columns, tuple(rows), note)


def _by_class(errors: ObjectErrors, names: Sequence[str]) -> list[tuple[str, ObjectErrors]]:
    kinds = np.unique(errors.class_index)
    each = [(names[kind], errors[errors.class_index == kind]) for kind in kinds]
    return [("all", errors), *each]


def _known_mean(values: np.ndarray) -> float:
    known = np.isfinite(values)
    return float(values[known].mean()) if known.any() else float("nan")
