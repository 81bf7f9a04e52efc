"""sensor_msgs/Image, CompressedImage and CameraInfo to and from the library's types."""

from __future__ import annotations

import array

import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError

CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1}
DISTORTION_MODELS = ("plumb_bob", "rational_polynomial")


def fill_image(message: Image, image: np.ndarray) -> None:
    """Write [H, W, 3] uint8 RGB into a message with one copy.

    A numpy array assigned to `data` would take a hundred times longer.
    """
    message.height, message.width = image.shape[:2]
    message.encoding = "rgb8"
    message.is_bigendian = 0
    message.step = 3 * message.width
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(image).data)
    message.data = data


def image_array(message: Image) -> np.ndarray:
    """[H, W, 3] uint8 RGB of a message, without a copy where it is rgb8.

    Raises AmtError for an encoding that is not 8-bit colour or grey, or sizes that do not fit.
    """
    channels = CHANNELS.get(message.encoding)
    if channels is None:
        raise AmtError(
            f"Images are encoded as '{message.encoding}'; publish one of {', '.join(CHANNELS)}."
        )
    width = channels * message.width
    if message.step < width or len(message.data) != message.step * message.height:
        raise AmtError(
            f"An image of {message.width}x{message.height} {message.encoding} came with "
            f"{len(message.data)} bytes; the camera driver is wrong."
        )
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    pixels = rows[:, :width].reshape(message.height, message.width, channels)
    if message.encoding.startswith("bgr"):
        return np.ascontiguousarray(pixels[..., 2::-1])
    if channels == 1:
        return np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels[..., :3])


def compressed_array(message: CompressedImage) -> np.ndarray:
    """[H, W, 3] uint8 RGB of a JPEG or PNG message. Raises AmtError when it cannot be decoded."""
    import cv2

    pixels = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise AmtError(f"A compressed image of format '{message.format}' cannot be decoded.")
    return np.ascontiguousarray(pixels[..., ::-1])


def camera_info_message(intrinsics: Intrinsics) -> CameraInfo:
    """CameraInfo of a camera's own images (header left empty)."""
    message = CameraInfo()
    message.width, message.height = intrinsics.width, intrinsics.height
    message.d = list(intrinsics.distortion) or [0.0] * 5
    message.distortion_model = DISTORTION_MODELS[0 if len(message.d) <= 5 else 1]
    message.k = intrinsics.matrix.ravel()
    message.r = np.eye(3).ravel()
    message.p = np.column_stack([intrinsics.matrix, np.zeros(3)]).ravel()
    return message


def intrinsics_from_message(message: CameraInfo) -> Intrinsics | None:
    """Intrinsics of a CameraInfo; None when the camera is not calibrated (its K is zero).

    Raises AmtError for a distortion model that cannot be undone.
    """
    if message.k[0] <= 0.0:
        return None
    if any(message.d) and message.distortion_model not in DISTORTION_MODELS:
        raise AmtError(
            f"camera_info has the distortion model '{message.distortion_model}'; publish rectified "
            f"images, or calibrate with one of {', '.join(DISTORTION_MODELS)}."
        )
    return Intrinsics(
        fx=message.k[0], fy=message.k[4], cx=message.k[2], cy=message.k[5],
        width=message.width, height=message.height, distortion=tuple(message.d),
    )  # fmt: skip
