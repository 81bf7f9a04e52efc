"""The figures as tables."""

from __future__ import annotations

from typing import Any

_BARS = (
    ("latency of large at batch 1, p50", "<= 2.5 ms", ("latency_ms", "b1_p50"), "{:.2f} ms"),
    ("the same, p99", "-", ("latency_ms", "b1_p99"), "{:.2f} ms"),
    ("faster than eager bf16 at batch 1", ">= 4 x", ("speedup_vs_eager_bf16",), "{:.1f} x"),
    ("share of the matmul rate at batch 64", ">= 60 %", ("matmul_fraction_b64",), "{:.0%}"),
    ("fp8 against bf16 at batch 64", ">= 1.15 x", ("fp8_speedup_b64",), "{:.2f} x"),
    ("joints shifted by fp8, p99", "<= 1 mm", ("fp8_joint_shift_p99_mm",), "{:.2f} mm"),
    ("small on two CPU cores, fp32", ">= 12 /s", ("cpu_small_images_per_s",), "{:.1f} /s"),
)


def print_report(report: dict[str, Any]) -> None:
    """The same tables for a person at a terminal."""
    print(as_markdown(report))


def as_markdown(report: dict[str, Any]) -> str:
    """Bars, latencies, parameters and operations."""
    where = report["gpu"] or report["cpu"]
    lines = [
        "# The model: size, arithmetic, speed",
        "",
        f"`make bench-model` on {where}, PyTorch {report['torch']}. Weights are random: speed does",
        "not mind, and the shift of joints by fp8 is that of a random network. Before it started,",
        f"the load average of its {report['cores']} cores was {report['load_average_before']:.1f}.",
        "",
        "| figure | bar | here |",
        "|---|---|---|",
    ]
    for label, bar, path, form in _BARS:
        value = report
        for key in path:
            value = value[key]
        lines.append(f"| {label} | {bar} | {'not run' if value is None else form.format(value)} |")
    lines += [
        "",
        f"## Latency of `{report['timed']}`, p50 / p99 (ms), and share of the matmul rate",
        "",
        "From uint8 images of 1280 x 720 on the device, one hand each, to results on the host"
        f"{'' if report['gpu'] else '; one CPU thread'}. "
        f"Matrix product of the same run: {report['matmul_tflops']:.2f} TFLOP/s.",
        "",
        "| variant | " + " | ".join(f"batch {key[1:]}" for key in _batches(report)) + " |",
        "|---" * (1 + len(_batches(report))) + "|",
    ]
    for label, by_batch in report["table"].items():
        cells = [
            f"{one['p50_ms']:.1f} / {one['p99_ms']:.1f}, {one['matmul_fraction']:.0%}"
            for one in by_batch.values()
        ]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    small = report.get("cpu_small")
    if small is not None:
        lines += [
            "",
            f"## `small` through OpenVINO, {small['threads']} threads",
            "",
            "| precision | images/s | CPU time of an image (ms) |",
            "|---|---|---|",
            *(
                f"| {kind} | {one['images_per_s']:.1f} | {one['cpu_ms_per_image']:.0f} |"
                for kind, one in small.items()
                if kind != "threads"
            ),
        ]
    lines += ["", "## Parameters by part", ""]
    names = list(report["sizes"])
    parts = list(report["sizes"][names[0]]["parts"])
    lines += ["| part | " + " | ".join(names) + " |", "|---" * (1 + len(names)) + "|"]
    for part in parts:
        cells = [f"{report['sizes'][name]['parts'].get(part, 0):,}" for name in names]
        lines.append(f"| {part} | " + " | ".join(cells) + " |")
    for key in ("parameters", "frozen"):
        cells = [f"{report['sizes'][name][key]:,}" for name in names]
        lines.append(f"| **{key}** | " + " | ".join(cells) + " |")
    lines += ["", "## GFLOP for one hand, by part", ""]
    counted = report["gflop"]
    lines += ["| part | " + " | ".join(counted) + " |", "|---" * (1 + len(counted)) + "|"]
    for part in next(iter(counted.values())):
        cells = [f"{counts.get(part, 0.0):.2f}" for counts in counted.values()]
        lines.append(f"| {part} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _batches(report: dict[str, Any]) -> list[str]:
    return list(next(iter(report["table"].values())))
