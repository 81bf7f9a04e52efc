"""What the shipped checkpoint is worth: `python -m benchmarks.small [--data FOLDER]`.

On held-out scenes of the synthetic world, whose truth is exact, beside the baseline and MediaPipe;
on real videos beside MediaPipe. Writes small.json and small.md into DOCS/results, pictures into
DOCS, and videos and the drawn scenes, which the next run finds again, into OUT.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from amt_perception.errors import AmtError
from amt_perception.estimators.amt import AmtEstimator
from amt_perception.estimators.factory import SHIPPED_CHECKPOINT, create_estimator
from amt_perception.hand.joints import Side
from amt_perception.hand.mano_files import load_hand_model
from amt_perception.hand.model_data import HandModelData
from amt_perception.model.baseline import BaselineModel
from amt_perception.model.weights import load_checkpoint, read_info
from amt_perception.output.files import atomic_write
from amt_training.evaluate import trained_on
from amt_training.synthetic.settings import WorldSettings
from benchmarks.small import provenance
from benchmarks.small.mediapipe_scenes import mediapipe_hands
from benchmarks.small.overlay import painter, write_jpeg
from benchmarks.small.report import as_markdown, first_figures
from benchmarks.small.scenes import held_out_scenes
from benchmarks.small.synthetic import measure_models, sheet
from benchmarks.small.video_figures import clip_figures
from benchmarks.small.videos import HAND_CLIPS, NO_HAND_CLIP, clip_path, false_finds, watch

STILLS = {"hand_right": (150, 400), "coffee": (100,)}
"""Frames of the clips that the page shows."""


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.small", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    text = "of the model (default: the shipped one)"
    add("--checkpoint", type=Path, default=SHIPPED_CHECKPOINT, help=text)
    add("--baseline", type=Path, help="checkpoint of the baseline (default: it is not run)")
    add("--data", type=Path, help="folder with videos/ and images_no_hand/ (default: no videos)")
    add("--scenes", type=int, default=WorldSettings().test, help="held-out ones (default: 1000)")
    add("--out", type=Path, default=Path("out/small"), help="folder of videos and drawn scenes")
    add("--docs", type=Path, default=Path("docs"), help="folder of the page and its pictures")
    options = parser.parse_args()
    try:
        report = measure(options)
    except AmtError as error:
        sys.exit(f"error: {error}")
    write_report(report, options.docs / "results")
    print(f"page: {options.docs / 'results' / 'small.md'}")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, as it goes into small.json. Raises AmtError for what is missing."""
    if options.scenes < 1:
        raise AmtError(f"--scenes is {options.scenes}; it must be at least 1")
    info = read_info(options.checkpoint)
    if options.baseline is not None:
        read_info(options.baseline)
    if options.data is not None:
        for name in (*HAND_CLIPS, NO_HAND_CLIP):
            clip_path(options.data, name)
    seconds: dict[str, float] = {}
    synthetic = measure_synthetic(options, seconds)
    videos = None
    if options.data is not None:
        with _timed(seconds, "real videos"):
            videos = measure_videos(options)
    named = {"checkpoint": options.checkpoint, "baseline": options.baseline, "data": options.data}
    if options.checkpoint == SHIPPED_CHECKPOINT:
        del named["checkpoint"]
    return {
        **first_figures(synthetic, videos),
        "checkpoint": provenance.shown_path(options.checkpoint),
        "checkpoint_sha256": provenance.sha256(options.checkpoint),
        "trained_on": trained_on(info),
        "command": provenance.command({**named, "scenes": options.scenes}),
        "commit": provenance.commit(),
        "machine": provenance.machine(),
        "scenes": options.scenes,
        "seed": WorldSettings().seed,
        "seconds": seconds,
        "synthetic": synthetic,
        "videos": videos,
    }


def measure_synthetic(options: argparse.Namespace, seconds: dict[str, float]) -> dict[str, Any]:
    """The models and MediaPipe on held-out scenes; writes the picture of some of them."""
    hand = load_hand_model(Side.RIGHT)
    with _timed(seconds, "drawing the scenes"):
        world = replace(WorldSettings(), test=options.scenes)
        scenes = held_out_scenes(world, options.out)
    engine = AmtEstimator.load(options.checkpoint).engine
    baseline = None
    if options.baseline is not None:
        baseline = _baseline(options.baseline, hand)
    with _timed(seconds, "MediaPipe on the scenes"):
        found = mediapipe_hands(scenes.dataset, scenes.folder / "mediapipe.npz")
    with _timed(seconds, "models on the scenes"):
        figures = measure_models(engine, baseline, found, scenes)
        picture = sheet(engine, scenes.dataset, hand)
    write_jpeg(options.docs / "small_scenes.jpg", picture)
    return figures


def measure_videos(options: argparse.Namespace) -> dict[str, Any]:
    """The model and MediaPipe on real videos; writes the videos side by side and some stills."""
    model = create_estimator("amt", checkpoint=options.checkpoint)
    mediapipe = create_estimator("mediapipe")
    clips, stills = {}, []
    for name in HAND_CLIPS:
        path = clip_path(options.data, name)
        kept = {number: options.docs / f"small_{name}_{number}.jpg" for number in STILLS[name]}
        with painter(options.out / f"{name}.mp4", path, kept) as paint:
            ours, theirs = watch(path, model, mediapipe, paint)
        clips[name] = clip_figures(ours, theirs)
        stills += [file.name for file in kept.values()]
    no_hand = {
        "small": false_finds(options.data, model),
        "mediapipe": false_finds(options.data, mediapipe),
    }
    model.close()
    mediapipe.close()
    return {"clips": clips, "no_hand": no_hand, "stills": stills}


def write_report(report: dict[str, Any], folder: Path) -> None:
    """Write small.json and small.md. Raises AmtError when that cannot be done."""
    text = json.dumps(report, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    with atomic_write(folder / "small.json") as temporary:
        temporary.write_text(text, encoding="utf-8")
    with atomic_write(folder / "small.md") as temporary:
        temporary.write_text(as_markdown(report), encoding="utf-8")


def _baseline(path: Path, hand: HandModelData) -> BaselineModel:
    model = load_checkpoint(path, hand)
    if not isinstance(model, BaselineModel):
        raise AmtError(f"{path} is not a baseline's checkpoint; give one of size baseline")
    return model


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = perf_counter()
    yield
    seconds[name] = round(perf_counter() - start, 1)


if __name__ == "__main__":
    main()
