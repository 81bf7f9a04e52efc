"""Where a hand is in an image, and the checks of what an estimator is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side


@dataclass(frozen=True)
class HandBox:
    """A hand in an image: its side, and the upright rectangle around its 21 joints (pixels)."""

    x: float
    """Left edge."""
    y: float
    """Top edge."""
    width: float
    height: float
    side: Side

    @classmethod
    def around(cls, points: np.ndarray, side: Side) -> HandBox:
        """The box around points [N, 2]."""
        (x, y), (width, height) = points.min(axis=0), np.ptp(points, axis=0)
        return cls(float(x), float(y), float(width), float(height), side)

    def touches(self, camera: Intrinsics) -> bool:
        """Whether any of it is in the camera's image."""
        across = self.x < camera.width - 0.5 and self.x + self.width > -0.5
        return across and self.y < camera.height - 0.5 and self.y + self.height > -0.5

    @property
    def array(self) -> np.ndarray:
        """[4] x, y, width, height."""
        return np.array([self.x, self.y, self.width, self.height])


def check_image(image: np.ndarray, camera: Intrinsics) -> None:
    """Raises AmtError for an image that is not [H, W, 3] uint8 or not of the camera's size, or a
    camera without finite, positive focal lengths."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise AmtError(f"an image must be an array of uint8 from 0 to 255, not {kind}")
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise AmtError(f"an image must be [height, width, 3] in RGB, not {image.shape}")
    if image.shape[:2] != (camera.height, camera.width):
        raise AmtError(
            f"the image is {image.shape[1]} x {image.shape[0]}, but the intrinsics are for "
            f"{camera.width} x {camera.height}; give those of this image"
        )
    values = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
    if not np.isfinite(values).all() or min(camera.fx, camera.fy) <= 0.0:
        raise AmtError(
            f"the camera's focal lengths and principal point ({camera.fx}, {camera.fy}, "
            f"{camera.cx}, {camera.cy}) must be finite and the focal lengths positive; calibrate "
            "the camera anew"
        )


def check_boxes(boxes: Sequence[HandBox], camera: Intrinsics) -> None:
    """Raises AmtError for a box that is not finite, empty or wholly outside the image, or a side
    that is unknown."""
    for box in boxes:
        values = ", ".join(f"{value:g}" for value in box.array)
        if not np.isfinite(box.array).all():
            raise AmtError(f"the hand box ({values}) is not finite; leave such a hand out")
        if box.width <= 0.0 or box.height <= 0.0:
            raise AmtError(f"the hand box ({values}) has no area; give x, y, width and height")
        if not box.touches(camera):
            raise AmtError(
                f"the hand box ({values}) is outside the image of {camera.width} x "
                f"{camera.height}; leave such a hand out"
            )
        if box.side not in (Side.LEFT, Side.RIGHT):
            raise AmtError("each hand box needs its side, LEFT or RIGHT")
