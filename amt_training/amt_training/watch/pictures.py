"""Sheets of predictions over the truth: in the picture, and from the side, where depth shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from amt_perception.drawing.lines import draw_dot, draw_line
from amt_perception.drawing.scene import AXIS_COLOURS, SHOWN_CONTACT
from amt_perception.drawing.skeleton import OUTLINE_COLOUR, draw_bones
from amt_perception.drawing.text import GREY, PANEL, WHITE, Colour, draw_chip, draw_text, text_size
from amt_perception.metrics.pose import mpjpe
from amt_perception.model.interface import LEFT, AmtInput, AmtOutput
from amt_perception.output.files import atomic_write
from amt_training.losses.targets import AmtTarget

TRUTH_COLOUR: Colour = (64, 224, 208)
PREDICTION_COLOUR: Colour = (255, 82, 160)
TILE_ROWS, SIDE_COLUMNS = 288, 200
"""A sample's picture is TILE_ROWS square, its side view SIDE_COLUMNS wide beside it."""
_SIDE_VIEW_M = 0.30
"""Height of what the side view shows."""
_GRID_M = 0.05
_AXIS_LENGTH_M = 0.04
_GAP, _HEADING, _LETTERS = 8, 44, 13
_BACKGROUND: Colour = (30, 34, 40)
_GRID_COLOUR: Colour = (44, 50, 58)

_View = Callable[[np.ndarray], np.ndarray]
"""Points [N, 3] in the camera frame (m) to pixels [N, 2] of the drawn view."""


@dataclass(frozen=True)
class _Shown:
    """The hand and the objects of one sample, true or predicted; NumPy arrays, metres."""

    joints: np.ndarray
    """[21, 3]; NaN where not known."""
    objects: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]]
    """Position [3], rotation [3, 3] and, where they are known, surface points [P, 3] of each."""
    colour: Colour
    width: float
    """Of bones (pixels)."""


def draw_sheet(
    inputs: AmtInput, output: AmtOutput, target: AmtTarget, title: str, columns: int = 4
) -> np.ndarray:
    """[H, W, 3] uint8 RGB picture of all B samples, truth and prediction in one colour each.

    Each sample: its last crop with skeletons, outlines and axes of objects (those more likely than
    not); beside it the same from the left of the camera, without perspective, depth to the right.
    What is not known of the truth is not drawn. The errors are means over the known joints.
    """
    inputs, output, target = inputs.each(_to_cpu), output.each(_to_cpu), target.each(_to_cpu)
    tiles: list[np.ndarray] = []
    errors: list[float] = []
    for number in range(len(inputs.side)):
        truth, prediction = _truth(target, number), _prediction(output, target, number)
        picture = _picture(inputs.image[number, -1], inputs.intrinsics[number, -1], truth,
                           prediction)  # fmt: skip
        side_view = _side_view(truth, prediction)
        side = "left" if inputs.side[number] == LEFT else "right"
        known = np.isfinite(truth.joints).all(axis=-1)
        label = "truth unknown"
        if known.any():
            joints, true = prediction.joints[known], truth.joints[known]
            errors.append(1e3 * float(mpjpe(joints, true)))
            label = f"{errors[-1]:.1f} mm"
            depth = 1e3 * (joints - true)[:, 2].mean()
            draw_chip(side_view, [(f"depth {depth:+.0f} mm", GREY, False)], 6, 6, _LETTERS)
        draw_chip(picture, [(side, GREY, False), (label, WHITE, True)], 6, 6, _LETTERS)
        tile = np.hstack([picture, side_view])
        tiles.append(tile)
    mean = f"joints {np.mean(errors):.1f} mm" if errors else ""
    return _with_heading(_grid(tiles, columns), title, mean)


