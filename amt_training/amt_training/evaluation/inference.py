"""Runs a model over a data set and gathers what it says beside what is true."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import torch
from tqdm import tqdm

from amt_perception.errors import AmtError
from amt_perception.hand.model_data import HandModelData
from amt_perception.model.amt import Amt
from amt_perception.model.baseline import BaselineModel
from amt_perception.model.engine import Engine
from amt_perception.model.interface import AmtInput, AmtOutput
from amt_training.data.sample import HandDataset
from amt_training.evaluation.boxes import box_source
from amt_training.evaluation.predictions import (
    Predictions,
    Truth,
    batch_predictions,
    joined,
    with_tips,
)
from amt_training.evaluation.reading import Crop, Picturing, Skipped, read_samples, stack

Model: TypeAlias = Amt | BaselineModel | Engine
"""What can be evaluated: a model as it is (on its own device, in its own precision), or an
inference engine, such as `AmtEstimator.engine`."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationSettings:
    """How a model is run over a data set."""

    box_source: str = "truth"
    """Where hand boxes come from: truth or mediapipe."""
    batch_size: int = 64
    """Samples that the model sees at a time."""
    workers: int = 0
    """Processes that read samples ahead; 0 reads in this one."""
    mesh: bool = True
    """Judge the mesh, too: needs the hand model of the labels, and 19 kB of memory a sample."""
    object_frame_step: int = 1
    """Object poses and penetration are judged in frames whose number this divides; 4 is BOP's
    choice for DexYCB, whose every frame takes hours."""
    corrupt_limit: int = 100
    """More samples than this that cannot be read end the run with an error."""
    worst: int = 8
    """Samples with the largest errors that the report shows."""


@dataclass(frozen=True)
class Run:
    """What a model said about a data set."""

    predictions: Predictions
    """Fingertips where the data set has them."""
    truth: Truth
    box_source: str
    """Its name, for tables."""
    entries: int
    """Of the data set; those that are not among the predictions are named below."""
    corrupt: list[str] = field(default_factory=list)
    """Why each unreadable sample could not be read."""
    missed: list[str] = field(default_factory=list)
    """Names of the samples in which the detector found no hand."""


def run_model(
    model: Model,
    dataset: HandDataset,
    settings: EvaluationSettings,
    right_hand: HandModelData | None,
) -> Run:
    """Run the model over all samples of a data set, with a progress bar.

    A model with a temporal encoder sees the frames before each sample, too, as far back as they
    follow each other and the model looks. right_hand: the model that the labels' MANO
    parameters belong to; None where there is none, then no mesh is judged. Samples that cannot be
    read are counted and named in the log. Raises AmtError when there are more of them than the
    settings allow, when nothing is left, or when an output is not finite.
    """
    for name in ("batch_size", "object_frame_step"):
        if getattr(settings, name) < 1:
            raise AmtError(f"{name} is {getattr(settings, name)}; it must be at least 1")
    boxes = box_source(settings.box_source)
    config = model.config
    mesh = right_hand if settings.mesh else None
    picturing = Picturing(config.image_size, config.crop_scale, boxes, mesh)
    frames = getattr(config, "frames", 1) if getattr(config, "temporal_layers", 0) else 1
    predict = _predictor(model)
    found: list[Predictions] = []
    rows: list[dict[str, np.ndarray]] = []
    corrupt: list[str] = []
    missed: list[str] = []
    with tqdm(total=len(dataset.entries), desc=dataset.name, unit="sample") as bar:
        read = _counted(
            read_samples(dataset, picturing, settings.workers),
            settings.corrupt_limit, corrupt, missed, bar.update,
        )  # fmt: skip
        for windows in _batches(read, dataset, frames, settings.batch_size):
            newest = [window[-1] for window in windows]
            side = torch.tensor([int(crop.row["side"]) for crop in newest])
            output = predict(stack(windows, side))
            affines = np.stack([crop.affine for crop in newest])
            batch = with_tips(
                batch_predictions(output, affines), side.numpy(), dataset.tip_vertices
            )
            found.append(batch if mesh is not None else replace(batch, vertices=None))
            rows += [crop.row for crop in newest]
    if not rows:
        raise AmtError(
            f"{dataset.name} has no sample that can be evaluated: {len(corrupt)} of "
            f"{len(dataset.entries)} cannot be read and no hand was detected in {len(missed)}; "
            "check the data set's folder"
        )
    truth = Truth(**{name: np.stack([row[name] for row in rows]) for name in rows[0]})
    return Run(joined(found), truth, boxes.name, len(dataset.entries), corrupt, missed)


def _counted(
    read: Iterator[Crop | Skipped],
    corrupt_limit: int,
    corrupt: list[str],
    missed: list[str],
    progress: Callable[[], object],
) -> Iterator[Crop]:
    """The crops; what is skipped goes into the two lists."""
    for one in read:
        progress()
        if isinstance(one, Crop):
            yield one
        elif not one.reason:
            pass  # not labelled: there is nothing to judge
        elif not one.corrupt:
            missed.append(one.reason)
        else:
            corrupt.append(one.reason)
            _log.warning("sample %d is left out: %s", one.index, one.reason)
            if len(corrupt) > corrupt_limit:
                raise AmtError(
                    f"more than {corrupt_limit} samples cannot be read, the last one because: "
                    f"{one.reason}; repair the data set or raise corrupt_limit"
                )


def _batches(
    crops: Iterator[Crop], dataset: HandDataset, frames: int, size: int
) -> Iterator[list[list[Crop]]]:
    """Batches of windows of the same length: each sample after up to frames - 1 before it."""
    entries = dataset.entries
    before: list[Crop] = []
    batch: list[list[Crop]] = []
    for crop in crops:
        entry = entries[crop.index]
        last = entries[before[-1].index] if before else None
        follows = last is not None and (last.sequence, last.frame + 1) == entry[:2]
        before = [*before[len(before) - frames + 1 :], crop] if follows and frames > 1 else [crop]
        if batch and (len(batch) == size or len(batch[0]) != len(before)):
            yield batch
            batch = []
        batch.append(before)
    if batch:
        yield batch


def _predictor(model: Model) -> Callable[[AmtInput], AmtOutput]:
    """From inputs on the host to outputs on the host."""
    if isinstance(model, Engine):
        engine = model

        def run_engine(inputs: AmtInput) -> AmtOutput:
            frames = [_frame(inputs, at) for at in range(inputs.image.shape[1])]
            on_device = [replace(one, image=one.image.to(engine.device)) for one in frames]
            return engine.decode([engine.encode(one) for one in on_device])

        return run_engine
    network = model

    def run_network(inputs: AmtInput) -> AmtOutput:
        device = next(network.parameters()).device
        with _evaluating(network), torch.no_grad():
            output: AmtOutput = network(inputs.to(device))
        return output.each(lambda tensor: tensor.float()).to("cpu")

    return run_network


def _frame(inputs: AmtInput, at: int) -> AmtInput:
    """One of the T frames, with T = 1."""
    return inputs.each(lambda tensor: tensor[:, at : at + 1] if tensor.ndim > 1 else tensor)


@contextlib.contextmanager
def _evaluating(network: Amt | BaselineModel) -> Iterator[None]:
    """In evaluation mode, then as it was: training goes on with it."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
