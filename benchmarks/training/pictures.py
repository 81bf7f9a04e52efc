"""A data set for measuring: hands in JPEG pictures of 640 x 480, as DexYCB's are, in shards."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import MANO_TIP_VERTICES, Side
from amt_perception.hand.kinematics import HandKinematics
from amt_training.data.convert import ConvertSettings, convert
from amt_training.data.sample import Entry, HandSample, ManoLabel, ObjectLabel
from amt_training.data.shards import ShardDataset

CAMERA = np.array([[610.0, 0.0, 320.0], [0.0, 610.0, 240.0], [0.0, 0.0, 1.0]])
_GRAIN = 4.0
"""Standard deviation of the camera's noise: a picture is then about 100 kB, like a photograph."""


class _MadeHands:
    """Right hands at random over smooth random backgrounds."""

    name = "made hands"
    tip_vertices = {Side.RIGHT: MANO_TIP_VERTICES}  # noqa: RUF012 - as HandDataset has it
    object_models = {}  # type: ignore[var-annotated]  # noqa: RUF012

    def __init__(self, count: int) -> None:
        self.entries = [Entry("made", frame, Side.RIGHT) for frame in range(count)]
        self._hand = HandKinematics(generic_hand(Side.RIGHT))

    def sample(self, index: int) -> HandSample:
        random = np.random.default_rng(index)
        pose, shape = random.normal(0.0, 0.3, (16, 3)), random.normal(size=10)
        place = random.uniform((-0.15, -0.1, 0.6), (0.15, 0.1, 1.0))
        joints = self._hand.joints21(pose, shape, place)
        pixels = joints @ CAMERA.T
        pixels = pixels[:, :2] / pixels[:, 2:]
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        coarse = random.uniform(0.0, 255.0, (15, 20, 3)).astype(np.float32)
        smooth = cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC)
        image = smooth + _GRAIN * random.standard_normal(smooth.shape, dtype=np.float32)
        object_pose = np.eye(4)
        object_pose[:3, 3] = place
        return HandSample(
            key=f"made/{index:06d}",
            image=image.clip(0.0, 255.0).astype(np.uint8),
            camera=CAMERA,
            side=Side.RIGHT,
            hand_box=np.concatenate([low, high - low]),
            joints=joints,
            mano=ManoLabel(pose, shape),
            objects=(ObjectLabel(1, object_pose),),
        )


def made_pictures(folder: Path, count: int) -> ShardDataset:
    """The data set in a folder; made once."""
    convert(_MadeHands(count), folder, ConvertSettings(image="jpg", workers=0), None)
    return ShardDataset(folder)
