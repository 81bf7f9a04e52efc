"""A camera that films a hand, and what can be wrong with its images (see disturbances)."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from amt_perception.camera.sources import open_source
from amt_perception.ros.image_messages import fill_image
from benchmarks.robot_safety.disturbances import Disturbance, Sent, changed
from benchmarks.robot_safety.hands import CAMERA_FRAME

FRAMES = 60


class Camera:
    """Frames of the built-in clip, there and back again."""

    def __init__(self) -> None:
        with open_source("sample") as source:
            frames = [frame.image for _, frame in zip(range(FRAMES), source, strict=False)]
        self._frames: list[np.ndarray] = frames + frames[-2:0:-1]
        self._count = 0

    def image(self, stamp: Time) -> Image:
        """The next one."""
        message = Image(header=Header(stamp=stamp, frame_id=CAMERA_FRAME))
        fill_image(message, self._frames[self._count % len(self._frames)])
        self._count += 1
        return message


@changed
def black(message: Image, rng: np.random.Generator) -> None:
    """A lens cap."""
    message.data = bytes(len(message.data))


@changed
def truncated(message: Image, rng: np.random.Generator) -> None:
    """Half of the bytes that height and step say."""
    message.data = message.data[: len(message.data) // 2]


@changed
def unknown_encoding(message: Image, rng: np.random.Generator) -> None:
    """Nobody knows how to read these."""
    message.encoding = "magic"


def cropped(share: float) -> Disturbance:
    """Another camera mode: the middle of the picture, in so much of its width."""
    return changed(lambda message, rng: _crop(message, share))


def alternately_cropped(message: Image, count: int, rng: np.random.Generator) -> Sent:
    """Every second image has another size."""
    if count % 2:
        _crop(message, 0.75)
    return [(0.0, message)]


def _crop(message: Image, share: float) -> None:
    pixels = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
    width = int(share * message.width)
    first = (message.width - width) // 2
    message.width, message.step = width, 3 * width
    message.data = pixels[:, first : first + width].tobytes()
