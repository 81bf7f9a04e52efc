"""The functional set as samples to learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.errors import AmtError
from amt_perception.grasp.interface import CLOUD_POINTS
from amt_training.data.files import read_annotations
from amt_training.functional.catalogue import FAMILIES, SPLITS
from amt_training.functional.instructions import HELD_OUT, TRAINED, draw_instruction
from amt_training.functional.sample import GraspObject, GraspSample
from amt_training.functional.storage import read_grasps

HAND = "allegro"
"""Whose grasps `python -m amt_training.functional` finds."""
DESCRIPTION = "set.json"
JITTER_M = 0.0005
"""Standard deviation of a point's place."""
LEAST_SHARE = 0.5
"""Of an object's points that are kept; others stand twice in their place."""
HOW_TO_MAKE = "python -m amt_training.functional generate --out FOLDER makes one"


class FunctionalGrasps:
    """The train, val or test part of a folder that `python -m amt_training.functional` made.

    Sample `index` is the grasp of that number; what chance decides about it (instruction, and in
    training how the object lies and which of its points are seen) is a function of seed, epoch and
    index. The objects of val and test are of families that training has not, and their
    instructions are worded in other ways.
    """

    def __init__(self, folder: Path, part: str, hand: str, seed: int = 0) -> None:
        """part: train, val or test; hand: allegro.

        Raises AmtError when the folder is not such a set, has no grasps in this part, or holds
        grasps of another hand; SampleError when a file of it is damaged.
        """
        if part not in SPLITS:
            raise AmtError(f"the functional set has {', '.join(SPLITS)}, not '{part}'; choose one")
        path = folder / DESCRIPTION
        if not path.is_file():
            raise AmtError(f"{folder} holds no functional set: {HOW_TO_MAKE}")
        if hand != read_annotations(path).get("hand"):
            raise AmtError(f"{folder} holds grasps of another hand than '{hand}'; {HOW_TO_MAKE}")
        self.name = f"functional {part}"
        self._seed, self._part = seed, part
        self._stored = [read_grasps(file) for file in sorted((folder / part).glob("*.safetensors"))]
        self._index = [
            (number, grasp)
            for number, stored in enumerate(self._stored)
            for grasp in range(len(stored))
        ]
        # A number for each part of each object, by grasp.
        self._purpose = np.array(
            [256 * number + self._stored[number].part[grasp] for number, grasp in self._index]
        )
        if not self._index:
            raise AmtError(f"{folder} has no grasps to {part} with: {HOW_TO_MAKE}")

    @property
    def objects(self) -> list[GraspObject]:
        """Those of this part, also those without grasps."""
        return [stored.object for stored in self._stored]

    def __len__(self) -> int:
        """Grasps."""
        return len(self._index)

    def __getitem__(self, index: int) -> GraspSample:
        """The sample as the first epoch has it."""
        return self.sample(index, 0)

    def alike(self, index: int) -> np.ndarray:
        """Indices of the grasps of the same part of the same object."""
        return np.flatnonzero(self._purpose == self._purpose[index])

    def sample(self, index: int, epoch: int, like: int | None = None) -> GraspSample:
        """A sample; another epoch gives another instruction and, in training, another pose.

        like: another grasp that is `alike`, whose instruction and pose of the object it gets.
        """
        number, grasp = self._index[index]
        stored = self._stored[number]
        random = np.random.default_rng([self._seed, epoch, index if like is None else like])
        training = self._part == "train"
        one = stored.object
        instruction = draw_instruction(
            FAMILIES[one.family],
            one.part_names[stored.part[grasp]],
            TRAINED if training else HELD_OUT,
            random,
        )
        sample = GraspSample(
            object=one,
            instruction=instruction.text,
            intent=instruction.intent,
            part=instruction.part,
            rotation=stored.rotation[grasp],
            position=stored.position[grasp],
            joints=stored.joints[grasp],
            shape=np.zeros(0, np.float32),
            distances=stored.distances[grasp].astype(np.float32),
        )
        return augmented(sample, random) if training else sample


def augmented(sample: GraspSample, random: np.random.Generator) -> GraspSample:
    """Object and grasp together turned by chance, and the points as another scan might have them.

    Some of the points are left out, and others repeated in their place; all are moved by a little.
    Nothing is scaled: a robot's hand has one size. The origin is the middle of the turned object's
    bounding box again.
    """
    turn = Rotation.from_quat(random.standard_normal(4)).as_matrix()
    one = sample.object
    vertices = one.vertices @ turn.T
    middle = 0.5 * (vertices.min(axis=0) + vertices.max(axis=0))
    seen = random.integers(round(LEAST_SHARE * CLOUD_POINTS), CLOUD_POINTS, endpoint=True)
    kept = random.permutation(CLOUD_POINTS)[:seen]
    chosen = np.concatenate([kept, random.choice(kept, CLOUD_POINTS - seen)])
    noise = random.normal(0.0, JITTER_M, (CLOUD_POINTS, 3))
    return replace(
        sample,
        object=replace(
            one,
            vertices=(vertices - middle).astype(np.float32),
            points=(one.points[chosen] @ turn.T - middle + noise).astype(np.float32),
            normals=(one.normals[chosen] @ turn.T).astype(np.float32),
            point_part=one.point_part[chosen],
        ),
        rotation=(turn @ sample.rotation).astype(np.float32),
        position=(turn @ sample.position - middle).astype(np.float32),
        distances=sample.distances[chosen],
    )
