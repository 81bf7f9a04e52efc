"""The estimates of one input as named arrays in an .npz file, and as JSON.

docs/infer.md describes every array.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError
from amt_perception.estimators.interface import (
    ContactEstimate,
    FrameEstimate,
    HandEstimate,
    HandPart,
    Interaction,
    ObjectEstimate,
    ScaleSource,
    TrackState,
)
from amt_perception.hand.joints import Side
from amt_perception.output.files import atomic_write

DECIMALS = 6
"""Of numbers in JSON: micrometres."""


@dataclass(frozen=True)
class _Column:
    """How one field of the estimates is kept: type and shape of one value, and its way back."""

    dtype: type
    shape: tuple[int, ...]
    restore: Callable[[Any], Any] = np.asarray


_NUMBER = _Column(np.float32, (), float)
_VECTOR = _Column(np.float32, (3,))
_ROTATION = _Column(np.float32, (3, 3))
_TEXT = _Column(np.str_, (), str)
_SIDE = _Column(np.uint8, (), lambda value: Side(int(value)))

HAND_COLUMNS = {
    "side": _SIDE,
    "track_id": _Column(np.int64, (), int),
    "state": _Column(np.uint8, (), lambda value: TrackState(int(value))),
    "confidence": _NUMBER,
    "wrist_rotation": _ROTATION,
    "joints": _Column(np.float32, (21, 3)),
    "joint_sigma": _Column(np.float32, (21,)),
    "keypoints_px": _Column(np.float32, (21, 2)),
    "mano_pose": _Column(np.float32, (16, 3)),
    "mano_shape": _Column(np.float32, (10,)),
    "metric_scale": _NUMBER,
    "scale_source": _Column(np.uint8, (), lambda value: ScaleSource(int(value))),
    "vertices": _Column(np.float32, (778, 3), lambda v: None if np.isnan(v).any() else v),
}
OBJECT_COLUMNS = {
    "class_name": _TEXT,
    "confidence": _NUMBER,
    "track_id": _TEXT,
    "position": _VECTOR,
    "rotation": _ROTATION,
    "position_sigma": _NUMBER,
    "rotation_sigma": _NUMBER,
    "size": _VECTOR,
}
CONTACT_COLUMNS = {
    "side": _SIDE,
    "part": _Column(np.uint8, (), lambda value: HandPart(int(value))),
    "object_track_id": _TEXT,
    "probability": _NUMBER,
    "position": _VECTOR,
    "distance": _NUMBER,
    "normal": _VECTOR,
    "force": _NUMBER,
}
CAMERA_FIELDS = tuple(item.name for item in fields(Intrinsics))


@dataclass
class Results:
    """What was estimated of one input: one image, or the frames of a video in time order."""

    intrinsics: Intrinsics
    times: list[float] = field(default_factory=list)
    """Of each frame (s)."""
    estimates: list[FrameEstimate] = field(default_factory=list)

    def add(self, time_s: float, estimate: FrameEstimate) -> None:
        """Append one frame."""
        self.times.append(time_s)
        self.estimates.append(estimate)

    def save(self, path: Path, **more: np.ndarray | int | str) -> None:
        """Write a compressed .npz file, all or nothing; `more` are arrays beside the results.

        Raises AmtError when it cannot be written.
        """
        frames = self.estimates
        arrays: dict[str, Any] = {
            "frame_time": np.array(self.times, np.float64),
            "interaction": np.array([one.interaction for one in frames], np.uint8),
            "interaction_score": np.array([one.interaction_score for one in frames], np.float32),
            "objects_estimated": np.array([one.objects is not None for one in frames], bool),
            "contacts_estimated": np.array([one.contacts is not None for one in frames], bool),
        }
        arrays |= {f"camera_{name}": getattr(self.intrinsics, name) for name in CAMERA_FIELDS}
        arrays |= _flat("hand", HAND_COLUMNS, [one.hands for one in frames])
        arrays |= _flat("object", OBJECT_COLUMNS, [one.objects or [] for one in frames])
        arrays |= _flat("contact", CONTACT_COLUMNS, [one.contacts or [] for one in frames])
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **(arrays | more))

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read what `save` wrote. Raises AmtError when the file is missing or something else."""
        try:
            with np.load(path, allow_pickle=False) as file:
                return _from_arrays(dict(file))
        except (OSError, EOFError) as error:
            raise AmtError(f"Cannot read the results {path}: {error}.") from error
        except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise AmtError(f"{path} is not a file of results: {error}.") from error

    def frames_json(self) -> Iterator[dict[str, Any]]:
        """Each frame for JSON: all fields but the vertices; enumerations by name, NaN as null."""
        for time_s, estimate in zip(self.times, self.estimates, strict=True):
            yield {
                "time_s": _plain(time_s),
                "hands": _items(estimate.hands, HAND_COLUMNS, without="vertices"),
                "objects": _items(estimate.objects, OBJECT_COLUMNS),
                "contacts": _items(estimate.contacts, CONTACT_COLUMNS),
                "interaction": _plain(estimate.interaction),
                "interaction_score": _plain(estimate.interaction_score),
            }


