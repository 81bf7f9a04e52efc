"""DexYCB (Chao et al., CVPR 2021) from the folders that it is unpacked into."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_perception.hand.model_data import HandModelData
from amt_training.data.boxes import joints_box
from amt_training.data.files import read_arrays, read_picture, read_yaml
from amt_training.data.mano_labels import MANOPTH_TIPS, LabelHand, ManoConvention
from amt_training.data.object_models import read_object_models
from amt_training.data.sample import (
    Entry,
    HandSample,
    ObjectLabel,
    ObjectModel,
    SampleError,
    UnlabelledError,
)

SPLITS = ("s0", "s1", "s2", "s3")
"""Seen subjects, cameras and grasps; unseen subjects; unseen cameras; unseen grasps."""
PARTS = ("train", "val", "test")
CAMERAS = (
    "836212060125", "839512060362", "840412060917", "841412060263",
    "932122060857", "932122060861", "932122061900", "932122062010",
)  # fmt: skip
"""Serial numbers of the cameras, in the order in which the splits count them."""
SUBJECTS = 10
SEQUENCES = 100
"""Of each subject."""
PICTURE_SHAPE = (480, 640, 3)

CONVENTION = ManoConvention(
    pca=True, components=45, flat_hand_mean=False, left_fixed=False, tips=MANOPTH_TIPS
)
"""45 coefficients, so all components: smplx would take them for axis-angle."""

_SUBJECT_FOLDER = re.compile(r"\d{8}-subject-(\d{2})")
_SOURCE = (
    "download DexYCB from https://dex-ycb.github.io and give the folder that holds 'calibration' "
    "and the subjects, such as '20200709-subject-01'"
)
_log = logging.getLogger(__name__)


def part_of(split: str, subject: int, sequence: int, camera: int) -> str:
    """The part ('train', 'val' or 'test') of an official split that a video belongs to.

    All count from 0: subject in the order of their numbers, sequence (0 to 99) in the order of the
    subject's folders, camera in CAMERAS. Five sequences in a row show the same grasp.
    """
    if split == "s0":
        if sequence % 5 != 4:
            return "train"
        return "val" if subject < 2 else "test"
    held_out, value = {
        "s1": ({6: "val", 7: "test", 8: "test"}, subject),
        "s2": ({6: "val", 7: "test"}, camera),
        "s3": ({3: "val", 19: "val", 7: "test", 11: "test", 15: "test"}, sequence // 5),
    }[split]
    return held_out.get(value, "train")


@dataclass(frozen=True)
class _Sequence:
    """What is the same in all pictures of a recording."""

    side: Side
    shape: np.ndarray
    """[10] of the subject's hand."""
    objects: tuple[int, ...]
    """Class index of each object."""
    cameras: frozenset[str]
    count: int
    """Frames in all."""
    frames: np.ndarray
    """[N] those with a hand."""


