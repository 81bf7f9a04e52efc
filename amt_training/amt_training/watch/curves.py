"""python -m amt_training.watch.curves RUN...: losses and metrics of runs, as one picture."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.demo.plots import STYLE
from amt_perception.errors import AmtError
from amt_perception.output.files import atomic_write

LOSSES, EVALUATIONS = "losses.jsonl", "evaluations.jsonl"
"""In a run's folder: one JSON object a line, `step` and numbers by name."""
_COLUMNS = 5
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#16202c")
"""Of runs, told apart by the colour-blind (Okabe and Ito, 2008)."""
_SMOOTHING = 60
"""A smooth curve is a running mean over one in so many of the steps."""
_SEVERAL = 3.0
"""Curves that span more than this factor get a logarithmic axis."""


@dataclass(frozen=True)
class Curve:
    """A number over the steps."""

    steps: np.ndarray
    """[N] ascending."""
    values: np.ndarray
    """[N]; NaN and infinite ones are left out of the picture."""


@dataclass(frozen=True)
class Run:
    """What is known of one training."""

    name: str
    losses: dict[str, Curve]
    """`loss` and its terms."""
    evaluations: dict[str, Curve]


def read_run(folder: Path) -> Run:
    """The run in a folder. Raises AmtError when it has written no losses or a line is damaged."""
    if not (folder / LOSSES).is_file():
        raise AmtError(f"{folder / LOSSES} does not exist: give the folder of a training run")
    return Run(
        folder.resolve().name,
        to_curves(_lines(folder / LOSSES)),
        to_curves(_lines(folder / EVALUATIONS)) if (folder / EVALUATIONS).is_file() else {},
    )


def to_curves(lines: Iterable[Mapping[str, Any]]) -> dict[str, Curve]:
    """A curve for each number of the lines, which have a `step` each.

    Of lines of the same step the last one counts: a run that was resumed has done it anew.
    """
    by_step = {line["step"]: line for line in lines}
    found: dict[str, tuple[list[int], list[float]]] = {}
    for step in sorted(by_step):
        for name, value in by_step[step].items():
            if name != "step" and isinstance(value, (int, float)):
                steps, values = found.setdefault(name, ([], []))
                steps.append(step)
                values.append(value)
    return {name: Curve(np.array(x), np.array(y, float)) for name, (x, y) in found.items()}


def draw_curves(path: Path, runs: Sequence[Run], title: str) -> None:
    """PNG with a small plot for each metric, then for the loss and each of its terms.

    Several runs lie over one another. Losses are drawn as they are, pale, and as a running mean; a
    term that is zero throughout is left out. The number beside the name is the last value of a
    single run (of the mean, for losses). Raises AmtError when matplotlib is missing or the file
    cannot be written.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise AmtError("Drawing curves needs matplotlib: pip install matplotlib") from error

    evaluations = _names(run.evaluations for run in runs)
    losses = sorted(_names(run.losses for run in runs), key=lambda name: name != "loss")
    count = len(evaluations) + len(losses)
    if count == 0:
        raise AmtError("there is nothing to draw: the runs have not done a step")
    rows = -(-count // _COLUMNS)
    with rc_context(STYLE):
        figure = Figure(figsize=(17.0, 1.0 + 2.3 * rows), dpi=110, layout="constrained")
        figure.suptitle(title, size=15, weight="bold", color="#16202c", x=0.01, ha="left")
        plots = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
        for axes, name in zip(plots, evaluations, strict=False):
            _draw_panel(axes, name, [run.evaluations.get(name) for run in runs], smooth=False)
            axes.set_facecolor("#f4f8fb")  # what the network has not been trained on
        for axes, name in zip(plots[len(evaluations) :], losses, strict=False):
            _draw_panel(axes, name, [run.losses.get(name) for run in runs], smooth=True)
        for axes in plots[count:]:
            axes.set_axis_off()
        for axes in plots[max(0, count - _COLUMNS) : count]:
            axes.set_xlabel("step")
        if len(runs) > 1:
            _draw_legend(figure, [run.name for run in runs])
        with atomic_write(path) as temporary:
            figure.savefig(temporary)


def _lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]  # a running or killed process leaves half a line
    try:
        return [json.loads(line) for line in whole.splitlines()]
    except json.JSONDecodeError as error:
        raise AmtError(f"{path} is damaged ({error}): give another run") from error


def _names(curves: Iterable[Mapping[str, Curve]]) -> list[str]:
    """Names in the order in which they first come, those of nothing but zeros left out."""
    return list(
        dict.fromkeys(name for one in curves for name, curve in one.items() if curve.values.any())
    )


def _draw_panel(axes: Any, name: str, curves: Sequence[Curve | None], smooth: bool) -> None:
    shown: list[np.ndarray] = []
    for colour, curve in zip(_cycle(len(curves)), curves, strict=True):
        if curve is None:
            continue
        known = np.isfinite(curve.values)
        steps, values = curve.steps[known], curve.values[known]
        if len(values) == 0:
            continue
        if smooth:
            axes.plot(steps, values, color=colour, linewidth=0.6, alpha=0.25)
            steps, values = _running_mean(steps), _running_mean(values)
        axes.plot(steps, values, color=colour, linewidth=1.6, marker="" if smooth else "o",
                  markersize=3)  # fmt: skip
        shown.append(values)
    last = f"   {shown[0][-1]:.4g}" if shown and len(curves) == 1 else ""
    axes.set_title(name.replace("_", " ") + last)
    everything = np.concatenate(shown) if shown else np.ones(1)
    if everything.min() > 0.0 and everything.max() > _SEVERAL * everything.min():
        _set_logarithmic(axes)
    axes.grid(color="#e6e9ed", linewidth=0.8)
    axes.set_axisbelow(True)


def _set_logarithmic(axes: Any) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _running_mean(values: np.ndarray) -> np.ndarray:
    width = max(1, len(values) // _SMOOTHING)
    return np.convolve(values, np.full(width, 1.0 / width), mode="valid")


def _cycle(count: int) -> list[str]:
    return [_COLOURS[number % len(_COLOURS)] for number in range(count)]


def _draw_legend(figure: Any, names: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, linewidth=2.0, label=name)
        for colour, name in zip(_cycle(len(names)), names, strict=True)
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=4, frameon=False, fontsize=10)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m amt_training.watch.curves", description=__doc__
    )
    parser.add_argument("runs", type=Path, nargs="+", help="folders of training runs")
    parser.add_argument("--out", type=Path, help="the picture (curves.png in the first run)")
    arguments = parser.parse_args()
    path = arguments.out or arguments.runs[0] / "curves.png"
    try:
        draw_curves(path, [read_run(folder) for folder in arguments.runs], "Training")
    except AmtError as error:
        sys.exit(str(error))
    print(f"picture: {path}")


if __name__ == "__main__":
    main()
