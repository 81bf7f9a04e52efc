"""Does an independent hand detector, trained on photographs, take our pictures for real?

MediaPipe searches every picture. Counted are hands that could be found: not hidden by objects or
the other hand, inside the picture, and not tiny.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.estimators.detection import HandDetection
from amt_perception.estimators.mediapipe_detector import MediaPipeDetector
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import BASES, WRIST, Side
from amt_perception.hand.limits import JointLimits
from amt_perception.metrics.pose import procrustes_mpjpe
from amt_perception.output.files import atomic_write
from amt_training.data.contacts import TOUCHING_M
from amt_training.evaluation.tables import Table
from amt_training.synthetic.geometry import hand_joints
from amt_training.synthetic.scene import (
    LEFT_HAND,
    LEFT_SLEEVE,
    RIGHT_HAND,
    RIGHT_SLEEVE,
    Hand,
    Shot,
)
from amt_training.synthetic.settings import WorldSettings
from amt_training.synthetic.world import World

TILE, COLUMNS, MOST_TILES = 240, 6, 36
"""Pixels of a side of a picture of a missed hand, and how many are shown."""
VISIBLE_SHARE, SMALLEST_PX = 0.8, 60.0
"""Of the joints, and of the longer side of the hand's box: what can be expected to be found."""
FOUND_WITHIN = 0.5
"""A detection is of a hand whose joints are so near on average, in longer sides of its box."""
_MASK = {Side.LEFT: (LEFT_HAND, LEFT_SLEEVE), Side.RIGHT: (RIGHT_HAND, RIGHT_SLEEVE)}
_FLEXED = slice(0, 12)
"""Fingers' joints, without the thumb's, in MANO's order from 1."""


@dataclass(frozen=True)
class Check:
    """A hand that could be found, and whether it was."""

    name: str
    """Scene and frame."""
    causes: dict[str, str]
    """What might be the reason, by kind of reason."""
    tile: np.ndarray
    """[TILE, TILE, 3] uint8 RGB: the hand."""
    found: bool
    side_right: bool
    """False when not found."""
    pixel_error: float
    """Median over the joints, in longer sides of the hand's box; NaN when not found."""
    aligned_error: float
    """PA-MPJPE of MediaPipe's world landmarks (m); NaN when not found."""


def checks_of(shot: Shot, name: str, detector: MediaPipeDetector) -> list[Check]:
    """Of the hands of a shot that could be found. detector: for single images."""
    detections = detector.detect(shot.picture.image, 0.0)
    return [
        _check(shot, hand, name, detections)
        for hand in shot.moment.hands
        if _can_be_found(shot, hand)
    ]


def _can_be_found(shot: Shot, hand: Hand) -> bool:
    pixels = shot.camera.project(hand_joints(hand)).round()
    height, width = shot.picture.mask.shape
    inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=1)
    column, row = pixels[inside].astype(int).T
    # The fingertips are on the outline: the hand itself, or its outline, must be there.
    visible = _grown(shot.picture.mask == _MASK[hand.side][0])[row, column].sum()
    return visible >= VISIBLE_SHARE * len(pixels) and _size(pixels) >= SMALLEST_PX


def _check(shot: Shot, hand: Hand, name: str, detections: Sequence[HandDetection]) -> Check:
    joints = hand_joints(hand)
    pixels = shot.camera.project(joints)
    errors = [
        np.linalg.norm(detection.keypoints_px - pixels, axis=1) / _size(pixels)
        for detection in detections
    ]
    best = int(np.argmin([error.mean() for error in errors])) if errors else -1
    found = bool(errors) and errors[best].mean() < FOUND_WITHIN
    return Check(
        name=name,
        causes=_causes(shot, hand, joints, pixels),
        tile=_tile(shot.picture.image, pixels),
        found=found,
        side_right=found and detections[best].side == hand.side,
        pixel_error=float(np.median(errors[best])) if found else np.nan,
        aligned_error=(
            float(procrustes_mpjpe(detections[best].world_joints, joints)) if found else np.nan
        ),
    )


def _causes(shot: Shot, hand: Hand, joints: np.ndarray, pixels: np.ndarray) -> dict[str, str]:
    image, mask = shot.picture.image, shot.picture.mask
    skin, cloth = _MASK[hand.side]
    size = _size(pixels)
    on_hand = (mask == skin) & _box_of(pixels, mask.shape)
    around = _grown(on_hand, int(0.1 * size)) & ~_grown(on_hand)
    brightness = float(image[on_hand].mean())
    contrast = np.abs(image[on_hand].mean(axis=0) - image[around].mean(axis=0)).max()
    across = np.cross(joints[BASES[1]] - joints[WRIST], joints[BASES[4]] - joints[WRIST])
    palm = across if hand.side == Side.RIGHT else -across
    facing = float(palm @ -joints[WRIST] / np.linalg.norm(palm) / np.linalg.norm(joints[WRIST]))
    flexion = np.degrees(JointLimits(generic_hand(hand.side)).angles(hand.pose)[_FLEXED, 0].mean())
    touches = shot.touches[shot.moment.hands.index(hand)].distance.min() < TOUCHING_M
    return {
        "size": _band(size, (100.0, 180.0), ("60 to 100 px", "100 to 180 px", "over 180 px")),
        "seen from": _band(facing, (-0.5, 0.5), ("the back", "the side", "the palm")),
        "fingers": _band(flexion, (20.0, 45.0), ("straight", "bent", "closed")),
        "skin": _band(brightness, (60.0, 130.0), ("dark", "middle", "bright")),
        "contrast": _band(contrast, (25.0, 60.0), ("low", "middle", "high")),
        "sharpness": _band(_detail(image, on_hand), (2.0, 4.0), ("blurred", "soft", "sharp")),
        "arm": "sleeve" if (mask == cloth).any() else "bare",
        "hands": "one" if len(shot.moment.hands) == 1 else "two",
        "touching": "something" if touches else "nothing",
        "activity": shot.activity,
    }