class DexYcb:
    """One part of one official split; every frame with a hand, through every camera.

    Making it reads two small files a recording (2,000 in all), `sample` two a picture.
    """

    tip_vertices: Mapping[Side, Sequence[int]] = CONVENTION.tips

    def __init__(
        self, root: Path, split: str, part: str, right: HandModelData, left: HandModelData
    ) -> None:
        """root: the folder that holds `calibration` and the subjects' folders; right, left: MANO.

        Raises AmtError when the folder is missing or laid out otherwise, lacks sequences that the
        split counts, or a file of a recording is damaged.
        """
        if split not in SPLITS or part not in PARTS:
            raise AmtError(
                f"DexYCB has no part '{part}' of split '{split}'; choose a split of "
                f"{', '.join(SPLITS)} and a part of {', '.join(PARTS)}."
            )
        self._root = root
        self._split = split
        self._hand = LabelHand(CONVENTION, right, left)
        self._shapes: dict[str, np.ndarray] = {}
        self._sequences: dict[str, _Sequence] = {}
        self.entries: list[Entry] = []
        """By subject, recording, camera and frame; frames without a hand left out."""
        numbers: list[np.ndarray] = []
        official = 0
        for name, subject, number in self._recordings():
            cameras = [
                serial
                for camera, serial in enumerate(CAMERAS)
                if part_of(split, subject, number, camera) == part
            ]
            if cameras:
                sequence = self._read_sequence(name)
                self._sequences[name] = sequence
                for serial in cameras:
                    if serial in sequence.cameras:
                        self.entries += [
                            Entry(f"{name}/{serial}", frame, sequence.side)
                            for frame in sequence.frames.tolist()
                        ]
                        numbers.append(official + sequence.frames)
                    official += sequence.count
        self.official_numbers = np.concatenate(numbers) if numbers else np.empty(0, int)
        """[N] number of each entry in the official list, in which frames without a hand count."""
        self.name = f"DexYCB {split} {part}"
        self._cameras = {
            serial: self._read_camera(serial)
            for serial in {entry.sequence.rsplit("/", 1)[1] for entry in self.entries}
        }

    @cached_property
    def object_models(self) -> Mapping[int, ObjectModel]:
        """The YCB objects of <root>/models; empty where that folder is missing."""
        return read_object_models(self._root / "models")

    def sample(self, index: int) -> HandSample:
        """Read one. Raises SampleError when a file is missing or damaged."""
        entry = self.entries[index]
        name, serial = entry.sequence.rsplit("/", 1)
        sequence, camera = self._sequences[name], self._cameras[serial]
        folder = self._root / entry.sequence
        labels = _read_labels(folder / f"labels_{entry.frame:06d}.npz", len(sequence.objects))
        joints, pose = labels["joint_3d"][0], labels["pose_m"][0]
        picture = folder / f"color_{entry.frame:06d}.jpg"
        image = read_picture(picture)
        if image.shape != PICTURE_SHAPE:
            raise SampleError(f"{picture} has shape {image.shape} instead of {PICTURE_SHAPE}.")
        return HandSample(
            key=f"{entry.sequence}/{entry.frame:06d}",
            image=image,
            camera=camera,
            side=entry.side,
            hand_box=joints_box(camera, joints),
            joints=joints,
            mano=self._hand.label(entry.side, pose[:3], pose[3:48], sequence.shape),
            objects=tuple(
                ObjectLabel(class_index, np.vstack([pose, [0.0, 0.0, 0.0, 1.0]]))
                for class_index, pose in zip(sequence.objects, labels["pose_y"], strict=True)
                if pose.any()
            ),
        )

    def _recordings(self) -> Iterator[tuple[str, int, int]]:
        """Folder below the root, subject and number of every recording, in the official order."""
        try:
            folders = sorted(self._root.iterdir())
        except OSError as error:
            raise AmtError(f"Cannot read {self._root} ({error.strerror}); {_SOURCE}.") from error
        subjects = {
            int(match[1]): folder
            for folder in folders
            if (match := _SUBJECT_FOLDER.fullmatch(folder.name))
        }
        if not subjects or not (self._root / "calibration").is_dir():
            raise AmtError(f"{self._root} is not laid out as DexYCB; {_SOURCE}.")
        missing = [number for number in range(1, SUBJECTS + 1) if number not in subjects]
        if missing:
            _log.warning(
                "%s lacks subjects %s of DexYCB: figures do not compare with others'.",
                self._root,
                ", ".join(map(str, missing)),
            )
        for number, folder in sorted(subjects.items()):
            names = sorted(one.name for one in folder.iterdir() if one.is_dir())
            if len(names) != SEQUENCES:
                raise AmtError(
                    f"{folder} holds {len(names)} recordings instead of {SEQUENCES}, and the "
                    "official splits count them; unpack the subject's whole archive."
                )
            for sequence, name in enumerate(names):
                yield f"{folder.name}/{name}", number - 1, sequence

    def _read_sequence(self, name: str) -> _Sequence:
        folder = self._root / name
        path = folder / "meta.yml"
        meta = read_yaml(path)
        try:
            side = Side[meta["mano_sides"][0].upper()]
            calibration = str(meta["mano_calib"][0])
            objects = tuple(int(index) for index in meta["ycb_ids"])
            cameras = frozenset(str(serial) for serial in meta["serials"])
            count = int(meta["num_frames"])
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(path, error) from error
        pose = read_arrays(folder / "pose.npz", ["pose_m"])["pose_m"]
        if pose.shape != (count, 1, 51):
            raise SampleError(
                f"{folder / 'pose.npz'} is damaged: pose_m has shape {pose.shape} instead of "
                f"{(count, 1, 51)}; unpack it anew."
            )
        frames = np.flatnonzero(pose.any(axis=(1, 2)))
        return _Sequence(side, self._shape(calibration), objects, cameras, count, frames)

    def _shape(self, calibration: str) -> np.ndarray:
        """[10] shape of a subject's hand, read once."""
        if calibration not in self._shapes:
            path = self._root / "calibration" / f"mano_{calibration}" / "mano.yml"
            values = read_yaml(path)
            try:
                self._shapes[calibration] = np.array(values["betas"], dtype=float).reshape(10)
            except (KeyError, TypeError, ValueError) as error:
                raise _damaged(path, error) from error
        return self._shapes[calibration]

    def _read_camera(self, serial: str) -> np.ndarray:
        """[3, 3] camera matrix."""
        path = self._root / "calibration" / "intrinsics" / f"{serial}_640x480.yml"
        values = read_yaml(path)
        try:
            color: dict[str, Any] = values["color"]
            fx, fy, cx, cy = (float(color[key]) for key in ("fx", "fy", "ppx", "ppy"))
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(path, error) from error
        return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def _read_labels(path: Path, objects: int) -> dict[str, np.ndarray]:
    """joint_3d, pose_m and pose_y of a picture, as float64. Raises SampleError."""
    shapes = {"joint_3d": (1, 21, 3), "pose_m": (1, 51), "pose_y": (objects, 3, 4)}
    labels = read_arrays(path, shapes)
    for name, shape in shapes.items():
        if labels[name].shape != shape or not np.isfinite(labels[name]).all():
            raise SampleError(
                f"{path} is damaged: {name} is not {shape} finite numbers; unpack it anew."
            )
    if (labels["joint_3d"] == -1.0).all() or not labels["pose_m"].any():
        raise UnlabelledError(f"{path} labels no hand, though pose.npz of its recording does.")
    return {name: labels[name].astype(np.float64) for name in shapes}


def _damaged(path: Path, error: Exception) -> SampleError:
    return SampleError(f"{path} is damaged ({type(error).__name__}: {error}); unpack it anew.")
