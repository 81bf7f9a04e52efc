"""The generic hand: how often MediaPipe finds it in pictures, and what its pose correctives do.

    python -m benchmarks.generic_hand [--pictures 240] [--seed 0] [--out out/bench]

Draws hands of random shape, posture, side, view, distance (0.3 to 0.8 m), skin tone, light and
backdrop, gives each picture to MediaPipe as a first frame, and compares what it finds with the
truth. Prints tables, writes generic_hand.json, a sheet of the first pictures (generic_hand.jpg) and
one of postures (generic_hand_postures.jpg).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError
from amt_perception.estimators.mediapipe_detector import MediaPipeDetector
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.limits import JointLimits
from amt_perception.hand.model_data import HandModelData
from amt_perception.hand.skinning import hand_vertices
from amt_perception.metrics.volume import enclosed_volume
from amt_perception.sample.look import Look, random_backdrop, random_look
from amt_perception.sample.mesh import open_edge
from amt_perception.sample.motion import (
    FINGERS_UP_PALM_TO_CAMERA,
    FIST,
    FOUR,
    ONE,
    OPEN,
    PINCH,
    RELAXED,
    SPREAD,
    TWO,
    Posture,
)
from amt_perception.sample.scene import HandObjectScene
from benchmarks.hand_tracking import write_json

CAMERA = Intrinsics.from_field_of_view(640, 480)
GRASP = Posture(
    (50, -2, 40, 25), (52, 0, 42, 25), (55, 10, 40, 25), (54, 3, 42, 25), (35, -25, -30, 10, 15)
)
THUMB_UP = replace(FIST, thumb=(-15, 10, 0, -5, -10))
POSTURES = {
    "open": (OPEN, SPREAD, FOUR),
    "half": (RELAXED, PINCH, GRASP, ONE, TWO),
    "fist": (FIST, FIST, THUMB_UP),
}
"""Of each kind; a picture's posture lies between two of its kind, with some noise."""
AT_RANDOM = "random"
"""A further kind: every joint half the way from the relaxed hand's angle to any in its range."""
VIEWS = {"palm": (0.0,), "back": (180.0,), "side": (-90.0, 90.0)}
"""Turns about the hand's length (degrees)."""
NOISE_DEG, YAW_DEG, PITCH_DEG, ROLL_DEG, WRIST_DEG = 5.0, 30.0, 35.0, 60.0, 25.0
NEAREST_M, FARTHEST_M = 0.3, 0.8
FOUND = 0.3
"""Mean keypoint error over the hand's size below which a detection is of this hand."""
SHEET_PICTURES, SHEET_COLUMNS = 40, 8
BARE_ARM = Look(sleeve=None)
LINE_SPACING_M = 5e-4


@dataclass(frozen=True)
class Picture:
    """One picture and its truth."""

    image: np.ndarray
    joints_px: np.ndarray
    """[21, 2]"""
    side: Side
    posture: str
    view: str


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=240)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    options = parser.parse_args()
    try:
        pictures = list(draw(options.pictures, options.seed))
        report = {"detection": detection(pictures), "volume": volumes()}
    except AmtError as error:
        sys.exit(f"error: {error}")
    print_report(report)
    write_json(report, options.out / "generic_hand.json")
    write_picture(sheet_of_pictures(pictures), options.out / "generic_hand.jpg")
    write_picture(sheet_of_postures(), options.out / "generic_hand_postures.jpg")


def draw(count: int, seed: int) -> Iterator[Picture]:
    """Random pictures, the same ones for the same seed; kinds and views take turns."""
    random = np.random.default_rng(seed)
    kinds = [(posture, view) for posture in (*POSTURES, AT_RANDOM) for view in VIEWS]
    hands = [generic_hand(side) for side in (Side.RIGHT, Side.LEFT)]
    with HandObjectScene(CAMERA, hands[0]) as right, HandObjectScene(CAMERA, hands[1]) as left:
        for number in range(count):
            posture, view = kinds[number % len(kinds)]
            which = int(random.integers(2))
            yield draw_one((right, left)[which], hands[which], posture, view, random)


