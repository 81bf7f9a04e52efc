"""Pictures on paper: one figure for each grasp, and a contact sheet of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.grasp.sample.contact_picture import PART_COLOURS
from amt_perception.model.interface import HAND_PARTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
"""Grasps in a row of the contact sheet."""
INCHES = 2.6
"""Side of a picture."""
HEADING_INCHES, TITLE_INCHES = 0.35, 0.4
DPI = 130
GOOD, BAD, PLAIN = "#1a7f37", "#c0392b", "#444444"


@dataclass(frozen=True)
class Tile:
    """A grasp on the sheet."""

    pictures: list[np.ndarray]
    """[S, S, 3] uint8 RGB, one for each view."""
    title: str
    caption: str
    held: bool | None = None
    """Whether it held in the trial; None where there was none."""


def draw_tile(path: Path, tile: Tile, heading: str) -> None:
    """Write a PNG of one grasp from all views. Raises AmtError without matplotlib."""
    count, side = len(tile.pictures), 1.4 * INCHES
    height = HEADING_INCHES + TITLE_INCHES + side
    figure = _figure(count * side, height)
    axes = figure.subplots(1, count, squeeze=False)[0]
    for axis, picture in zip(axes, tile.pictures, strict=True):
        _show(axis, picture)
    figure.text(0.008, 1.0 - 0.1 / height, heading, va="top", fontsize=12, parse_math=False)
    caption, place = f"{tile.title}, {tile.caption}", 1.0 - (0.1 + HEADING_INCHES) / height
    figure.text(0.008, place, caption, va="top", fontsize=10, color=_colour(tile))
    figure.subplots_adjust(0.004, 0.004, 0.996, side / height, 0.01, 0.01)
    figure.savefig(path)


def draw_sheet(
    path: Path, contact: Sequence[np.ndarray], tiles: Sequence[Tile], heading: str
) -> None:
    """Write a PNG of where the hand is to touch and of all grasps, the best one first.

    contact: pictures of the contact map, one below the other as far as there are rows. Raises
    AmtError without matplotlib.
    """
    rows = -(-len(tiles) // COLUMNS)
    columns = 1 + min(COLUMNS, len(tiles))
    height = HEADING_INCHES + rows * (INCHES + TITLE_INCHES)
    figure = _figure(columns * INCHES, height)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, picture in zip(axes[:, 0], contact, strict=False):
        _show(axis, picture)
    _legend(axes[0, 0])
    for index, tile in enumerate(tiles):
        axis = axes[index // COLUMNS, 1 + index % COLUMNS]
        _show(axis, tile.pictures[0])
        axis.set_title(f"{tile.title}\n{tile.caption}", fontsize=8, color=_colour(tile), pad=4)
    figure.text(0.008, 1.0 - 0.1 / height, heading, va="top", fontsize=12, parse_math=False)
    top = 1.0 - (HEADING_INCHES + TITLE_INCHES) / height
    figure.subplots_adjust(0.004, 0.004, 0.996, top, 0.015, TITLE_INCHES / INCHES)
    figure.savefig(path)


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise AmtError("Drawing grasps needs matplotlib: pip install matplotlib") from error
    return Figure(figsize=(width, height), dpi=DPI)


def _show(axis: Axes, picture: np.ndarray) -> None:
    axis.imshow(picture)
    axis.axis("off")


def _legend(axis: Axes) -> None:
    """The parts' names in their colours above the picture of the contact map."""
    axis.set_title("where to touch\n ", fontsize=8, color=PLAIN, pad=4)
    for index, (part, colour) in enumerate(zip(HAND_PARTS, PART_COLOURS, strict=True)):
        place = ((index + 0.5) / len(HAND_PARTS), 1.015)
        axis.text(
            *place, part, color=tuple(colour), fontsize=8, fontweight="bold", ha="center",
            va="bottom", transform=axis.transAxes,
        )  # fmt: skip


def _colour(tile: Tile) -> str:
    if tile.held is None:
        return PLAIN
    return GOOD if tile.held else BAD
