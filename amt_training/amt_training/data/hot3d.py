"""HOT3D-Clips: hands that handle objects, seen from head-mounted fisheye cameras.

Banerjee et al., "HOT3D: Hand and Object Tracking in 3D from Egocentric Multi-View Videos", CVPR
2025. The layout is the one of github.com/facebookresearch/hot3d (hot3d/clips/README.md): one tar
of 150 frames a clip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_perception.hand.model_data import HandModelData
from amt_training.data.boxes import joints_box
from amt_training.data.contents import parse_json, parse_picture
from amt_training.data.files import read_annotations, require_folder
from amt_training.data.fisheye import Fisheye624
from amt_training.data.mano_labels import SMPLX_TIPS, LabelHand, ManoConvention
from amt_training.data.sample import Entry, HandSample, ObjectModel, SampleError
from amt_training.data.tar_index import TarIndex
from amt_training.data.virtual_camera import VirtualCamera

CONVENTION = ManoConvention(
    pca=True, components=15, flat_hand_mean=False, left_fixed=True, tips=SMPLX_TIPS
)
LANDMARKS = (4, 8, 12, 16, 20, 0, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19)
"""Which of the 21 joints are the 20 landmarks of the Multiview Egocentric Hand Tracking Challenge:
the tips, the wrist, then each finger from base to tip without the thumb's first joint."""
_HOW_TO_GET = "download HOT3D-Clips from huggingface.co/datasets/bop-benchmark/hot3d"
_SHAPES = "__hand_shapes.json__"
_DOWN = np.array([1.0, 0.0, 0.0])
"""All cameras are mounted sideways: the picture's right is down."""


@dataclass(frozen=True)
class Hot3dOptions:
    """What is taken from HOT3D and how its pictures are made."""

    streams: tuple[str, ...] = ()
    """Only these cameras, such as 214-1 (Aria's in colour), 1201-1 and 1201-2; empty for all."""
    validation_participants: tuple[str, ...] = ("P0001",)
    """Whose clips make the part `val`: the official test clips have no public labels."""
    min_visibility: float = 0.1
    """Hands of which no more than this share is seen are left out, as from the official crops."""
    margin: float = 3.0
    """Side of the picture over the longer side of the hand's box."""


@dataclass(frozen=True)
class _Place:
    clip: int
    stream: str
    frame: str
    side: Side


