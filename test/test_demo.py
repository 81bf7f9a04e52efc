"""The whole demo on a real video: what it writes, and what it says about it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av

from amt_perception.camera.sources import open_source
from amt_perception.demo.recording import Recording

Start = Callable[..., subprocess.Popen[str]]

OUTPUTS = {"demo.mp4", "joints.png", "summary.json", "trajectory.npz"}


def cut(video: Path, clip: Path, frames: int, height: int) -> None:
    """Write the first frames of a video, made smaller, as a clip."""
    with av.open(str(video)) as source, av.open(str(clip), "w") as target:
        original = source.streams.video[0]
        width = 2 * round(original.width * height / original.height / 2)
        stream = target.add_stream("libx264", rate=original.average_rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index, frame in zip(range(frames), source.decode(original), strict=False):
            small = frame.reformat(width, height, "yuv420p")
            small.pts, small.time_base = index, 1 / original.average_rate
            target.mux(stream.encode(small))
        target.mux(stream.encode(None))


def run_demo(start: Start, video: Path, out: Path) -> tuple[dict[str, Any], Recording, str]:
    """Run the demo to its end; its summary, its recording, and what it printed."""
    process = start("amt_perception.demo", "--video", str(video), "--out", str(out))
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert {file.name for file in out.iterdir()} == OUTPUTS
    summary = json.loads((out / "summary.json").read_text())
    return summary, Recording.load(out / "trajectory.npz"), printed


def test_a_hand_moves_the_robot(start: Start, shared_videos: Path, tmp_path: Path) -> None:
    clip, out = tmp_path / "clip.mp4", tmp_path / "a folder, ünïcode"
    cut(shared_videos / "hand_right.mp4", clip, 75, 360)
    summary, recording, printed = run_demo(start, clip, out)

    assert summary["video"] == "clip.mp4"
    assert (summary["robot"], summary["hand"], summary["estimator"]) == (
        "ur5e",
        "right",
        "mediapipe",
    )
    assert summary["frames"] == 75
    answered = summary["frames"] - summary["dropped_frames"]
    assert answered >= 20
    assert summary["hand_frames"] >= 0.7 * answered
    assert summary["side_flips"] == 0
    assert summary["limit_violations"] == 0
    assert summary["rate_hz"] > 0.0
    assert 0.0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p95"]
    assert summary["latency_ms"]["p95"] <= summary["latency_ms"]["p99"]
    assert set(summary["tip_error_mm"]) == {"mean", "p95"}
    assert len(recording.command_times) > 0
    assert "limit violations" in printed

    frames = list(open_source(str(out / "demo.mp4")))
    assert len(frames) == 75
    assert (out / "joints.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_hand_nothing_is_commanded(
    start: Start, shared_videos: Path, tmp_path: Path
) -> None:
    clip, out = tmp_path / "dog.mp4", tmp_path / "out"
    cut(shared_videos / "no_hand_dog.mp4", clip, 45, 360)
    summary, recording, printed = run_demo(start, clip, out)

    assert summary["frames"] == 45
    assert summary["hand_frames"] == 0
    assert len(recording.command_times) == 0
    assert summary["command_rate_hz"] is None
    assert summary["limit_violations"] == 0
    assert "No right hand was seen, so the robot was sent no command." in printed
