"""Models and MediaPipe on the same held-out scenes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from amt_perception.hand.model_data import HandModelData
from amt_perception.model.baseline import BaselineModel
from amt_perception.model.engine import Engine
from amt_training.data.batches import BatchPlan
from amt_training.data.crops import StoredCrop
from amt_training.data.sample import HandDataset, ObjectModel
from amt_training.data.streaming import StreamedBatches
from amt_training.data.targets import TargetBuilder
from amt_training.evaluation.inference import EvaluationSettings, Run, run_model
from amt_training.evaluation.predictions import Truth
from amt_training.watch.pictures import draw_sheet
from benchmarks.small.figures import (
    contact_figures,
    depth_figures,
    detection_figures,
    hand_figures,
    object_figures,
)
from benchmarks.small.mediapipe_scenes import MediaPipeHands, as_predictions
from benchmarks.small.scenes import DetectorLikeBoxes, HeldOutScenes

SHOWN = 12
"""Scenes of the picture, from all over the data set."""
_SETTINGS = EvaluationSettings(mesh=False)


def measure_models(
    model: Engine,
    baseline: BaselineModel | None,
    mediapipe: MediaPipeHands,
    held_out: HeldOutScenes,
) -> dict[str, Any]:
    """All figures on held-out scenes; None for a baseline that is not at hand.

    mediapipe: of the scenes' entries. Shows its progress.
    """
    dataset = held_out.dataset
    scenes: dict[str, HandDataset] = {"truth": dataset, "detector_like": DetectorLikeBoxes(dataset)}
    runs = {name: run_model(model, some, _SETTINGS, None) for name, some in scenes.items()}
    models = dataset.object_models
    small = {name: run_figures(run, models) for name, run in runs.items()}
    base = None
    if baseline is not None:
        base = {
            name: run_figures(run_model(baseline, some, _SETTINGS, None), models)
            for name, some in scenes.items()
        }
    truth = runs["truth"].truth
    seen = mediapipe[truth.index]
    return {
        "data": dataset.name,
        "hands": len(truth),
        "small": small | {"where_mediapipe_finds_the_hand": _subset(runs, seen.found)},
        "baseline": base,
        "mediapipe": mediapipe_figures(seen, held_out.in_sight[truth.index], truth),
    }


def run_figures(run: Run, models: Mapping[int, ObjectModel]) -> dict[str, Any]:
    """Hands, depth, objects and contacts of a run."""
    predictions, truth = run.predictions, run.truth
    return {
        "hands": hand_figures(predictions, truth),
        "depth": depth_figures(predictions, truth),
        "objects": object_figures(predictions, truth, models),
        "contacts": contact_figures(predictions, truth, models),
    }


def mediapipe_figures(seen: MediaPipeHands, in_sight: np.ndarray, truth: Truth) -> dict[str, Any]:
    """Of MediaPipe: how often it finds the hand, and its errors where it does.

    seen, in_sight: of the samples of the truth. Errors of the pose that the pipeline makes of its
    keypoints, of the same where the side is right, and of MediaPipe's own joints, which have no
    place in space.
    """
    hands, there = seen[seen.found], truth[seen.found]
    right_side = hands.side == there.side
    fitted = as_predictions(hands, hands.joints)
    own = hand_figures(as_predictions(hands, hands.world_joints), there)
    del own["absolute"]
    return {
        "detection": detection_figures(seen.found, in_sight, truth),
        "side_right": float(right_side.mean()) if len(right_side) else None,
        "hands": hand_figures(fitted, there),
        "depth": depth_figures(fitted, there),
        "hands_of_the_right_side": hand_figures(fitted[right_side], there[right_side]),
        "own_joints": own,
    }


def sheet(model: Engine, dataset: HandDataset, right_hand: HandModelData) -> np.ndarray:
    """[H, W, 3] uint8 RGB picture of some held-out scenes, truth and prediction on each."""
    config = model.config
    crop = StoredCrop(config.image_size, config.crop_scale)
    plan = BatchPlan(SHOWN, config.image_size, config.crop_scale, None)
    inputs, labels = StreamedBatches(dataset, crop, plan, "cpu", 0, 0.0).spread(SHOWN)
    output = model.decode([model.encode(inputs)])
    targets = TargetBuilder(right_hand, dataset.tip_vertices, dataset.object_models)
    return draw_sheet(inputs, output, targets(labels), f"{dataset.name}: {SHOWN} of them")


def _subset(runs: Mapping[str, Run], found: np.ndarray) -> dict[str, Any]:
    """The model where MediaPipe finds the hand, for each kind of boxes."""
    return {
        name: {
            "hands": hand_figures(run.predictions[found], run.truth[found]),
            "depth": depth_figures(run.predictions[found], run.truth[found]),
        }
        for name, run in runs.items()
    }
