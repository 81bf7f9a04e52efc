"""The motions that retargeting is measured on: two recorded ones and two made here.

All are right hands, in metres and in the axes of the robot's base frame, in front of the robot.
Where exactly the wrist is does not matter: methods with an arm take its motion relative to the
first frame, and methods for hands alone take the joints relative to the wrist.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from amt_perception.sample.motion import FIST, FOUR, ONE, OPEN, RELAXED, SPREAD, TWO
from amt_retarget.errors import RetargetError
from benchmarks.retargeting.human_hand import (
    hand_joints,
    minimum_jerk,
    pinch_angles,
    pinch_start,
    tracker_noise,
)

RATE_HZ = 30.0
DEXMV_RATE_HZ = 25.0
"""collect_time_step = 1 / 25.0 in dexmv-sim's hand_imitation/kinematics/demonstration."""
WRIST_M = np.array([0.5, 0.0, 0.4])
CAMERA_TO_BASE = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Rotation of a level camera that looks at the robot from in front of it (OpenCV axes)."""

ARM_NOISE_M = 0.002
ARM_REACH_M = np.array([0.12, 0.22, 0.14])
ARM_TURN_RAD = np.radians([30.0, 25.0, 35.0])
"""Half of the box in which the wrist moves, and the largest turns about the base's axes."""
ARM_MOVES = 12
ARM_MOVE_S = (1.0, 2.0)
FINGER_MOVE_S = (0.6, 1.2)

PINCH_NOISE_M = 0.0015
PINCHES = 12
PINCH_CLOSING_S = (0.3, 0.6)
PINCH_HOLD_S = (0.2, 0.5)
PINCH_TOUCH_M = (0.012, 0.020)
"""Distance of the landmarks, which lie inside the fingertips, when the skin touches."""
PINCH_OPEN_M = (0.060, 0.100)


@dataclass(frozen=True)
class Sequence:
    """One motion of a person's hand."""

    name: str
    joints: np.ndarray
    """[T, 21, 3] in the 21-joint order (m)."""
    rate_hz: float
    side: str
    """"left" or "right"."""

    @property
    def times(self) -> np.ndarray:
        """[T] seconds from the first frame."""
        return np.arange(len(self.joints)) / self.rate_hz


def hand_right(data: Path) -> Sequence:
    """621 frames of a gesturing hand at 30 Hz, wrist-relative, by dex-retargeting (MIT)."""
    joints = _read(data / "videos" / "hand_right.joints.npz")
    return Sequence("hand_right", joints + WRIST_M, RATE_HZ, "right")


def dexmv_mustard(data: Path) -> Sequence:
    """122 frames at 25 Hz of a hand that grasps and moves a bottle, by DexMV (Apache-2.0)."""
    joints = _read(data / "sequences" / "dexmv_mustard.npz") @ CAMERA_TO_BASE.T
    return Sequence("dexmv_mustard", joints - joints[0, 0] + WRIST_M, DEXMV_RATE_HZ, "right")


def arm_motion(seed: int = 1) -> Sequence:
    """The arm reaches through the workspace while the fingers open, close and count."""
    random = np.random.default_rng(seed)
    ends = np.cumsum(random.uniform(*ARM_MOVE_S, ARM_MOVES))
    wrists = random.uniform(-ARM_REACH_M, ARM_REACH_M, (ARM_MOVES + 1, 3))
    turns = random.uniform(-ARM_TURN_RAD, ARM_TURN_RAD, (ARM_MOVES + 1, 3))
    wrists[[0, -1]] = turns[[0, -1]] = 0.0
    knots = np.concatenate([[0.0], ends])
    turned = Slerp(knots, Rotation.from_euler("xyz", turns))

    postures = [posture.angles() for posture in (OPEN, SPREAD, FIST, ONE, TWO, FOUR, RELAXED)]
    moves = int(ends[-1] / np.mean(FINGER_MOVE_S))
    finger_ends = np.cumsum(random.uniform(*FINGER_MOVE_S, moves))
    order = [0, *_without_repeats(len(postures), moves, random)]
    fingers = np.array([postures[i] for i in order])

    times = np.arange(round(ends[-1] * RATE_HZ)) / RATE_HZ
    joints = []
    for time in times:
        # The share of the way within the current move, along a minimum-jerk curve.
        move = min(int(np.searchsorted(ends, time, side="right")), ARM_MOVES - 1)
        share = minimum_jerk((time - knots[move]) / (knots[move + 1] - knots[move]))
        wrist = wrists[move] + share * (wrists[move + 1] - wrists[move])
        at = knots[move] + float(share) * (knots[move + 1] - knots[move])
        angles = _along(time, finger_ends, fingers)
        joints.append(hand_joints(angles, turned(at), WRIST_M + wrist))
    noise = tracker_noise(len(times), RATE_HZ, ARM_NOISE_M, random)
    return Sequence("arm_motion", np.array(joints) + noise, RATE_HZ, "right")


