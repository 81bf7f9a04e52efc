"""Pictures of an evaluation's figures, as PNG files."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.drawing.skeleton import FINGER_COLOURS
from amt_perception.errors import AmtError
from amt_perception.hand.joints import FINGERS, JOINT_NAMES, WRIST
from amt_perception.metrics.classification import Reliability
from amt_perception.metrics.curves import Curve
from amt_perception.output.files import atomic_write
from amt_training.evaluation.hands import ALIGNMENTS, DEPTHS_M, HandErrors
from amt_training.evaluation.predictions import Truth

INK, PALE_INK, GRID = "#16202c", "#5b6775", "#eceff3"
COLOURS = ("#d1495b", "#2f7fd1", "#2a9d6f", "#e0972b", "#8a63d2", "#4a5563", "#17a2b8", "#c2559d")
"""Of the alignments, and of the runs of a comparison."""
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.parse_math": False,  # a $ in a name is no formula
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9aa4b0",
    "axes.labelcolor": "#3a4653",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.titlecolor": INK,
    "axes.axisbelow": True,
    "xtick.color": PALE_INK,
    "ytick.color": PALE_INK,
    "legend.frameon": False,
}


def write_overview(
    path: Path, title: str, subtitle: str, errors: HandErrors, truth: Truth, found: Reliability
) -> None:
    """PCK curves, errors of each joint and by distance, and the confidence, in one picture.

    found: of the joints' confidence. Raises AmtError without matplotlib, or when the file cannot be
    written.
    """
    figure = _figure((14.0, 10.2))
    with _style():
        grid = figure.add_gridspec(
            2, 2, left=0.06, right=0.98, top=0.865, bottom=0.065, hspace=0.4, wspace=0.17
        )
        _curves(
            figure.add_subplot(grid[0, 0]),
            [(name, errors.curve(number)) for number, name in enumerate(ALIGNMENTS)],
            "Share of correct joints",
        )
        _joints(figure.add_subplot(grid[0, 1]), errors)
        _depth(figure.add_subplot(grid[1, 0]), errors, truth)
        _reliability(figure.add_subplot(grid[1, 1]), found)
        _save(figure, path, title, subtitle)


def write_comparison(path: Path, curves: Sequence[tuple[str, Sequence[Curve]]]) -> None:
    """PCK curves of runs side by side. curves: of each run, its name and a curve for each of
    ALIGNMENTS. Raises AmtError as `write_overview` does."""
    figure = _figure((14.0, 4.9))
    with _style():
        grid = figure.add_gridspec(
            1, 3, left=0.05, right=0.985, top=0.74, bottom=0.115, wspace=0.18
        )
        for column, number in enumerate((0, 1, 2)):
            axes = figure.add_subplot(grid[0, column])
            own = [(name, each[number]) for name, each in curves]
            _curves(axes, own, ALIGNMENTS[number].capitalize())
        _save(
            figure, path, "Share of correct joints", "by the largest error that counts as correct"
        )


def _curves(axes: Any, curves: Sequence[tuple[str, Curve]], title: str) -> None:
    """The official alignment's is dashed: it lies on the proper one's unless a hand is mirrored."""
    axes.set_title(title)
    for number, (name, curve) in enumerate(curves):
        thresholds, share = 1e3 * curve.thresholds, 100.0 * curve.share
        area = "-" if np.isnan(curve.area) else f"{curve.area:.3f}"
        on_top = name == ALIGNMENTS[-1]
        axes.plot(
            thresholds, share, color=COLOURS[number % len(COLOURS)], label=f"{name}  {area}",
            linewidth=1.6 if on_top else 2.4, linestyle=(0, (3, 2)) if on_top else "-",
        )  # fmt: skip
    axes.set(xlim=(0.0, 50.0), ylim=(0.0, 100.5), xlabel="error below (mm)", ylabel="joints (%)")
    axes.grid(color=GRID)
    axes.legend(title="area under the curve", alignment="left", loc="best", fontsize=9)


def _joints(axes: Any, errors: HandErrors) -> None:
    """Bars of each joint: wrist-relative behind, after the proper alignment in front."""
    axes.set_title("Error of each joint")
    means = [_means(errors.by_alignment[number]) for number in (1, 2)]
    colours = [PALE_INK] + [_hex(FINGER_COLOURS[(joint - 1) // 4]) for joint in range(1, 21)]
    # Fingers stand apart, so that a group reads as a finger.
    place = np.arange(21) + 0.8 * ((np.arange(21) + 3) // 4)
    axes.bar(place, means[0], width=0.86, color=colours, alpha=0.38)
    axes.bar(place, means[1], width=0.5, color=colours)
    labels = [name.split("_")[-1] for name in JOINT_NAMES]
    axes.set_xticks(place, labels, rotation=90, fontsize=8)
    for finger, name in enumerate(FINGERS):
        middle = place[1 + 4 * finger : 5 + 4 * finger].mean()
        axes.annotate(
            name, (middle, -0.165), xycoords=("data", "axes fraction"), ha="center", va="top",
            color=_hex(FINGER_COLOURS[finger]), weight="bold", fontsize=9, annotation_clip=False,
        )  # fmt: skip
    axes.set(ylabel="mean error (mm)", xlim=(place[0] - 0.9, place[-1] + 0.9))
    axes.grid(axis="y", color=GRID)
    axes.tick_params(axis="x", length=0)
    from matplotlib.patches import Patch

    handles = [
        Patch(color=PALE_INK, alpha=0.38, label=ALIGNMENTS[1]),
        Patch(color=PALE_INK, label=ALIGNMENTS[2]),
    ]
    axes.set_ylim(top=1.18 * np.nanmax([*means[0], *means[1], 1e-3]))
    axes.legend(handles=handles, ncols=2, loc="upper left", fontsize=9)


def _depth(axes: Any, errors: HandErrors, truth: Truth) -> None:
    """Every sample as a dot, and the median of each range of `DEPTHS_M`."""
    from matplotlib.patheffects import withStroke

    axes.set_title("Error by distance from the camera")
    known = truth.joints_valid[:, WRIST]
    depth = np.where(known, truth.joints[:, WRIST, 2], np.nan)
    shown = []
    for number in (0, 1):
        error = 1e3 * errors.of_samples(number)
        good = np.isfinite(depth) & np.isfinite(error)
        shown.append(error[good])
        alpha = float(np.clip(60.0 / max(good.sum(), 1), 0.03, 0.5))
        axes.scatter(
            1e3 * depth[good], error[good], s=9, color=COLOURS[number], alpha=alpha, linewidth=0,
            rasterized=True,
        )  # fmt: skip
        label: str | None = f"{ALIGNMENTS[number]}, median"
        for near, far in itertools.pairwise(DEPTHS_M):
            inside = good & (depth >= near) & (depth < far)
            if inside.any():
                ends = 1e3 * np.array([depth[inside].min(), depth[inside].max()])
                middle = float(np.median(error[inside]))
                axes.plot(
                    ends, [middle] * 2, color=COLOURS[number], linewidth=3.0, label=label,
                    solid_capstyle="butt", path_effects=[withStroke(linewidth=5, foreground="w")],
                )  # fmt: skip
                label = None
    for edge in DEPTHS_M[1:-1]:
        axes.axvline(1e3 * edge, color="#c9d0d8", linewidth=0.8, linestyle=(0, (4, 4)), zorder=0.5)
    if all(map(len, shown)):
        # The worst hundredth of the samples lies above: it would press all others to the ground.
        axes.set_ylim(0.0, max(1.15 * max(float(np.percentile(one, 99.0)) for one in shown), 0.1))
        low, high = 1e3 * np.nanmin(depth), 1e3 * np.nanmax(depth)
        axes.set_xlim(low - 15.0, high + 15.0)
    axes.set(xlabel="the wrist's distance along the camera's axis (mm)",
             ylabel="mean error of a sample (mm)")  # fmt: skip
    axes.grid(axis="y", color=GRID)
    axes.legend(loc="best", fontsize=9)


def _reliability(axes: Any, found: Reliability) -> None:
    """How often joints of each confidence are right; the area of a dot is their number."""
    axes.set_title("Confidence of the joints")
    axes.plot([0, 100], [0, 100], color="#9aa4b0", linewidth=1.0, linestyle=(0, (4, 3)))
    filled = found.sizes > 0
    confidence, accuracy = 100.0 * found.confidence[filled], 100.0 * found.accuracy[filled]
    axes.plot(confidence, accuracy, color=COLOURS[1], linewidth=1.6)
    sizes = 18.0 + 420.0 * found.sizes[filled] / max(int(found.sizes.sum()), 1)
    axes.scatter(confidence, accuracy, s=sizes, color=COLOURS[1], alpha=0.85, zorder=3)
    axes.set(xlim=(-2, 102), ylim=(-2, 102), xlabel="confidence (%)", ylabel="within 20 mm (%)")
    axes.grid(color=GRID)
    error = found.calibration_error
    text = "no joints" if np.isnan(error) else f"expected calibration error {100.0 * error:.1f} %"
    axes.text(0.98, 0.05, text, transform=axes.transAxes, ha="right", color=PALE_INK)


def _means(errors: np.ndarray) -> np.ndarray:
    """[J] mean of what is known of errors [N, J], in mm; 0 for nothing."""
    known = np.isfinite(errors)
    return 1e3 * np.where(known, errors, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def _hex(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _figure(size: tuple[float, float]) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise AmtError("Drawing plots needs matplotlib: pip install matplotlib") from error
    return Figure(figsize=size, dpi=110)


def _style() -> Any:
    from matplotlib import rc_context

    return rc_context(STYLE)


def _save(figure: Any, path: Path, title: str, subtitle: str) -> None:
    """With a heading whose distance from the top is the same in inches for every size."""
    height = figure.get_figheight()
    figure.text(0.02, 1.0 - 0.28 / height, title, size=17, weight="bold", color=INK, va="top")
    figure.text(0.02, 1.0 - 0.66 / height, subtitle, size=10.5, color=PALE_INK, va="top")
    with atomic_write(path) as temporary:
        figure.savefig(temporary)
