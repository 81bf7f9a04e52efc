"""WebDataset clips: tars in which every sample is one hand over T frames.

The layout is the one of github.com/Mine268/CS-ViT2 (docs/v2_ml_project_dataset_migration_guide.md)
for InterHand2.6M, DexYCB, HO3D and HOT3D: a member <clip>.<name> for each field, arrays with the
time first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.hand.joints import WRIST, Side
from amt_perception.hand.model_data import HandModelData
from amt_training.data.boxes import joints_box
from amt_training.data.contents import parse_array, parse_json, parse_pickle, parse_picture
from amt_training.data.files import require_folder
from amt_training.data.mano_labels import SMPLX_TIPS, LabelHand, ManoConvention
from amt_training.data.sample import Entry, HandSample, ManoLabel, ObjectModel, SampleError
from amt_training.data.tar_index import TarIndex

_SIDES = {"right": Side.RIGHT, "r": Side.RIGHT, "left": Side.LEFT, "l": Side.LEFT}
_PICTURE = re.compile(r"(\d+)\.webp")
_MAX_MANO_ERROR = 0.02
"""Joints of a MANO label may be so far from the clip's own in the mean, both seen from the wrist
(m): fits of real hands are within 1 cm, another convention is 2 cm and more away."""
_MIN_OVERLAP = 0.25
"""Of the clip's box and the joints' one, intersection over union: the joints' is the tighter."""


@dataclass(frozen=True)
class ClipOptions:
    """What the clips do not say about themselves. Every sample is checked against it."""

    metres_per_unit: float = 0.001
    """Unit of the joints: 0.001 for millimetres, as the published exporter writes."""
    box_corners: bool = True
    """Is the hand's box its two corners, as the published exporter writes, or else x, y, width and
    height?"""
    flat_hand_mean: bool = False
    """Is the zero pose the flat hand, or do the poses leave out MANO's mean pose (smplx)?"""


class _Clip(NamedTuple):
    archive: TarIndex
    name: str
    side: Side
    pictures: tuple[str, ...]
    """Numbered members, or none where all pictures are in one member."""


class WebDatasetClips:
    """All clips of a folder; each frame with a known hand is a sample.

    Boxes are the clips' own. Left hands count as labelled with the corrected shape directions,
    which clips made from DexYCB are not: take DexYCB itself.
    """

    object_models: Mapping[int, ObjectModel] = {}

    def __init__(
        self,
        root: Path,
        right: HandModelData,
        left: HandModelData,
        settings: ClipOptions = ClipOptions(),
        tips: Mapping[Side, tuple[int, ...]] = SMPLX_TIPS,
    ) -> None:
        """root: the folder with the .tar files; right, left: MANO's own hand models; tips: what
        the set that the clips were made from calls fingertips.

        Raises AmtError when there is no clip or a tar is damaged.
        """
        self.name = f"clips {root.name}"
        self.tip_vertices: Mapping[Side, Sequence[int]] = tips
        self._settings = settings
        convention = ManoConvention(
            pca=False,
            components=45,
            flat_hand_mean=settings.flat_hand_mean,
            left_fixed=True,
            tips=tips,
        )
        self._labels = LabelHand(convention, right, left)
        how = "give the folder that holds the clips' .tar files"
        archives = [TarIndex(path) for path in sorted(require_folder(root, how).glob("*.tar"))]
        self._clips = [clip for archive in archives for clip in _clips(archive)]
        self._frames = [
            (number, frame)
            for number, clip in enumerate(self._clips)
            for frame in np.flatnonzero(_known(clip)[:, WRIST]).tolist()
        ]
        if not self._frames:
            raise AmtError(f"{root} has no clip with a known hand: {how}.")
        self.entries: Sequence[Entry] = [
            Entry(f"{clip.archive.path.stem}/{clip.name}", frame, clip.side)
            for clip, frame in ((self._clips[number], frame) for number, frame in self._frames)
        ]

    def sample(self, index: int) -> HandSample:
        """Read one. Raises SampleError when a member is missing or damaged, or when the labels
        contradict each other under the settings."""
        number, frame = self._frames[index]
        clip = self._clips[number]
        key = f"{clip.archive.path.stem}/{clip.name}/{frame:04d}"
        joints = _value(clip, "joint_cam", (21, 3), frame) * self._settings.metres_per_unit
        joints[~_known(clip)[frame]] = np.nan
        matrix = np.diag([*_value(clip, "focal", (2,), frame), 1.0])
        matrix[:2, 2] = _value(clip, "princpt", (2,), frame)
        return HandSample(
            key=key,
            image=_picture(clip, frame),
            camera=matrix,
            side=clip.side,
            hand_box=self._box(clip, frame, key, joints_box(matrix, joints)),
            joints=joints,
            mano=self._mano(clip, frame, key, joints),
        )

    def _box(self, clip: _Clip, frame: int, key: str, around_joints: np.ndarray) -> np.ndarray:
        box = _value(clip, "hand_bbox", (4,), frame)
        if self._settings.box_corners:
            box = np.concatenate([box[:2], box[2:] - box[:2]])
        if _overlap(box, around_joints) < _MIN_OVERLAP:
            raise SampleError(
                f"The hand_bbox of {key} does not lie around its joints: check box_corners."
            )
        return box

    def _mano(self, clip: _Clip, frame: int, key: str, joints: np.ndarray) -> ManoLabel | None:
        valid = _first_of(clip, ("has_mano", "mano_valid"), ())
        if valid is not None and not valid[frame : frame + 1].max(initial=0.0) > 0.5:
            return None
        pose = _value(clip, "mano_pose", (48,), frame)
        shape = _value(clip, "mano_shape", (10,), frame)
        try:
            label, model_joints, _ = self._labels.canonical(
                clip.side, pose[:3], pose[3:], shape, np.zeros(3)
            )
        except AmtError as error:
            raise SampleError(f"The MANO label of {key} is damaged: {error}") from error
        error_m = np.nanmean(
            np.linalg.norm((joints - joints[WRIST]) - (model_joints - model_joints[WRIST]), axis=1)
        )
        if error_m > _MAX_MANO_ERROR:
            raise SampleError(
                f"mano_pose and joint_cam of {key} differ by {1000 * error_m:.0f} mm in the mean: "
                "check flat_hand_mean, metres_per_unit and the hand models."
            )
        return label


