"""Draws what was estimated onto the image it was estimated from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from amt_perception.drawing.text import (
    GREY,
    WHITE,
    Colour,
    draw_chip,
    draw_panel,
    draw_text,
    text_size,
)
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
TRACK_COLOUR: Colour = (70, 78, 88)
"""The empty part of the confidence bar."""
SIDE_COLOURS: dict[Side, Colour] = {
    Side.LEFT: (255, 170, 80),
    Side.RIGHT: (90, 210, 255),
    Side.UNKNOWN: GREY,
}
PREDICTED_OPACITY = 0.4


class DrawnHand(Protocol):
    """What of a hand is drawn; `HandEstimate` and `RecordedHand` both have it."""

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


def draw_overlay(
    image: np.ndarray, hands: Sequence[DrawnHand], time_s: float, note: str = "no hand"
) -> np.ndarray:
    """A copy of the image [H, W, 3] uint8 RGB with skeletons, labels and the frame's time.

    Hands that are only PREDICTED are dimmed. note: what a discreet label says when there are no
    hands. Line widths follow the size of each hand, letters the height of the image.
    """
    canvas = image.copy()
    for hand in sorted(hands, key=lambda hand: -_mean_depth(hand)):
        _draw_skeleton(canvas, hand)
    for hand in hands:
        _draw_label(canvas, hand)
    size = letter_size(image.shape[0])
    margin = size
    top = image.shape[0] - margin - round(1.7 * size)
    width, _ = draw_chip(canvas, [(f"{time_s:.2f} s", WHITE, False)], margin, top, size)
    if not hands:
        draw_chip(canvas, [(note, GREY, False)], margin + width + size // 2, top, size)
    return canvas


def letter_size(image_height: int) -> int:
    """Font size that reads well at this height: 18 at 720 rows."""
    return max(10, round(image_height / 40))


def _mean_depth(hand: DrawnHand) -> float:
    return float(np.mean(hand.joints[:, 2]))


def _bone_colour(child: int) -> Colour:
    """Fingers in their colours; the bones from the wrist to the finger bases belong to the palm."""
    return PALM_COLOUR if child in BASES else FINGER_COLOURS[(child - 1) // 4]


def _draw_skeleton(canvas: np.ndarray, hand: DrawnHand) -> None:
    """Bones from far to near, each with a dark rim so that it reads on any background."""
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


def _draw_label(canvas: np.ndarray, hand: DrawnHand) -> None:
    """Side, track and a confidence bar, above the hand or, where there is no room, below it."""
    rows, columns = canvas.shape[:2]
    points = hand.keypoints_px
    if not np.all(np.isfinite(points)):
        return
    tracked = hand.state == TrackState.TRACKED
    colour, plain = (SIDE_COLOURS[hand.side], WHITE) if tracked else (GREY, GREY)
    certainty = f"{hand.confidence:.0%}" if tracked else "predicted"
    parts = [(hand.side.name, colour, True), (f"#{hand.track_id}", plain, False)]
    parts.append((certainty, plain, False))

    size = letter_size(rows)
    padding = round(0.6 * size)
    sizes = [text_size(text, size, bold) for text, _, bold in parts]
    bar_width = sum(width for width, _ in sizes) + (len(parts) - 1) * padding
    bar_height = max(3, size // 4)
    width = bar_width + 2 * padding
    height = sizes[0][1] + bar_height + padding + padding // 2

    gap = 2 * size
    left = round(float(np.clip(points[:, 0].mean() - width / 2, 0, max(0, columns - width))))
    above = round(float(points[:, 1].min())) - gap - height
    below = min(round(float(points[:, 1].max())) + gap, rows - height)
    top = above if above >= 0 else below
    draw_panel(canvas, left, top, width, height, radius=padding)
    x, y = left + padding, top + padding // 2
    for (text, text_colour, bold), (part_width, _) in zip(parts, sizes, strict=True):
        draw_text(canvas, text, x, y, size, text_colour, bold)
        x += part_width + padding
    y += sizes[0][1] + padding // 4
    filled = round(bar_width * float(np.clip(hand.confidence, 0.0, 1.0)))
    radius = bar_height // 2
    draw_panel(canvas, left + padding, y, bar_width, bar_height, TRACK_COLOUR, 1.0, radius)
    draw_panel(canvas, left + padding, y, filled, bar_height, colour, 1.0, radius)
