"""One file for each object of the functional set: the object and the grasps that held.

The files are safetensors: arrays and text, nothing that could run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.grasp.interface import CLOUD_POINTS
from amt_perception.model.interface import HAND_PARTS
from amt_perception.output.files import atomic_write
from amt_training.data.sample import SampleError
from amt_training.functional.sample import GraspObject

JOINTS = 16
LARGEST_DISTANCE_M = 1.0
"""From a point to a hand part; also that of a part that the hand has not."""
LARGEST_OBJECT_M = 1.0
_VERSION = 1
_ROTATION_ERROR = 1e-3


@dataclass(frozen=True, eq=False)
class StoredGrasps:
    """An object with G grasps of the Allegro hand that held it; object frame, metres, radians."""

    object: GraspObject
    rotation: np.ndarray
    """[G, 3, 3] float32, palm_link to the object's frame."""
    position: np.ndarray
    """[G, 3] float32 of palm_link."""
    joints: np.ndarray
    """[G, 16] float32 that touch."""
    squeeze: np.ndarray
    """[G, 16] float32 to command for grip force."""
    pre_grasp_rotation: np.ndarray
    """[G, 3, 3] float32 before the hand closes."""
    pre_grasp_position: np.ndarray
    """[G, 3] float32."""
    pre_grasp: np.ndarray
    """[G, 16] float32."""
    part: np.ndarray
    """[G] int64 index into the object's part_names: what the search was asked to take."""
    on_part: np.ndarray
    """[G] float32 share of the contacts that are on that part."""
    penetration: np.ndarray
    """[G] float32 deepest point of the hand in the object before the trial (m)."""
    moved: np.ndarray
    """[G] float32 farthest that the object moved in the trial (m)."""
    turned: np.ndarray
    """[G] float32 most that it turned (rad)."""
    distances: np.ndarray
    """[G, 1024, 6] float16 from each of the object's points to each hand part (m), 0 inside."""
    tries: np.ndarray
    """[P] int64 how many grasps were looked for at each part."""
    held: np.ndarray
    """[P] int64 how many of those held, wherever they touch; at least the part's grasps here."""

    def __len__(self) -> int:
        """G."""
        return len(self.rotation)


def write_grasps(path: Path, stored: StoredGrasps) -> None:
    """Write one file; a reader never sees half of it. Raises AmtError for what `read` refuses."""
    from safetensors.numpy import save

    _check(stored, str(path))
    one = stored.object
    arrays = {f"object.{f.name}": getattr(one, f.name) for f in _array_fields(one)}
    arrays |= {f.name: getattr(stored, f.name) for f in _array_fields(stored)}
    text = {"version": _VERSION, "name": one.name, "family": one.family, "parts": one.part_names}
    contents = save(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()},
        metadata={"object": json.dumps(text)},
    )
    with atomic_write(path) as temporary:
        temporary.write_bytes(contents)


def read_grasps(path: Path) -> StoredGrasps:
    """What `write_grasps` wrote.

    Raises SampleError, naming the file and the grasp, for a missing or damaged file, numbers that
    are not finite, wrong shapes, and values that cannot be.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            text: dict[str, Any] = json.loads((file.metadata() or {})["object"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if text["version"] != _VERSION:
            raise SampleError(f"{path} is of version {text['version']}: make the set anew")
        one = GraspObject(
            name=str(text["name"]),
            family=str(text["family"]),
            part_names=tuple(text["parts"]),
            **{name[7:]: arrays.pop(name) for name in list(arrays) if name.startswith("object.")},
        )
        stored = StoredGrasps(one, **arrays)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SampleError(f"{path} is damaged ({reason}): delete it and make it again") from error
    _check(stored, str(path))
    return stored


def _array_fields(values: StoredGrasps | GraspObject) -> list[Any]:
    return [one for one in fields(values) if isinstance(getattr(values, one.name), np.ndarray)]


def _check(stored: StoredGrasps, name: str) -> None:
    """Raises SampleError for arrays that do not belong together or cannot be."""
    one, count, parts = stored.object, len(stored.part), len(stored.object.part_names)
    shapes = {
        "rotation": (count, 3, 3), "position": (count, 3), "joints": (count, JOINTS),
        "squeeze": (count, JOINTS), "pre_grasp_rotation": (count, 3, 3),
        "pre_grasp_position": (count, 3), "pre_grasp": (count, JOINTS), "part": (count,),
        "on_part": (count,), "penetration": (count,), "moved": (count,), "turned": (count,),
        "distances": (count, CLOUD_POINTS, len(HAND_PARTS)), "tries": (parts,), "held": (parts,),
    }  # fmt: skip
    for key, shape in shapes.items():
        array = getattr(stored, key)
        if array.shape != shape:
            raise SampleError(f"{name} is damaged: {key} is {array.shape} instead of {shape}")
        bad = ~np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
        if bad.any():
            raise SampleError(f"{name} is damaged: {key} of grasp {bad.argmax()} is not finite")
    check_object(one, name)
    if count and not (stored.part.min() >= 0 and stored.part.max() < parts):
        raise SampleError(f"{name} is damaged: a grasp is of a part that the object has not")
    distances = stored.distances
    bad = ((distances < 0.0) | (distances > LARGEST_DISTANCE_M)).any(axis=(1, 2))
    if bad.any():
        raise SampleError(
            f"{name} is damaged: distances of grasp {bad.argmax()} are not in 0 to "
            f"{LARGEST_DISTANCE_M:g} m"
        )
    for key in ("rotation", "pre_grasp_rotation"):
        turns = getattr(stored, key).astype(float)
        errors = np.abs(turns @ turns.transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2))
        bad = (errors > _ROTATION_ERROR) | (np.linalg.det(turns) < 0.0)
        if bad.any():
            raise SampleError(f"{name} is damaged: {key} of grasp {bad.argmax()} is no rotation")


def check_object(one: GraspObject, name: str) -> None:
    """Raises SampleError, naming what the object comes from, when its arrays cannot be."""
    cloud = (CLOUD_POINTS, 3)
    if one.points.shape != cloud or one.normals.shape != cloud:
        raise SampleError(f"{name} is damaged: an object has {CLOUD_POINTS} points with normals")
    if one.point_part.shape != (CLOUD_POINTS,) or not (
        one.point_part.min() >= 0 and one.point_part.max() < len(one.part_names)
    ):
        raise SampleError(f"{name} is damaged: each point of an object belongs to one of its parts")
    for key in ("points", "normals", "vertices"):
        if not np.isfinite(getattr(one, key)).all():
            raise SampleError(f"{name} is damaged: the object's {key} are not finite")
    if np.ptp(one.points, axis=0).max() > LARGEST_OBJECT_M:
        raise SampleError(f"{name} is larger than {LARGEST_OBJECT_M:g} m: lengths are in metres")
    if one.faces.ndim != 2 or one.faces.min() < 0 or one.faces.max() >= len(one.vertices):
        raise SampleError(f"{name} is damaged: a triangle of the object has no such vertex")
