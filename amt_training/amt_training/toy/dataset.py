"""Toy scenes as a data set: drawn when they are asked for, each from its own seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import MANO_TIP_VERTICES, Side
from amt_perception.sample.look import random_backdrop, random_look
from amt_perception.sample.scene import HandObjectScene
from amt_training.data.sample import (
    ContactLabel,
    Entry,
    HandSample,
    ManoLabel,
    ObjectLabel,
    ObjectModel,
)
from amt_training.toy.scenes import (
    BOX_CLASS,
    CAMERA,
    Moment,
    Variety,
    box_surface,
    draw_moment,
    picture_of,
)


class ToyDataset:
    """A `HandDataset` of scenes by chance, right and left hands in turn.

    frames: pictures of each scene: with more than one, hand and box go together from one place,
    turn and grasp to others. The same seed gives the same scenes, in any order and any process.
    Raises AmtError where MuJoCo cannot draw.
    """

    tip_vertices: Mapping[Side, Sequence[int]] = {
        Side.LEFT: MANO_TIP_VERTICES,
        Side.RIGHT: MANO_TIP_VERTICES,
    }

    def __init__(self, name: str, count: int, seed: int, variety: Variety, frames: int = 1) -> None:
        self.name = name
        self.object_models = {BOX_CLASS: ObjectModel(*box_surface())}
        self.entries = [
            Entry(f"{seed}/{number}", frame, (Side.RIGHT, Side.LEFT)[number % 2])
            for number in range(count)
            for frame in range(frames)
        ]
        self._frames = frames
        self._seed = seed
        self._variety = variety
        self._pictures: dict[Side, HandObjectScene] = {}

    def sample(self, index: int) -> HandSample:
        """Draw one."""
        entry = self.entries[index]
        data = generic_hand(entry.side)
        if entry.side not in self._pictures:
            self._pictures[entry.side] = HandObjectScene(CAMERA, data)
        random = np.random.default_rng((self._seed, index // self._frames))
        moment = draw_moment(data, random, self._variety)
        backdrop = random_backdrop(random, CAMERA.width, CAMERA.height)
        look = random_look(random)
        if self._frames > 1:
            share = entry.frame / (self._frames - 1)
            moment = between(moment, draw_moment(data, random, self._variety), share)
        scene = picture_of(moment, data, self._pictures[entry.side], backdrop, look)
        pixels, touches = scene["keypoints"], scene["touches"]
        return HandSample(
            key=f"{entry.sequence}/{entry.frame}",
            image=np.ascontiguousarray(scene["image"].transpose(1, 2, 0)),
            camera=CAMERA.matrix,
            side=entry.side,
            hand_box=np.concatenate([pixels.min(axis=0), np.ptp(pixels, axis=0)]),
            joints=scene["joints"],
            mano=ManoLabel(Rotation.from_matrix(scene["rotation"]).as_rotvec(), scene["shape"]),
            objects=(ObjectLabel(BOX_CLASS, scene["box"]),),
            contact=ContactLabel(
                touches.astype(int), scene["points"][touches], int(scene["interaction"])
            ),
        )

    def __getstate__(self) -> dict[str, Any]:
        """For another process: what draws stays behind and is made there anew."""
        return self.__dict__ | {"_pictures": {}}


def between(start: Moment, end: Moment, share: float) -> Moment:
    """On the way from one moment to another, at a share of 0..1; the hand's shape and its hold on
    the box are those of the start."""
    ends = Rotation.from_rotvec(np.stack([start.pose, end.pose], axis=1).reshape(-1, 3))
    pose = np.stack(
        [
            Slerp([0.0, 1.0], ends[2 * joint : 2 * joint + 2])(share).as_rotvec()
            for joint in range(16)
        ]
    )
    place = start.place + share * (end.place - start.place)
    turn = (Rotation.from_rotvec(pose[0]) * Rotation.from_rotvec(start.pose[0]).inv()).as_matrix()
    box = start.box.copy()
    box[:3, :3] = turn @ start.box[:3, :3]
    box[:3, 3] = place + turn @ (start.box[:3, 3] - start.place)
    return Moment(pose, start.shape, place, box)