def draw_one(
    scene: HandObjectScene,
    data: HandModelData,
    posture: str,
    view: str,
    random: np.random.Generator,
) -> Picture:
    """A picture of one hand, wholly in view."""
    shape = random.normal(size=10).clip(-2.0, 2.0)
    pose = random_pose(data, posture, view, random)
    joints = HandKinematics(data).joints21(pose, shape, np.zeros(3))
    distance = random.uniform(NEAREST_M, FARTHEST_M)
    half_view = 0.5 * np.array([CAMERA.width, CAMERA.height]) / CAMERA.fx * distance
    free = np.maximum(half_view - 0.5 * np.ptp(joints[:, :2], axis=0) - 0.02, 0.0)
    centre = np.append(random.uniform(-free, free), distance)
    translation = centre - 0.5 * (joints.min(axis=0) + joints.max(axis=0))
    along = (1.0 if data.side == Side.RIGHT else -1.0) * np.array([0.25, 0.0, 0.0])
    bend = Rotation.from_rotvec(random.normal(0.0, WRIST_DEG / 2, 3), degrees=True)
    arm = (Rotation.from_rotvec(pose[0]) * bend).apply(along)
    image = scene.render(
        pose, shape, translation, random_backdrop(random, CAMERA.width, CAMERA.height),
        elbow=joints[0] + translation + arm, look=random_look(random),
    )  # fmt: skip
    return Picture(image, CAMERA.project(joints + translation), data.side, posture, view)


def random_pose(
    data: HandModelData, posture: str, view: str, random: np.random.Generator
) -> np.ndarray:
    """[16, 3] axis-angle: a posture of this kind, seen from there."""
    limits = JointLimits(data)
    if posture == AT_RANDOM:
        angles = 0.5 * (RELAXED.angles() + random.uniform(limits.lower, limits.upper))
    else:
        kind = POSTURES[posture]
        one, other = (kind[i].angles() for i in random.integers(len(kind), size=2))
        angles = one + random.random() * (other - one)
        angles[:, 0] += np.radians(random.normal(0.0, NOISE_DEG, 15))
    angles = angles.clip(limits.lower, limits.upper)
    yaw = random.choice(VIEWS[view]) + random.uniform(-YAW_DEG, YAW_DEG)
    turn = (random.uniform(-ROLL_DEG, ROLL_DEG), random.uniform(-PITCH_DEG, PITCH_DEG), yaw)
    upright = Rotation.from_matrix(FINGERS_UP_PALM_TO_CAMERA)
    if data.side == Side.LEFT:  # its fingers point along +x at rest
        upright = upright * Rotation.from_euler("y", 180.0, degrees=True)
    # Yaw turns the hand about its own length first, then come pitch and roll.
    turned = Rotation.from_euler("ZXY", turn, degrees=True) * upright
    return limits.pose(angles, turned.as_rotvec())


def detection(pictures: list[Picture]) -> dict[str, Any]:
    """What MediaPipe finds in each kind of picture and in all of them."""
    detector = MediaPipeDetector(max_hands=2)
    rows: dict[str, list[tuple[bool, bool, float]]] = {"all": []}
    for picture in pictures:
        size = np.ptp(picture.joints_px, axis=0).max()
        best, side = np.inf, Side.UNKNOWN
        for hand in detector.detect(picture.image, 0.0):
            error = np.linalg.norm(hand.keypoints_px - picture.joints_px, axis=1).mean() / size
            if error < best:
                best, side = error, hand.side
        detector.reset()
        result = (bool(best < FOUND), side == picture.side, float(best))
        for key in ("all", picture.posture, picture.view, f"{picture.posture}, {picture.view}"):
            rows.setdefault(key, []).append(result)
    detector.close()
    return {key: summary(results) for key, results in rows.items()}


def summary(results: list[tuple[bool, bool, float]]) -> dict[str, Any]:
    """Rates of (found, right side, error) results; sides and errors of the found ones."""
    found = [result for result in results if result[0]]
    return {
        "pictures": len(results),
        "found": len(found) / len(results),
        "side": float(np.mean([side for _, side, _ in found])) if found else None,
        "error": float(np.mean([error for _, _, error in found])) if found else None,
    }


