"""Pictures of one sequence's runs: a page of plots, and the strip below the video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.demo.plots import STYLE
from amt_perception.output.files import atomic_write
from amt_retarget.errors import RetargetError
from amt_retarget.robot.robot import Robot
from benchmarks.retargeting import metrics
from benchmarks.retargeting.measure import Result
from benchmarks.retargeting.robot_points import DOME_RADIUS_M, FINGERS

COLOURS = {
    "person": "#16202c",
    "vector": "#f2a33a",
    "dexpilot": "#e0604c",
    "live": "#3d9be0",
    "offline": "#27ae87",
}
LABELS = {
    "vector": "dex-retargeting, vector",
    "dexpilot": "dex-retargeting, DexPilot",
    "live": "ours, live",
    "offline": "ours, offline",
}
TOUCH_COLOUR = "#e8f3fc"
LIMIT_COLOUR = "#d9786c"
SMOOTH_S = 0.3
"""Errors are drawn as the mean over this time, so that four curves can be told apart."""


def write_plot(path: Path, result: Result, robot: Robot) -> None:
    """Write a PNG: fingertip errors, gaps between thumb and fingers, and all 16 finger joints.

    Raises RetargetError when matplotlib is missing.
    """
    figure_class, rc_context = _matplotlib()
    with rc_context(STYLE):
        figure = figure_class(figsize=(16.0, 15.5), dpi=110)
        grid = figure.add_gridspec(
            6, 12, height_ratios=(1.25, 1.25, 1, 1, 1, 1), hspace=0.42, wspace=1.1,
            left=0.05, right=0.985, top=0.915, bottom=0.04,
        )  # fmt: skip
        draw_tip_errors(figure.add_subplot(grid[0, :]), result)
        for column in range(3):
            draw_gap(figure.add_subplot(grid[1, 4 * column : 4 * column + 4]), result, column)
        hand = len(robot.arm_joint_names)
        for column, finger in enumerate(FINGERS):
            for row in range(4):
                joint = hand + robot.hand_joint_names.index(f"{finger}_joint_{row}")
                axes = figure.add_subplot(grid[2 + row, 3 * column : 3 * column + 3])
                _draw_joint(axes, result, robot, joint)
                axes.set_title(f"{finger} {row}, rad")
        _draw_heading(figure, result)
        with atomic_write(path) as temporary:
            figure.savefig(temporary)


def strip_image(result: Result, width: int, height: int) -> tuple[np.ndarray, int, int]:
    """The tip errors as an RGB picture [height, width, 3] for below a video.

    Returns it with the columns of the first and the last frame.
    """
    figure_class, rc_context = _matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    dpi = 100
    with rc_context(STYLE):
        figure = figure_class(figsize=(width / dpi, height / dpi), dpi=dpi)
        axes = figure.add_axes((0.035, 0.17, 0.955, 0.68))
        draw_tip_errors(axes, result)
        axes.legend(loc="upper right", ncols=4, frameon=False, bbox_to_anchor=(1.0, 1.24))
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        picture = np.asarray(canvas.buffer_rgba())[..., :3].copy()
        left, right = axes.transData.transform([(0.0, 0.0), (result.sequence.times[-1], 0.0)])[:, 0]
    return picture, round(float(left)), round(float(right))


def draw_tip_errors(axes: Any, result: Result) -> None:
    """Mean distance of the four tips from their targets, in the person's millimetres."""
    sequence = result.sequence
    pinches = metrics.human_pinches(sequence.joints)
    _shade(axes, sequence.times, np.any(pinches, axis=1))
    for name, label in LABELS.items():
        run = result.runs[name]
        errors = metrics.tip_errors(run.points.tips, run.targets).mean(axis=1) / run.scale
        smooth = _smooth(1e3 * errors, max(1, round(SMOOTH_S * sequence.rate_hz)))
        axes.plot(sequence.times, smooth, color=COLOURS[name], linewidth=1.8, label=label)
    axes.set_title("fingertip error in the person's mm (shaded: thumb and a finger touch)")
    _finish(axes, sequence.times)
    axes.set_ylim(bottom=0.0)


