"""Smooth lines and dots at fractions of a pixel."""

from __future__ import annotations

import numpy as np

from amt_perception.drawing.text import Colour

SHIFT = 4
"""OpenCV takes fixed-point coordinates: 1/16 pixel."""

_FAR = 2.0**20
"""Pixels."""


def draw_line(
    canvas: np.ndarray, start: np.ndarray, end: np.ndarray, colour: Colour, width: int
) -> None:
    """Draw on the canvas [H, W, 3] from pixel [2] to pixel [2]; what is outside of it is cut."""
    import cv2

    cv2.line(canvas, _fixed(start), _fixed(end), colour, width, cv2.LINE_AA, SHIFT)


def draw_dot(canvas: np.ndarray, centre: np.ndarray, colour: Colour, radius: float) -> None:
    """Draw a filled circle on the canvas [H, W, 3]; centre [2] and radius in pixels."""
    import cv2

    size = round(radius * 2**SHIFT)
    cv2.circle(canvas, _fixed(centre), size, colour, cv2.FILLED, cv2.LINE_AA, SHIFT)


def _fixed(pixel: np.ndarray) -> tuple[int, int]:
    """Fixed-point coordinates, kept where OpenCV can count with them."""
    x, y = (round(min(max(value, -_FAR), _FAR) * 2**SHIFT) for value in pixel.tolist())
    return x, y
