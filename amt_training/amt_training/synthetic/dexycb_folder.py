"""Sequences in the folders and files of DexYCB (Chao et al., CVPR 2021), for programs that read it.

`data/dexycb.py` and DexYCB's own toolkit read the result. It is laid out in ten subjects of 100
recordings, as the official splits count them; the scenes go to the subjects in turn, and the
recordings that are left have no frames. As in DexYCB

- there is one hand in a recording, 3 numbers of orientation, 45 pose components without the mean
  pose and a translation, here of the generic hand; a recording has a shape of its own, in
  calibration/mano_<subject>_<recording>_<side>. DexYCB's left hand lacks a correction of its shape
  directions (`mano_labels.left_model`), and only the mean shape means the same with and without it:
  all left hands have that one;
- fingertips are manopth's vertices;
- objects are named after the YCB objects, because the toolkit knows no other names. They are the
  world's own all the same: models/objects.json says which, and a part has 21 of them;
- cameras are fixed and calibrated. The world's frame is the stage's, z up; each recording has its
  extrinsics.

Sleeves count as background in the segmentation, bare arms as hand.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_perception.model.config import YCB_CLASSES
from amt_perception.output.files import atomic_write
from amt_training.data.dexycb import CAMERAS, SEQUENCES
from amt_training.data.settings import PARTS
from amt_training.data.shard_samples import encode_picture
from amt_training.synthetic.dexycb_labels import (
    depth_millimetres,
    picture_labels,
    recording_labels,
)
from amt_training.synthetic.objects.library import ObjectLibrary
from amt_training.synthetic.objects.shapes import SyntheticObject
from amt_training.synthetic.options import (
    add_output_arguments,
    add_world_arguments,
    whole,
    world_settings,
)
from amt_training.synthetic.scene import Moment
from amt_training.synthetic.sequences import whole_folder, world_folder, write_scenes
from amt_training.synthetic.studio import LENSES, Recording, Studio

SUBJECT_FOLDERS = (
    "20200709-subject-01", "20200813-subject-02", "20200820-subject-03", "20200903-subject-04",
    "20200908-subject-05", "20200918-subject-06", "20200928-subject-07", "20201002-subject-08",
    "20201015-subject-09", "20201022-subject-10",
)  # fmt: skip
YCB_OBJECTS = len(YCB_CLASSES) - 1
JPEG_QUALITY = 95
_SCENES, _FRAMES, _CAMERAS = 50, 30, 2
_RECORDING = 3
"""What a generator of random numbers is for; `World` has 0, 1 and 2."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command `dexycb`."""
    add_world_arguments(parser, part="train", scenes=_SCENES, frames=_FRAMES)
    add_output_arguments(parser, "out/synthetic/dexycb")
    parser.add_argument(
        "--cameras", type=whole, default=_CAMERAS, metavar="N",
        help=f"that see each scene, 1 to {len(CAMERAS)}; the split s2 tests on the last ones "
        f"({_CAMERAS})",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Write the folder. Goes on where it was stopped."""
    if arguments.cameras > len(CAMERAS):
        raise AmtError(f"--cameras is {arguments.cameras}; the most are {len(CAMERAS)}")
    if arguments.scenes > len(SUBJECT_FOLDERS) * SEQUENCES:
        raise AmtError(
            f"--scenes is {arguments.scenes}; the most are {len(SUBJECT_FOLDERS) * SEQUENCES}"
        )
    if len(arguments.mesh) > YCB_OBJECTS:
        raise AmtError(f"--mesh names {len(arguments.mesh)} files; the most are {YCB_OBJECTS}")
    settings = world_settings(arguments)
    drawn = YCB_OBJECTS - len(arguments.mesh)
    settings = replace(
        settings, objects=tuple(drawn if part == arguments.part else 0 for part in PARTS)
    )
    root = arguments.out
    studio = Studio(ObjectLibrary(arguments.part, settings), settings, LENSES[: arguments.cameras])
    job = RecordingJob(studio, root, PARTS.index(arguments.part))
    with world_folder(root, settings, arguments.part, cameras=arguments.cameras):
        write_calibration(root, studio)
        write_models(root, studio.library)
        write_scenes(job, range(arguments.scenes), arguments.workers, "recordings")
        write_empty_recordings(root, min(arguments.scenes, len(SUBJECT_FOLDERS)))
    print(f"{root}: read it with data=dexycb data.root={root}")


@dataclass(frozen=True)
class RecordingJob:
    """Writes one scene as a recording."""

    studio: Studio
    root: Path
    part: int

    def path(self, scene: int) -> Path:
        """The first camera's folder, which recordings without frames lack."""
        return self.root / recording_name(scene) / CAMERAS[0]

    def __call__(self, scene: int) -> None:
        """Write it. Raises AmtError when that cannot be done."""
        side = Side.RIGHT if (scene + scene // len(SUBJECT_FOLDERS)) % 2 == 0 else Side.LEFT
        seed = (self.studio.settings.seed, self.part, scene, _RECORDING)
        recording = self.studio.recording(seed, side)
        if side == Side.LEFT:
            recording = replace(
                recording, moments=tuple(_with_mean_shape(one) for one in recording.moments)
            )
        name = recording_name(scene)
        first = recording.moments[0]
        numbers = list(self.studio.library.objects)
        ids = [1 + numbers.index(one.number) for one in first.objects]
        origin = name.replace("/", "_")
        calibration = f"{origin}_{side.name.lower()}"
        folder = self.root / "calibration"
        write_yaml(
            folder / f"mano_{calibration}" / "mano.yml", {"betas": first.hands[0].shape.tolist()}
        )
        write_yaml(folder / f"extrinsics_{origin}" / "extrinsics.yml", _extrinsics(recording))
        with whole_folder(self.root, self.root / name) as target:
            meta = _meta(len(recording.moments), len(self.studio.lenses), ids, side)
            meta |= {"extrinsics": origin, "mano_calib": [calibration]}
            write_yaml(target / "meta.yml", meta)
            np.savez(target / "pose.npz", **recording_labels(recording.moments))
            for camera in range(len(self.studio.lenses)):
                self._write_camera(target / CAMERAS[camera], recording, camera, ids)

    def _write_camera(
        self, folder: Path, recording: Recording, camera: int, ids: list[int]
    ) -> None:
        folder.mkdir()
        for frame, moment in enumerate(recording.moments):
            picture = self.studio.picture(recording, camera, frame)
            seen = moment.moved(recording.from_stage[camera])
            labels = picture_labels(seen, self.studio.lenses[camera], picture.mask, ids)
            jpeg = encode_picture(picture.image, "jpg", JPEG_QUALITY)
            (folder / f"color_{frame:06d}.jpg").write_bytes(jpeg)
            depth = cv2.imencode(".png", depth_millimetres(picture.depth))[1]
            (folder / f"aligned_depth_to_color_{frame:06d}.png").write_bytes(bytes(depth))
            np.savez_compressed(folder / f"labels_{frame:06d}.npz", **labels)


def recording_name(scene: int) -> str:
    """Folder of a scene below the root."""
    subject = SUBJECT_FOLDERS[scene % len(SUBJECT_FOLDERS)]
    return f"{subject}/{subject[:8]}_{100000 + scene // len(SUBJECT_FOLDERS)}"


def write_empty_recordings(root: Path, subjects: int) -> None:
    """Fill the first subjects up to 100 recordings with such as have no frames."""
    for scene in range(len(SUBJECT_FOLDERS) * SEQUENCES):
        folder = root / recording_name(scene)
        if scene % len(SUBJECT_FOLDERS) < subjects and not folder.exists():
            with whole_folder(root, folder) as target:
                meta = _meta(0, 0, [], Side.RIGHT) | {"extrinsics": "", "mano_calib": [_NOBODY]}
                write_yaml(target / "meta.yml", meta)
                np.savez(target / "pose.npz", **recording_labels([]))


def write_calibration(root: Path, studio: Studio) -> None:
    """Of the studio's cameras, and a hand for recordings without frames."""
    for serial, lens in zip(CAMERAS, studio.lenses, strict=False):
        file = root / "calibration" / "intrinsics" / f"{serial}_640x480.yml"
        write_yaml(file, {"color": _intrinsics(lens), "depth": _intrinsics(lens)})
    write_yaml(root / "calibration" / f"mano_{_NOBODY}" / "mano.yml", {"betas": [0.0] * 10})


def write_models(root: Path, library: ObjectLibrary) -> None:
    """Meshes, what they are, and their symmetries in the BOP format."""
    names, info = {}, {}
    for number, one in enumerate(library.objects.values(), start=1):
        name = YCB_CLASSES[number]
        names[name] = {"name": one.name, "family": one.family}
        info[number] = _symmetries(one)
        with atomic_write(root / "models" / name / "textured_simple.obj") as temporary:
            temporary.write_text(_wavefront(one))
    for file, values in (
        (root / "models" / "objects.json", names),
        (root / "bop" / "models" / "models_info.json", info),
    ):
        with atomic_write(file) as temporary:
            temporary.write_text(json.dumps(values, indent=1) + "\n")


def write_yaml(path: Path, values: Mapping[str, Any]) -> None:
    """Write plain values."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    with atomic_write(path) as temporary:
        temporary.write_text(yaml.dump(dict(values), Dumper=dumper))


_NOBODY = "nobody"


def _meta(frames: int, cameras: int, ids: list[int], side: Side) -> dict[str, Any]:
    return {
        "serials": list(CAMERAS[:cameras]),
        "num_frames": frames,
        "mano_sides": [side.name.lower()],
        "ycb_ids": ids,
        "ycb_grasp_ind": 0,
    }


def _extrinsics(recording: Recording) -> dict[str, Any]:
    """[3, 4] from each camera's frame to the stage's, where the AprilTag would lie."""
    to_stage = np.linalg.inv(recording.from_stage)[:, :3].reshape(-1, 12)
    poses = {serial: pose.tolist() for serial, pose in zip(CAMERAS, to_stage, strict=False)}
    tag = np.eye(4)[:3].ravel().tolist()
    return {"master": CAMERAS[0], "extrinsics": poses | {"apriltag": tag}}


def _intrinsics(lens: Intrinsics) -> dict[str, float]:
    return {"fx": lens.fx, "fy": lens.fy, "ppx": lens.cx, "ppy": lens.cy}


def _with_mean_shape(moment: Moment) -> Moment:
    hands = tuple(replace(hand, shape=np.zeros(10)) for hand in moment.hands)
    return replace(moment, hands=hands)


def _symmetries(one: SyntheticObject) -> dict[str, Any]:
    """An entry of models_info.json, whose lengths are millimetres."""
    poses = np.tile(np.eye(4), (len(one.symmetry_rotations), 1, 1))
    poses[:, :3, :3] = one.symmetry_rotations
    turns = [pose.ravel().tolist() for pose in poses if not np.allclose(pose, np.eye(4))]
    values: dict[str, Any] = {"diameter": 1e3 * float(np.linalg.norm(np.ptp(one.vertices, axis=0)))}
    if turns:
        values["symmetries_discrete"] = turns
    if one.symmetry_axis.any():
        axis = {"axis": one.symmetry_axis.tolist(), "offset": [0, 0, 0]}
        values["symmetries_continuous"] = [axis]
    return values


def _wavefront(one: SyntheticObject) -> str:
    """The mesh as a Wavefront file in metres."""
    lines = [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in one.vertices.tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (one.faces + 1).tolist()]
    return "\n".join(lines) + "\n"
