"""The figures as docs/results/grasp.json and grasp.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amt_training.evaluation.tables import Table
from amt_training.functional.evaluation_report import sections
from amt_training.functional.trying import FEW_STEPS, MODEL, SCRIPTED, SHUFFLED

BARS = (
    ("single-sample success, compact", "success_compact", ">=", 0.90),
    ("single-sample success, hard", "success_hard", ">=", 0.70),
    ("functional success", "functional_success", ">=", 0.80),
    ("penetration, median (mm)", "penetration_median_mm", "<=", 2.0),
    ("penetration, p95 (mm)", "penetration_p95_mm", "<=", 5.0),
    ("contact F1", "contact_f1", ">=", 0.85),
    ("contact calibration error", "contact_ece", "<=", 0.03),
)
"""Label, key of `first_figures`, and the bar."""
LEAST_ON_MESHES = 5
"""Of eight grasps of every mesh."""
SUCCESS = "grasp_success.png"
"""In DOCS: success by method."""


def first_figures(results: Mapping[str, Any] | None) -> dict[str, float | None]:
    """Those that a reader looks for first, from an evaluation's results; None where not run."""

    def of(group: str, method: str, key: str) -> float | None:
        if results is None:
            return None
        value: float | None = results["methods"][group][method][key]["value"]
        return value

    def contact(key: str) -> float | None:
        return None if results is None else results["contacts"][key]["value"]

    return {
        "success_compact": of("compact", MODEL, "success"),
        "success_hard": of("hard", MODEL, "success"),
        "scripted_compact": of("compact", SCRIPTED, "success"),
        "scripted_hard": of("hard", SCRIPTED, "success"),
        "functional_success": of("all", MODEL, "functional"),
        "functional_success_shuffled_text": of("all", SHUFFLED, "functional"),
        "penetration_median_mm": of("all", MODEL, "penetration_median_mm"),
        "penetration_p95_mm": of("all", MODEL, "penetration_p95_mm"),
        "contact_f1": contact("f1"),
        "contact_ece": contact("ece"),
        "success_4_steps": of("all", FEW_STEPS, "success"),
        "success_20_steps": of("all", MODEL, "success"),
    }


def as_markdown(report: Mapping[str, Any]) -> str:
    """The whole page. report: as it is in grasp.json."""
    parts = [
        "# Functional grasps: what the model is worth",
        f"`{report['command']}` at commit {report['commit']}, on {report['machine']}. Checkpoint "
        f"SHA-256 {report['checkpoint_sha256'][:12]}…; all figures: [grasp.json](grasp.json).",
        _bars(report).to_markdown(),
        "## Meshes of real objects",
        _meshes(report).to_markdown(),
        *(f"![Eight grasps of {name}](../grasp_{name}.jpg)" for name in report["meshes"] or ()),
    ]
    if report["evaluation"] is not None:
        parts += [f"![Success by method](../{SUCCESS})", *sections(report["evaluation"])]
    return "\n\n".join(parts).rstrip() + "\n"


def _bars(report: Mapping[str, Any]) -> Table:
    rows = []
    for label, key, sign, bar in BARS:
        value = report[key]
        if value is None:
            rows.append((label, f"{sign} {bar:g}", "not run", ""))
            continue
        met = value >= bar if sign == ">=" else value <= bar
        rows.append((label, f"{sign} {bar:g}", f"{value:.3g}", "met" if met else "**not met**"))
    for device, bar in (("gpu", 33.0), ("cpu", 1000.0)):
        value = report["ms_per_grasp"][device]
        shown = "not run" if value is None else f"{value:.0f}"
        verdict = "" if value is None else "met" if value <= bar else "**not met**"
        rows.append((f"one grasp drawn, {device} (ms)", f"<= {bar:g}", shown, verdict))
    return Table("Bars", ("figure", "bar", "here", ""), tuple(rows))


def _meshes(report: Mapping[str, Any]) -> Table:
    rows = tuple(
        (name, report["instructions"][name], "not run" if held is None else f"{held} of 8",
         "" if held is None else "met" if held >= LEAST_ON_MESHES else "**not met**")
        for name, held in report["meshes"].items()
    )  # fmt: skip
    return Table("Meshes", ("mesh", "instruction", "held", f"bar: {LEAST_ON_MESHES} of 8"), rows)