def draw_gap(axes: Any, result: Result, column: int) -> None:
    """Gap between the thumb's and one finger's surface, of the person and of the robots (mm)."""
    sequence = result.sequence
    touching = metrics.human_pinches(sequence.joints)[:, column]
    _shade(axes, sequence.times, touching)
    landmarks = metrics.pinch_distances(sequence.joints[:, metrics.HUMAN_TIPS])[:, column]
    axes.plot(
        sequence.times,
        1e3 * np.maximum(landmarks - metrics.PINCH_M, 0.0),
        color=COLOURS["person"],
        linewidth=1.0,
        linestyle=(0, (2, 1.5)),
        label="person",
    )
    for name in LABELS:
        distance = metrics.pinch_distances(result.runs[name].points.centres)[:, column]
        gap = 1e3 * (distance - 2.0 * DOME_RADIUS_M)
        axes.plot(sequence.times, gap, color=COLOURS[name], linewidth=1.2)
    axes.axhline(0.0, color=LIMIT_COLOUR, linewidth=0.8)
    axes.set_title(f"gap between thumb and {FINGERS[column + 1]}, mm")
    _finish(axes, sequence.times)
    axes.set_ylim(-12.0, 90.0)


def _draw_joint(axes: Any, result: Result, robot: Robot, joint: int) -> None:
    times = result.sequence.times
    raw = result.runs["live"].raw[:, joint]
    axes.plot(times, raw, color="#c3ccd6", linewidth=0.8)
    for name in ("vector", "live", "offline"):
        run = result.runs[name]
        axes.plot(times, run.positions[:, joint], color=COLOURS[name], linewidth=1.1)
    for limit in (robot.lower[joint], robot.upper[joint]):
        axes.axhline(limit, color=LIMIT_COLOUR, linewidth=0.8, linestyle=(0, (4, 3)))
    _finish(axes, times)


def _draw_heading(figure: Any, result: Result) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    sequence = result.sequence
    figure.text(0.05, 0.966, sequence.name, size=18, weight="bold", color="#16202c")
    what = f"{len(sequence.joints)} frames at {sequence.rate_hz:g} Hz, Allegro {sequence.side} hand"
    figure.text(0.05, 0.946, what, size=11, color="#5b6775")
    handles: list[Any] = [
        Line2D([], [], color=COLOURS[name], linewidth=2.5, label=label)
        for name, label in LABELS.items()
    ]
    handles += [
        Line2D([], [], color=COLOURS["person"], linestyle=(0, (2, 1.5)), label="person"),
        Line2D([], [], color="#c3ccd6", label="ours before limits and filter"),
        Line2D([], [], color=LIMIT_COLOUR, linestyle=(0, (4, 3)), label="joint limit, contact"),
        Patch(color=TOUCH_COLOUR, label="person's fingers touch"),
    ]
    figure.legend(
        handles=handles,
        loc="upper right",
        bbox_to_anchor=(0.988, 0.988),
        ncols=4,
        frameon=False,
        fontsize=10,
    )


def _finish(axes: Any, times: np.ndarray) -> None:
    axes.set_xlim(times[0], times[-1])
    axes.grid(axis="y", color="#eef0f3", linewidth=0.8)
    axes.set_axisbelow(True)


def _shade(axes: Any, times: np.ndarray, where: np.ndarray) -> None:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], where, [False]]).astype(int)))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        axes.axvspan(times[start], times[min(end, len(times) - 1)], color=TOUCH_COLOUR, linewidth=0)


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Centred moving mean; at the ends over the frames that there are."""
    ones = np.ones(width)
    return np.convolve(values, ones, "same") / np.convolve(np.ones(len(values)), ones, "same")


def _matplotlib() -> tuple[Any, Any]:
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RetargetError("Drawing plots needs matplotlib: pip install matplotlib") from error
    return Figure, rc_context
