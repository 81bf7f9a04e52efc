"""Recorded pairs: where the flange was, and what the camera saw of the board. And their file.

    format: amt_calibration_pairs
    mode: eye_to_hand              # camera fixed, board on the robot; eye_in_hand: the other way
    base_frame: base_link
    flange_frame: tool0            # the frame that the poses are of; the hand's palm is as good
    camera_frame: camera_optical_frame
    board: {kind: charuco, columns: 7, rows: 5, square_m: 0.036, marker_m: 0.027,
            dictionary: DICT_4X4_50}
    intrinsics: {width: 1280, height: 720, fx: 900, fy: 900, cx: 640, cy: 360, distortion: []}
    pairs:
    - flange_in_base: {xyz: [0.4, 0.1, 0.5], quaternion_xyzw: [0, 0, 0, 1]}
      board_in_camera: {xyz: [0, 0, 0.9], quaternion_xyzw: [0, 0, 0, 1]}
      corners: {ids: [0, 1, ...], pixels: [[612.3, 355.1], ...]}   # the image's own, distorted
      time: '2026-01-31T12:00:00'

Metres. With `corners` (in every pair), `board` and `intrinsics` the corners are what is solved from
and board_in_camera is there for people; a file of other tools may have board_in_camera alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from amt_perception.calibration.board import BoardSpec
from amt_perception.calibration.checks import pose_matrix
from amt_perception.calibration.documents import read_yaml
from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError
from amt_perception.output.files import atomic_write

FORMAT = "amt_calibration_pairs"
MODES = ("eye_to_hand", "eye_in_hand")


@dataclass(frozen=True)
class Pair:
    """One pose of the robot with the board in view."""

    flange: np.ndarray
    """[4, 4] flange in the base frame (m)."""
    board: np.ndarray | None
    """[4, 4] board in the camera frame (m); None when only corners are known."""
    ids: np.ndarray | None = None
    """[N] corners seen (indices of BoardSpec.points)."""
    pixels: np.ndarray | None = None
    """[N, 2] where, in the camera's own image."""
    time: str = ""


@dataclass(frozen=True)
class Recording:
    """All pairs of one calibration."""

    mode: str
    pairs: Sequence[Pair]
    board: BoardSpec | None = None
    intrinsics: Intrinsics | None = None
    base_frame: str = "base_link"
    flange_frame: str = "tool0"
    camera_frame: str = "camera_optical_frame"
    source: str = field(default="", compare=False)
    """The file that it came from."""

    @property
    def has_corners(self) -> bool:
        """Whether corners in pixels are known for every pair, and what they mean."""
        known = self.board is not None and self.intrinsics is not None
        return known and all(pair.pixels is not None for pair in self.pairs)


def recording_from_poses(
    flange: ArrayLike, board: ArrayLike, mode: str = "eye_to_hand"
) -> Recording:
    """Pairs from flange poses in the base and board poses in the camera, each [N, 7].

    A row is x y z (m) and a quaternion x y z w. Raises AmtError for other shapes, lists of
    different lengths, numbers that are not finite and quaternions that are not of length 1.
    """
    if mode not in MODES:
        raise AmtError(f"The mode is '{mode}'; choose one of {', '.join(MODES)}.")
    lists = []
    for name, poses in (("flange", flange), ("board", board)):
        try:
            rows = np.asarray(poses, float)
        except (TypeError, ValueError):
            rows = np.zeros(0)
        if rows.ndim != 2 or rows.shape[1] != 7:
            raise AmtError(f"The {name} poses must be rows of x y z and a quaternion x y z w.")
        lists.append([pose_matrix(row[:3], row[3:], f"The {name} pose {i}")
                      for i, row in enumerate(rows)])  # fmt: skip
    if len(lists[0]) != len(lists[1]):
        raise AmtError(
            f"There are {len(lists[0])} poses of the flange but {len(lists[1])} of the board; each "
            "pair needs both."
        )
    return Recording(mode, [Pair(a, b) for a, b in zip(*lists, strict=True)])


def save_recording(recording: Recording, path: Path) -> None:
    """Write all pairs in one step, so that an older file is never half overwritten."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "mode": recording.mode,
        "base_frame": recording.base_frame,
        "flange_frame": recording.flange_frame,
        "camera_frame": recording.camera_frame,
    }
    if recording.board is not None:
        document["board"] = recording.board.as_dict()
    if recording.intrinsics is not None:
        document["intrinsics"] = _intrinsics_document(recording.intrinsics)
    document["pairs"] = [_pair_document(pair) for pair in recording.pairs]
    with atomic_write(path) as temporary:
        temporary.write_text(yaml.safe_dump(document, sort_keys=False, default_flow_style=None))


def _intrinsics_document(intrinsics: Intrinsics) -> dict[str, Any]:
    """Plain numbers: those of a ROS message are numpy's, which YAML does not write."""
    return {
        **{name: float(getattr(intrinsics, name)) for name in ("fx", "fy", "cx", "cy")},
        "width": int(intrinsics.width),
        "height": int(intrinsics.height),
        "distortion": [float(value) for value in intrinsics.distortion],
    }


