"""Pictures on paper: one figure for each grasp, and a contact sheet of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.grasp.sample.contact_colours import PART_COLOURS
from amt_perception.model.interface import HAND_PARTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
"""Grasps in a row of the contact sheet."""
INCHES = 2.6
"""Side of a picture."""
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
    count = len(tile.pictures)
    figure = _figure(count * INCHES * 1.4, INCHES * 1.4 + 0.75)
    for axis, picture in zip(figure.subplots(1, count), tile.pictures, strict=True):
        _show(axis, picture)
    figure.text(0.01, 0.985, heading, va="top", fontsize=11, parse_math=False)
    figure.text(
        0.01, 0.925, f"{tile.title}   {tile.caption}", va="top", fontsize=10, color=_colour(tile)
    )
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.86, 0.01, 0.01)
    figure.savefig(path)


def draw_sheet(path: Path, contact: np.ndarray, tiles: Sequence[Tile], heading: str) -> None:
    """Write a PNG of where the hand is to touch and of all grasps, the best one first.

    contact: the picture of the contact map. Raises AmtError without matplotlib.
    """
    rows = -(-len(tiles) // COLUMNS)
    columns = 1 + min(COLUMNS, len(tiles))
    height = rows * (INCHES + 0.45) + 0.5
    figure = _figure(columns * INCHES, height)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    _show(axes[0, 0], contact)
    axes[0, 0].set_title("where each part touches", fontsize=9, color=PLAIN)
    _legend(axes[0, 0])
    for index, tile in enumerate(tiles):
        axis = axes[index // COLUMNS, 1 + index % COLUMNS]
        _show(axis, tile.pictures[0])
        axis.set_title(f"{tile.title}\n{tile.caption}", fontsize=8, color=_colour(tile))
    top = 1.0 - 0.95 / height
    figure.text(0.01, 1.0 - 0.12 / height, heading, va="top", fontsize=12, parse_math=False)
    figure.subplots_adjust(0.005, 0.01, 0.995, top, 0.02, 0.45 / INCHES)
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
    """The parts' colours inside the picture of the contact map."""
    for index, (part, colour) in enumerate(zip(HAND_PARTS, PART_COLOURS, strict=True)):
        place = 0.03 + 0.06 * (len(HAND_PARTS) - 1 - index)
        axis.text(
            0.03, place, f"\u25cf {part}", color=tuple(colour), fontsize=7, transform=axis.transAxes
        )


def _colour(tile: Tile) -> str:
    if tile.held is None:
        return PLAIN
    return GOOD if tile.held else BAD
