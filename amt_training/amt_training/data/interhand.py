"""InterHand2.6M: one or two hands before many cameras.

Moon et al., "InterHand2.6M", ECCV 2020; the layout is the one of mks0601.github.io/InterHand2.6M
(v1.0), the MANO labels are NeuralAnnot's (Moon et al., CVPRW 2022).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.hand.joints import WRIST, Side
from amt_perception.hand.model_data import HandModelData
from amt_training.data.boxes import joints_box
from amt_training.data.files import read_annotations, read_picture, require_folder
from amt_training.data.mano_labels import MANOPTH_TIPS, LabelHand, ManoConvention
from amt_training.data.sample import Entry, HandSample, ManoLabel, ObjectModel, SampleError

LEFT_TIPS = MANOPTH_TIPS[Side.LEFT]
CONVENTION = ManoConvention(
    pca=False,
    components=45,
    flat_hand_mean=False,
    left_fixed=True,
    # The set's joint regressor takes the same vertices on both hands.
    tips={Side.RIGHT: LEFT_TIPS, Side.LEFT: LEFT_TIPS},
)
JOINT_ORDER = (20, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 19, 18, 17, 16)
"""Index into one hand's 21 joints (each finger from tip to base, then the wrist) that gives the
project's order."""
FIRST_JOINT = {Side.RIGHT: 0, Side.LEFT: 21}
"""Where each hand's joints begin among the 42."""
MIN_JOINTS = 11
"""Hands with fewer known joints are left out: their box would not be the hand's."""
_SIDES = {
    "right": (Side.RIGHT,),
    "left": (Side.LEFT,),
    "interacting": (Side.RIGHT, Side.LEFT),
}
_HOW_TO_GET = "download InterHand2.6M (images and annotations) from mks0601.github.io/InterHand2.6M"


class _Camera(NamedTuple):
    matrix: np.ndarray
    camera_from_world: np.ndarray
    """[4, 4] in metres."""


class _Hand(NamedTuple):
    picture: str
    """Path below images/<split>."""
    capture: str
    camera: str
    frame: str
    side: Side
    known: np.ndarray
    """[21] bool in the project's order."""


class InterHand:
    """One split; each visible hand of a picture is a sample.

    Joints are the set's own, triangulated; as in the official evaluation a hand whose wrist is
    not known counts as unknown. MANO was fitted to them afterwards, with about 5 mm of error as its
    authors say, and not to every hand.

    All labels are read when it is made. On made files of this form that takes 2.4 KB of memory a
    picture while it reads (3.3 GB for the 1.36 million pictures of `train` at 5 frames per
    second), of which 0.7 KB a hand stay, and 35 s a million pictures.
    """

    object_models: Mapping[int, ObjectModel] = {}
    tip_vertices: Mapping[Side, Sequence[int]] = CONVENTION.tips

    def __init__(self, root: Path, split: str, right: HandModelData, left: HandModelData) -> None:
        """root: the folder with images/ and annotations/; split: train, val or test; right, left:
        MANO's own hand models.

        Raises AmtError when the data is not there or the annotations are damaged.
        """
        if split not in ("train", "val", "test"):
            raise AmtError(f"InterHand2.6M has the splits train, val and test, not {split}.")
        self.name = f"InterHand2.6M {split}"
        self._pictures = require_folder(root / "images" / split, _HOW_TO_GET)
        self._labels = LabelHand(CONVENTION, right, left)
        folder = require_folder(root / "annotations" / split, _HOW_TO_GET)
        start = f"InterHand2.6M_{split}_"
        self._mano = read_annotations(folder / f"{start}MANO_NeuralAnnot.json")
        try:
            self._cameras = _cameras(read_annotations(folder / f"{start}camera.json"))
            self._joints = _world_joints(read_annotations(folder / f"{start}joint_3d.json"))
            hands = _hands(read_annotations(folder / f"{start}data.json"))
        except (KeyError, TypeError, ValueError) as error:
            raise AmtError(
                f"The annotations in {folder} are damaged or of another version "
                f"({type(error).__name__}: {error}); {_HOW_TO_GET}, version 1.0."
            ) from error
        if not hands:
            raise AmtError(f"The annotations in {folder} have no hand; {_HOW_TO_GET}.")
        self._hands = hands
        self.entries: Sequence[Entry] = _entries(hands)

    def sample(self, index: int) -> HandSample:
        """Read one. Raises SampleError when the picture is missing or damaged, or labels are."""
        hand = self._hands[index]
        key = f"{Path(hand.picture).with_suffix('')}/{hand.side.name.lower()}"
        try:
            camera = self._cameras[hand.capture, hand.camera]
            world = self._joints[hand.capture, hand.frame][FIRST_JOINT[hand.side] :][:21]
        except KeyError as error:
            raise SampleError(f"{key} has no label for {error}.") from error
        rotation, translation = camera.camera_from_world[:3, :3], camera.camera_from_world[:3, 3]
        joints = world[list(JOINT_ORDER)] @ rotation.T + translation
        joints[~hand.known] = np.nan
        return HandSample(
            key=key,
            image=read_picture(self._pictures / hand.picture),
            camera=camera.matrix,
            side=hand.side,
            hand_box=joints_box(camera.matrix, joints),
            joints=joints,
            mano=self._mano_label(hand, key, camera.camera_from_world),
        )

    def _mano_label(self, hand: _Hand, key: str, camera_from_world: np.ndarray) -> ManoLabel | None:
        frames = self._mano.get(hand.capture, {})
        fit = (frames.get(hand.frame) or {}).get(hand.side.name.lower())
        if fit is None:
            return None
        try:
            pose, shape = fit["pose"], fit["shape"]
            return self._labels.label(hand.side, pose[:3], pose[3:], shape, camera_from_world)
        except (AmtError, KeyError, TypeError) as error:
            raise SampleError(f"The MANO label of {key} is damaged: {error}") from error


