"""Draws a hand's 21 joints and the bones between them."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from amt_perception.drawing.lines import draw_dot, draw_line
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
    """Draw the bones in the colours of the fingers.

    A hand that is only PREDICTED is dimmed; line widths follow the size of the hand. canvas:
    [H, W, 3] uint8 RGB, drawn on.
    """
    points = hand.keypoints_px
    if not np.all(np.isfinite(points)):
        return
    extent = float(np.max(np.ptp(points, axis=0)))
    width = float(np.clip(0.022 * extent, 2.0, 9.0))
    if hand.state == TrackState.TRACKED:
        draw_bones(canvas, points, hand.joints[:, 2], width)
        return
    import cv2

    layer = canvas.copy()
    draw_bones(layer, points, hand.joints[:, 2], width)
    cv2.addWeighted(layer, PREDICTED_OPACITY, canvas, 1.0 - PREDICTED_OPACITY, 0.0, canvas)


def draw_bones(
    canvas: np.ndarray,
    points: np.ndarray,
    depth: np.ndarray,
    width: float,
    colour: Colour | None = None,
) -> None:
    """Draw bones from far to near, each with a dark rim so that it reads on any background.

    canvas: [H, W, 3] uint8 RGB, drawn on; points: [21, 2] in its pixels, NaN where not known;
    depth: [21] (any unit). width: of a bone (pixels). colour: of the whole hand; None for those of
    the fingers.
    """
    rim = max(1.0, 0.3 * width)
    known = np.isfinite(points).all(axis=-1)
    bones = [bone for bone in BONES if known[list(bone)].all()]
    for parent, child in sorted(bones, key=lambda bone: -(depth[bone[0]] + depth[bone[1]])):
        start, end = points[parent], points[child]
        draw_line(canvas, start, end, OUTLINE_COLOUR, round(width + 2.0 * rim))
        draw_line(canvas, start, end, colour or _bone_colour(child), round(width))
        for joint in (parent, child):
            radius = width * (1.15 if joint in TIPS or joint == WRIST else 0.9)
            draw_dot(canvas, points[joint], OUTLINE_COLOUR, radius + rim)
            draw_dot(canvas, points[joint], colour or _joint_colour(joint), radius)
            draw_dot(canvas, points[joint], WHITE, 0.45 * radius)


def _joint_colour(joint: int) -> Colour:
    return PALM_COLOUR if joint == WRIST else FINGER_COLOURS[(joint - 1) // 4]


def _bone_colour(child: int) -> Colour:
    """Fingers in their colours; the bones from the wrist to the finger bases belong to the palm."""
    return PALM_COLOUR if child in BASES else FINGER_COLOURS[(child - 1) // 4]