def _clips(archive: TarIndex) -> list[_Clip]:
    """The clips of one tar; a clip's name ends at the first dot, as in WebDataset."""
    pictures: dict[str, list[tuple[int, str]]] = {}
    for member in archive.names:
        name, _, kind = member.partition(".")
        numbered = _PICTURE.fullmatch(kind)
        if numbered:
            pictures.setdefault(name, []).append((int(numbered[1]), member))
        elif kind == "img_bytes.pickle":
            pictures.setdefault(name, [])
    clips = []
    for name, members in pictures.items():
        side_member = f"{name}.handedness.json"
        side = parse_json(archive.read(side_member), archive.describe(side_member))
        if side not in _SIDES:
            raise AmtError(f"{archive.describe(side_member)} says {side}, not left or right.")
        clips.append(_Clip(archive, name, _SIDES[side], tuple(m for _, m in sorted(members))))
    return clips


def _picture(clip: _Clip, frame: int) -> np.ndarray:
    if clip.pictures:
        if frame >= len(clip.pictures):
            raise SampleError(f"{clip.name} in {clip.archive.path} has no picture {frame}.")
        member = clip.pictures[frame]
        return parse_picture(clip.archive.read(member), clip.archive.describe(member))
    member = f"{clip.name}.img_bytes.pickle"
    pictures = parse_pickle(clip.archive.read(member), clip.archive.describe(member))
    if not isinstance(pictures, list) or frame >= len(pictures):
        raise SampleError(f"{clip.archive.describe(member)} has no picture {frame}.")
    return parse_picture(pictures[frame], f"frame {frame} of {clip.archive.describe(member)}")


def _known(clip: _Clip) -> np.ndarray:
    """[T, 21] bool: which joints are known in space; all, where nothing is said."""
    known = _first_of(clip, ("joint_3d_valid", "joint_valid"), (21,))
    if known is None:
        return np.ones(_field(clip, "joint_cam", (21, 3)).shape[:2], dtype=bool)
    return known > 0.5


def _first_of(clip: _Clip, fields: Sequence[str], shape: tuple[int, ...]) -> np.ndarray | None:
    for field in fields:
        if f"{clip.name}.{field}.npy" in clip.archive:
            return _field(clip, field, shape)
    return None


def _value(clip: _Clip, field: str, shape: tuple[int, ...], frame: int) -> np.ndarray:
    """[*shape] of one frame, finite."""
    values = _field(clip, field, shape)
    if frame >= len(values) or not np.isfinite(values[frame]).all():
        place = clip.archive.describe(f"{clip.name}.{field}.npy")
        raise SampleError(f"{place} has no number for frame {frame}.")
    return values[frame]


def _field(clip: _Clip, field: str, shape: tuple[int, ...]) -> np.ndarray:
    """[T, *shape] float64."""
    member = f"{clip.name}.{field}.npy"
    array = parse_array(clip.archive.read(member), clip.archive.describe(member))
    if array.shape[1:] != shape:
        raise SampleError(
            f"{clip.archive.describe(member)} has shape {array.shape} instead of (frames, "
            f"{', '.join(map(str, shape))})."
        )
    return array.astype(np.float64)


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes x, y, width, height."""
    low = np.maximum(one[:2], other[:2])
    high = np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    shared = np.prod(np.maximum(high - low, 0.0))
    return float(shared / (np.prod(one[2:]) + np.prod(other[2:]) - shared))
