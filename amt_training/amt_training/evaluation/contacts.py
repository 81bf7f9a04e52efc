"""The protocol for contacts: which parts of the hand touch, where, and how deep it sinks in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from amt_perception.estimators.amt_results import LEAST_PROBABILITY
from amt_perception.metrics.classification import count_decisions
from amt_perception.metrics.surface import nearest_distances, penetration_depth
from amt_perception.model.interface import HAND_PARTS, INTERACTIONS
from amt_training.data.sample import ObjectModel, learned_class
from amt_training.evaluation.predictions import Predictions, Truth
from amt_training.evaluation.tables import Table, Value
from amt_training.losses.targets import UNKNOWN


def contact_tables(
    predictions: Predictions, truth: Truth, models: Mapping[int, ObjectModel], frame_step: int = 1
) -> list[Table]:
    """All tables about contacts, as far as they are annotated.

    models: `HandDataset.object_models`. frame_step: penetration is measured in frames whose number
    it divides.
    """
    tables = []
    if (truth.contact_part != UNKNOWN).any():
        tables.append(_parts(predictions, truth))
    if truth.contact_annotated.any():
        tables.append(_points(predictions, truth))
    if (truth.interaction != UNKNOWN).any():
        tables.append(_interactions(predictions, truth))
    depth = _penetration(predictions, truth, models, frame_step)
    return tables if depth is None else [*tables, depth]


def _parts(predictions: Predictions, truth: Truth) -> Table:
    found = predictions.contact_probability >= LEAST_PROBABILITY
    there, known = truth.contact_part == 1, truth.contact_part != UNKNOWN
    rows: list[tuple[Value, ...]] = []
    for name, parts in [("all", slice(None)), *((n, slice(k, k + 1)) for k, n in _numbered())]:
        one = count_decisions(found[:, parts], there[:, parts], known[:, parts])
        touching = one.true_positive + one.false_negative
        rows.append(
            (name, one.total, touching,
             *(100.0 * value for value in (one.precision, one.recall, one.f1, one.accuracy)))
        )  # fmt: skip
    columns = ("part", "decisions", "touching", "precision (%)", "recall (%)", "F1 (%)",
               "accuracy (%)")  # fmt: skip
    note = (
        f"A part touches where its probability is at least {LEAST_PROBABILITY:.0%}. The row 'all' "
        "counts every part of every sample."
    )
    return Table("Contact of the hand's parts", columns, tuple(rows), note)


def _numbered() -> list[tuple[int, str]]:
    return list(enumerate(HAND_PARTS))


def _points(predictions: Predictions, truth: Truth) -> Table:
    to_truth, to_estimate, missed, invented = [], [], 0, 0
    for sample in np.flatnonzero(truth.contact_annotated):
        there = truth.contact_points[sample][truth.contact_valid[sample]]
        likely = predictions.contact_confidence[sample] >= LEAST_PROBABILITY
        found = predictions.contact_points[sample][likely]
        missed += len(there) > 0 and len(found) == 0
        invented += len(there) == 0 and len(found) > 0
        if len(there) and len(found):
            to_truth.append(nearest_distances(found, there))
            to_estimate.append(nearest_distances(there, found))
    rows = tuple(
        (name, len(parts), sum(map(len, parts)),
         1e3 * float(np.concatenate(parts).mean()) if parts else float("nan"))
        for name, parts in (
            ("estimated point to the nearest true one", to_truth),
            ("true point to the nearest estimated one", to_estimate),
        )
    )  # fmt: skip
    note = (
        f"Points of at least {LEAST_PROBABILITY:.0%} confidence, in samples that have both; of "
        f"{int(truth.contact_annotated.sum()):,} annotated samples, {missed:,} have true points "
        f"but no estimated one and {invented:,} the reverse."
    )
    return Table("Contact points", ("distance", "samples", "points", "mean (mm)"), rows, note)


def _interactions(predictions: Predictions, truth: Truth) -> Table:
    known = truth.interaction != UNKNOWN
    best = predictions.interaction_probability.argmax(axis=1)
    rows: list[tuple[Value, ...]] = []
    for number, name in enumerate(INTERACTIONS):
        one = count_decisions(best == number, truth.interaction == number, known)
        there = one.true_positive + one.false_negative
        rows.append(
            (name, there, *(100.0 * value for value in (one.precision, one.recall, one.f1)))
        )
    right = 100.0 * float(np.mean(best[known] == truth.interaction[known]))
    note = f"Of {int(known.sum()):,} samples, {right:.1f} % are of the kind that was most likely."
    columns = ("interaction", "samples", "precision (%)", "recall (%)", "F1 (%)")
    return Table("Interaction", columns, tuple(rows), note)


def _penetration(
    predictions: Predictions, truth: Truth, models: Mapping[int, ObjectModel], frame_step: int
) -> Table | None:
    """Of hands into objects of the same source; None without meshes or models."""
    if predictions.vertices is None or truth.vertices is None:
        return None
    found: list[float] = []
    there: list[float] = []
    usable = truth.objects_annotated & truth.mano_valid & (truth.frame % frame_step == 0)
    for sample in np.flatnonzero(usable):
        numbers = truth.object_class[sample].tolist()
        places = [place for place, number in enumerate(numbers) if number in models]
        if not places:
            continue
        pairs = []
        for place in places:
            model, kind = models[numbers[place]], learned_class(models, numbers[place])
            best = int(predictions.object_chance[sample, :, kind].argmax())
            pairs.append(
                (
                    _depth(predictions.vertices[sample],
                           predictions.object_pose[sample, best], model),
                    _depth(truth.vertices[sample], truth.object_pose[sample, place], model),
                )
            )  # fmt: skip
        found.append(max(depth for depth, _ in pairs))
        there.append(max(depth for _, depth in pairs))
    if not found:
        return None
    rows = tuple(
        (name, len(depths), 1e3 * float(np.mean(depths)), 1e3 * float(np.max(depths)),
         100.0 * float(np.mean(np.array(depths) > 0.0)))
        for name, depths in (("estimated", found), ("annotated", there))
    )  # fmt: skip
    columns = ("hand and objects", "samples", "mean (mm)", "largest (mm)", "inside (%)")
    note = (
        "Depth of the hand's deepest vertex in any of the annotated objects, by the surface points "
        "of their models; both hand and objects are estimated, or both annotated: what the "
        "annotations themselves have cannot be called an error."
    )
    return Table("Penetration", columns, rows, note)


def _depth(vertices: np.ndarray, pose: np.ndarray, model: ObjectModel) -> float:
    """Of a hand's vertices in an object (m)."""
    in_object = (vertices.astype(float) - pose[:3, 3]) @ pose[:3, :3].astype(float)
    return penetration_depth(in_object, model.points, model.normals)
