"""Marker boards: which corner lies where, and a page to print.

The board's frame has its origin in the middle of the board, x to the right and y down as one reads
it, z into the paper: OpenCV's axes, moved from the corner to the middle, because a board's position
is seen best there.
"""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.output.files import atomic_write

KINDS = ("charuco", "aruco")
PAGES_MM = {"a4": (297.0, 210.0), "a3": (420.0, 297.0), "letter": (279.4, 215.9)}
"""Landscape."""
PRINTER_MARGIN_MM = 5.0
RULER_MM = 100.0
DPI = 300
MM_PER_INCH = 25.4


@dataclass(frozen=True)
class BoardSpec:
    """A ChArUco board (chessboard with markers in its white squares), or a grid of ArUco markers.

    square_m: side of a chessboard square; of a grid, the distance from marker to marker. marker_m:
    side of a marker's black square. The default fits on A4.
    """

    kind: str = "charuco"
    columns: int = 7
    rows: int = 5
    square_m: float = 0.036
    marker_m: float = 0.027
    dictionary: str = "DICT_4X4_50"

    def __post_init__(self) -> None:
        import cv2

        if self.kind not in KINDS:
            raise AmtError(f"The board is a '{self.kind}'; choose one of {', '.join(KINDS)}.")
        smallest = 2 if self.kind == "charuco" else 1
        if not (smallest <= self.columns <= 50 and smallest <= self.rows <= 50):
            raise AmtError(f"A {self.kind} board needs {smallest} to 50 columns and rows.")
        if not (np.isfinite([self.square_m, self.marker_m]).all()
                and 0.0 < self.marker_m < self.square_m):  # fmt: skip
            raise AmtError(
                f"The board's markers ({self.marker_m} m) must be smaller than its squares "
                f"({self.square_m} m), and neither may be 0."
            )
        if not (self.dictionary.startswith("DICT_") and hasattr(cv2.aruco, self.dictionary)):
            raise AmtError(f"OpenCV has no marker dictionary '{self.dictionary}'.")
        cells = self.columns * self.rows
        needed = cells // 2 if self.kind == "charuco" else cells
        known = len(_dictionary(self.dictionary).bytesList)
        if needed > known:
            raise AmtError(
                f"The board needs {needed} markers but {self.dictionary} has {known}; take a "
                "larger dictionary."
            )

    @property
    def size_m(self) -> tuple[float, float]:
        """Width and height of what is printed."""
        if self.kind == "charuco":
            return self.columns * self.square_m, self.rows * self.square_m
        gap = self.square_m - self.marker_m
        return self.columns * self.square_m - gap, self.rows * self.square_m - gap

    @property
    def points(self) -> np.ndarray:
        """[N, 3] corners in the board's frame (m), by id; a grid's marker k has ids 4k to 4k+3."""
        board = cv_board(self)
        if self.kind == "charuco":
            corners = np.asarray(board.getChessboardCorners(), float)
        else:
            corners = np.asarray(board.getObjPoints(), float).reshape(-1, 3)
        return corners - [0.5 * self.size_m[0], 0.5 * self.size_m[1], 0.0]

    def as_dict(self) -> dict[str, Any]:
        """The fields, as they stand in files."""
        return asdict(self)


@functools.lru_cache(maxsize=8)
def _dictionary(name: str) -> Any:
    import cv2

    return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, name))


@functools.lru_cache(maxsize=8)
def cv_board(spec: BoardSpec) -> Any:
    """OpenCV's own board."""
    import cv2

    dictionary, size = _dictionary(spec.dictionary), (spec.columns, spec.rows)
    if spec.kind == "charuco":
        return cv2.aruco.CharucoBoard(size, spec.square_m, spec.marker_m, dictionary)
    gap = spec.square_m - spec.marker_m
    return cv2.aruco.GridBoard(size, spec.marker_m, gap, dictionary)


def board_image(spec: BoardSpec, pixels_per_m: float) -> np.ndarray:
    """[H, W] uint8 picture of the board alone, without a margin."""
    width, height = (round(side * pixels_per_m) for side in spec.size_m)
    return np.asarray(cv_board(spec).generateImage((width, height), marginSize=0))


def write_page(spec: BoardSpec, path: Path, page: str = "a4") -> None:
    """A PNG of 300 dots an inch with the board in its true size, a ruler and what to check.

    Raises AmtError when the board does not fit on the page, or the file cannot be written.
    """
    from PIL import Image, ImageDraw, ImageFont

    per_mm = DPI / MM_PER_INCH
    page_mm, board_mm = np.array(PAGES_MM[page]), 1e3 * np.array(spec.size_m)
    foot_mm = 8.0  # ruler and text
    room = page_mm - 2.0 * PRINTER_MARGIN_MM - [0.0, foot_mm]
    if (board_mm > room).any():
        raise AmtError(
            f"The board is {board_mm[0]:.0f} x {board_mm[1]:.0f} mm and {page} has room for "
            f"{room[0]:.0f} x {room[1]:.0f} mm; make the squares smaller or take a larger page."
        )
    picture = Image.new("L", tuple(np.round(page_mm * per_mm).astype(int).tolist()), 255)
    corner_mm = [0.5 * (page_mm[0] - board_mm[0]), PRINTER_MARGIN_MM + 0.5 * (room - board_mm)[1]]
    board = Image.fromarray(board_image(spec, 1e3 * per_mm))
    picture.paste(board, tuple(round(mm * per_mm) for mm in corner_mm))

    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=2.6 * per_mm)
    left, base = corner_mm[0], page_mm[1] - PRINTER_MARGIN_MM - 1.0
    line = [(left * per_mm, base * per_mm), ((left + RULER_MM) * per_mm, base * per_mm)]
    draw.line(line, fill=0, width=3)
    for tick in range(0, round(RULER_MM) + 1, 10):
        at, high = (left + tick) * per_mm, 3.0 if tick % 50 == 0 else 1.8
        draw.line([(at, (base - high) * per_mm), (at, base * per_mm)], fill=0, width=3)
    text = (
        f"{RULER_MM:.0f} mm when printed at 100 %     {spec.kind} {spec.columns} x {spec.rows}, "
        f"square {1e3 * spec.square_m:g} mm, marker {1e3 * spec.marker_m:g} mm, {spec.dictionary}"
    )
    at = ((left + RULER_MM + 4.0) * per_mm, (base - 3.2) * per_mm)
    draw.text(at, text, fill=0, font=font)
    with atomic_write(path) as temporary:
        picture.save(temporary, dpi=(DPI, DPI))
