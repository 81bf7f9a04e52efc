"""The numbers of a demo run: computed from its recording, printed, and kept as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.demo.recording import NO_TRACK, Recording, RetargetState
from amt_perception.estimators.interface import TrackState
from amt_perception.output.files import atomic_write

COMMAND_TOLERANCE_RAD = 1e-6
"""A command is exact, only rounding is forgiven."""
MEASURED_TOLERANCE_RAD = 1e-3
"""A joint that is pressed against its stop gives way a little, in simulation as in reality."""


def summarize(recording: Recording) -> dict[str, Any]:
    """The figures of one run. A figure that cannot be computed is None.

    frames: images sent. hand_frames: frames in which a hand was seen (not only predicted).
    dropped_frames: frames that were never answered. side_flips: how often a track changed between
    left and right. rate_hz: answered frames a second of video. command_rate_hz: commands a second.
    latency_ms: from the image to its command. tip_error_mm: distance of each fingertip from its
    target, over all fingers and all commands in state TRACK (while ramping up or holding, the
    robot is not meant to be there). limit_violations: commanded plus measured positions outside
    their joint's limits by more than COMMAND_TOLERANCE_RAD and MEASURED_TOLERANCE_RAD;
    limit_violations_by_kind counts them apart. A position that is not finite is a violation.
    """
    tracking = recording.command_state == RetargetState.TRACK
    latency_ms = 1e3 * recording.latency_s[np.isfinite(recording.latency_s)]
    residual_mm = 1e3 * recording.tip_residual[tracking]
    residual_mm = residual_mm[np.isfinite(residual_mm)]
    violations = {
        "commands": _outside(recording, recording.command_positions, COMMAND_TOLERANCE_RAD),
        "measured": _outside(recording, recording.joint_state_positions, MEASURED_TOLERANCE_RAD),
    }
    return {
        "video": recording.meta["video"],
        "estimator": recording.meta["estimator"],
        "robot": recording.meta["robot"],
        "hand": recording.meta["hand"],
        "frames": len(recording.frame_times),
        "hand_frames": int(recording.hand_tracked.sum()),
        "dropped_frames": int(recording.dropped.sum()),
        "side_flips": _side_flips(recording),
        "rate_hz": _rate(recording.frame_times[~recording.dropped]),
        "command_rate_hz": _rate(recording.command_times),
        "latency_ms": {f"p{p}": _percentile(latency_ms, p) for p in (50, 95, 99)},
        "tip_error_mm": {
            "mean": float(residual_mm.mean()) if residual_mm.size else None,
            "p95": _percentile(residual_mm, 95),
        },
        "limit_violations": sum(violations.values()),
        "limit_violations_by_kind": violations,
    }


def _outside(recording: Recording, positions: np.ndarray, tolerance: float) -> int:
    inside = (positions >= recording.lower_limits - tolerance) & (
        positions <= recording.upper_limits + tolerance
    )
    return int(np.count_nonzero(~inside))


def _side_flips(recording: Recording) -> int:
    seen = (recording.state != TrackState.LOST) & (recording.track_id != NO_TRACK)
    tracks = np.unique(recording.track_id[seen])
    sides = [recording.side[seen & (recording.track_id == track)] for track in tracks]
    return sum(int(np.count_nonzero(np.diff(side.astype(int)))) for side in sides)


def _rate(times: np.ndarray) -> float | None:
    span = times[-1] - times[0] if len(times) > 1 else 0.0
    return float((len(times) - 1) / span) if span > 0.0 else None


def _percentile(values: np.ndarray, percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values.size else None


def format_table(summary: dict[str, Any]) -> str:
    """A few aligned lines for a terminal."""
    latency, error = summary["latency_ms"], summary["tip_error_mm"]
    kinds = summary["limit_violations_by_kind"]
    rows = [
        (
            "frames",
            f"{summary['frames']}   hand in {summary['hand_frames']}, "
            f"dropped {summary['dropped_frames']}, side flips {summary['side_flips']}",
        ),
        (
            "rate",
            f"{_text(summary['rate_hz'])} Hz   commands {_text(summary['command_rate_hz'])} Hz",
        ),
        ("latency", "   ".join(f"{name} {_text(latency[name])}" for name in latency) + "   ms"),
        ("tip error", "   ".join(f"{name} {_text(error[name])}" for name in error) + "   mm"),
        (
            "limit violations",
            f"{summary['limit_violations']}   commands {kinds['commands']}, "
            f"measured {kinds['measured']}",
        ),
    ]
    title = (
        f"{summary['video']}: {summary['estimator']} to {summary['robot']}, {summary['hand']} hand"
    )
    width = max(len(name) for name, _ in rows)
    return "\n".join([title, *(f"  {name:<{width}}  {value}" for name, value in rows)])


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def write_summary(summary: dict[str, Any], path: Path) -> None:
    """Write the summary as JSON, all or nothing. Raises AmtError when it cannot."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n")