def camera_json(intrinsics: Intrinsics) -> dict[str, Any]:
    """Intrinsics for JSON (px; width and height of the image)."""
    return {name: _plain(getattr(intrinsics, name)) for name in CAMERA_FIELDS}


def _flat(
    prefix: str, columns: dict[str, _Column], frames: Sequence[Sequence[Any]]
) -> dict[str, np.ndarray]:
    """All items of all frames one after the other; PREFIX_frame is the frame of each."""
    counts = [len(items) for items in frames]
    arrays = {f"{prefix}_frame": np.repeat(np.arange(len(frames)), counts)}
    for name, column in columns.items():
        missing = np.full(column.shape, np.nan)  # only vertices may be None
        values = [getattr(item, name) for items in frames for item in items]
        values = [missing if value is None else value for value in values]
        array: np.ndarray = np.array(values, column.dtype)
        arrays[f"{prefix}_{name}"] = array if values else array.reshape(0, *column.shape)
    return arrays


def _from_arrays(arrays: dict[str, np.ndarray]) -> Results:
    camera = {name: arrays[f"camera_{name}"].tolist() for name in CAMERA_FIELDS}
    intrinsics = Intrinsics(**camera | {"distortion": tuple(camera["distortion"])})
    results = Results(intrinsics)
    for frame, time_s in enumerate(arrays["frame_time"].tolist()):
        hands = _restored(HandEstimate, "hand", HAND_COLUMNS, arrays, frame)
        objects = _restored(ObjectEstimate, "object", OBJECT_COLUMNS, arrays, frame)
        contacts = _restored(ContactEstimate, "contact", CONTACT_COLUMNS, arrays, frame)
        estimate = FrameEstimate(
            hands,
            objects if arrays["objects_estimated"][frame] else None,
            contacts if arrays["contacts_estimated"][frame] else None,
            Interaction(int(arrays["interaction"][frame])),
            float(arrays["interaction_score"][frame]),
        )
        results.add(time_s, estimate)
    return results


def _restored(
    kind: type, prefix: str, columns: dict[str, _Column], arrays: dict[str, np.ndarray], frame: int
) -> list[Any]:
    """The items of one frame."""
    rows = np.flatnonzero(arrays[f"{prefix}_frame"] == frame)
    values = {
        name: [column.restore(arrays[f"{prefix}_{name}"][row]) for row in rows]
        for name, column in columns.items()
    }
    return [
        kind(**{name: value[item] for name, value in values.items()}) for item in range(len(rows))
    ]


def _items(
    items: Sequence[Any] | None, columns: dict[str, _Column], without: str = ""
) -> list[dict[str, Any]] | None:
    if items is None:
        return None
    names = [name for name in columns if name != without]
    return [{name: _plain(getattr(item, name)) for name in names} for item in items]


def _plain(value: Any) -> Any:
    """What JSON can hold: rounded numbers, null for what is not finite, lower-case names."""
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, np.ndarray | tuple | list):
        return [_plain(one) for one in np.asarray(value).tolist()]
    if isinstance(value, float | np.floating):
        return round(float(value), DECIMALS) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