def pinches(seed: int = 2) -> Sequence:
    """The thumb pinches with index, middle or ring finger in turn, at the speed of a person."""
    random = np.random.default_rng(seed)
    fingers = ("index", "middle", "ring")
    postures = [RELAXED.angles()]
    ends, holds = [0.0], [0.0]
    for pinch in range(PINCHES):
        finger = fingers[pinch % 3]
        closed = pinch_angles(finger, random.uniform(*PINCH_TOUCH_M), pinch_start(finger))
        opened = pinch_angles(finger, random.uniform(*PINCH_OPEN_M), RELAXED.angles())
        for posture in (closed, opened):
            ends.append(ends[-1] + holds[-1] + random.uniform(*PINCH_CLOSING_S))
            holds.append(random.uniform(*PINCH_HOLD_S))
            postures.append(posture)
    times = np.arange(round((ends[-1] + holds[-1]) * RATE_HZ)) / RATE_HZ
    joints = []
    for time in times:
        move = int(np.searchsorted(ends, time, side="right"))
        if move == len(ends):
            angles = postures[-1]
        else:
            start = ends[move - 1] + holds[move - 1]
            share = minimum_jerk((time - start) / (ends[move] - start))
            angles = postures[move - 1] + share * (postures[move] - postures[move - 1])
        joints.append(hand_joints(angles, Rotation.identity(), WRIST_M))
    noise = tracker_noise(len(times), RATE_HZ, PINCH_NOISE_M, random)
    return Sequence("pinches", np.array(joints) + noise, RATE_HZ, "right")


RECORDED: dict[str, Callable[[Path], Sequence]] = {
    "hand_right": hand_right,
    "dexmv_mustard": dexmv_mustard,
}
GENERATED: dict[str, Callable[[], Sequence]] = {"arm_motion": arm_motion, "pinches": pinches}
NAMES = (*RECORDED, *GENERATED)


def load(name: str, data: Path | None) -> Sequence:
    """One of NAMES; the recorded ones come from the folder `data` with videos/ and sequences/.

    Raises RetargetError for an unknown name or when a recorded one's file or folder is missing.
    """
    if name in GENERATED:
        return GENERATED[name]()
    if name not in RECORDED:
        raise RetargetError(f"unknown sequence {name!r}: choose from {', '.join(NAMES)}")
    if data is None:
        raise RetargetError(f"{name} is a recording: give the folder that holds it with --data")
    return RECORDED[name](data)


def _read(path: Path) -> np.ndarray:
    if not path.is_file():
        raise RetargetError(f"{path} does not exist: give the folder that holds it with --data")
    with np.load(path) as file:
        return file["joints"].astype(float)


def _without_repeats(choices: int, count: int, random: np.random.Generator) -> list[int]:
    """Random indices below `choices`; none is that before it, and the first is not 0."""
    chosen = [0]
    for _ in range(count):
        chosen.append((chosen[-1] + int(random.integers(1, choices))) % choices)
    return chosen[1:]


def _along(time: float, ends: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Value at a time of minimum-jerk moves from knot to knot; ends: [moves] seconds."""
    starts = np.concatenate([[0.0], ends[:-1]])
    shares = minimum_jerk((time - starts) / (ends - starts))
    return knots[0] + np.tensordot(shares, np.diff(knots, axis=0), axes=1)