def tables(checks: Sequence[Check]) -> list[Table]:
    """Of all hands, and by what might be the reason. Rates in percent."""
    kinds = {"all": "hands"} | {kind: kind for kind in checks[0].causes}
    return [_table(title, kind, checks) for kind, title in kinds.items()]


def _table(title: str, kind: str, checks: Sequence[Check]) -> Table:
    groups: dict[str, list[Check]] = {}
    for check in checks:
        groups.setdefault(check.causes.get(kind, "all"), []).append(check)
    rows = []
    for name in sorted(groups):
        found = [check for check in groups[name] if check.found]
        count = len(groups[name])
        rows.append(
            (
                name,
                count,
                100.0 * len(found) / count,
                100.0 * _mean([check.side_right for check in found]),
                100.0 * _median([check.pixel_error for check in found]),
                1000.0 * _median([check.aligned_error for check in found]),
            )
        )
    columns = (title, "hands", "found %", "side right %", "2D % of the box", "PA mm")
    return Table(f"MediaPipe by {title}", columns, tuple(rows))


def sheet(checks: Sequence[Check]) -> np.ndarray:
    """[H, W, 3] uint8 RGB: hands that were not found, or most wrongly."""
    worst = sorted(checks, key=lambda check: (check.found, check.side_right, -check.pixel_error))
    tiles = [check.tile for check in worst[:MOST_TILES]]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    return np.vstack(rows)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command `realism`."""
    parser.add_argument("--count", type=int, default=500, help="scenes to look at (500)")
    parser.add_argument("--seed", type=int, default=0, help="of the scenes (0)")
    parser.add_argument(
        "--out", type=Path, default=Path("out/synthetic/realism"), metavar="FOLDER",
        help="where the tables and the picture of missed hands go (out/synthetic/realism)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Look at scenes of the test part, print what was found, and show what was missed.

    Raises AmtError when MediaPipe or its models are not installed, MuJoCo cannot draw, no hand
    could be found in so few scenes, or the files cannot be written.
    """
    from tqdm import tqdm

    world = World(WorldSettings(test=arguments.count, seed=arguments.seed), "test")
    detector = MediaPipeDetector(max_hands=2, single_images=True)
    checks = []
    for scene in tqdm(range(len(world)), desc="MediaPipe on our pictures", unit="scene"):
        for frame, shot in enumerate(world.shots(scene)):
            checks += checks_of(shot, f"{scene}/{frame}", detector)
    detector.close()
    if not checks:
        raise AmtError("none of these scenes has a hand that could be found; give a larger --count")
    results = tables(checks)
    for table in results:
        print(f"\n{table.to_markdown()}")
    _write(arguments.out, results, sheet(checks))


def _write(folder: Path, results: Sequence[Table], picture: np.ndarray) -> None:
    import cv2

    with atomic_write(folder / "realism.json") as path:
        path.write_text(json.dumps([table.to_json() for table in results], indent=1) + "\n")
    with atomic_write(folder / "missed.png") as path:
        path.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
    print(f"\ntables: {folder / 'realism.json'}\nmissed hands: {folder / 'missed.png'}")


def _tile(image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """[TILE, TILE, 3] the hand with what is around it, black beyond the picture."""
    import cv2

    middle = 0.5 * (pixels.min(axis=0) + pixels.max(axis=0))
    scale = TILE / (2.0 * _size(pixels))
    affine = np.hstack([scale * np.eye(2), (0.5 * TILE - scale * middle)[:, None]])
    return cv2.warpAffine(image, affine, (TILE, TILE), flags=cv2.INTER_LINEAR)


def _detail(image: np.ndarray, where: np.ndarray) -> float:
    """Mean strength of the finest detail there (of 255)."""
    import cv2

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.abs(cv2.Laplacian(grey, cv2.CV_32F))[where].mean())


def _grown(mask: np.ndarray, by: int = 3) -> np.ndarray:
    """A mask and what is at most so many pixels beyond it."""
    import cv2

    square = np.ones((2 * by + 1, 2 * by + 1), dtype=np.uint8)
    return cv2.dilate(mask.astype(np.uint8), square) > 0


def _box_of(pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Mask [H, W] of the upright box around pixels [N, 2]: a hand's mask holds its forearm too."""
    (left, top), (right, bottom) = pixels.min(axis=0), pixels.max(axis=0)
    row, column = np.ogrid[: shape[0], : shape[1]]
    return (row >= top) & (row <= bottom) & (column >= left) & (column <= right)


def _size(pixels: np.ndarray) -> float:
    """Longer side of the box around pixels [N, 2]."""
    return float(np.ptp(pixels, axis=0).max())


def _band(value: float, edges: tuple[float, float], names: tuple[str, str, str]) -> str:
    return names[int(np.searchsorted(edges, value))]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else np.nan


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else np.nan
