"""Toy scenes as a data set, for tests of the evaluation."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from amt_perception.hand.joints import MANO_TIP_VERTICES, Side
from amt_perception.model.interface import RIGHT
from amt_training.data.sample import (
    ContactLabel,
    Entry,
    HandSample,
    ManoLabel,
    ObjectLabel,
    ObjectModel,
    SampleError,
)
from amt_training.toy.scenes import BOX_CLASS, CAMERA, ToyScenes, make_scenes

HALF_TURNS = Rotation.from_rotvec(np.pi * np.vstack([np.zeros(3), np.eye(3)])).as_matrix()


@functools.cache
def _scenes() -> ToyScenes:
    return make_scenes(18, seed=8)


class SceneDataset:
    """Up to 18 scenes; right and left hands are two sequences. Some samples can be broken."""

    name = "toy scenes"

    def __init__(self, count: int, broken: Sequence[int] = ()) -> None:
        self.scenes = _scenes()[torch.arange(count)]
        self.broken = set(broken)
        self.tip_vertices: Mapping[Side, Sequence[int]] = {
            Side.LEFT: MANO_TIP_VERTICES,
            Side.RIGHT: MANO_TIP_VERTICES,
        }
        objects = self.scenes.truth.objects
        assert objects.surface is not None and objects.surface_normals is not None
        model = ObjectModel(
            objects.surface[0, 0].double().numpy(),
            objects.surface_normals[0, 0].double().numpy(),
            HALF_TURNS,
        )
        self.object_models = {BOX_CLASS: model}

    @property
    def entries(self) -> list[Entry]:
        return [
            Entry(side.name, number // 2, side)
            for number, side in enumerate(map(self._side, range(len(self.scenes.boxes))))
        ]

    def sample(self, index: int) -> HandSample:
        if index in self.broken:
            raise SampleError(f"frame {index} is damaged; download it again")
        scenes, truth = self.scenes, self.scenes.truth
        pose = np.eye(4)
        pose[:3, :3] = truth.objects.rotation[index, 0].numpy()
        pose[:3, 3] = truth.objects.position[index, 0].numpy()
        contact = truth.contact
        return HandSample(
            key=f"toy/{index:04d}",
            image=scenes.images[index].permute(1, 2, 0).numpy(),
            camera=CAMERA.matrix,
            side=self._side(index),
            hand_box=scenes.boxes[index],
            joints=truth.joints[index].double().numpy(),
            mano=ManoLabel(
                Rotation.from_matrix(truth.mano_rotation[index].numpy()).as_rotvec(),
                truth.mano_shape[index].double().numpy(),
            ),
            objects=(ObjectLabel(BOX_CLASS, pose),),
            contact=ContactLabel(
                contact.part[index].int().numpy(),
                contact.points[index][contact.point_valid[index]].double().numpy(),
                int(contact.interaction[index]),
            ),
        )

    def _side(self, index: int) -> Side:
        return Side.RIGHT if self.scenes.side[index] == RIGHT else Side.LEFT
