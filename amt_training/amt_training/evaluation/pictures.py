"""Samples with the true and the estimated hand drawn on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from amt_perception.camera.crop import crop_affine, sample_crops
from amt_perception.drawing.skeleton import draw_skeleton
from amt_perception.drawing.text import GREY, WHITE, draw_chip, draw_panel, draw_text
from amt_perception.errors import AmtError
from amt_perception.estimators.interface import TrackState
from amt_perception.hand.joints import WRIST, Side
from amt_perception.model.interface import LEFT
from amt_perception.output.files import atomic_write
from amt_training.data.sample import HandDataset
from amt_training.evaluation.hands import HandErrors
from amt_training.evaluation.predictions import Predictions, Truth

TILE = 300
"""Pixels of a side."""
GAP, HEADING, COLUMNS = 10, 42, 4
"""Pixels between tiles, of a row's heading, and pairs in a row."""
SHOWN_SCALE = 2.0
"""Side of what is shown over the longer side of the hand's box."""
BACKGROUND = (247, 248, 250)
INK = (22, 32, 44)


@dataclass(frozen=True)
class _Skeleton:
    """What is drawn of a hand."""

    side: Side
    keypoints_px: np.ndarray
    joints: np.ndarray
    confidence: float = 1.0
    track_id: int = 0
    state: TrackState = TrackState.TRACKED


def typical_and_worst(errors: HandErrors, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `count` samples about the median wrist-relative error, and of the largest ones.

    The worst come first. Samples without an error are left out; fewer are given where there are
    fewer.
    """
    error = errors.of_samples(1)
    order = np.argsort(error, kind="stable")[: int(np.isfinite(error).sum())]
    start = max(0, len(order) // 2 - count // 2)
    return order[start : start + count], order[::-1][:count]


def write_samples(
    path: Path,
    dataset: HandDataset,
    predictions: Predictions,
    truth: Truth,
    errors: HandErrors,
    count: int,
) -> None:
    """A PNG of `count` typical and `count` worst samples: the truth beside the estimate.

    Reads their pictures again. Raises AmtError when one cannot be read any more, nothing can be
    shown, or the file cannot be written.
    """
    typical, worst = typical_and_worst(errors, count)
    if len(worst) == 0:
        raise AmtError("no sample has a wrist-relative error; there is nothing to show")
    groups = (
        ("Typical: about the median wrist-relative error", typical),
        ("Worst: the largest wrist-relative errors", worst),
    )
    strips = []
    for heading, rows in groups:
        tiles = [_pair(dataset, predictions, truth, errors, int(row)) for row in rows]
        strips.append(_strip(heading, tiles))
    canvas = np.concatenate(strips)
    from PIL import Image

    with atomic_write(path) as temporary:
        Image.fromarray(canvas).save(temporary)


def _pair(
    dataset: HandDataset, predictions: Predictions, truth: Truth, errors: HandErrors, row: int
) -> np.ndarray:
    """The picture with the truth, and with the estimate, side by side."""
    sample = dataset.sample(int(truth.index[row]))
    affine = crop_affine(truth.hand_box[row], TILE, SHOWN_SCALE)
    picture = torch.from_numpy(np.ascontiguousarray(sample.image)).permute(2, 0, 1)
    crop = sample_crops(picture[None], affine[None], TILE)[0].permute(1, 2, 0).numpy()
    camera = np.vstack([affine, [0.0, 0.0, 1.0]]) @ truth.intrinsics[row]
    side = Side.LEFT if truth.side[row] == LEFT else Side.RIGHT
    known = np.where(truth.joints_valid[row][:, None], truth.joints[row], np.nan)
    tiles = []
    for joints in (known, predictions.joints[row]):
        tile = crop.copy()
        draw_skeleton(tile, _Skeleton(side, _pixels(joints, camera), joints))
        tiles.append(tile)
    draw_chip(tiles[0], [("truth", WHITE, True)], 8, 8, 13)
    millimetres = [1e3 * errors.of_samples(number)[row] for number in (0, 1, 2)]
    text = "  ".join(f"{value:.0f}" for value in millimetres)
    draw_chip(tiles[1], [("estimate", WHITE, True), (f"{text} mm", GREY, False)], 8, 8, 13)
    name = sample.key if len(sample.key) <= 42 else f"…{sample.key[-41:]}"
    draw_chip(tiles[0], [(name, GREY, False)], 8, TILE - 26, 10)
    depth = 1e3 * truth.joints[row, WRIST, 2]
    draw_chip(
        tiles[1], [(f"{side.name.lower()}, {depth:.0f} mm away", GREY, False)], 8, TILE - 26, 10
    )
    return np.concatenate(tiles, axis=1)


def _pixels(joints: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """[21, 2] in the tile; NaN, which is not drawn, behind the camera or for unknown joints."""
    depth = np.where(joints[:, 2:] > 0.0, joints[:, 2:], np.nan)
    projected = joints @ camera.T
    return projected[:, :2] / depth


def _strip(heading: str, pairs: Sequence[np.ndarray]) -> np.ndarray:
    """A heading over the pairs, in rows."""
    rows = -(-len(pairs) // COLUMNS)
    width = COLUMNS * 2 * TILE + (COLUMNS + 1) * GAP
    height = HEADING + rows * (TILE + GAP)
    canvas = np.full((height, width, 3), BACKGROUND, np.uint8)
    draw_text(canvas, heading, GAP, 12, 17, INK, bold=True)
    for number, pair in enumerate(pairs):
        row, column = divmod(number, COLUMNS)
        top, left = HEADING + row * (TILE + GAP), GAP + column * (2 * TILE + GAP)
        canvas[top : top + TILE, left : left + 2 * TILE] = pair
        draw_panel(canvas, left + TILE - 1, top, 2, TILE, (255, 255, 255), 1.0, 0)
    return canvas