def pose_document(pose: np.ndarray) -> dict[str, list[float]]:
    """Position and quaternion of [4, 4], as they stand in files."""
    quaternion = Rotation.from_matrix(pose[:3, :3]).as_quat(canonical=True)
    return {
        "xyz": [round(float(value), 7) for value in pose[:3, 3]],
        "quaternion_xyzw": [round(float(value), 9) for value in quaternion],
    }


def _pair_document(pair: Pair) -> dict[str, Any]:
    document: dict[str, Any] = {"flange_in_base": pose_document(pair.flange)}
    if pair.board is not None:
        document["board_in_camera"] = pose_document(pair.board)
    if pair.ids is not None and pair.pixels is not None:
        pixels = np.round(pair.pixels, 3).tolist()
        document["corners"] = {"ids": pair.ids.tolist(), "pixels": pixels}
    if pair.time:
        document["time"] = pair.time
    return document


def load_recording(path: Path) -> Recording:
    """Read a file of pairs. Raises AmtError with one sentence for whatever is wrong with it."""
    document = read_yaml(path, FORMAT, "calibration pairs")
    mode = document.get("mode")
    if mode not in MODES:
        raise AmtError(f"{path} has the mode '{mode}'; it must be one of {', '.join(MODES)}.")
    pairs = document.get("pairs")
    if not isinstance(pairs, list):
        raise AmtError(f"{path} has no list 'pairs'.")
    try:
        board = BoardSpec(**document["board"]) if document.get("board") else None
        numbers = document.get("intrinsics")
        intrinsics = _intrinsics(numbers) if numbers else None
    except (TypeError, ValueError) as error:
        raise AmtError(f"The board or the intrinsics in {path} are incomplete: {error}.") from error
    frames = {
        name: str(document.get(name, getattr(Recording, name)))
        for name in ("base_frame", "flange_frame", "camera_frame")
    }
    count = len(board.points) if board else 0
    found = [_read_pair(pair, f"Pair {i} of {path}", count) for i, pair in enumerate(pairs)]
    return Recording(mode, found, board, intrinsics, **frames, source=str(path))


def _intrinsics(numbers: dict[str, Any]) -> Intrinsics:
    found = Intrinsics(**{**numbers, "distortion": tuple(map(float, numbers["distortion"]))})
    values = [found.fx, found.fy, found.cx, found.cy, *found.distortion]
    if not np.isfinite(np.array(values, float)).all() or min(found.fx, found.fy) <= 0.0:
        raise ValueError("focal lengths and principal point must be finite numbers")
    return found


def _read_pair(pair: Any, what: str, corner_count: int) -> Pair:
    """what: begins the sentence that says what is wrong. corner_count: of the board."""
    if not isinstance(pair, dict):
        raise AmtError(f"{what} is not a mapping with flange_in_base and board_in_camera.")
    poses = {}
    for name in ("flange_in_base", "board_in_camera"):
        pose = pair.get(name)
        if pose is None:
            continue
        if not isinstance(pose, dict):
            pose = {}
        xyz, quaternion = pose.get("xyz"), pose.get("quaternion_xyzw")
        poses[name] = pose_matrix(xyz, quaternion, f"{what}: {name}")
    corners = pair.get("corners")
    if "flange_in_base" not in poses or ("board_in_camera" not in poses and not corners):
        raise AmtError(f"{what} needs flange_in_base and board_in_camera (or corners); add both.")
    ids = pixels = None
    if corners:
        try:
            ids, pixels = np.array(corners["ids"], int), np.array(corners["pixels"], float)
        except (KeyError, TypeError, ValueError) as error:
            raise AmtError(f"{what} has corners without ids or pixels.") from error
        if ids.ndim != 1 or pixels.shape != (len(ids), 2):
            raise AmtError(f"{what} has {len(ids)} corner ids but {len(pixels)} pixels.")
        if not np.isfinite(pixels).all():
            raise AmtError(f"{what} has a pixel that is not finite; record it again.")
        if corner_count and len(ids) and not (ids.min() >= 0 and ids.max() < corner_count):
            raise AmtError(f"{what} has a corner that the board does not have; is it this board?")
    time = str(pair.get("time", ""))
    return Pair(poses["flange_in_base"], poses.get("board_in_camera"), ids, pixels, time)