def _to_cpu(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()
    return tensor.float() if tensor.is_floating_point() else tensor


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write [H, W, 3] uint8 RGB as PNG. Raises AmtError when that cannot be done."""
    import cv2

    _, data = cv2.imencode(".png", picture[..., ::-1])
    with atomic_write(path) as temporary:
        temporary.write_bytes(data.tobytes())


def _truth(target: AmtTarget, number: int) -> _Shown:
    joints = target.joints[number].numpy().copy()
    joints[~target.joints_valid[number].numpy()] = np.nan
    objects = target.objects
    return _Shown(
        joints,
        [
            (
                objects.position[number, place].numpy(),
                objects.rotation[number, place].numpy(),
                None if objects.surface is None else objects.surface[number, place].numpy(),
            )
            for place in objects.valid[number].nonzero()[:, 0].tolist()
        ],
        TRUTH_COLOUR,
        3.5,
    )


def _prediction(output: AmtOutput, target: AmtTarget, number: int) -> _Shown:
    """Surfaces are those of the sample's true objects of the same classes."""
    objects, true = output.objects, target.objects
    surfaces = {}
    if true.surface is not None:
        for place in true.valid[number].nonzero()[:, 0].tolist():
            surfaces[int(true.class_index[number, place])] = true.surface[number, place].numpy()
    shown = (objects.confidence[number] > SHOWN_CONTACT).nonzero()[:, 0].tolist()
    classes = objects.class_logits[number].argmax(dim=-1).tolist()
    return _Shown(
        output.joints[number].numpy(),
        [
            (
                objects.position[number, query].numpy(),
                objects.rotation[number, query].numpy(),
                surfaces.get(classes[query]),
            )
            for query in shown
        ],
        PREDICTION_COLOUR,
        2.0,
    )


def _picture(image: Tensor, intrinsics: Tensor, *shown: _Shown) -> np.ndarray:
    """The crop [3, S, S] with everything drawn on it; intrinsics: [3, 3]."""
    import cv2

    pixels = image.permute(1, 2, 0).numpy()
    if pixels.dtype != np.uint8:
        pixels = np.round(255.0 * pixels.clip(0.0, 1.0)).astype(np.uint8)
    scale = TILE_ROWS / pixels.shape[0]
    canvas = cv2.resize(pixels, (TILE_ROWS, TILE_ROWS), interpolation=cv2.INTER_CUBIC)

    def view(points: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            projected = points @ intrinsics.numpy().T
            projected = projected[:, :2] / projected[:, 2:]
        projected[points[:, 2] <= 0.0] = np.nan  # behind the camera
        return scale * (projected + 0.5) - 0.5

    _draw(canvas, view, *shown)
    return canvas


def _side_view(*shown: _Shown) -> np.ndarray:
    """Depth to the right, the camera's downwards down; about the middle of the first known hand."""
    canvas = np.full((TILE_ROWS, SIDE_COLUMNS, 3), PANEL, np.uint8)
    scale = TILE_ROWS / _SIDE_VIEW_M
    known = [one.joints[np.isfinite(one.joints).all(axis=-1)] for one in shown]
    centre = next((joints.mean(axis=0) for joints in known if len(joints)), np.zeros(3))

    def view(points: np.ndarray) -> np.ndarray:
        middle = np.array([0.5 * (SIDE_COLUMNS - 1), 0.5 * (TILE_ROWS - 1)])
        return scale * (points - centre)[:, [2, 1]] + middle

    reach = int(0.5 * _SIDE_VIEW_M / _GRID_M) + 1
    for line in range(-reach, reach + 1):
        for start, end in (((line, -reach), (line, reach)), ((-reach, line), (reach, line))):
            ends = view(centre + _GRID_M * np.array([(0.0, y, z) for z, y in (start, end)]))
            draw_line(canvas, ends[0], ends[1], _GRID_COLOUR, 1)
    _draw(canvas, view, *shown)
    return canvas


def _draw(canvas: np.ndarray, view: _View, *shown: _Shown) -> None:
    for one in shown:
        for position, rotation, surface in one.objects:
            if surface is not None:
                points = view(surface @ rotation.T + position)
                _draw_outline(canvas, points, one.colour)
            ends = view(position + np.vstack([np.zeros(3), _AXIS_LENGTH_M * rotation.T]))
            _draw_axes(canvas, ends, one.colour)
    for one in shown:
        draw_bones(canvas, view(one.joints), one.joints[:, 2], one.width, one.colour)


def _draw_outline(canvas: np.ndarray, points: np.ndarray, colour: Colour) -> None:
    """The convex outline of points [P, 2], nothing where some are behind the camera."""
    import cv2

    if not np.isfinite(points).all():
        return
    outline = cv2.convexHull(points.astype(np.float32))[:, 0]
    for shade, thickness in ((OUTLINE_COLOUR, 4), (colour, 2)):
        for start, end in zip(outline, np.roll(outline, -1, axis=0), strict=True):
            draw_line(canvas, start, end, shade, thickness)


def _draw_axes(canvas: np.ndarray, ends: np.ndarray, colour: Colour) -> None:
    """x red, y green, z blue, from a dot in the colour of truth or prediction. ends: [4, 2]."""
    if not np.isfinite(ends).all():
        return
    for end, axis_colour in zip(ends[1:], AXIS_COLOURS, strict=True):
        draw_line(canvas, ends[0], end, OUTLINE_COLOUR, 4)
        draw_line(canvas, ends[0], end, axis_colour, 2)
    draw_dot(canvas, ends[0], OUTLINE_COLOUR, 6.0)
    draw_dot(canvas, ends[0], colour, 5.0)


def _grid(tiles: list[np.ndarray], columns: int) -> np.ndarray:
    """All tiles in rows, with gaps."""
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    height, width = (size + _GAP for size in tiles[0].shape[:2])
    sheet = np.full((rows * height + _GAP, columns * width + _GAP, 3), _BACKGROUND, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = _GAP + number // columns * height, _GAP + number % columns * width
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet


def _with_heading(sheet: np.ndarray, title: str, error: str) -> np.ndarray:
    heading = np.full((_HEADING, sheet.shape[1], 3), _BACKGROUND, np.uint8)
    left, top, size = 2 * _GAP, 12, 16
    for text, colour, bold in (
        (title, WHITE, True),
        ("truth", TRUTH_COLOUR, True),
        ("prediction", PREDICTION_COLOUR, True),
        (error, GREY, False),
        ("right of each: from the side, camera on the left, grid 5 cm", GREY, False),
    ):
        draw_text(heading, text, left, top, size, colour, bold)
        left += text_size(text, size, bold)[0] + 3 * _GAP
    return np.vstack([heading, sheet])
