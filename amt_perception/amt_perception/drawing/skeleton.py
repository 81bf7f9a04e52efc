"""Draws a hand's 21 joints and the bones between them."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from amt_perception.drawing.text import WHITE, Colour
from amt_perception.estimators.interface import TrackState
from amt_perception.hand.joints import BASES, BONES, TIPS, WRIST, Side

FINGER_COLOURS: tuple[Colour, ...] = (
    (255, 107, 107),
    (255, 196, 61),
    (88, 214, 141),
    (64, 186, 255),
    (178, 132, 255),
)
"""Thumb to pinky."""
PALM_COLOUR: Colour = (236, 240, 244)
OUTLINE_COLOUR: Colour = (18, 22, 28)
PREDICTED_OPACITY = 0.4


class DrawnHand(Protocol):
    """What of a hand is drawn; `HandEstimate` and the demo's `RecordedHand` both have it."""

    @property
    def side(self) -> Side: ...
    @property
    def track_id(self) -> int: ...
    @property
    def state(self) -> TrackState: ...
    @property
    def confidence(self) -> float: ...
    @property
    def keypoints_px(self) -> np.ndarray: ...
    @property
    def joints(self) -> np.ndarray: ...


def draw_skeleton(canvas: np.ndarray, hand: DrawnHand) -> None:
    """Draw the bones from far to near, each with a dark rim so that it reads on any background.

    A hand that is only PREDICTED is dimmed; line widths follow the size of the hand. canvas:
    [H, W, 3] uint8 RGB, drawn on.
    """
    import cv2

    points = hand.keypoints_px
    if not np.all(np.isfinite(points)):
        return
    extent = float(np.max(np.ptp(points, axis=0)))
    width = float(np.clip(0.022 * extent, 2.0, 9.0))
    rim = max(1.0, 0.3 * width)
    layer = canvas if hand.state == TrackState.TRACKED else canvas.copy()

    shift = 4  # OpenCV takes fixed-point coordinates: 1/16 pixel
    pixels = [tuple(int(v) for v in np.round(point * 2**shift)) for point in points]

    def line(start: int, end: int, colour: Colour, thickness: float) -> None:
        cv2.line(layer, pixels[start], pixels[end], colour, round(thickness), cv2.LINE_AA, shift)

    def dot(joint: int, colour: Colour, radius: float) -> None:
        centre, size = pixels[joint], round(radius * 2**shift)
        cv2.circle(layer, centre, size, colour, cv2.FILLED, cv2.LINE_AA, shift)

    depth = hand.joints[:, 2]
    for parent, child in sorted(BONES, key=lambda bone: -(depth[bone[0]] + depth[bone[1]])):
        colour = _bone_colour(child)
        line(parent, child, OUTLINE_COLOUR, width + 2.0 * rim)
        line(parent, child, colour, width)
        for joint in (parent, child):
            radius = width * (1.15 if joint in TIPS or joint == WRIST else 0.9)
            dot(joint, OUTLINE_COLOUR, radius + rim)
            dot(joint, PALM_COLOUR if joint == WRIST else FINGER_COLOURS[(joint - 1) // 4], radius)
            dot(joint, WHITE, 0.45 * radius)
    if layer is not canvas:
        cv2.addWeighted(layer, PREDICTED_OPACITY, canvas, 1.0 - PREDICTED_OPACITY, 0.0, canvas)


def _bone_colour(child: int) -> Colour:
    """Fingers in their colours; the bones from the wrist to the finger bases belong to the palm."""
    return PALM_COLOUR if child in BASES else FINGER_COLOURS[(child - 1) // 4]
