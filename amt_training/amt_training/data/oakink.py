"""OakInk-Image: right hands that use, hold, lift and hand over 100 objects.

Yang et al., "OakInk: A Large-scale Knowledge Repository for Understanding Hand-Object
Interaction", CVPR 2022. The layout is the one of github.com/oakink/OakInk (docs/datasets.md,
annotations 2.1).
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_perception.hand.model_data import HandModelData
from amt_training.data.boxes import joints_box
from amt_training.data.files import (
    read_annotations,
    read_array_pickle,
    read_picture,
    require_folder,
)
from amt_training.data.mano_labels import MANOPTH_TIPS, LabelHand, ManoConvention
from amt_training.data.object_models import read_surface
from amt_training.data.sample import Entry, HandSample, ObjectLabel, ObjectModel, SampleError

CONVENTION = ManoConvention(
    pca=False, components=45, flat_hand_mean=True, left_fixed=True, tips=MANOPTH_TIPS
)
CAMERAS = ("north_east", "south_east", "north_west", "south_west")
SPLITS = {
    "views": "split0",
    "subjects": "split1",
    "objects": "split2",
    "hand_object": "split0_ho",
}
"""The folder of each way to split the set."""
_PARTS = {
    "train": "split_train_val/{}/example_split_train.json",
    "val": "split_train_val/{}/example_split_val.json",
    "train+val": "split/{}/seq_train.json",
    "test": "split/{}/seq_test.json",
}
_TENSOR_NAMES = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    # torch's own function of this name would unpickle anything that is in the bytes.
    ("torch.storage", "_load_from_bytes"): lambda contents: torch.load(
        io.BytesIO(contents), map_location="cpu", weights_only=True
    ),
}
"""What the set's pickles name besides arrays: they hold torch's tensors."""
_HOW_TO_GET = "download OakInk-Image from oakink.net and unzip it as its docs/datasets.md says"


class _Frame(NamedTuple):
    recording: str
    """<sequence>/<time>."""
    person: int
    """0 or 1: who of two people at a handover."""
    number: int
    camera: int

    @property
    def annotation(self) -> str:
        """Name of its files below image/anno/<kind>."""
        return "__".join(map(str, self)).replace("/", "__") + ".pkl"

    @property
    def object_id(self) -> str:
        return self.recording.split("_", 1)[0]


class OakInk:
    """One part of one split of OakInk-Image.

    When it is made it reads the list of frames alone.
    """

    tip_vertices: Mapping[Side, Sequence[int]] = CONVENTION.tips

    def __init__(
        self,
        root: Path,
        split: str,
        part: str,
        right: HandModelData,
        left: HandModelData,
        object_classes: Sequence[str] = (),
    ) -> None:
        """root: the folder with image/; split: views, subjects, objects or hand_object; part:
        train, val, train+val or test; right, left: MANO's own hand models; object_classes:
        `AmtConfig.object_classes` with OakInk's object ids (A01001) for names. A frame's object
        counts as not annotated when its id is not among them.

        Raises AmtError when the data is not there.
        """
        if split not in SPLITS or part not in _PARTS:
            raise AmtError(
                f"OakInk has the splits {', '.join(SPLITS)} and the parts {', '.join(_PARTS)}, "
                f"not {split} and {part}."
            )
        self.name = f"OakInk-Image {split} {part}"
        self._labels = LabelHand(CONVENTION, right, left)
        self._classes = {name: index for index, name in enumerate(object_classes)}
        image = require_folder(root / "image", _HOW_TO_GET)
        self._annotations = require_folder(image / "anno", _HOW_TO_GET)
        self._pictures = require_folder(image / "stream_release_v2", _HOW_TO_GET)
        path = self._annotations / _PARTS[part].format(SPLITS[split])
        try:
            self._frames = sorted(
                (_Frame(r, int(p), int(n), int(c)) for r, p, n, c in read_annotations(path)),
                key=lambda frame: (frame.recording, frame.person, frame.camera, frame.number),
            )
            self.entries: Sequence[Entry] = [
                Entry(
                    f"{frame.recording}/{frame.person}/{CAMERAS[frame.camera]}",
                    frame.number,
                    Side.RIGHT,
                )
                for frame in self._frames
            ]
        except (IndexError, TypeError, ValueError) as error:
            raise AmtError(f"{path} is not a list of OakInk's frames; {_HOW_TO_GET}.") from error
        self._meshes = image / "obj"

    @cached_property
    def object_models(self) -> Mapping[int, ObjectModel]:
        """By class index, of those object classes that are OakInk's objects.

        The poses are those of objects whose bounding box has its middle at the origin, which the
        mesh files have not. Raises AmtError when a mesh cannot be read.
        """
        found = {
            path.stem: path for kind in ("obj", "ply") for path in self._meshes.glob(f"*.{kind}")
        }
        return {
            index: read_surface(found[name], centred=True)
            for name, index in self._classes.items()
            if name in found
        }

    def sample(self, index: int) -> HandSample:
        """Read one. Raises SampleError when a file is missing or damaged."""
        frame = self._frames[index]
        name = f"{CAMERAS[frame.camera]}_color_{frame.number}.png"
        camera = self._array("cam_intr", frame, (3, 3))
        joints = self._array("hand_j", frame, (21, 3))
        info = self._read("general_info", frame)
        try:
            hand = info["hand_anno"]
            # Quaternions with the real part first, of which the wrist's is in the world's frame.
            quaternions = _plain(hand["hand_pose"]).reshape(16, 4)
            pose = Rotation.from_quat(np.roll(quaternions, -1, axis=1)).as_rotvec()
            shape = _plain(hand["hand_shape"]).reshape(10)
            camera_from_world = _plain(info["cam_extr"])
            mano = self._labels.label(
                Side.RIGHT, pose[0], pose[1:].ravel(), shape, camera_from_world
            )
        except (AmtError, KeyError, TypeError, ValueError) as error:
            place = self._path("general_info", frame)
            raise SampleError(f"{place} is damaged: {error}") from error
        return HandSample(
            key=f"{frame.recording}/{frame.person}/{name.removesuffix('.png')}",
            image=read_picture(self._pictures / frame.recording / name),
            camera=camera,
            side=Side.RIGHT,
            hand_box=joints_box(camera, joints),
            joints=joints,
            mano=mano,
            objects=self._objects(frame),
        )

    def _objects(self, frame: _Frame) -> tuple[ObjectLabel, ...] | None:
        if frame.object_id not in self._classes:
            return None
        pose = self._array("obj_transf", frame, (4, 4))
        return (ObjectLabel(self._classes[frame.object_id], pose),)

    def _path(self, kind: str, frame: _Frame) -> Path:
        return self._annotations / kind / frame.annotation

    def _read(self, kind: str, frame: _Frame) -> Any:
        return read_array_pickle(self._path(kind, frame), _TENSOR_NAMES)

    def _array(self, kind: str, frame: _Frame, shape: tuple[int, ...]) -> np.ndarray:
        array = _plain(self._read(kind, frame))
        if array.shape != shape or not np.isfinite(array).all():
            raise SampleError(f"{self._path(kind, frame)} is damaged: not {shape} numbers.")
        return array


def _plain(values: Any) -> np.ndarray:
    """float64 from an array, a tensor or a list."""
    return np.asarray(values, dtype=np.float64)
