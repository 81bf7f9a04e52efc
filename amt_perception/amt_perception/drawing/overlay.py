"""Draws what was estimated onto the image it was estimated from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.drawing.mesh import draw_mesh
from amt_perception.drawing.scene import draw_contacts, draw_object, draw_object_label
from amt_perception.drawing.skeleton import PREDICTED_OPACITY, DrawnHand, draw_skeleton
from amt_perception.drawing.text import (
    GREY,
    WHITE,
    Colour,
    draw_chip,
    draw_panel,
    draw_text,
    letter_size,
    text_size,
)
from amt_perception.estimators.interface import FrameEstimate, Interaction, TrackState
from amt_perception.hand.joints import Side

TRACK_COLOUR: Colour = (70, 78, 88)
"""The empty part of the confidence bar."""
SIDE_COLOURS: dict[Side, Colour] = {
    Side.LEFT: (255, 170, 80),
    Side.RIGHT: (90, 210, 255),
    Side.UNKNOWN: GREY,
}
MESH_COLOURS: dict[Side, Colour] = {Side.LEFT: (255, 192, 125), Side.RIGHT: (128, 215, 255)}
"""The sides' colours, paler: shading needs room below white."""
MESH_OPACITY = 0.7
INTERACTION_COLOUR: Colour = (255, 196, 61)


def draw_overlay(
    image: np.ndarray, hands: Sequence[DrawnHand], time_s: float, note: str = "no hand"
) -> np.ndarray:
    """A copy of the image [H, W, 3] uint8 RGB with skeletons, labels and the frame's time.

    Hands that are only PREDICTED are dimmed. note: what a discreet label says when there are no
    hands. Line widths follow the size of each hand, letters the height of the image.
    """
    canvas = image.copy()
    _draw_hands(canvas, hands)
    _draw_footer(canvas, _time_chips(time_s) + ([] if hands else [(note, GREY)]))
    return canvas


def draw_estimate(
    image: np.ndarray,
    estimate: FrameEstimate,
    intrinsics: Intrinsics,
    hand_faces: Mapping[Side, np.ndarray],
    time_s: float | None = None,
) -> np.ndarray:
    """A copy of the image [H, W, 3] uint8 RGB with everything that an estimator says about it.

    Meshes, skeletons and labels of the hands; axes, boxes and names of the objects; likely
    contacts; the interaction. image: undistorted, as the estimator saw it. hand_faces: [1538, 3]
    triangles of each side's mesh (see `hand.mano_files.hand_faces`). time_s: None for an image
    that stands alone.
    """
    canvas = image.copy()
    objects = estimate.objects or []
    for hand in sorted(estimate.hands, key=lambda hand: -_mean_depth(hand)):
        if hand.vertices is not None:
            tracked = hand.state == TrackState.TRACKED
            opacity = MESH_OPACITY * (1.0 if tracked else PREDICTED_OPACITY)
            faces, colour = hand_faces[hand.side], MESH_COLOURS[hand.side]
            draw_mesh(canvas, hand.vertices, faces, intrinsics, colour, opacity)
    for one in objects:
        draw_object(canvas, one, intrinsics)
    _draw_hands(canvas, estimate.hands)
    draw_contacts(canvas, estimate.contacts or [], intrinsics)
    for one in objects:
        draw_object_label(canvas, one, intrinsics)
    chips = [] if time_s is None else _time_chips(time_s)
    if not estimate.hands:
        chips.append(("no hand", GREY))
    if estimate.interaction != Interaction.NONE:
        name = estimate.interaction.name.lower()
        chips.append((f"{name} {estimate.interaction_score:.0%}", INTERACTION_COLOUR))
    _draw_footer(canvas, chips)
    return canvas


def _draw_hands(canvas: np.ndarray, hands: Sequence[DrawnHand]) -> None:
    for hand in sorted(hands, key=lambda hand: -_mean_depth(hand)):
        draw_skeleton(canvas, hand)
    for hand in hands:
        _draw_label(canvas, hand)


def _mean_depth(hand: DrawnHand) -> float:
    return float(np.mean(hand.joints[:, 2]))


def _time_chips(time_s: float) -> list[tuple[str, Colour]]:
    return [(f"{time_s:.2f} s", WHITE)]


def _draw_footer(canvas: np.ndarray, chips: Sequence[tuple[str, Colour]]) -> None:
    """Labels side by side in the lower left corner."""
    size = letter_size(canvas.shape[0])
    left, top = size, canvas.shape[0] - size - round(1.7 * size)
    for text, colour in chips:
        width, _ = draw_chip(canvas, [(text, colour, False)], left, top, size)
        left += width + size // 2


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
