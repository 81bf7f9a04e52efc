"""The picture of one trajectory: goals and output by joint, tip error, margins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.offline.figures import Figures
from amt_retarget.retarget.offline.recordings import whole_file
from amt_retarget.retarget.offline.sequence import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FINGERS = ("thumb", "index", "middle", "ring")
GOAL, OUTPUT, LIMIT, BRIDGED = "#f0a58f", "#1f4e79", "#f7d4cf", "#e4e7eb"
FINGER_COLOURS = ("#b5482f", "#1f4e79", "#3d8f6f", "#8a63a8")
SMALLEST_SPAN_RAD = 0.3
"""A joint at rest shall look at rest: no axis shows less than this."""
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.parse_math": False,  # a $ in a file name is no formula
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9aa4b0",
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "xtick.color": "#5b6775",
    "ytick.color": "#5b6775",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


def write_plot(path: Path, title: str, trajectory: Trajectory, numbers: Figures) -> None:
    """Write a PNG: the arm's joints in a row, then a row a finger (rad), then what limits them.

    Raises RetargetError without matplotlib or when the file cannot be written.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RetargetError("Plots need matplotlib: pip install matplotlib") from error

    with rc_context(STYLE):
        figure = Figure(figsize=(16.0, 13.0), dpi=100)
        rows = figure.add_gridspec(
            6, 1, left=0.035, right=0.985, bottom=0.04, top=0.925, hspace=0.32
        )
        first = None
        for row, joints in enumerate(_joint_rows(trajectory.limits.names)):
            places = rows[row].subgridspec(1, len(joints), wspace=0.24)
            for column, joint in enumerate(joints):
                axes = figure.add_subplot(places[column], sharex=first)
                first = first or axes
                _draw_joint(axes, trajectory, joint)
        places = rows[5].subgridspec(1, 3, wspace=0.14)
        for column, draw in enumerate((_draw_tips, _draw_slack, _draw_use)):
            draw(figure.add_subplot(places[column], sharex=first), trajectory)
        handles, labels = first.get_legend_handles_labels() if first else ([], [])
        figure.legend(handles, labels, loc="upper right", ncols=3, frameon=False)
        figure.suptitle(f"{title}\n{_summary(numbers)}", x=0.012, y=0.985, ha="left", fontsize=11)
        with whole_file(path) as temporary:
            figure.savefig(temporary)


def _joint_rows(names: tuple[str, ...]) -> list[list[int]]:
    """Indices of the arm's joints, then of each finger's."""
    arm = [i for i, name in enumerate(names) if not name.startswith(FINGERS)]
    fingers = [[i for i, name in enumerate(names) if name.startswith(one)] for one in FINGERS]
    return [arm, *fingers]


def _summary(numbers: Figures) -> str:
    closed = f"{100 * numbers.pinches_closed:.0f} %" if numbers.pinches else "none"
    return (
        f"jerk {numbers.goal_jerk:.0f} to {numbers.jerk:.0f} rad/s³,  "
        f"tip error {1e3 * numbers.tip_error_person:.1f} mm in the person's size,  "
        f"lag {1e3 * numbers.lag:.1f} ms,  pinches closed {closed}"
    )


def _draw_joint(axes: Axes, trajectory: Trajectory, joint: int) -> None:
    limits, times = trajectory.limits, trajectory.times
    goal, output = trajectory.goals[:, joint], trajectory.positions[:, joint]
    axes.plot(times, goal, color=GOAL, linewidth=0.8, label="goal of the frame alone")
    axes.plot(times, output, color=OUTPUT, linewidth=1.4, label="trajectory")
    low, high = min(goal.min(), output.min()), max(goal.max(), output.max())
    spare = 0.5 * max(SMALLEST_SPAN_RAD - (high - low), 0.1 * (high - low), 0.02)
    low, high = low - spare, high + spare
    for start, end in ((low, limits.lower[joint]), (limits.upper[joint], high)):
        if end > start:
            axes.axhspan(start, end, color=LIMIT, linewidth=0)
    axes.set_ylim(low, high)
    axes.set_title(limits.names[joint])
    _shade_bridged(axes, trajectory)


def _draw_tips(axes: Axes, trajectory: Trajectory) -> None:
    residual = 1e3 * trajectory.tip_residual
    for finger, colour, error in zip(FINGERS, FINGER_COLOURS, residual.T, strict=True):
        axes.plot(trajectory.times, error, color=colour, linewidth=1.0, label=finger)
    axes.set_ylim(bottom=0.0)
    axes.set_title("distance of fingertips from their targets (mm)")
    axes.set_xlabel("s")
    axes.legend(ncols=4, frameon=False, fontsize=8, loc="upper right")
    _shade_bridged(axes, trajectory)


def _draw_slack(axes: Axes, trajectory: Trajectory) -> None:
    slack = 1e3 * trajectory.slack
    axes.plot(trajectory.times, slack, color=OUTPUT, linewidth=1.2)
    axes.set_ylim(min(-1.0, slack.min() - 0.5), max(5.0, 1.05 * slack.max()))
    axes.axhspan(axes.get_ylim()[0], 0.0, color=LIMIT, linewidth=0)
    axes.set_title("least distance beyond the minimum (mm)")
    axes.set_xlabel("s")
    _shade_bridged(axes, trajectory)


def _draw_use(axes: Axes, trajectory: Trajectory) -> None:
    velocity = trajectory.velocities
    acceleration = np.diff(velocity, axis=0, prepend=velocity[:1]) * trajectory.rate_hz
    for rate, limit, colour, label in (
        (velocity, trajectory.limits.velocity, OUTPUT, "velocity"),
        (acceleration, trajectory.limits.acceleration, FINGER_COLOURS[0], "acceleration"),
    ):
        used = 100.0 * np.max(np.abs(rate) / limit, axis=1)
        axes.plot(trajectory.times, used, color=colour, linewidth=1.0, label=label)
    axes.axhspan(100.0, 110.0, color=LIMIT, linewidth=0)
    axes.set_ylim(0.0, 110.0)
    axes.set_title("most used of any joint's limit (%)")
    axes.set_xlabel("s")
    axes.legend(ncols=2, frameon=False, fontsize=8, loc="upper right")
    _shade_bridged(axes, trajectory)


def _shade_bridged(axes: Axes, trajectory: Trajectory) -> None:
    missing = np.concatenate([[False], ~trajectory.seen, [False]]).astype(int)
    starts, ends = np.flatnonzero(np.diff(missing) > 0), np.flatnonzero(np.diff(missing) < 0)
    half = 0.5 / trajectory.rate_hz
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        first, last = trajectory.times[start] - half, trajectory.times[end - 1] + half
        label = None if i else "no hand"
        axes.axvspan(first, last, color=BRIDGED, linewidth=0, zorder=0, label=label)
    axes.set_xlim(trajectory.times[0], trajectory.times[-1])
