"""The synthetic world as a data set: one sample for each hand of each picture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from amt_perception.hand.joints import MANO_TIP_VERTICES, Side
from amt_training.data.boxes import joints_box
from amt_training.data.contacts import TOUCHING_M, interaction_of
from amt_training.data.sample import (
    ContactLabel,
    Entry,
    ExactTruth,
    HandSample,
    ManoLabel,
    ObjectLabel,
    ObjectModel,
    UnlabelledError,
)
from amt_training.synthetic.geometry import hand_joints, hand_mesh
from amt_training.synthetic.scene import FIRST_OBJECT, Shot, Touch
from amt_training.synthetic.settings import WorldSettings
from amt_training.synthetic.truth import hand_of, in_picture
from amt_training.synthetic.world import World

NEAR_M = 0.35
"""Objects whose middle is farther from the middle of the hand are not the hand's business."""
SEEN_JOINTS = 0.25
"""Share of the joints that must lie in the picture, or nobody could say where the hand is."""
_SCENE_COUNTS = ("train", "val", "test")


class SyntheticDataset:
    """A `HandDataset` of the world's hands, drawn when they are asked for.

    A scene with two hands gives two sequences of the same pictures. The last scene is kept, so that
    its second hand and its other frames cost nothing.
    """

    tip_vertices: Mapping[Side, Sequence[int]] = {
        Side.LEFT: MANO_TIP_VERTICES,
        Side.RIGHT: MANO_TIP_VERTICES,
    }

    def __init__(self, world: World, exact: bool = False) -> None:
        """exact: fill `HandSample.exact`, which training does not look at."""
        self.world = world
        self._exact = exact
        self.name = f"Synthetic, {world.part}"
        self.entries: list[Entry] = []
        """By scene, hand and frame."""
        self._scenes: list[int] = []
        origin = f"{world.part}-{settings_digest(world.settings)}"
        for scene in range(len(world)):
            for side in world.sides(scene):
                sequence = f"{origin}/{scene:06d}/{side.name.lower()}"
                self.entries += [
                    Entry(sequence, frame, side) for frame in range(world.settings.frames)
                ]
                self._scenes += [scene] * world.settings.frames
        self._kept: tuple[int, list[Shot]] | None = None

    @property
    def object_models(self) -> Mapping[int, ObjectModel]:
        """The objects of this part, by their numbers."""
        models: Mapping[int, ObjectModel] = self.world.library.models
        return models

    def sample(self, index: int) -> HandSample:
        """Draw one. Raises UnlabelledError when most of the hand is outside the picture."""
        entry = self.entries[index]
        shot = self._shots(self._scenes[index])[entry.frame]
        sample = hand_sample(shot, entry)
        return replace(sample, exact=exact_truth(shot, sample)) if self._exact else sample

    def scene_of(self, index: int) -> int:
        """The scene that a sample shows; samples of one scene are best drawn one after another."""
        return self._scenes[index]

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which draws for itself."""
        return self.__dict__ | {"_kept": None}

    def _shots(self, scene: int) -> list[Shot]:
        if self._kept is None or self._kept[0] != scene:
            self._kept = scene, list(self.world.shots(scene))
        return self._kept[1]


def hand_sample(shot: Shot, entry: Entry) -> HandSample:
    """What a shot shows of the hand that an entry names, and everything that is true about it.

    Raises UnlabelledError when most of the hand is outside the picture.
    """
    hand, touch = hand_of(shot, entry.side)
    key = f"{entry.sequence}/{entry.frame:06d}"
    joints = hand_joints(hand)
    inside = np.isfinite(joints).all(axis=1) & in_picture(shot, joints)
    if inside.mean() < SEEN_JOINTS:
        raise UnlabelledError(f"{key}: most of the hand is outside the picture")
    return HandSample(
        key=key,
        image=shot.picture.image,
        camera=shot.camera.matrix,
        side=hand.side,
        hand_box=joints_box(shot.camera.matrix, joints),
        joints=joints,
        mano=ManoLabel(hand.pose, hand.shape),
        objects=tuple(
            ObjectLabel(shot.moment.objects[near].number, shot.moment.objects[near].pose)
            for near in objects_near(shot, joints)
        ),
        contact=contact_label(touch),
    )


def exact_truth(shot: Shot, sample: HandSample) -> ExactTruth:
    """Everything else that is true about a sample of the shot."""
    hand, touch = hand_of(shot, sample.side)
    near = objects_near(shot, sample.joints)
    return ExactTruth(
        depth=shot.picture.depth,
        mask=shot.picture.mask,
        object_masks=tuple(FIRST_OBJECT + place for place in near),
        keypoints=shot.camera.project(sample.joints),
        vertices=hand_mesh(hand),
        part_distance=touch.distance,
        part_on_hand=touch.on_hand,
        part_on_object=touch.on_object,
        activity=shot.activity,
    )


def objects_near(shot: Shot, joints: np.ndarray) -> list[int]:
    """Places in `Moment.objects` of those near a hand with joints [21, 3], the nearest first."""
    middle = joints.mean(axis=0)
    distances = [float(np.linalg.norm(one.pose[:3, 3] - middle)) for one in shot.moment.objects]
    near = [place for place, distance in enumerate(distances) if distance < NEAR_M]
    return sorted(near, key=distances.__getitem__)


def contact_label(touch: Touch) -> ContactLabel:
    """What the network learns of a touch."""
    touches = touch.distance < TOUCHING_M
    interaction = interaction_of(torch.from_numpy(touches)[None])
    return ContactLabel(touches.astype(int), touch.on_object[touches], int(interaction[0]))


def settings_digest(settings: WorldSettings) -> str:
    """Eight characters that differ between worlds; a world with more scenes is the same world."""
    values = {name: value for name, value in asdict(settings).items() if name not in _SCENE_COUNTS}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
