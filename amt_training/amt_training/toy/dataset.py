"""Toy scenes as a data set: drawn when they are asked for, each from its own seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import MANO_TIP_VERTICES, Side
from amt_perception.sample.scene import HandObjectScene
from amt_training.data.sample import (
    ContactLabel,
    Entry,
    HandSample,
    ManoLabel,
    ObjectLabel,
    ObjectModel,
)
from amt_training.toy.scenes import BOX_CLASS, CAMERA, Variety, box_surface, draw_scene


class ToyDataset:
    """A `HandDataset` of scenes by chance, right and left hands in turn.

    The same seed gives the same scenes, in any order and any process. Raises AmtError where
    MuJoCo cannot draw.
    """

    tip_vertices: Mapping[Side, Sequence[int]] = {
        Side.LEFT: MANO_TIP_VERTICES,
        Side.RIGHT: MANO_TIP_VERTICES,
    }

    def __init__(self, name: str, count: int, seed: int, variety: Variety) -> None:
        self.name = name
        self.object_models = {BOX_CLASS: ObjectModel(*box_surface())}
        self.entries = [
            Entry(f"{seed}/{number}", 0, (Side.RIGHT, Side.LEFT)[number % 2])
            for number in range(count)
        ]
        self._seed = seed
        self._variety = variety
        self._pictures: dict[Side, HandObjectScene] = {}

    def sample(self, index: int) -> HandSample:
        """Draw one."""
        entry = self.entries[index]
        data = generic_hand(entry.side)
        if entry.side not in self._pictures:
            self._pictures[entry.side] = HandObjectScene(CAMERA, data)
        random = np.random.default_rng((self._seed, index))
        scene = draw_scene(data, self._pictures[entry.side], random, self._variety)
        pixels, touches = scene["keypoints"], scene["touches"]
        return HandSample(
            key=entry.sequence,
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
