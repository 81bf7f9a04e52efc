"""Text and panels on RGB images."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from amt_perception.errors import AmtError

Colour = tuple[int, int, int]
"""Red, green and blue, 0..255."""

WHITE: Colour = (255, 255, 255)
GREY: Colour = (160, 168, 178)
PANEL: Colour = (16, 20, 26)


def letter_size(image_height: int) -> int:
    """Font size that reads well at this height: 18 at 720 rows."""
    return max(10, round(image_height / 40))


@functools.cache
def _font(size: int, bold: bool) -> Any:
    """DejaVu Sans: matplotlib brings it, it has even digits and covers names in most alphabets."""
    try:
        from matplotlib import font_manager
        from PIL import ImageFont
    except ImportError as error:
        raise AmtError("Drawing text needs matplotlib: pip install matplotlib") from error
    properties = font_manager.FontProperties(
        family="DejaVu Sans", weight="bold" if bold else "normal"
    )
    return ImageFont.truetype(font_manager.findfont(properties), size)


@functools.lru_cache(maxsize=512)
def _text_mask(text: str, size: int, bold: bool) -> np.ndarray:
    """[h, w, 1] coverage 0..1; the height is that of the font's line, whatever the letters."""
    from PIL import Image, ImageDraw

    font = _font(size, bold)
    ascent, descent = font.getmetrics()
    width = max(1, round(font.getlength(text)))
    mask = Image.new("L", (width, ascent + descent), 0)
    ImageDraw.Draw(mask).text((0, 0), text, fill=255, font=font)
    return np.asarray(mask, np.float32)[..., None] / 255.0


def text_size(text: str, size: int, bold: bool = False) -> tuple[int, int]:
    """Width and height in pixels."""
    mask = _text_mask(text, size, bold)
    return mask.shape[1], mask.shape[0]


def draw_text(
    image: np.ndarray,
    text: str,
    left: int,
    top: int,
    size: int,
    colour: Colour = WHITE,
    bold: bool = False,
) -> None:
    """Write text into the image [H, W, 3]; what lies outside of it is cut."""
    _blend(image, _text_mask(text, size, bold), left, top, colour)


def draw_panel(
    image: np.ndarray,
    left: int,
    top: int,
    width: int,
    height: int,
    colour: Colour = PANEL,
    opacity: float = 0.72,
    radius: int = 10,
) -> None:
    """A translucent rounded box."""
    mask = _panel_mask(width, height, min(radius, width // 2, height // 2))
    _blend(image, opacity * mask, left, top, colour)


@functools.lru_cache(maxsize=256)
def _panel_mask(width: int, height: int, radius: int) -> np.ndarray:
    """Coverage from the distance to a rounded box's edge, soft over one pixel."""
    x = np.abs(np.arange(width) + 0.5 - width / 2) - (width / 2 - radius)
    y = np.abs(np.arange(height) + 0.5 - height / 2) - (height / 2 - radius)
    distance = np.hypot(np.maximum(x, 0.0)[None, :], np.maximum(y, 0.0)[:, None]) - radius
    return np.clip(0.5 - distance, 0.0, 1.0).astype(np.float32)[..., None]


def _blend(image: np.ndarray, mask: np.ndarray, left: int, top: int, colour: Colour) -> None:
    """Lay a colour over the image where the mask [h, w, 1] is; clipped to the image."""
    rows, columns = image.shape[:2]
    y0, y1 = max(0, top), min(rows, top + mask.shape[0])
    x0, x1 = max(0, left), min(columns, left + mask.shape[1])
    if y0 >= y1 or x0 >= x1:
        return
    part = image[y0:y1, x0:x1]
    cover = mask[y0 - top : y1 - top, x0 - left : x1 - left]
    part[...] = np.round(part + cover * (np.array(colour, np.float32) - part)).astype(np.uint8)


def chip_size(parts: Sequence[tuple[str, Colour, bool]], size: int) -> tuple[int, int]:
    """Width and height in pixels of what `draw_chip` draws."""
    sizes = [text_size(text, size, bold) for text, _, bold in parts]
    width = 2 * round(0.7 * size) + sum(w for w, _ in sizes) + round(0.5 * size) * (len(parts) - 1)
    return width, max(h for _, h in sizes) + round(0.5 * size)


def draw_chip(
    image: np.ndarray,
    parts: Sequence[tuple[str, Colour, bool]],
    left: int,
    top: int,
    size: int,
) -> tuple[int, int]:
    """A rounded label of (text, colour, bold) parts in one line; returns its width and height."""
    width, height = chip_size(parts, size)
    draw_panel(image, left, top, width, height, radius=height // 2)
    x = left + round(0.7 * size)
    for text, colour, bold in parts:
        part_width, part_height = text_size(text, size, bold)
        draw_text(image, text, x, top + (height - part_height) // 2, size, colour, bold)
        x += part_width + round(0.5 * size)
    return width, height
