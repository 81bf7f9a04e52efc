"""Live cameras through OpenCV."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from amt_perception.camera.sources import Frame, ImageSource
from amt_perception.errors import AmtError


class CameraSource(ImageSource):
    """A camera by its number or device file (`0`, `/dev/video0`, `/dev/v4l/by-id/...`).

    The driver's queue is kept one image long, so that a slow reader gets the newest image and not
    an old one. `Frame.time_s` is when the image arrived, on the steady clock.
    """

    live = True

    def __init__(self, device: str, rate: float | None = None) -> None:
        """Open the camera; rate is asked of it and `frame_rate` is what it grants.

        Raises AmtError when the camera is absent, busy or not permitted.
        """
        try:
            import cv2
        except ImportError as error:
            raise AmtError(
                "Reading a camera needs OpenCV: pip install opencv-contrib-python"
            ) from error
        self._cv2 = cv2
        number = _device_number(device)
        self.name = f"camera {number}"
        _check_device_file(number)
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise AmtError(
                f"Cannot open {self.name}: close other programs that use it, or name another."
            )
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        if rate is not None:
            self._capture.set(cv2.CAP_PROP_FPS, rate)
        self.frame_rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        self.height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self.frame_count = None
        if not self.frame_rate > 0.0:
            if rate is None:
                self.close()
                raise AmtError(f"{self.name} does not say its frame rate: give one.")
            self.frame_rate = rate

    def __iter__(self) -> Iterator[Frame]:
        start: float | None = None
        index = 0
        while self._capture.isOpened():
            arrived = self._capture.grab()
            now = time.monotonic()
            image = self._capture.retrieve()[1] if arrived else None
            if image is None:
                raise AmtError(
                    f"{self.name} stopped after {index} frames: check its cable and start again."
                )
            start = now if start is None else start
            yield Frame(self._cv2.cvtColor(image, self._cv2.COLOR_BGR2RGB), now - start, index)
            index += 1

    def close(self) -> None:
        self._capture.release()


def _device_number(device: str) -> int:
    """The number in `2` or `/dev/video2`, or behind a link such as /dev/v4l/by-id/..."""
    device_file = os.path.realpath(device) if "/" in device else device
    match = re.fullmatch(r"(?:/dev/video)?(\d+)", device_file)
    if match is None:
        raise AmtError(f"{device} is not a camera: give a number or /dev/videoN.")
    return int(match[1])


def _check_device_file(number: int) -> None:
    """On Linux the device file says what OpenCV cannot: an absent camera or a missing right."""
    if not sys.platform.startswith("linux"):
        return
    file = Path(f"/dev/video{number}")
    if not file.exists():
        present = sorted(str(path) for path in Path("/dev").glob("video*"))
        raise AmtError(
            f"There is no camera {file}: connect it"
            + (f", or use one of {', '.join(present)}." if present else " (none is connected now).")
        )
    if not os.access(file, os.R_OK | os.W_OK):
        raise AmtError(
            f"No permission to use {file}: run `sudo usermod -aG video $USER` and log in again."
        )
