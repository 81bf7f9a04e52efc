"""A whole evaluation: from a model and a data set to the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from amt_perception.hand.model_data import HandModelData
from amt_perception.output.files import atomic_folder, check_writable
from amt_training.data.dexycb import DexYcb
from amt_training.data.sample import HandDataset
from amt_training.evaluation.anchors import anchor_table
from amt_training.evaluation.contacts import contact_tables
from amt_training.evaluation.hands import (
    HandErrors,
    hand_errors,
    hand_tables,
    joint_reliability,
    write_dexycb_results,
)
from amt_training.evaluation.inference import EvaluationSettings, Model, Run, run_model
from amt_training.evaluation.objects import object_errors, object_tables
from amt_training.evaluation.pictures import write_samples
from amt_training.evaluation.plots import write_overview
from amt_training.evaluation.report import OVERVIEW, PAGE, RESULTS, SAMPLES, Origin, Results, page

DEXYCB_RESULTS = "dexycb_hpe.txt"
"""Of DexYCB only: what its own evaluation program reads."""


def evaluate(
    model: Model,
    dataset: HandDataset,
    out: Path,
    settings: EvaluationSettings,
    checkpoint: str,
    training_split: str,
    right_hand: HandModelData | None = None,
) -> Results:
    """Run a model over a data set, judge it, and write the report into the folder `out`.

    checkpoint, training_split: how the model and what it was trained on are called in tables.
    right_hand: the model that the labels' MANO parameters belong to; None where there is none, then
    no mesh is judged. Writes predictions.npz and truth.npz as soon as the model has run, then
    results.json, README.md, overview.png and samples.png, all of them or none. Raises AmtError as
    `run_model` does, or when the folder cannot be written to, which is tried first.
    """
    check_writable(out)
    run = run_model(model, dataset, settings, right_hand)
    run.predictions.save(out / "predictions.npz")
    run.truth.save(out / "truth.npz")
    mesh = run.truth.vertices is not None and right_hand is not None
    origin = Origin(
        checkpoint=checkpoint,
        training_split=training_split,
        evaluation_split=dataset.name,
        box_source=run.box_source,
        entries=run.entries,
        evaluated=len(run.truth),
        corrupt=tuple(run.corrupt),
        missed=tuple(run.missed),
        hand_model=right_hand.source if mesh and right_hand is not None else "",
    )
    errors = hand_errors(run.predictions, run.truth)
    results = judge(run, dataset, errors, model.config.object_classes, settings, origin)
    with atomic_folder(out) as folder:
        write_report(folder, run, dataset, errors, results, settings.worst)
    return results


def judge(
    run: Run,
    dataset: HandDataset,
    errors: HandErrors,
    object_classes: Sequence[str],
    settings: EvaluationSettings,
    origin: Origin,
) -> Results:
    """All figures by the protocols for hands, objects and contacts.

    errors: of `hand_errors`; object_classes: of the model's configuration.
    """
    predictions, truth, models = run.predictions, run.truth, dataset.object_models
    step = settings.object_frame_step
    objects = object_errors(predictions, truth, models, step)
    return Results(
        origin=origin,
        hands=tuple(hand_tables(predictions, truth, errors)),
        objects=tuple(object_tables(predictions, truth, models, objects, object_classes, step)),
        contacts=tuple(contact_tables(predictions, truth, models, step)),
        curves=tuple(errors.curve(number) for number in range(len(errors.by_alignment))),
    )


def write_report(
    folder: Path,
    run: Run,
    dataset: HandDataset,
    errors: HandErrors,
    results: Results,
    worst: int,
) -> None:
    """Write results.json, the page and its pictures.

    worst: samples to show, 0 for no picture; there is none either when no sample has two joints
    that are known, as in HO3D's evaluation split.
    """
    origin = results.origin
    results.save(folder / RESULTS)
    write_overview(
        folder / OVERVIEW,
        f"{origin.checkpoint} on {origin.evaluation_split}",
        f"{origin.evaluated:,} of {origin.entries:,} samples  ·  boxes: {origin.box_source}  ·  "
        f"trained on: {origin.training_split}",
        errors,
        run.truth,
        joint_reliability(run.predictions, errors),
    )
    with_samples = worst > 0 and bool(errors.valid[1].any())
    if with_samples:
        write_samples(folder / SAMPLES, dataset, run.predictions, run.truth, errors, worst)
    if isinstance(dataset, DexYcb):
        numbers = dataset.official_numbers[run.truth.index]
        write_dexycb_results(folder / DEXYCB_RESULTS, numbers, run.predictions.joints)
    text = page(results, anchor_table(origin.evaluation_split), with_samples)
    (folder / PAGE).write_text(text, encoding="utf-8")
