"""The joint plot of a demo run: what was commanded and what the robot did, joint by joint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.demo.recording import Recording
from amt_perception.errors import AmtError
from amt_perception.output.files import atomic_write

FINGERS = ("thumb", "index", "middle", "ring")
"""Of the robot hand; its joints are named `<finger>_joint_<k>`, all others belong to the arm."""
COMMAND_COLOUR = "#3d9be0"
MEASURED_COLOUR = "#16202c"
LIMIT_COLOUR = "#f7d4cf"
LOST_COLOUR = "#e4e7eb"
SMALLEST_SPAN_RAD = 0.2
"""A joint at rest shall look at rest: no axis shows less than this."""
WHOLE_RANGE_RAD = np.pi
"""Joints that move less than this (the fingers') are shown from limit to limit."""
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.parse_math": False,  # a $ in a file name is no formula
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9aa4b0",
    "axes.labelcolor": "#3a4653",
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": "#16202c",
    "xtick.color": "#5b6775",
    "ytick.color": "#5b6775",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


def write_joint_plot(path: Path, recording: Recording) -> None:
    """Write a PNG with one small plot for each joint: the arm's in a row, then a column a finger.

    Commands and measured positions (rad) over the video's time (s). What lies outside a joint's
    limits is red where it comes into view, times without a tracked hand are grey. Raises AmtError
    when matplotlib is missing or the file cannot be written.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise AmtError("Drawing plots needs matplotlib: pip install matplotlib") from error

    if len(recording.frame_times) == 0:
        raise AmtError("The recording has no frames: there is nothing to plot.")
    groups = _joint_groups(recording)
    arm = groups.pop("arm")
    with rc_context(STYLE):
        figure = Figure(figsize=(16.0, 10.5), dpi=120)
        rows = figure.add_gridspec(
            2, 1, height_ratios=(1, 4.2), hspace=0.16, left=0.05, right=0.985, top=0.88, bottom=0.05
        )
        arm_grid = rows[0].subgridspec(1, max(1, len(arm)), wspace=0.24)
        depth = max((len(joints) for joints in groups.values()), default=1)
        hand_grid = rows[1].subgridspec(depth, max(1, len(groups)), wspace=0.16, hspace=0.34)
        for column, joint in enumerate(arm):
            axes = figure.add_subplot(arm_grid[0, column])
            _draw_joint(axes, recording, joint)
            axes.set_ylabel("" if column else "rad")
        for column, joints in enumerate(groups.values()):
            for row, joint in enumerate(joints):
                axes = figure.add_subplot(hand_grid[row, column])
                _draw_joint(axes, recording, joint)
                axes.set_ylabel("" if column else "rad")
                is_last = row == len(joints) - 1
                axes.tick_params(labelbottom=is_last)
                axes.set_xlabel("time (s)" if is_last else "")
        _draw_heading(figure, recording)
        with atomic_write(path) as temporary:
            figure.savefig(temporary)


def _joint_groups(recording: Recording) -> dict[str, list[int]]:
    """Indices of the arm's joints, and of each finger's, base to tip."""
    groups: dict[str, list[int]] = {"arm": []}
    names = [str(name) for name in recording.joint_names]
    for finger in FINGERS:
        if joints := [i for i, name in enumerate(names) if name.startswith(f"{finger}_joint")]:
            groups[finger] = joints
    fingers = {joint for joints in groups.values() for joint in joints}
    groups["arm"] = [joint for joint in range(len(names)) if joint not in fingers]
    return groups


def _draw_joint(axes: Any, recording: Recording, joint: int) -> None:
    lower, upper = recording.lower_limits[joint], recording.upper_limits[joint]
    command = recording.command_positions[:, joint]
    measured = recording.joint_state_positions[:, joint]
    axes.set_title(str(recording.joint_names[joint]).removesuffix("_joint").replace("_", " "))
    axes.set_xlim(recording.frame_times[0], recording.frame_times[-1])
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", color="#eef0f3", linewidth=0.8)
    axes.set_axisbelow(True)

    for start, end in _lost_spans(recording):
        axes.axvspan(start, end, color=LOST_COLOUR, linewidth=0)
    axes.plot(recording.command_times, command, color=COMMAND_COLOUR, linewidth=3.4, alpha=0.7)
    axes.plot(recording.joint_state_times, measured, color=MEASURED_COLOUR, linewidth=0.9)

    values = np.concatenate([command, measured])
    values = values[np.isfinite(values)]
    if values.size == 0 or upper - lower < WHOLE_RANGE_RAD:
        values = np.append(values, [lower, upper])
    centre = 0.5 * (values.min() + values.max())
    half = 0.5 * max(1.16 * np.ptp(values), SMALLEST_SPAN_RAD)
    axes.set_ylim(centre - half, centre + half)
    for limit, edge in ((lower, centre - half), (upper, centre + half)):
        if abs(limit - centre) < half:
            axes.axhspan(limit, edge, color=LIMIT_COLOUR, linewidth=0, zorder=0.5)
            axes.axhline(limit, color="#d9786c", linewidth=0.8, linestyle=(0, (4, 3)))


def _lost_spans(recording: Recording) -> list[tuple[float, float]]:
    """Start and end (s) of the times without a tracked hand."""
    times = recording.frame_times
    lost = np.concatenate([[False], ~recording.hand_tracked, [False]])
    edges = np.flatnonzero(np.diff(lost.astype(int)))
    last = len(times) - 1
    return [(times[a], times[min(b, last)]) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _draw_heading(figure: Any, recording: Recording) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    meta = recording.meta
    figure.text(0.05, 0.955, "Joint positions", size=17, weight="bold", color="#16202c")
    what = f"{meta['video']}  ·  {meta['estimator']}  ·  {meta['robot']}, {meta['hand']} hand"
    figure.text(0.05, 0.928, what, size=10.5, color="#5b6775")
    figure.legend(
        handles=[
            Line2D([], [], color=COMMAND_COLOUR, linewidth=3.4, alpha=0.7, label="command"),
            Line2D([], [], color=MEASURED_COLOUR, linewidth=1.2, label="measured"),
            Patch(color=LIMIT_COLOUR, label="outside the limits"),
            Patch(color=LOST_COLOUR, label="no hand tracked"),
        ],
        loc="upper right",
        bbox_to_anchor=(0.988, 0.975),
        ncols=4,
        frameon=False,
        fontsize=10,
    )
