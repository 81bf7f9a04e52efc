"""What a toy training did: its curves, and its predictions drawn over the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from amt_perception.drawing.skeleton import FINGER_COLOURS, PALM_COLOUR
from amt_perception.hand.joints import BASES, BONES
from amt_perception.model.interface import AmtInput, AmtOutput
from amt_training.losses.targets import AmtTarget
from amt_training.toy.scenes import BOX_HALF
from amt_training.toy.training import Errors, most_confident

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SCALE = 3
"""Crops are drawn so many times as large."""
_WHITE = (255, 255, 255)
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
_EDGES = [
    (a, b) for a in range(8) for b in range(a) if np.abs(_CORNERS[a] - _CORNERS[b]).sum() == 2
]
_BOX_COLOUR = (64, 224, 208)


def draw_grid(
    path: Path, inputs: AmtInput, output: AmtOutput, target: AmtTarget, columns: int
) -> None:
    """PNG of all samples: predictions in colour, the truth in thin white lines."""
    import cv2

    best = most_confident(output.objects)
    cells = []
    for number in range(len(inputs.side)):
        picture = inputs.image[number, -1].permute(1, 2, 0).numpy()
        size = _SCALE * picture.shape[0]
        cell = cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC)
        matrix = inputs.intrinsics[number, -1].numpy()
        for joints, rotation, position, is_truth in (
            (output.joints[number], best.rotation[number], best.position[number], False),
            (target.joints[number], target.objects.rotation[number, 0],
             target.objects.position[number, 0], True),
        ):  # fmt: skip
            corners = _CORNERS * BOX_HALF @ rotation.numpy().T + position.numpy()
            width = 1 if is_truth else 3
            pixels = _pixels(corners, matrix)
            for start, end in _EDGES:
                _line(cell, pixels[start], pixels[end], _WHITE if is_truth else _BOX_COLOUR, width)
            pixels = _pixels(joints.numpy(), matrix)
            for parent, child in BONES:
                colour = PALM_COLOUR if child in BASES else FINGER_COLOURS[(child - 1) // 4]
                _line(cell, pixels[parent], pixels[child], _WHITE if is_truth else colour, width)
        cells.append(cell)
    rows = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


def draw_curves(path: Path, terms: list[dict[str, float]], errors: dict[int, Errors]) -> None:
    """PNG of the errors and of the largest terms of the loss over the steps."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.6), layout="constrained")
    steps = list(errors)
    for label, means in (
        ("joints, camera frame (mm)", [one.joints_mm for one in errors.values()]),
        ("joints, from the wrist (mm)", [one.relative_joints_mm for one in errors.values()]),
        ("object's place (mm)", [one.object_mm for one in errors.values()]),
        ("object's rotation (degrees)", [one.object_degrees for one in errors.values()]),
    ):
        left.plot(steps, means, marker=".", label=f"{label}: {means[-1]:.2f}")
    _finish(left, "mean error in evaluation")
    names = ("coarse", "refined", "reprojection", "mano_rotation", "vertices", "object_position",
             "object_rotation", "contact_part", "contact_point")  # fmt: skip
    for name in names:
        values = np.array([one[name] for one in terms])
        width = max(1, len(values) // 60)
        smooth = np.convolve(values, np.ones(width) / width, mode="valid")
        right.plot(np.arange(len(smooth)) + width // 2, smooth, label=name)
    _finish(right, "terms of the loss")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _finish(axes: Axes, title: str) -> None:
    axes.set(title=title, xlabel="step", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _pixels(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """[N, 2] in the drawn crop, of points [N, 3] in front of the camera."""
    pixels = points @ matrix.T
    return _SCALE * (pixels[:, :2] / pixels[:, 2:] + 0.5) - 0.5


def _line(
    canvas: np.ndarray, start: np.ndarray, end: np.ndarray, colour: tuple[int, int, int], width: int
) -> None:
    import cv2

    shift = 4  # OpenCV takes fixed-point coordinates: 1/16 pixel
    a, b = (tuple(int(v) for v in np.round(point * 2**shift)) for point in (start, end))
    cv2.line(canvas, a, b, colour, width, cv2.LINE_AA, shift)