def _cameras(captures: Mapping[str, Any]) -> dict[tuple[str, str], _Camera]:
    """By capture and camera. The file has X_cam = R (X - position) and millimetres."""
    cameras = {}
    for capture, values in captures.items():
        for name, position in values["campos"].items():
            camera_from_world = np.eye(4)
            rotation = np.array(values["camrot"][name], dtype=float).reshape(3, 3)
            camera_from_world[:3, :3] = rotation
            camera_from_world[:3, 3] = -rotation @ np.array(position, dtype=float) / 1000.0
            matrix = np.diag([*values["focal"][name], 1.0])
            matrix[:2, 2] = values["princpt"][name]
            cameras[capture, name] = _Camera(matrix, camera_from_world)
    return cameras


def _world_joints(captures: Mapping[str, Any]) -> dict[tuple[str, str], np.ndarray]:
    """[42, 3] in metres by capture and frame; the file has millimetres."""
    return {
        (capture, frame): np.array(values["world_coord"], dtype=float).reshape(42, 3) / 1000.0
        for capture, frames in captures.items()
        for frame, values in frames.items()
    }


def _hands(data: Mapping[str, Any]) -> list[_Hand]:
    """All hands that are known, those that a camera saw one after another together, in order."""
    images = {image["id"]: image for image in data["images"]}
    hands: list[_Hand] = []
    masks: dict[bytes, np.ndarray] = {}
    for annotation in data["annotations"]:
        image = images[annotation["image_id"]]
        all_known = np.array(annotation["joint_valid"], dtype=float).reshape(42) > 0.0
        for side in _SIDES[annotation["hand_type"]]:
            known = all_known[FIRST_JOINT[side] :][:21][list(JOINT_ORDER)]
            if not known[WRIST] or known.sum() < MIN_JOINTS:
                continue
            hands.append(
                _Hand(
                    image["file_name"],
                    sys.intern(str(image["capture"])),
                    sys.intern(str(image["camera"])),
                    sys.intern(str(image["frame_idx"])),
                    side,
                    masks.setdefault(known.tobytes(), known),  # most hands share one
                )
            )
    return sorted(hands, key=lambda hand: (_sequence(hand), int(hand.frame)))


def _sequence(hand: _Hand) -> str:
    """Capture, recording and camera are the picture's folder."""
    return sys.intern(f"{hand.picture.rpartition('/')[0]}/{hand.side.name.lower()}")


def _entries(hands: Sequence[_Hand]) -> list[Entry]:
    """The set keeps every n-th frame of its recordings, and another n in other versions: n is the
    greatest common divisor of the steps in a recording."""
    frames: dict[str, set[int]] = {}
    recordings = [hand.picture.rsplit("/", 2)[0] for hand in hands]
    for hand, recording in zip(hands, recordings, strict=True):
        frames.setdefault(recording, set()).add(int(hand.frame))
    steps = {
        recording: max(1, int(np.gcd.reduce(np.diff(sorted(numbers)))))
        for recording, numbers in frames.items()
    }
    return [
        Entry(_sequence(hand), int(hand.frame) // steps[recording], hand.side)
        for hand, recording in zip(hands, recordings, strict=True)
    ]
