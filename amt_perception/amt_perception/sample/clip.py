"""The built-in clip as a file: `python -m amt_perception.sample.clip` renders it."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.output.encoder import video_writer
from amt_perception.sample.appearance import room
from amt_perception.sample.motion import ELBOW, SIDE, duration_s, hand_at
from amt_perception.sample.scene import HandObjectScene

NAME = "built-in sample"
FRAME_RATE = 30.0
CAMERA = Intrinsics.from_field_of_view(1280, 720)
"""Exactly what the pipeline assumes of a clip without a calibration."""


def sample_clip() -> Path:
    """The clip's file (MP4, 1280x720, 30 frames a second, 8 s), rendered if it is not there yet.

    A right hand of average size, fingers up and palm to the camera, moves through everyday
    gestures. The same machine always renders the same file. Raises AmtError when a package or
    OpenGL is missing, or there is no room for the file.
    """
    name = f"sample-{_recipe()}.mp4"
    folders = (Path(sys.prefix) / "share" / "amt_perception", _user_cache())
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    for folder in folders:
        if _is_writable(folder):
            write_clip(folder / name)
            return folder / name
    raise AmtError(
        f"Cannot write the built-in sample to {' or '.join(map(str, folders))}: name a writable "
        "folder in XDG_CACHE_HOME."
    )


def write_clip(path: Path) -> None:
    """Render the clip to a file, with a progress bar; nothing is left of one that fails."""
    from tqdm import tqdm

    times = np.arange(round(duration_s() * FRAME_RATE)) / FRAME_RATE
    progress = tqdm(times, desc="rendering the built-in sample (once)", unit="frame")
    with video_writer(path, CAMERA.width, CAMERA.height, FRAME_RATE) as write:
        for time, image in zip(times, render(progress), strict=True):
            write(image, float(time))


def render(times: Iterable[float]) -> Iterator[np.ndarray]:
    """Pictures [720, 1280, 3] uint8 RGB of the clip at these times (s)."""
    backdrop = room(CAMERA.width, CAMERA.height)
    with HandObjectScene(CAMERA, generic_hand(SIDE)) as scene:
        for time in times:
            hand = hand_at(time)
            yield scene.render(
                hand.pose, np.zeros(10), hand.translation, backdrop, elbow=np.array(ELBOW)
            )


def _recipe() -> str:
    """Short hash of all that the clip is made by: another version renders another file."""
    package = Path(__file__).parents[1]
    files = [*package.glob("sample/*.py"), *package.glob("hand/**/*.py")]
    digest = hashlib.sha256()
    for file in sorted([*files, package / "output" / "encoder.py"]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _user_cache() -> Path:
    """The user's folder for files that can be made again (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "amt_perception"


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def main() -> None:
    """Render the clip if needed and say where it is."""
    try:
        print(f"The built-in sample is {sample_clip()}")
    except AmtError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
