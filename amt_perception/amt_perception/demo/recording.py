"""What one run of the demo leaves behind: every hand, command and joint state, on one clock."""

from __future__ import annotations

import json
import zipfile
from dataclasses import Field, dataclass, field, fields
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.estimators.interface import TrackState
from amt_perception.hand.joints import Side
from amt_perception.output.files import atomic_write

MAX_HANDS = 2
"""Hands kept for each frame."""
NO_TRACK = -1
"""`Recording.track_id` of an empty slot."""
META_KEYS = ("video", "estimator", "robot", "hand")
"""What `Recording.meta` must name."""


class RetargetState(IntEnum):
    """Values equal the constants of amt_msgs/RetargetStatus."""

    INACTIVE = 0
    HOLD = 1
    RAMP = 2
    TRACK = 3
    FAULT = 4


@dataclass(frozen=True)
class RecordedHand:
    """One hand of one recorded frame; the fields mean the same as in `HandEstimate`."""

    side: Side
    track_id: int
    state: TrackState
    confidence: float
    keypoints_px: np.ndarray
    joints: np.ndarray


def _layout(dtype: type, *shape: str | int) -> dict[str, Any]:
    """Type and shape of an array field; letters stand for lengths that fields must share."""
    return {"dtype": dtype, "shape": shape}


@dataclass(frozen=True, eq=False)
class Recording:
    """Arrays over F frames, C commands, S joint states and J robot joints.

    All times are seconds on the video's clock (0 is its first frame). Joints are in metres in the
    camera frame (OpenCV axes), robot positions in radians in the order of `joint_names`. An empty
    hand slot has side UNKNOWN, track_id NO_TRACK, state LOST and NaN everywhere else. The
    constructor converts to the stated types and raises ValueError on a wrong shape.
    """

    frame_times: np.ndarray = field(metadata=_layout(np.float64, "F"))
    dropped: np.ndarray = field(metadata=_layout(np.bool_, "F"))
    """True for a frame that was sent and never answered."""
    side: np.ndarray = field(metadata=_layout(np.uint8, "F", MAX_HANDS))
    track_id: np.ndarray = field(metadata=_layout(np.int64, "F", MAX_HANDS))
    state: np.ndarray = field(metadata=_layout(np.uint8, "F", MAX_HANDS))
    confidence: np.ndarray = field(metadata=_layout(np.float32, "F", MAX_HANDS))
    keypoints_px: np.ndarray = field(metadata=_layout(np.float32, "F", MAX_HANDS, 21, 2))
    joints: np.ndarray = field(metadata=_layout(np.float32, "F", MAX_HANDS, 21, 3))
    wrist_rotation: np.ndarray = field(metadata=_layout(np.float32, "F", MAX_HANDS, 3, 3))
    command_times: np.ndarray = field(metadata=_layout(np.float64, "C"))
    """When each command was sent."""
    command_positions: np.ndarray = field(metadata=_layout(np.float64, "C", "J"))
    command_state: np.ndarray = field(metadata=_layout(np.uint8, "C"))
    """RetargetState when the command was sent."""
    tip_residual: np.ndarray = field(metadata=_layout(np.float64, "C", 4))
    """Distance (m) of thumb, index, middle and ring tip from its target; NaN where unknown."""
    latency_s: np.ndarray = field(metadata=_layout(np.float64, "C"))
    """From the image to its command; NaN for a command that no image caused."""
    joint_state_times: np.ndarray = field(metadata=_layout(np.float64, "S"))
    joint_state_positions: np.ndarray = field(metadata=_layout(np.float64, "S", "J"))
    joint_names: np.ndarray = field(metadata=_layout(np.str_, "J"))
    lower_limits: np.ndarray = field(metadata=_layout(np.float64, "J"))
    upper_limits: np.ndarray = field(metadata=_layout(np.float64, "J"))
    meta: dict[str, str]
    """At least the names of META_KEYS."""

    def __post_init__(self) -> None:
        lengths: dict[str, int] = {}
        for item in _array_fields():
            array = np.asarray(getattr(self, item.name), item.metadata["dtype"])
            shape = item.metadata["shape"]
            expected = [
                lengths.setdefault(length, actual) if isinstance(length, str) else length
                for length, actual in zip(shape, array.shape, strict=False)
            ]
            if array.ndim != len(shape) or list(array.shape) != expected:
                raise ValueError(f"{item.name} has shape {array.shape}, not {shape} of {lengths}")
            object.__setattr__(self, item.name, array)
        for name in ("frame_times", "command_times", "joint_state_times"):
            if not np.all(np.diff(getattr(self, name)) >= 0.0):
                raise ValueError(f"{name} must not decrease")
        if missing := [key for key in META_KEYS if key not in self.meta]:
            raise ValueError(f"meta lacks {', '.join(missing)}")

    @property
    def hand_tracked(self) -> np.ndarray:
        """[F] bool: at least one hand was seen in the frame (a predicted one does not count)."""
        return np.any(self.state == TrackState.TRACKED, axis=1)

    def hands(self, frame: int) -> list[RecordedHand]:
        """The hands of one frame, tracked or predicted."""
        return [
            RecordedHand(
                Side(int(self.side[frame, slot])),
                int(self.track_id[frame, slot]),
                TrackState(int(self.state[frame, slot])),
                float(self.confidence[frame, slot]),
                self.keypoints_px[frame, slot],
                self.joints[frame, slot],
            )
            for slot in range(MAX_HANDS)
            if self.state[frame, slot] != TrackState.LOST
        ]

    def robot_positions_at(self, times: np.ndarray, tolerance_s: float = 0.1) -> np.ndarray:
        """[N, J] measured positions at times [N], linear between the recorded joint states.

        NaN for times further than the tolerance outside the recorded span: where the robot was
        then is not known.
        """
        times = np.asarray(times, dtype=float)
        if len(self.joint_state_times) == 0:
            return np.full((len(times), len(self.joint_names)), np.nan)
        columns = [
            np.interp(times, self.joint_state_times, column)
            for column in self.joint_state_positions.T
        ]
        positions = np.stack(columns, axis=1)
        positions[times < self.joint_state_times[0] - tolerance_s] = np.nan
        positions[times > self.joint_state_times[-1] + tolerance_s] = np.nan
        return positions

    def save(self, path: Path) -> None:
        """Write a compressed .npz file, all or nothing. Raises AmtError when it cannot."""
        arrays = {item.name: getattr(self, item.name) for item in _array_fields()}
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays, meta=np.array(json.dumps(self.meta)))

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read what `save` wrote. Raises AmtError when the file is missing or something else."""
        try:
            with np.load(path, allow_pickle=False) as data:
                arrays = {item.name: data[item.name] for item in _array_fields()}
                return cls(**arrays, meta=json.loads(str(data["meta"])))
        except OSError as error:
            raise AmtError(f"Cannot read the recording {path}: {error}.") from error
        except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise AmtError(f"{path} is not a recording of the demo: {error}.") from error


def _array_fields() -> list[Field[Any]]:
    return [item for item in fields(Recording) if item.metadata]