class Hot3d:
    """The clips of one device, each hand in each camera's picture a sample.

    The pictures are perspective and upright, from a virtual camera that looks at the hand. Joints
    come from the MANO labels, which were solved from those of another hand model (UmeTrack) and
    are slightly less exact than them. The objects are not given.

    When it is made it reads the archives' headers and every hands.json, not the pictures: 0.07 s a
    clip from memory.
    """

    object_models: Mapping[int, ObjectModel] = {}
    tip_vertices: Mapping[Side, Sequence[int]] = CONVENTION.tips

    def __init__(
        self,
        root: Path,
        device: str,
        part: str,
        right: HandModelData,
        left: HandModelData,
        settings: Hot3dOptions = Hot3dOptions(),
    ) -> None:
        """root: the folder with train_aria, train_quest3 and clip_definitions.json; device: aria
        or quest3; part: train, val or all; right, left: MANO's own hand models.

        Raises AmtError when the data is not there, a clip is damaged or the part has no hand.
        """
        if part not in ("train", "val", "all"):
            raise AmtError(f"HOT3D has the parts train, val and all, not {part}.")
        if device not in ("aria", "quest3"):
            raise AmtError(f"HOT3D was recorded with aria and quest3, not {device}.")
        self.name = f"HOT3D-Clips {device} {part}"
        self._settings = settings
        self._labels = LabelHand(CONVENTION, right, left)
        folder = require_folder(root / f"train_{device}", _HOW_TO_GET)
        paths = sorted(folder.glob("clip-*.tar"))
        if part != "all":
            wanted = part == "val"
            paths = [p for p, held_out in zip(paths, self._held_out(root, paths), strict=True)
                     if held_out == wanted]  # fmt: skip
        self._clips = [TarIndex(path) for path in paths]
        self._places = [
            place
            for number, clip in enumerate(self._clips)
            for place in _places(number, clip, self._settings)
        ]
        if not self._places:
            raise AmtError(
                f"{folder} has no labelled hand of the part {part}; check the clips, the streams "
                f"and the validation participants, or {_HOW_TO_GET}."
            )
        self.entries: Sequence[Entry] = [
            Entry(
                f"{paths[place.clip].stem}/{place.stream}/{place.side.name.lower()}",
                int(place.frame),
                place.side,
            )
            for place in self._places
        ]

    def _held_out(self, root: Path, paths: Sequence[Path]) -> list[bool]:
        """Does each clip show one of the validation participants?"""
        path = root / "clip_definitions.json"
        definitions = read_annotations(path)
        try:
            people = [
                definitions[str(int(p.stem.removeprefix("clip-")))]["sequence_id"].split("_")[0]
                for p in paths
            ]
        except (KeyError, ValueError) as error:
            raise AmtError(f"{path} does not say whose clip {error} is; {_HOW_TO_GET}.") from error
        return [person in self._settings.validation_participants for person in people]

    def sample(self, index: int) -> HandSample:
        """Read one. Raises SampleError when a member of the clip is missing or damaged."""
        place = self._places[index]
        clip, frame, stream = self._clips[place.clip], place.frame, place.stream
        picture_name = f"{frame}.image_{stream}.jpg"
        image = parse_picture(clip.read(picture_name), clip.describe(picture_name))
        try:
            camera = _member(clip, f"{frame}.cameras.json")[stream]
            pose = _member(clip, f"{frame}.hands.json")[place.side.name.lower()]["mano_pose"]
            lens = Fisheye624.from_parameters(camera["calibration"]["projection_params"])
            label, joints, _ = self._labels.canonical(
                place.side,
                pose["wrist_xform"][:3],
                pose["thetas"],
                _member(clip, _SHAPES)["mano"],
                pose["wrist_xform"][3:],
                np.linalg.inv(_rigid_transform(camera["T_world_from_camera"])),
            )
        except SampleError:
            raise
        except (AmtError, KeyError, TypeError, ValueError) as error:
            raise SampleError(f"The labels of frame {frame} in {clip.path}: {error}") from error
        view = VirtualCamera.looking_at(joints, lens.focal[0], self._settings.margin, _DOWN)
        joints = joints @ view.rotation.T
        turned = Rotation.from_matrix(view.rotation) * Rotation.from_rotvec(label.pose[0])
        return HandSample(
            key=f"{clip.path.stem}/{stream}/{frame}/{place.side.name.lower()}",
            image=view.picture(image, lens),
            camera=view.matrix,
            side=place.side,
            hand_box=joints_box(view.matrix, joints),
            joints=joints,
            mano=replace(label, pose=np.vstack([turned.as_rotvec(), label.pose[1:]])),
        )


def _places(number: int, clip: TarIndex, settings: Hot3dOptions) -> list[_Place]:
    """The hands of a clip that are labelled and seen, stream by stream, side by side, in order."""
    found: list[_Place] = []
    if _SHAPES not in clip:
        return found  # a test clip
    for name in clip.names:
        frame, _, kind = name.partition(".")
        if not kind.startswith("image_") or f"{frame}.hands.json" not in clip:
            continue
        stream = kind.removeprefix("image_").removesuffix(".jpg")
        if settings.streams and stream not in settings.streams:
            continue
        hands = _member(clip, f"{frame}.hands.json")
        for side in (Side.RIGHT, Side.LEFT):
            hand = hands.get(side.name.lower())
            # MANO could not be fitted to every frame.
            if not hand or not hand.get("mano_pose"):
                continue
            if hand.get("visibilities_modeled", {}).get(stream, 0.0) > settings.min_visibility:
                found.append(_Place(number, stream, frame, side))
    return sorted(found, key=lambda place: (place.stream, place.side, place.frame))


def _member(clip: TarIndex, name: str) -> Any:
    return parse_json(clip.read(name), clip.describe(name))


def _rigid_transform(transform: Mapping[str, Sequence[float]]) -> np.ndarray:
    """[4, 4] from a quaternion with its real part first and a translation (m)."""
    matrix = np.eye(4)
    w, x, y, z = transform["quaternion_wxyz"]
    matrix[:3, :3] = Rotation.from_quat([x, y, z, w]).as_matrix()
    matrix[:3, 3] = transform["translation_xyz"]
    return matrix
