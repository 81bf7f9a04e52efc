"""Pinhole intrinsics. Camera frame: OpenCV axes (x right, y down, z forward), metres; pixels."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amt_perception.errors import AmtError

DEFAULT_HORIZONTAL_FOV_DEG = 60.0
"""Assumed when nobody gives intrinsics: the middle of webcams and phones (55 to 70 degrees)."""


@dataclass(frozen=True)
class Intrinsics:
    """Focal lengths and principal point in pixels, and what is needed to undistort an image."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    assumed: bool = False
    """True when no calibration was given and the field of view was assumed."""
    distortion: tuple[float, ...] = ()
    """Of the camera's own images, in OpenCV's order (k1, k2, p1, p2, k3, ...); empty for none."""

    @classmethod
    def from_field_of_view(
        cls, width: int, height: int, horizontal_fov_deg: float = DEFAULT_HORIZONTAL_FOV_DEG
    ) -> Intrinsics:
        """Square pixels, centred principal point, and the given horizontal field of view."""
        focal = 0.5 * width / np.tan(0.5 * np.radians(horizontal_fov_deg))
        return cls(focal, focal, 0.5 * width, 0.5 * height, width, height, assumed=True)

    @property
    def matrix(self) -> np.ndarray:
        """The 3x3 camera matrix."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels [..., 2] of points [..., 3] in the camera frame; NaN for points behind it."""
        points = np.asarray(points, dtype=float)
        depth = np.where(points[..., 2:3] > 1e-6, points[..., 2:3], np.nan)
        return points[..., :2] / depth * (self.fx, self.fy) + (self.cx, self.cy)

    def undistort(self, image: np.ndarray) -> np.ndarray:
        """Undistorted copy of a camera's image [height, width, 3], with the same camera matrix.

        Gives the image itself when there is no distortion. Raises AmtError when the image has
        another size than the calibration.
        """
        if image.shape[:2] != (self.height, self.width):
            raise AmtError(
                f"The calibration is for {self.width}x{self.height} but the image is "
                f"{image.shape[1]}x{image.shape[0]}: calibrate the camera at that size."
            )
        if not any(self.distortion):
            return image
        import cv2

        map_x, map_y = _undistortion_maps(self)
        return cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR)


@functools.lru_cache(maxsize=4)
def _undistortion_maps(intrinsics: Intrinsics) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of the undistorted image lies in the camera's image, made once."""
    import cv2

    size = (intrinsics.width, intrinsics.height)
    distortion = np.array(intrinsics.distortion)
    matrix = intrinsics.matrix
    return cv2.initUndistortRectifyMap(matrix, distortion, None, matrix, size, cv2.CV_16SC2)


def load_intrinsics(path: Path, camera: str | None = None) -> Intrinsics:
    """Read a ROS camera_info YAML file, or the JSON file of a ZED stereo camera.

    path: a `.json` file is read as ZED (per eye fx, fy, cx, cy, disto, h_fov, v_fov), any other as
    the output of camera_calibration (plumb_bob or rational_polynomial distortion). camera: which
    eye of a ZED, "left" or "right". Raises AmtError when the file is missing or not of its kind.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise AmtError(f"Cannot read the calibration {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise AmtError(f"{path} is not a text file with a camera calibration.") from error
    try:
        return _from_zed(text, camera) if path.suffix == ".json" else _from_ros(text)
    except KeyError as error:
        raise AmtError(f"The calibration {path} has no {error}.") from error
    except (TypeError, ValueError) as error:
        raise AmtError(f"{path} is not a camera calibration that can be used: {error}.") from error


def _from_ros(text: str) -> Intrinsics:
    """The fields of sensor_msgs/CameraInfo as camera_calibration_parsers writes them."""
    import yaml

    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError("it is not YAML") from error
    model = data["distortion_model"]
    if model not in ("plumb_bob", "rational_polynomial"):
        raise ValueError(f"its distortion_model is {model}, not plumb_bob or rational_polynomial")
    fx, _, cx, _, fy, cy, *_ = map(float, data["camera_matrix"]["data"])
    distortion = tuple(map(float, data["distortion_coefficients"]["data"]))
    width, height = int(data["image_width"]), int(data["image_height"])
    return Intrinsics(fx, fy, cx, cy, width, height, distortion=distortion)


def _from_zed(text: str, camera: str | None) -> Intrinsics:
    """One eye; the file states fields of view in place of the image size they were made from."""
    eyes = json.loads(text)
    if camera is None:
        raise ValueError(f"it holds several cameras, choose one of {', '.join(eyes)}")
    eye = eyes[camera]
    fx, fy = float(eye["fx"]), float(eye["fy"])
    width = round(2.0 * fx * np.tan(0.5 * np.radians(eye["h_fov"])))
    height = round(2.0 * fy * np.tan(0.5 * np.radians(eye["v_fov"])))
    distortion = tuple(map(float, eye["disto"]))
    cx, cy = float(eye["cx"]), float(eye["cy"])
    return Intrinsics(fx, fy, cx, cy, width, height, distortion=distortion)
