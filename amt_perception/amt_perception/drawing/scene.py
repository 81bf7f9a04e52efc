"""Draws objects and contacts: axes, boxes, names and points."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.drawing.lines import draw_dot, draw_line
from amt_perception.drawing.skeleton import OUTLINE_COLOUR
from amt_perception.drawing.text import GREY, WHITE, Colour, chip_size, draw_chip, letter_size
from amt_perception.estimators.interface import ContactEstimate, ObjectEstimate

AXIS_COLOURS: tuple[Colour, ...] = ((235, 77, 75), (106, 200, 90), (72, 126, 247))
"""x, y, z."""
AXIS_LENGTH_M = 0.06
BOX_COLOUR: Colour = (255, 221, 120)
BOX_OPACITY = 0.7
CORNERS = np.array(list(itertools.product((-0.5, 0.5), repeat=3)))
"""[8, 3] of a box of size one."""
SHOWN_CONTACT = 0.5
"""Contacts that are less likely than this are not drawn."""
UNSURE_COLOUR, SURE_COLOUR = np.array([255.0, 214.0, 90.0]), np.array([255.0, 59.0, 48.0])
"""Of contacts, from SHOWN_CONTACT to certainty."""


def draw_object(canvas: np.ndarray, one: ObjectEstimate, intrinsics: Intrinsics) -> None:
    """Draw the object's axes (x red, y green, z blue) and its box where the size is known.

    canvas: [H, W, 3] uint8 RGB, drawn on. Nothing is drawn of what lies behind the camera.
    """
    width = max(2, round(canvas.shape[0] / 240))
    if np.all(one.size > 0.0):
        _draw_box(canvas, one, intrinsics, max(1, width // 2))
    points = _axis_ends(one)
    pixels = intrinsics.project(points)
    if not np.all(np.isfinite(pixels)):
        return
    nearest_last = np.argsort(-points[1:, 2])
    for axis in nearest_last:
        draw_line(canvas, pixels[0], pixels[1 + axis], OUTLINE_COLOUR, width + 2)
        draw_line(canvas, pixels[0], pixels[1 + axis], AXIS_COLOURS[axis], width)
    draw_dot(canvas, pixels[0], OUTLINE_COLOUR, width + 1.0)
    draw_dot(canvas, pixels[0], WHITE, float(width))


def draw_object_label(canvas: np.ndarray, one: ObjectEstimate, intrinsics: Intrinsics) -> None:
    """Write the object's name and confidence below it, or as near to that as there is room."""
    corners = _corners(one) if np.all(one.size > 0.0) else _axis_ends(one)
    pixels = intrinsics.project(corners)
    if not np.all(np.isfinite(pixels)):
        return
    rows, columns = canvas.shape[:2]
    size = letter_size(rows)
    parts = [(one.class_name, WHITE, True), (f"{one.confidence:.0%}", GREY, False)]
    width, height = chip_size(parts, size)
    left = np.clip(pixels[:, 0].mean() - width / 2, 0, max(0, columns - width))
    top = np.clip(pixels[:, 1].max() + size / 2, 0, max(0, rows - height))
    draw_chip(canvas, parts, round(float(left)), round(float(top)), size)


def draw_contacts(
    canvas: np.ndarray, contacts: Sequence[ContactEstimate], intrinsics: Intrinsics
) -> None:
    """Draw likely contacts as points, from yellow to red with their probability."""
    radius = max(3.0, canvas.shape[0] / 110)
    for contact in sorted(contacts, key=lambda one: one.probability):
        pixel = intrinsics.project(contact.position)
        if contact.probability < SHOWN_CONTACT or not np.all(np.isfinite(pixel)):
            continue
        sure = (contact.probability - SHOWN_CONTACT) / (1.0 - SHOWN_CONTACT)
        red, green, blue = np.round(UNSURE_COLOUR + sure * (SURE_COLOUR - UNSURE_COLOUR))
        draw_dot(canvas, pixel, WHITE, radius + 2.0)
        draw_dot(canvas, pixel, OUTLINE_COLOUR, radius + 1.0)
        draw_dot(canvas, pixel, (int(red), int(green), int(blue)), radius)


def _draw_box(canvas: np.ndarray, one: ObjectEstimate, intrinsics: Intrinsics, width: int) -> None:
    """The box's twelve edges, translucent."""
    pixels = intrinsics.project(_corners(one))
    if not np.all(np.isfinite(pixels)):
        return
    import cv2

    layer = canvas.copy()
    for first, second in itertools.combinations(range(8), 2):
        if np.count_nonzero(CORNERS[first] != CORNERS[second]) == 1:
            draw_line(layer, pixels[first], pixels[second], BOX_COLOUR, width)
    cv2.addWeighted(layer, BOX_OPACITY, canvas, 1.0 - BOX_OPACITY, 0.0, canvas)


def _corners(one: ObjectEstimate) -> np.ndarray:
    """[8, 3] of the object's box in the camera frame."""
    return one.position + (CORNERS * one.size) @ one.rotation.T


def _axis_ends(one: ObjectEstimate) -> np.ndarray:
    """[4, 3] the object's origin and the ends of its axes in the camera frame."""
    return one.position + np.vstack([np.zeros(3), AXIS_LENGTH_M * one.rotation.T])
