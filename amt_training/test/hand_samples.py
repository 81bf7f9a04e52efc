"""Made samples of the generic hand: exact labels, pictures that any loader can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import MANO_TIP_VERTICES, Side
from amt_perception.hand.kinematics import HandKinematics
from amt_training.data.sample import (
    ContactLabel,
    Entry,
    HandSample,
    ManoLabel,
    ObjectLabel,
    ObjectModel,
    SampleError,
)
from amt_training.losses.targets import UNKNOWN

WIDTH, HEIGHT = 320, 240
CAMERA = np.array([[310.0, 2.5, 161.0], [0.0, 287.0, 117.0], [0.0, 0.0, 1.0]])
"""Skewed, and with pixels that are not square."""


class MadeDataset:
    """Sequences of some frames each, right and left hands in turn."""

    name = "Made (train)"
    tip_vertices = dict.fromkeys((Side.LEFT, Side.RIGHT), MANO_TIP_VERTICES)

    def __init__(
        self, sequences: int = 4, frames: int = 5, unreadable: Sequence[int] = (), seed: int = 0
    ) -> None:
        self.unreadable, self.seed = unreadable, seed
        self.entries = [
            Entry(f"sequence-{number}", frame, (Side.RIGHT, Side.LEFT)[number % 2])
            for number in range(sequences)
            for frame in range(frames)
        ]
        points = np.random.default_rng(0).normal(size=(7, 3))
        turns = Rotation.from_rotvec([[0.0, 0.0, 0.0], [0.0, 0.0, np.pi]]).as_matrix()
        self.object_models = {
            3: ObjectModel(0.1 * points, points / np.linalg.norm(points, axis=1)[:, None], turns),
            11: ObjectModel(
                points, points, symmetry_axis=np.array([0.0, 0.0, 1.0]), object_class=4
            ),
        }

    def sample(self, index: int) -> HandSample:
        if index in self.unreadable:
            raise SampleError(f"made/{index}.jpg is damaged")
        return make_sample(self.entries[index], seed=1000 * self.seed + index)


@lru_cache(maxsize=2)
def kinematics(side: Side) -> HandKinematics:
    return HandKinematics(generic_hand(side))


def make_sample(entry: Entry, seed: int) -> HandSample:
    """A hand somewhere before the camera; what is known of it differs from sample to sample."""
    random = np.random.default_rng(seed)
    pose, shape = random.normal(0.0, 0.3, (16, 3)), random.normal(size=10)
    pose[0] = Rotation.random(random_state=seed).as_rotvec()
    place = random.uniform((-0.12, -0.08, 0.45), (0.12, 0.08, 0.8))
    joints = kinematics(entry.side).joints21(pose, shape, np.zeros(3)) + place
    pixels = joints @ CAMERA.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    object_pose = np.eye(4)
    object_pose[:3, :3] = Rotation.random(random_state=seed + 1).as_matrix()
    object_pose[:3, 3] = place + 0.05
    sample = HandSample(
        key=f"{entry.sequence}/{entry.frame:06d}",
        image=make_picture(random),
        camera=CAMERA,
        side=entry.side,
        hand_box=np.concatenate([low, high - low]),
        joints=joints,
        mano=ManoLabel(pose, shape),
        objects=(ObjectLabel(3, object_pose), ObjectLabel(11, np.eye(4))),
        contact=ContactLabel(np.array([1, 0, UNKNOWN, 1, 0, 0]), joints[[4, 8]], 2),
    )
    if seed % 5 == 3:  # like a data set of joints alone, and not all of them
        joints = joints.copy()
        joints[[0, 7]] = np.nan
        return replace(sample, joints=joints, mano=None, objects=None, contact=None)
    if seed % 5 == 4:
        contact = ContactLabel(np.full(6, UNKNOWN), None, UNKNOWN)
        return replace(sample, objects=(), contact=contact)
    return sample


def make_picture(random: np.random.Generator) -> np.ndarray:
    """Smooth noise of full contrast, as a photograph would have it."""
    coarse = random.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
