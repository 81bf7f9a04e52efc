"""Recordings of hands and the trajectories made from them, as .npz files."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.offline.figures import Figures
from amt_retarget.retarget.offline.goals import at_even_times
from amt_retarget.retarget.offline.sequence import Trajectory
from amt_retarget.retarget.settings import RetargetSettings

Array = NDArray[np.float64]

CAMERA_TO_BASE = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Axes of a level camera in front of the robot that looks at it (OpenCV: x right, y down)."""
AXES = {"base": np.eye(3), "camera": CAMERA_TO_BASE}
BROKEN = (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile)
"""What np.load and its arrays raise for a file that is none, or lacks something."""


@dataclass(frozen=True)
class Options:
    """What is the same for all recordings of a run."""

    robot: str
    hand: str
    person: str
    axes: str
    rate_hz: float
    cutoff_hz: float


def read_joints(path: Path, options: Options) -> Array:
    """Joints [T, 21, 3] (m) of a recording in the base frame's axes, at the rate of the options.

    The file holds `joints` [T, 21, 3] in OpenPose's order, and, unless they come at that rate
    already, `times` [T] (s). Raises RetargetError for any other file.
    """
    if not path.is_file():
        raise RetargetError("the file does not exist.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            joints = np.array(arrays["joints"], dtype=float)
            times = np.array(arrays["times"], dtype=float) if "times" in arrays else None
    except BROKEN as error:
        raise RetargetError(
            "no recording can be read: it must be an .npz file with joints of shape (T, 21, 3)."
        ) from error
    if joints.ndim != 3 or joints.shape[1:] != (21, 3):
        raise RetargetError(f"the joints must have shape (T, 21, 3), not {joints.shape}.")
    if times is not None:
        joints = at_even_times(joints, times, options.rate_hz)
    return joints @ AXES[options.axes].T


def fingerprint(path: Path, options: Options) -> str:
    """Of a recording's bytes, the options and the default settings: the same for the same work."""
    digest = hashlib.sha256(repr((options, RetargetSettings())).encode())
    digest.update(path.read_bytes())
    return digest.hexdigest()


def is_done(result: Path, mark: str) -> bool:
    """Whether `result` is a trajectory with this fingerprint."""
    try:
        with np.load(result, allow_pickle=False) as arrays:
            return str(arrays["fingerprint"]) == mark
    except BROKEN:
        return False


def read_figures(result: Path) -> Figures:
    """The figures of a trajectory written by `write_trajectory`."""
    with np.load(result, allow_pickle=False) as arrays:
        values = {name: arrays[f"figure_{name}"].item() for name in Figures.__annotations__}
    return Figures(**values)


def write_trajectory(path: Path, trajectory: Trajectory, numbers: Figures, mark: str) -> None:
    """Write positions, velocities and goals [T, 22], names [22], times [T], seen [T], tip_residual
    [T, 4], slack [T], the figures as figure_<name>, and the fingerprint."""
    with whole_file(path) as temporary:
        np.savez_compressed(
            temporary,
            positions=trajectory.positions,
            velocities=trajectory.velocities,
            goals=trajectory.goals,
            names=np.array(trajectory.limits.names),
            times=trajectory.times,
            seen=trajectory.seen,
            tip_residual=trajectory.tip_residual,
            slack=trajectory.slack,
            fingerprint=mark,
            allow_pickle=False,
            **{f"figure_{name}": value for name, value in asdict(numbers).items()},
        )


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the block a temporary name beside `path`, renamed to `path` when it succeeds.

    On any error the temporary file is removed and an older `path` stays. Missing folders are made.
    Raises RetargetError when the file cannot be written.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise RetargetError(
            f"Cannot write {path} ({error.strerror}): free space or choose another folder."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
