"""What an hour of samples says: figures, and a picture of them over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.robot_safety.soak_listener import Figures

WARM_UP_S = 120.0
"""Until every library has its buffers; or a quarter of a shorter run."""
WINDOW_SHARE = 0.1
"""Of the time after warm-up: the first and the last such window are compared."""
LISTED = 10


@dataclass(frozen=True)
class Sample:
    """One look at the pipeline."""

    time_s: float
    memory: dict[str, int]
    """Bytes of each process, by its node's name."""
    cpu_percent: dict[str, float]
    """Of one core, since the last sample."""
    latency_p99_s: float | None
    jitter_p99_s: float | None
    violations: int
    missed: int

    @property
    def text(self) -> str:
        """For a progress bar."""
        total = sum(self.memory.values()) / 1e6
        latency = 1e3 * (self.latency_p99_s or 0.0)
        jitter = 1e3 * (self.jitter_p99_s or 0.0)
        return (
            f"{total:.0f} MB, latency {latency:.0f} ms, jitter {jitter:.1f} ms, "
            f"{self.violations} violations, {self.missed} missed"
        )


def memory_growth(times: Sequence[float], values: Sequence[float]) -> dict[str, float]:
    """Growth of one series (bytes) after warm-up: last over first window, and by the slope.

    Both in percent: of the first window's median, over the whole time after warm-up.
    """
    t, v = np.asarray(times), np.asarray(values, dtype=float)
    warm = t >= min(WARM_UP_S, t[-1] / 4)
    t, v = t[warm], v[warm]
    size = max(1, round(WINDOW_SHARE * len(t)))
    first, last = np.median(v[:size]), np.median(v[-size:])
    slope = np.polyfit(t, v, 1)[0] if len(t) > 2 else 0.0
    return {
        "windows_pct": round(float(100 * (last / first - 1)), 2),
        "slope_pct": round(float(100 * slope * (t[-1] - t[0]) / first), 2),
    }


def report(figures: Figures, samples: list[Sample], period_s: float) -> dict[str, Any]:
    """All figures of a run. period_s: of the commands."""
    times = [sample.time_s for sample in samples]
    names = list(samples[-1].memory)
    series = {name: [s.memory.get(name, 0) for s in samples] for name in names}
    growth = {name: memory_growth(times, values) for name, values in series.items()}
    total = memory_growth(times, [sum(s.memory.values()) for s in samples])
    seconds = sum(figures.state_s.values())
    return {
        "hours": round(times[-1] / 3600, 3),
        "memory_growth_pct": total["windows_pct"],
        "memory_growth": {"all": total} | growth,
        "memory_mb": {name: round(values[-1] / 1e6, 1) for name, values in series.items()},
        "limit_violations": len(figures.violations),
        "violations": figures.violations[:LISTED],
        "commands": figures.commands,
        "commands_not_heard": figures.lost,
        "joint_states": figures.measured,
        "hands": figures.hands,
        "silences_of_hands": figures.silences,
        "answered_ms": _percentiles(np.array(figures.answered_s)),
        "followed_ms": _percentiles(np.array(figures.followed_s)),
        "missed_watchdogs": len(figures.missed_watchdogs),
        "missed": figures.missed_watchdogs[:LISTED],
        "latency_ms": _percentiles(np.array(figures.latency_s)),
        "command_jitter_ms": _percentiles(np.abs(np.array(figures.interval_s) - period_s)),
        "received_jitter_ms": _percentiles(
            np.abs(np.array(figures.received_interval_s) - period_s)
        ),
        "node_jitter_p99_ms": _percentiles(np.array(figures.published_jitter_p99_s or [np.nan])),
        "command_rate_hz": round(1.0 / float(np.mean(figures.interval_s)), 2),
        "state_share_pct": {
            name: round(100 * value / seconds, 2) for name, value in figures.state_s.items()
        },
        "cpu_percent": {
            name: round(float(np.mean([s.cpu_percent.get(name, 0.0) for s in samples])), 1)
            for name in samples[-1].cpu_percent
        },
    }


def _percentiles(seconds: np.ndarray) -> dict[str, float]:
    """p50, p99 and the largest, ms."""
    if not np.isfinite(seconds).any():
        return {}
    p50, p99, largest = (float(value) for value in np.percentile(1e3 * seconds, (50, 99, 100)))
    return {"p50": round(p50, 3), "p99": round(p99, 3), "max": round(largest, 3)}


def plot(samples: list[Sample], path: Path) -> None:
    """Memory, latency and jitter over time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(3, 1, figsize=(8, 8), sharex=True)
    minutes = [sample.time_s / 60 for sample in samples]
    for name in samples[-1].memory:
        axes[0].plot(minutes, [s.memory.get(name, 0) / 1e6 for s in samples], label=name)
    axes[0].set_ylabel("memory (MB)")
    axes[0].legend(fontsize="small")
    for axis, values, limit, label in (
        (axes[1], [s.latency_p99_s for s in samples], 100.0, "image to command, p99 (ms)"),
        (axes[2], [s.jitter_p99_s for s in samples], 2.0, "jitter of commands, p99 (ms)"),
    ):
        axis.plot(minutes, [np.nan if v is None else 1e3 * v for v in values])
        axis.axhline(limit, color="grey", linestyle=":")
        axis.set_ylabel(label)
        axis.set_ylim(bottom=0.0)
    axes[2].set_xlabel("minutes")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
