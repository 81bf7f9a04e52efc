"""From the figures of all sequences to the few that matter, the printed table and the JSON file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.output.files import atomic_write

HEADLINE_SEQUENCE = "hand_right"
"""Ratios are of this one where it was run (it is the peer's own recording), else of the first."""
OURS = ("live", "offline")


def summary(sequences: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The report: headline figures, then every figure of every sequence. Ratios are ours over the
    peer's, speed-ups the peer's time over ours; times are CPU times of the thread.
    """
    name = HEADLINE_SEQUENCE if HEADLINE_SEQUENCE in sequences else next(iter(sequences))
    first = sequences[name]
    methods, hand_only, step22 = first["methods"], first["hand_only"], first["step22"]
    live, offline = methods["live"], methods["offline"]
    vector, position = methods["vector"], methods["position"]

    def over_all(method: str, key: str) -> int:
        return sum(one["methods"][method][key] for one in sequences.values())

    live_runs = [one["methods"]["live"] for one in sequences.values()]

    def closed(key: str) -> float | None:
        counts = [one["pinches"] for one in live_runs]
        shares = [one[key] if one["pinches"] else 0.0 for one in live_runs]
        return float(np.average(shares, weights=counts)) if any(counts) else None

    def against(peer: dict[str, Any]) -> dict[str, float]:
        return {"lag_ratio": live["lag"] / peer["lag"], "jerk_ratio": live["jerk"] / peer["jerk"]}

    return {
        "headline_sequence": name,
        "hand_only": {
            "speedup_p50": hand_only["peer_cpu_ms"]["p50"] / hand_only["cpu_ms"]["p50"],
            "speedup_p99": hand_only["peer_cpu_ms"]["p99"] / hand_only["cpu_ms"]["p99"],
            "objective_ratio": hand_only["objective_ratio"],
        },
        "step22": {
            "p50_ms": step22["ours"]["cpu_ms"]["p50"],
            "vs_pink": step22["pink"]["cpu_ms"]["p50"] / step22["ours"]["cpu_ms"]["p50"],
            "vs_mink": step22["mink"]["cpu_ms"]["p50"] / step22["ours"]["cpu_ms"]["p50"],
            "tip_error_ratio": step22["ours"]["tip_error"]
            / min(step22["pink"]["tip_error"], step22["mink"]["tip_error"]),
        },
        "full": {
            "p50_ms": max(one["cpu_ms"]["p50"] for one in live_runs),
            "p99_ms": max(one["cpu_ms"]["p99"] for one in live_runs),
        },
        "scaled_tip_error_ratio": live["raw_tip_error_person"] / vector["tip_error_person"],
        "scaled_tip_error_ratio_smoothed": live["tip_error_person"] / vector["tip_error_person"],
        "above_floor_person_mm": 1e3 * live["raw_above_floor"] / live["scale"],
        "limit_violations": sum(
            one["methods"][method]["limit_violations"]["any"]
            for one in sequences.values()
            for method in OURS
        ),
        "penetrating_frames": sum(over_all(method, "penetrating_frames") for method in OURS),
        "collision_cost_mm": 1e3 * max(one["collision_cost"] for one in sequences.values()),
        "pinch_closed": closed("pinch_closed_tips"),
        "pinch_closed_domes": closed("pinch_closed"),
        "live": against(vector),
        "live_against_dexpilot": against(methods["dexpilot"]),
        "offline": {
            "jerk_ratio": offline["jerk"] / position["jerk"],
            "error_ratio": offline["tip_error_person"] / position["tip_error_person"],
            "lag_ms": 1e3 * offline["lag"],
        },
        "sequences": sequences,
    }


def write(report: dict[str, Any], path: Path) -> None:
    """Write the report as JSON; figures that do not exist (NaN) become null."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(_without_nan(report), indent=2) + "\n", encoding="utf-8")


def print_tables(report: dict[str, Any]) -> None:
    """One table a sequence, then the headline figures."""
    for name, figures in report["sequences"].items():
        print(f"\n{name}: {figures['frames']} frames at {figures['rate_hz']:g} Hz")
        _print_methods(figures["methods"])
        _print_solvers(figures)
    print(f"\nHeadline (ratios of {report['headline_sequence']}, counts of all sequences)")
    for key, value in report.items():
        if key not in ("sequences", "headline_sequence"):
            items = value.items() if isinstance(value, dict) else [("", value)]
            for part, number in items:
                print(f"  {' '.join((key, part)).strip():28s} {_number(number)}")


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3g}"


def _print_methods(methods: dict[str, dict[str, Any]]) -> None:
    columns = {
        "vector": "peer vector",
        "dexpilot": "peer dexpilot",
        "position": "peer position",
        "live": "ours live",
        "offline": "ours offline",
    }

    def both(key: str, factor: float = 1.0, digits: int = 0) -> Callable[[dict[str, Any]], str]:
        """Before -> after filter and limits."""
        return lambda one: (
            f"{factor * one['raw_' + key]:.{digits}f} -> {factor * one[key]:.{digits}f}"
            if np.isfinite(one.get(key, np.nan))
            else "-"
        )

    def single(key: str, factor: float = 1.0, digits: int = 0) -> Callable[[dict[str, Any]], str]:
        return lambda one: f"{factor * one[key]:.{digits}f}" if key in one else "-"

    def beyond(kind: str) -> Callable[[dict[str, Any]], str]:
        return lambda one: f"{one['raw_limit_violations'][kind]} -> {one['limit_violations'][kind]}"

    rows: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("scale", single("scale", 1, 2)),
        ("tip error, mm", both("tip_error", 1e3, 1)),
        ("  in the person's mm", both("tip_error_person", 1e3, 1)),
        ("  reachable floor", single("floor", 1e3, 1)),
        ("  above the floor", both("above_floor", 1e3, 1)),
        ("stretch of the fingers, error %", single("stretch_error", 100, 1)),
        ("lag behind its own raw, ms", single("lag", 1e3)),
        ("lag of tips behind targets, ms", single("target_lag", 1e3)),
        ("jerk RMS, rad/s^3", both("jerk")),
        ("max velocity, rad/s", both("max_velocity", 1, 1)),
        ("max acceleration, rad/s^2", single("max_acceleration")),
        ("frames beyond position limits", beyond("position")),
        ("  velocity limits", beyond("velocity")),
        ("  acceleration limits", beyond("acceleration")),
        ("frames penetrating > 1 mm", both("penetrating_frames")),
        ("  deepest, mm", single("deepest_penetration", 1e3, 1)),
        ("  fingertip into fingertip", both("fingertip_penetrating_frames")),
        ("pinches closed (domes touch), %", both("pinch_closed", 100)),
        ("  tip frames < 26 mm, %", both("pinch_closed_tips", 100)),
        ("wrist error, mm", single("wrist_error", 1e3, 1)),
        ("CPU ms, p50 / p99", lambda one: _spread(one.get("cpu_ms"))),
        ("wall ms, p50 / p99", lambda one: _spread(one.get("wall_ms"))),
    ]
    table = [["raw -> output", *columns.values()]]
    table += [[label, *(text(methods[name]) for name in columns)] for label, text in rows]
    _print_table(table)


def _print_solvers(figures: dict[str, Any]) -> None:
    hand_only, step22 = figures["hand_only"], figures["step22"]
    print(
        f"the peer's vector objective, ours / peer: {hand_only['objective_ratio']:.4f}; "
        f"CPU ms {_spread(hand_only['cpu_ms'])} / {_spread(hand_only['peer_cpu_ms'])}"
    )
    parts = [
        f"{name} {_spread(one['cpu_ms'])} ms, {1e3 * one['tip_error']:.2f} mm"
        for name, one in step22.items()
    ]
    print(f"one step of 22 joints: {'; '.join(parts)}")


def _spread(times: dict[str, float] | None) -> str:
    return f"{times['p50']:.3f} / {times['p99']:.3f}" if times else "-"


def _print_table(table: list[list[str]]) -> None:
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join(cells).rstrip())


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value
