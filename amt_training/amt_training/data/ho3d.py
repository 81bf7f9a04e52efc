"""HO3D versions 2 and 3 (Hampali et al., CVPR 2020; arXiv 2107.00887) as they are unpacked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.errors import AmtError
from amt_perception.hand.joints import MANO_TO_21, WRIST, Side
from amt_perception.hand.mirror import mirror_model
from amt_perception.hand.model_data import HandModelData
from amt_perception.model.config import YCB_CLASSES
from amt_training.data.boxes import joints_box
from amt_training.data.files import read_array_pickle, read_picture
from amt_training.data.mano_labels import HO3D_TIPS, LabelHand, ManoConvention
from amt_training.data.object_models import read_object_models
from amt_training.data.sample import (
    Entry,
    HandSample,
    ManoLabel,
    ObjectLabel,
    ObjectModel,
    SampleError,
    UnlabelledError,
)

PICTURE_ENDINGS = {"v2": "png", "v3": "jpg"}
"""By version."""
PARTS = ("train", "evaluation")

CONVENTION = ManoConvention(
    pca=False, components=45, flat_hand_mean=True, left_fixed=True, tips=HO3D_TIPS
)
"""There are no left hands."""

_LABELS = ("camMat", "handJoints3D")
"""None in pictures that are not annotated."""
_FROM_OPENGL = np.diag([1.0, -1.0, -1.0])
"""OpenCV's axes from OpenGL's: half a turn about x."""
_SOURCE = (
    "download HO-3D from https://www.tugraz.at/index.php?id=40231 and give the folder that holds "
    "'train', 'evaluation', 'train.txt' and 'evaluation.txt'"
)


class Ho3d:
    """One part of HO3D: right hands that hold one YCB object.

    Of the evaluation part only the wrist and a box around the hand are public; the other joints
    are NaN, and there is no MANO label.
    """

    tip_vertices: Mapping[Side, Sequence[int]] = CONVENTION.tips

    def __init__(
        self,
        root: Path,
        version: str,
        part: str,
        right: HandModelData,
        object_models_folder: Path | None = None,
    ) -> None:
        """root: the folder that holds `train.txt`; version: 'v2' or 'v3'; right: MANO.

        object_models_folder: holds <name>/textured_simple.obj of the YCB-Video models, which HO3D
        does not ship; None for <root>/models. Raises AmtError when the folder is missing, laid out
        otherwise or of the other version.
        """
        if version not in PICTURE_ENDINGS or part not in PARTS:
            raise AmtError(
                f"HO3D has no part '{part}' of version '{version}'; choose a version of "
                f"{', '.join(PICTURE_ENDINGS)} and a part of {', '.join(PARTS)}."
            )
        self._folder = root / part
        self._ending = PICTURE_ENDINGS[version]
        self.name = f"HO3D {version} {part}"
        self._models_folder = object_models_folder or root / "models"
        self._hand = LabelHand(CONVENTION, right, mirror_model(right))
        names = _listed(root / f"{part}.txt")
        self.entries = [Entry(sequence, int(name), Side.RIGHT) for sequence, name in names]
        """The official list, sorted by sequence and frame."""
        self._files = [name for _, name in names]
        if not self._picture(0).is_file():
            raise AmtError(
                f"{self._picture(0)} does not exist, so {root} is not HO3D {version} (v2 has png, "
                f"v3 jpg pictures); {_SOURCE}."
            )

    @cached_property
    def object_models(self) -> Mapping[int, ObjectModel]:
        """The YCB objects; empty where their folder is missing."""
        return read_object_models(self._models_folder)

    def sample(self, index: int) -> HandSample:
        """Read one. Raises SampleError when a file is missing or damaged, UnlabelledError
        when it is not annotated."""
        sequence, name = self.entries[index].sequence, self._files[index]
        path = self._folder / sequence / "meta" / f"{name}.pkl"
        meta = read_array_pickle(path)
        if isinstance(meta, dict) and any(meta.get(key, 0) is None for key in _LABELS):
            raise UnlabelledError(f"{path} is not annotated.")
        try:
            camera = _numbers(meta, "camMat", (3, 3))
            joints = _joints(meta)
            complete = np.isfinite(joints).all()
            return HandSample(
                key=f"{sequence}/{name}",
                image=read_picture(self._picture(index)),
                camera=camera,
                side=Side.RIGHT,
                hand_box=joints_box(camera, joints) if complete else _given_box(meta),
                joints=joints,
                mano=self._mano(meta) if complete else None,
                objects=_objects(meta),
            )
        except (KeyError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise SampleError(f"{path} is not annotated or damaged ({reason}).") from error

    def _picture(self, index: int) -> Path:
        rgb = self._folder / self.entries[index].sequence / "rgb"
        return rgb / f"{self._files[index]}.{self._ending}"

    def _mano(self, meta: dict[str, Any]) -> ManoLabel:
        pose = _numbers(meta, "handPose", (48,))
        camera_from_label = np.eye(4)
        camera_from_label[:3, :3] = _FROM_OPENGL
        shape = _numbers(meta, "handBeta", (10,))
        return self._hand.label(Side.RIGHT, pose[:3], pose[3:], shape, camera_from_label)


def _listed(path: Path) -> list[tuple[str, str]]:
    """Sequence and file name of every frame in an official list, whose lines are ABF10/0123."""
    try:
        lines = path.read_text().split()
    except OSError as error:
        raise AmtError(f"Cannot read {path} ({error.strerror}); {_SOURCE}.") from error
    names = [(sequence, name) for sequence, _, name in (line.partition("/") for line in lines)]
    if not names or not all(name.isdecimal() for _, name in names):
        raise AmtError(f"{path} is not a list of frames such as ABF10/0123; {_SOURCE}.")
    return sorted(names)


def _joints(meta: dict[str, Any]) -> np.ndarray:
    """[21, 3] in the project's order; all but the wrist are NaN in the evaluation part."""
    joints = np.full((21, 3), np.nan)
    if np.shape(meta["handJoints3D"]) == (3,):
        joints[WRIST] = _numbers(meta, "handJoints3D", (3,))
    else:
        joints[:] = _numbers(meta, "handJoints3D", (21, 3))[MANO_TO_21]
    return joints @ _FROM_OPENGL


def _given_box(meta: dict[str, Any]) -> np.ndarray:
    """[4] x, y, width, height from the corners in the file."""
    corners = _numbers(meta, "handBoundingBox", (4,))
    return np.concatenate([corners[:2], corners[2:] - corners[:2]])


def _objects(meta: dict[str, Any]) -> tuple[ObjectLabel, ...] | None:
    if meta["objRot"] is None:
        return None
    pose = np.eye(4)
    turn = Rotation.from_rotvec(_numbers(meta, "objRot", (3,)))
    pose[:3, :3] = _FROM_OPENGL @ turn.as_matrix()
    pose[:3, 3] = _FROM_OPENGL @ _numbers(meta, "objTrans", (3,))
    return (ObjectLabel(YCB_CLASSES.index(meta["objName"]), pose),)


def _numbers(meta: dict[str, Any], name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A field as float64 of a shape. Raises KeyError, TypeError or ValueError."""
    if meta[name] is None:
        raise ValueError(f"{name} is None")
    numbers = np.asarray(meta[name], dtype=np.float64).reshape(shape)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} is not finite")
    return numbers
