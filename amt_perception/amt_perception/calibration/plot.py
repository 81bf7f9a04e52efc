"""A picture of what each pair says: residuals, and which pairs were left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.calibration.solve import Solution
from amt_perception.output.files import atomic_write

USED_COLOUR, LEFT_OUT_COLOUR = "#3d9be0", "#d9786c"
TEXT_COLOUR = "#16202c"
TITLES = {
    "reprojection_px": "reprojection error (px)",
    "translation_mm": "board's position (mm)",
    "rotation_deg": "board's rotation (deg)",
}
ROOM = 1.6
"""Bars of left-out pairs end at so many times the largest used one's, with their value on top."""


def plot_residuals(document: dict[str, Any], solution: Solution, path: Path) -> None:
    """Bars of every pair's residuals, as an image of the kind that the path's ending names."""
    from matplotlib.figure import Figure

    every = document["residuals"]["per_pair"]
    names = [name for name in TITLES if name in every]
    count = len(solution.errors)
    figure = Figure(figsize=(9.0, 1.9 * len(names) + 1.3), dpi=120, layout="constrained")
    used = np.zeros(count, bool)
    used[solution.kept] = True
    rows = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(rows, names, strict=True):
        values = np.array(every[name])
        top = ROOM * values[used].max()
        bars = np.minimum(values, top)
        axes.bar(np.flatnonzero(used), bars[used], color=USED_COLOUR, width=0.7)
        axes.bar(np.flatnonzero(~used), bars[~used], color=LEFT_OUT_COLOUR, width=0.7)
        for i in np.flatnonzero(values > top):
            axes.text(i, top, f"{values[i]:.3g}", ha="center", va="bottom", size=8)
        rms = document["residuals"][name]
        axes.axhline(rms, color=TEXT_COLOUR, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set_title(f"{TITLES[name]}, RMS {rms:.2g}", loc="left", size=10, color=TEXT_COLOUR)
        axes.set_ylim(0.0, 1.12 * top)
        axes.spines[["top", "right"]].set_visible(False)
    rows[-1].set_xlabel("pair")
    rows[-1].set_xticks(range(count))
    uncertainty = document["uncertainty"]
    figure.suptitle(
        f"{document['camera_frame']} in {document['parent_frame']}: known to "
        f"{uncertainty['position_mm']:.1f} mm, {uncertainty['rotation_deg']:.2f} deg (1 sigma)\n"
        f"{used.sum()} pairs used (blue), {count - used.sum()} left out (red)",
        size=11, color=TEXT_COLOUR,
    )  # fmt: skip
    with atomic_write(path) as temporary:
        figure.savefig(temporary)
