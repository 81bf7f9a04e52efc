"""The report of an evaluation of grasps: results.json, a page of Markdown and a plot."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amt_perception.output.files import atomic_write
from amt_training.evaluation.tables import Table, Value
from amt_training.functional.metrics import Record, paired_difference, summary
from amt_training.functional.trying import FEW_STEPS, METHODS, MODEL, SCRIPTED, SHUFFLED

GROUPS = ("all", "compact", "hard")
PLOT, PAGE, RESULTS = "results.png", "README.md", "results.json"
COLUMNS = {
    "held": "success",
    "held, ranked first": "success_best",
    "functional": "functional",
    "functional, ranked first": "functional_best",
    "penetration, median (mm)": "penetration_median_mm",
    "p95 (mm)": "penetration_p95_mm",
    "3 links within 2 mm": "three_links_near",
}
"""Of the tables of methods, and their figures."""


def results_of(
    records: Sequence[Record], contacts: Mapping[str, Any], checkpoint: str
) -> dict[str, Any]:
    """Every figure, as it goes into results.json; None where there is nothing to count."""
    methods = {
        group: {
            method: summary([one for one in _group(records, group) if one.method == method])
            for method in METHODS
        }
        for group in GROUPS
    }
    hard, everything = _by_method(_group(records, "hard")), _by_method(records)
    several = _by_method([one for one in records if not one.only_part])
    differences = {
        "hard, model - scripted": paired_difference(
            hard[MODEL], hard[SCRIPTED], lambda one: one.held
        ),
        "functional, right - shuffled text": paired_difference(
            several[MODEL], several[SHUFFLED], lambda one: one.functional
        ),
        "20 - 4 steps": paired_difference(
            everything[MODEL], everything[FEW_STEPS], lambda one: one.held
        ),
    }
    return _without_nan(
        {
            "checkpoint": checkpoint,
            "families": sorted({one.family for one in records}),
            "methods": methods,
            "differences": {name: one._asdict() for name, one in differences.items()},
            "contacts": dict(contacts),
        }
    )


def write_report(folder: Path, results: Mapping[str, Any]) -> None:
    """README.md, results.json and results.png. Raises AmtError when one cannot be written."""
    text = json.dumps(results, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    for name, content in ((RESULTS, text), (PAGE, page(results))):
        with atomic_write(folder / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    with atomic_write(folder / PLOT) as temporary:
        plot(temporary, results)


def page(results: Mapping[str, Any]) -> str:
    """The page of Markdown."""
    title = f"# Functional grasps: {results['checkpoint']}"
    picture = f"![Success by method]({PLOT})"
    return "\n\n".join([title, picture, *sections(results)]) + "\n"


def sections(results: Mapping[str, Any]) -> list[str]:
    """What the trials were, and the tables."""
    families = ", ".join(name.replace("_", " ") for name in results["families"])
    parts = [
        f"Held-out families: {families}. 100 g, friction 0.6, six pushes of 1 N; held is what "
        "moved less than 5 cm and 15°, from a hand at most 1 cm deep in the object. Functional: "
        "held, and 80 % of the contacts on the instructed part; judged on objects of several "
        "parts. Every grasp counts as it was drawn unless it says ranked first. In brackets 95 % "
        "intervals over objects.",
    ]
    for group in GROUPS:
        figures = results["methods"][group]
        count = figures[MODEL]["objects"]
        if not count:
            continue
        rows = [
            (method, figures[method]["grasps"],
             *(_shown(figures[method][key], name) for name, key in COLUMNS.items()))
            for method in METHODS
        ]  # fmt: skip
        parts += [
            f"## {group.capitalize()}: {count} objects",
            _table(("method", "grasps", *COLUMNS), rows),
        ]
    differences = [(name, _shown(one, name)) for name, one in results["differences"].items()]
    parts += ["## Differences", _table(("held by the one more than by the other", ""), differences)]
    contacts = results["contacts"]
    rows = [(name, _shown(one, "")) for name, one in contacts.items() if isinstance(one, Mapping)]
    parts += [
        "## Contact maps",
        f"{contacts['grasps']} grasps of {contacts['objects']} objects; a point is touched where "
        "the predicted distance is less than 1 cm; ece: calibration error.",
        _table(("figure", "value"), rows),
    ]
    return parts


def plot(path: Path, results: Mapping[str, Any]) -> None:
    """Success, alone and functional, of every method on compact and hard objects."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.6), layout="constrained", dpi=150)
    panels = [
        ("compact", "success", "held, compact objects"),
        ("hard", "success", "held, hard objects"),
        ("all", "functional", "held at the instructed part"),
    ]
    for axes, (group, key, title) in zip(figure.subplots(1, 3, sharey=True), panels, strict=True):
        for place, method in enumerate(METHODS):
            one = results["methods"][group][method][key]
            if one["value"] is None:
                continue
            colour = "#3c96dc" if method == MODEL else "#b9c2cc"
            value, low, high = (100.0 * one[name] for name in ("value", "low", "high"))
            axes.barh(place, value, color=colour, height=0.7)
            axes.errorbar(value, place, xerr=[[max(0.0, value - low)], [max(0.0, high - value)]],
                          color="#22262c", capsize=3, linewidth=1)  # fmt: skip
        axes.set(title=title, xlim=(0, 100), xlabel="% of the grasps")
        axes.set_yticks(range(len(METHODS)), METHODS)
        axes.set_ylim(len(METHODS) - 0.5, -0.5)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, format="png")


def _group(records: Sequence[Record], group: str) -> list[Record]:
    return [one for one in records if group == "all" or one.hard == (group == "hard")]


def _by_method(records: Sequence[Record]) -> dict[str, list[Record]]:
    return {method: [one for one in records if one.method == method] for method in METHODS}


def _table(columns: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> str:
    return Table("", tuple(columns), tuple(rows)).to_markdown()


def _shown(figure: Mapping[str, float | None], name: str) -> str:
    """A share in percent, a length in mm, each with its interval."""
    if figure["value"] is None:
        return "-"
    factor, digits = (1.0, 2) if "(mm)" in name or not name else (100.0, 0)
    value, low, high = (factor * float(figure[key] or 0.0) for key in ("value", "low", "high"))
    unit = " %" if factor > 1.0 else ""
    return f"{value:.{digits}f}{unit} ({low:.{digits}f} to {high:.{digits}f})"


def _without_nan(values: Any) -> Any:
    """JSON knows no NaN."""
    if isinstance(values, dict):
        return {name: _without_nan(one) for name, one in values.items()}
    if isinstance(values, list):
        return [_without_nan(one) for one in values]
    return None if isinstance(values, float) and math.isnan(values) else values
