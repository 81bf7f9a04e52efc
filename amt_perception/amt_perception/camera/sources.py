"""Where images come from: a video file, a camera or a folder, behind one small interface."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amt_perception.errors import AmtError


@dataclass(frozen=True)
class Frame:
    """One image of a source."""

    image: np.ndarray
    """[height, width, 3] uint8 RGB, upright; the receiver owns it and may draw on it."""
    time_s: float
    """Presentation time in seconds from the source's first frame; strictly increasing."""
    index: int
    """Counts the source's frames from 0."""


class ImageSource(ABC):
    """Images in time order. Iterating a file or a folder starts at its first frame each time."""

    name: str
    """What a person calls the source: the file's or folder's name, "camera 0"."""
    frame_rate: float
    """Nominal frames per second; `Frame.time_s` is what counts."""
    width: int
    height: int
    live: bool = False
    """True for a camera: its images come when they come and never end by themselves."""
    frame_count: int | None
    """As the source states it, only a hint; None when it does not say (a camera never does)."""

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame; raises AmtError where the source breaks before its end."""

    def close(self) -> None:  # noqa: B027 - only a camera holds anything between iterations
        """Give back what the source holds."""

    def __enter__(self) -> ImageSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_source(text: str, rate: float | None = None) -> ImageSource:
    """Open a camera (`0`, `/dev/video0`), a folder of images, a video file, or `sample`.

    `sample-left` shows the same clip in a mirror, with a left hand.

    `sample` is the built-in clip, rendered at its first use (see `sample.clip`), whatever file of
    that name may exist: write `./sample` for that one.

    rate: frames per second. A folder needs it; a camera is asked for it; in a video it replaces
    the file's own times (a slow-motion clip, a raw stream without times). Raises AmtError with one
    sentence when there is nothing there that can be read.
    """
    if rate is not None and not (np.isfinite(rate) and rate > 0.0):
        raise AmtError(f"The frame rate must be a positive number, not {rate}.")
    if re.fullmatch(r"\d+", text) or text.startswith("/dev/"):
        from amt_perception.camera.device import CameraSource

        return CameraSource(text, rate)
    if text in ("sample", "sample-left"):
        from amt_perception.camera.video import VideoSource
        from amt_perception.camera.views import MirroredSource
        from amt_perception.sample.clip import NAME, sample_clip

        source: ImageSource = VideoSource(sample_clip(), rate)
        source.name = NAME
        return MirroredSource(source) if text == "sample-left" else source
    if not text:
        raise AmtError("No video was named: give a video file, a folder of images or a camera (0).")
    path = Path(text).expanduser()
    try:
        is_folder = path.is_dir()
        path.stat()
    except PermissionError as error:
        raise AmtError(f"No permission to read {path}: change its permissions.") from error
    except (OSError, ValueError) as error:
        raise AmtError(
            f"{text!r} does not exist: give a video file, a folder of images or a camera (0)."
        ) from error
    if is_folder:
        from amt_perception.camera.folder import FolderSource

        if rate is None:
            raise AmtError(f"The images in {path} have no times: give their frame rate.")
        return FolderSource(path, rate)
    from amt_perception.camera.video import VideoSource

    return VideoSource(path, rate)
