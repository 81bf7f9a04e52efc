"""The figures as a page."""

from __future__ import annotations

from typing import Any

_GPU_BARS = (
    ("cache over a DataLoader of 16 workers", ">= 20 x", "cache_vs_dataloader", "{:.1f} x"),
    ("share of the matmul rate, stage 1 of large", ">= 45 %", "matmul_fraction", "{:.0%}"),
    ("over a plain loop", ">= 2 x", "speedup_vs_plain_loop", "{:.2f} x"),
    ("a step, over one on a constant batch", "<= 1.02 x", "step_vs_constant_batch", "{:.3f} x"),
    ("peak memory", "-", "peak_memory_gb", "{:.1f} GB"),
)
_CPU_BARS = (("cache over a DataLoader, on the CPU", ">= 5 x", "cache_vs_dataloader", "{:.1f} x"),)


def as_markdown(report: dict[str, Any]) -> str:
    """Bars and rates; what belongs to a GPU is 'not run' elsewhere."""
    on_gpu = report["gpu"] is not None
    cache, steps = report["cache"], report["steps"]
    where = report["gpu"] or f"{report['cores']} CPU cores"
    lines = [
        "# Training: speed",
        "",
        f"`make bench-training` on {where}, PyTorch {report['torch']}; load average before: "
        f"{cache['load_average_before']:.1f}.",
        "",
        "| figure | bar | here |",
        "|---|---|---|",
    ]
    for label, bar, key, form in (*_CPU_BARS, *_GPU_BARS):
        belongs = on_gpu == ((label, bar, key, form) in _GPU_BARS)
        value = report[key] if belongs else None
        lines.append(f"| {label} | {bar} | {'not run' if value is None else form.format(value)} |")
    lines += [
        "",
        "| samples/s, augmented crops of 224 px | |",
        "|---|---|",
        f"| resident cache ({cache['cache_threads']} threads on a CPU) | "
        f"{cache['cache_samples_per_s']:,.0f} |",
        f"| streaming, {cache['dataloader_workers']} workers | "
        f"{cache['streaming_samples_per_s']:,.0f} |",
        f"| plain DataLoader, {cache['dataloader_workers']} workers | "
        f"{cache['dataloader_samples_per_s']:,.0f} |",
        "",
        f"| training `{steps['size']}`, batch {steps['batch']} | samples/s |",
        "|---|---|",
        f"| the trainer, from the cache | {steps['train_samples_per_s']:,.1f} |",
        f"| the trainer, one batch again and again | "
        f"{steps['constant_batch_samples_per_s']:,.1f} |",
        f"| a plain loop | {steps['plain_loop_samples_per_s']:,.1f} |",
        "",
        f"A sample costs {steps['train_gflop_per_sample']:,.1f} GFLOP, forward and backward; a "
        f"large matrix product runs at {steps['matmul_tflops']:,.2f} TFLOP/s here.",
        "",
    ]
    return "\n".join(lines)