def volumes() -> dict[str, Any]:
    """Volume of the hand in each posture against the open hand's, with and without correctives."""
    data = generic_hand(Side.RIGHT)
    plain = replace(data, posedirs=np.zeros_like(data.posedirs))
    limits, faces = JointLimits(data), closed(data)
    postures = {"relaxed": RELAXED, "pinch": PINCH, "grasp": GRASP, "fist": FIST}
    report: dict[str, Any] = {}
    for name, model in (("without", plain), ("with", data)):
        rest = volume(model, np.zeros((16, 3)), faces)[0]
        for posture, angles in postures.items():
            pose = limits.pose(angles.angles(), np.zeros(3))
            filled, doubled = volume(model, pose, faces)
            report.setdefault(posture, {})[name] = {
                "change": filled / rest - 1.0, "doubled": doubled / rest
            }  # fmt: skip
    return report


def closed(data: HandModelData) -> np.ndarray:
    """[F, 3] faces with a lid on the wrist."""
    loop = open_edge(data.faces)
    lid = [(loop[0], after, vertex) for vertex, after in pairwise(loop[1:])]
    return np.vstack([data.faces, lid])


def volume(data: HandModelData, pose: np.ndarray, faces: np.ndarray) -> tuple[float, float]:
    """Filled and doubled volume of the mean hand in a pose (m^3)."""
    return enclosed_volume(
        hand_vertices(data, pose, np.zeros(10), np.zeros(3)), faces, LINE_SPACING_M
    )


def print_report(report: dict[str, Any]) -> None:
    """Both tables."""
    print(f"{'MediaPipe on the generic hand':30}{'pictures':>9}{'found':>8}{'side':>8}{'error':>8}")
    for key, row in report["detection"].items():
        side, error = (
            f"{100 * row[name]:.1f} %" if row[name] is not None else "-"
            for name in ("side", "error")
        )
        print(f"{key:30}{row['pictures']:9}{100 * row['found']:6.1f} %{side:>8}{error:>8}")
    print("side: agrees with the truth; error: mean of the 21 keypoints over the hand's size\n")
    print(f"{'volume against the open hand':30}{'without':>12}{'with correctives':>18}")
    for posture, figures in report["volume"].items():
        change, corrected = (100 * figures[name]["change"] for name in ("without", "with"))
        print(f"{posture:30}{change:10.1f} %{corrected:16.1f} %")
        twice, corrected = (100 * figures[name]["doubled"] for name in ("without", "with"))
        print(f"{'  cutting through itself':30}{twice:10.2f} %{corrected:16.2f} %")


def sheet_of_pictures(pictures: list[Picture]) -> np.ndarray:
    """The first pictures side by side, [H, W, 3] uint8 RGB."""
    import cv2

    size = (round(0.3 * CAMERA.width), round(0.3 * CAMERA.height))
    shown = [cv2.resize(p.image, size, interpolation=cv2.INTER_AREA) for p in pictures]
    shown += [np.full((size[1], size[0], 3), 255, dtype=np.uint8)] * SHEET_PICTURES
    rows = [shown[i : i + SHEET_COLUMNS] for i in range(0, SHEET_PICTURES, SHEET_COLUMNS)]
    return np.vstack([np.hstack(row) for row in rows])


def sheet_of_postures() -> np.ndarray:
    """The mean hand from the palm, the back and the thumb's side, [H, W, 3] uint8 RGB."""
    data = generic_hand(Side.RIGHT)
    limits, kinematics = JointLimits(data), HandKinematics(data)
    camera = Intrinsics(450.0, 450.0, 90.0, 100.0, 180, 200)
    backdrop = np.full((camera.height, camera.width, 3), 240, dtype=np.uint8)
    rows = []
    with HandObjectScene(camera, data) as scene:
        for turn in (0.0, 180.0, 80.0):
            turned = Rotation.from_euler("y", turn, degrees=True)
            orientation = (turned * Rotation.from_matrix(FINGERS_UP_PALM_TO_CAMERA)).as_rotvec()
            row = []
            for posture in (OPEN, RELAXED, PINCH, GRASP, ONE, FIST):
                pose = limits.pose(posture.angles(), orientation)
                joints = kinematics.joints21(pose, np.zeros(10), np.zeros(3))
                middle = 0.5 * (joints.min(axis=0) + joints.max(axis=0))
                place = np.array([0.0, 0.01, 0.5]) - middle
                row.append(scene.render(pose, np.zeros(10), place, backdrop, look=BARE_ARM))
            rows.append(np.hstack(row))
    return np.vstack(rows)


def write_picture(picture: np.ndarray, path: Path) -> None:
    """Write an RGB picture as JPEG."""
    import cv2

    cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    print(f"written: {path}")


if __name__ == "__main__":
    main()
