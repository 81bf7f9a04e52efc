"""Measure the hand estimator against MediaPipe's own output, on the same detections of real clips.

    python -m benchmarks.hand_tracking --data FOLDER [--out out/bench]

FOLDER holds videos/{hand_right,coffee,no_hand_dog}.mp4 and images_no_hand/*.jpg. Prints a table and
writes hand_tracking.json. "MediaPipe" are its 3D world landmarks (metric figures) and its image
landmarks (pixels); "ours" are the joints that the estimator publishes. Unless the row says
otherwise, joints are relative to the wrist, in millimetres and camera axes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError
from amt_perception.estimators.detection import HandDetection
from amt_perception.estimators.interface import HandEstimate, TrackState
from amt_perception.estimators.mediapipe import MAX_HANDS, MediaPipeEstimator
from amt_perception.estimators.mediapipe_detector import MediaPipeDetector
from amt_perception.hand.joints import BONES, TIPS, WRIST
from amt_perception.metrics.jitter import bone_length_variation, jitter_rms, lag_frames
from amt_perception.metrics.pose import mpjpe, procrustes_mpjpe

HAND_CLIPS = ("hand_right", "coffee")
NO_HAND_CLIP = "no_hand_dog"
SHORTEST_TRACK = 150
"""Tracks of fewer frames are counted but not measured: a lag needs several movements."""
CLOSED_PINCH_M = 0.03
REPEATED_FRAMES = 60
THUMB_TIP, INDEX_TIP = TIPS[:2]


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with videos/")
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    options = parser.parse_args()
    try:
        report = measure(options.data)
    except AmtError as error:
        sys.exit(f"error: {error}")
    print_report(report)
    write_json(report, options.out / "hand_tracking.json")


def measure(data: Path) -> dict[str, Any]:
    """All figures, as they go into the JSON file."""
    clips = {name: data / "videos" / f"{name}.mp4" for name in (*HAND_CLIPS, NO_HAND_CLIP)}
    for path in clips.values():
        if not path.is_file():
            raise AmtError(f"{path} does not exist; give the folder that holds it with --data")
    report: dict[str, Any] = {"clips": {name: measure_clip(clips[name]) for name in HAND_CLIPS}}
    empty = [read_video(clips[NO_HAND_CLIP])]
    empty += [iter([picture] * 3) for picture in read_images(data / "images_no_hand")]
    report["hands_where_none_is"] = sum(count_hands(frames) for frames in empty)
    report["repeat_difference_px"] = repeat_difference(clips[HAND_CLIPS[0]])
    return report


def measure_clip(path: Path) -> dict[str, Any]:
    """Run detector and estimator over a clip and compare what they say about each hand."""
    detector, estimator = MediaPipeDetector(MAX_HANDS), MediaPipeEstimator()
    detector_ms, estimator_ms, hand_counts = [], [], []
    tracks: dict[int, list[tuple[int, HandEstimate, HandDetection]]] = {}
    sides: dict[int, list[int]] = {}
    for index, image in enumerate(read_video(path)):
        intrinsics = Intrinsics.from_field_of_view(image.shape[1], image.shape[0])
        start = process_time()
        detections = detector.detect(image, index / 30.0)
        middle = process_time()
        hands = estimator.estimate_from(detections, intrinsics, index / 30.0).hands
        end = process_time()
        detector_ms.append(1e3 * (middle - start))
        if hands:
            estimator_ms.append(1e3 * (end - middle) / len(hands))
        hand_counts.append(len(hands))
        for hand in hands:
            sides.setdefault(hand.track_id, []).append(int(hand.side))
            if hand.state == TrackState.TRACKED:
                own = next(one for one in detections if one.keypoints_px is hand.keypoints_px)
                tracks.setdefault(hand.track_id, []).append((index, hand, own))
    detector.close()
    estimator.close()
    return {
        "frames": len(hand_counts),
        "frames_with_a_hand": int(np.count_nonzero(hand_counts)),
        "tracks": len(sides),
        "side_flips": int(sum(np.count_nonzero(np.diff(side)) for side in sides.values())),
        "mediapipe_ms": percentiles(detector_ms),
        "ours_ms": percentiles(estimator_ms),
        "hands": [
            measure_track(track, len(hand_counts), intrinsics)
            for track in tracks.values()
            if len(track) >= SHORTEST_TRACK
        ],
    }


def measure_track(
    track: list[tuple[int, HandEstimate, HandDetection]], frames: int, intrinsics: Intrinsics
) -> dict[str, Any]:
    """Figures of one hand. Lengths in metres, lags in frames, reprojection in pixels."""
    ours, theirs = np.full((2, frames, 21, 3), np.nan)
    keypoints = np.full((frames, 21, 2), np.nan)
    for index, hand, detection in track:
        ours[index], theirs[index] = hand.joints, detection.world_joints
        keypoints[index] = detection.keypoints_px
    seen = np.array([index for index, _, _ in track])
    relative, their_relative = ours - ours[:, :1], theirs - theirs[:, :1]
    # Both at the size of MediaPipe's hand, so that a larger hand model does not count as an error.
    scale = np.nanmean(span(their_relative)) / np.nanmean(span(relative))
    pinch = np.linalg.norm(ours[:, THUMB_TIP] - ours[:, INDEX_TIP], axis=-1)[seen] * scale
    their_pinch = np.linalg.norm(theirs[:, THUMB_TIP] - theirs[:, INDEX_TIP], axis=-1)[seen]
    closed = their_pinch < CLOSED_PINCH_M
    projected = intrinsics.project(ours)
    figures: dict[str, Any] = {
        "side": track[-1][1].side.name,
        "frames": len(track),
        "jitter": jitter_rms(relative),
        "jitter_mediapipe": jitter_rms(their_relative),
        "wrist_jitter": jitter_rms(ours[:, [WRIST]]),
        "wrist_depth_jitter": jitter_rms(ours[:, [WRIST], 2:]),
        "bone_variation": float(bone_length_variation(ours, BONES).mean()),
        "bone_variation_mediapipe": float(bone_length_variation(theirs, BONES).mean()),
        "lag": lag_frames(relative, their_relative),
        "image_lag": lag_frames(projected, keypoints),
        "pa_mpjpe": float(procrustes_mpjpe(relative[seen], their_relative[seen]).mean()),
        "mpjpe_scaled": float(mpjpe(scale * relative[seen], their_relative[seen]).mean()),
        "reprojection_px": float(mpjpe(projected[seen], keypoints[seen]).mean()),
        "pinch_error": float(np.abs(pinch - their_pinch).mean()),
        "closed_pinch_frames": int(closed.sum()),
        "closed_pinch_error": float(np.abs(pinch - their_pinch)[closed].mean())
        if closed.any()
        else None,
    }
    for ratio, key in (("jitter_ratio", "jitter"), ("bone_ratio", "bone_variation")):
        figures[ratio] = figures[key] / figures[f"{key}_mediapipe"]
    return figures


def span(joints: np.ndarray) -> np.ndarray:
    """Sum of all bone lengths of joints [..., 21, 3]."""
    parents, children = np.array(BONES).T
    return np.linalg.norm(joints[..., children, :] - joints[..., parents, :], axis=-1).sum(-1)


def count_hands(images: Iterator[np.ndarray]) -> int:
    """Hands that the estimator reports in all images together."""
    estimator = MediaPipeEstimator()
    hands = 0
    for index, image in enumerate(images):
        intrinsics = Intrinsics.from_field_of_view(image.shape[1], image.shape[0])
        hands += len(estimator.estimate(image, intrinsics, index / 30.0).hands)
    estimator.close()
    return hands


def repeat_difference(path: Path) -> float:
    """Largest difference of any keypoint (px) between two runs over the clip's first frames."""
    runs = []
    for _ in range(2):
        detector = MediaPipeDetector(MAX_HANDS)
        images = zip(range(REPEATED_FRAMES), read_video(path), strict=False)
        runs.append([detector.detect(image, i / 30.0)[0].keypoints_px for i, image in images])
        detector.close()
    return float(np.abs(np.array(runs[0]) - np.array(runs[1])).max())


def read_video(path: Path) -> Iterator[np.ndarray]:
    """RGB frames of a video."""
    import cv2

    capture = cv2.VideoCapture(str(path))
    while True:
        there_is_one, image = capture.read()
        if not there_is_one:
            return
        yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_images(folder: Path) -> Iterator[np.ndarray]:
    """RGB images of a folder."""
    import cv2

    for path in sorted(folder.glob("*.jpg")):
        image = cv2.imread(str(path))
        assert image is not None, path
        yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def percentiles(values: list[float]) -> dict[str, float]:
    """Median and 99th percentile."""
    return {"p50": float(np.percentile(values, 50)), "p99": float(np.percentile(values, 99))}


def spread(times: dict[str, float]) -> str:
    """Both of `percentiles` for the table."""
    return f"{times['p50']:.1f} / {times['p99']:.1f}"


def print_report(report: dict[str, Any]) -> None:
    """The figures as a table, with the bar that each one has to keep."""
    rows: list[tuple[str, ...]] = [("", "bar")]
    hands = [(name, clip, hand) for name, clip in report["clips"].items() for hand in clip["hands"]]
    rows[0] += tuple(f"{name} {hand['side'].lower()}" for name, _, hand in hands)

    def row(label: str, bar: str, text: Any) -> None:
        rows.append((label, bar, *(text(clip, hand) for _, clip, hand in hands)))

    def versus(key: str, factor: float, digits: int) -> Any:
        return lambda _, hand: (
            f"{factor * hand[key]:.{digits}f} / {factor * hand[key + '_mediapipe']:.{digits}f}"
        )

    row("frames of this hand / clip", "", lambda clip, hand: f"{hand['frames']} / {clip['frames']}")
    row("side flips in the clip", "0", lambda clip, _: str(clip["side_flips"]))
    row("jitter ours / MediaPipe, mm RMS", "", versus("jitter", 1e3, 2))
    row("  ratio", "<= 0.70", lambda _, hand: f"{hand['jitter_ratio']:.2f}")
    row("bone length variation, %", "", versus("bone_variation", 100, 2))
    row("  ratio", "<= 0.30", lambda _, hand: f"{hand['bone_ratio']:.2f}")
    row("added lag, frames", "<= 1", lambda _, hand: f"{hand['lag']:.2f}")
    row("  in the image", "<= 1", lambda _, hand: f"{hand['image_lag']:.2f}")
    row("wrist jitter in space, mm", "", lambda _, hand: f"{1e3 * hand['wrist_jitter']:.2f}")
    row("  of its depth", "", lambda _, hand: f"{1e3 * hand['wrist_depth_jitter']:.2f}")
    row("PA distance to MediaPipe, mm", "", lambda _, hand: f"{1e3 * hand['pa_mpjpe']:.1f}")
    row("reprojection error, px", "", lambda _, hand: f"{hand['reprojection_px']:.2f}")
    row("thumb-index distance error, mm", "", lambda _, hand: f"{1e3 * hand['pinch_error']:.1f}")
    row(
        f"  when closer than {1e3 * CLOSED_PINCH_M:.0f} mm",
        "",
        lambda _, hand: (
            f"{1e3 * hand['closed_pinch_error']:.1f} ({hand['closed_pinch_frames']})"
            if hand["closed_pinch_frames"]
            else "-"
        ),
    )
    for label, key in (
        ("MediaPipe, CPU ms a frame", "mediapipe_ms"),
        ("ours, CPU ms a hand", "ours_ms"),
    ):
        row(label + ", p50 / p99", "", lambda clip, _, key=key: spread(clip[key]))
    widths = [max(len(line[i]) for line in rows) for i in range(len(rows[0]))]
    for line in rows:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        print("  ".join(cells).rstrip())
    print(f"hands reported where there is none: {report['hands_where_none_is']} (bar: 0)")
    print(f"keypoint difference between two runs: {report['repeat_difference_px']:.3g} px")


def write_json(report: dict[str, Any], path: Path) -> None:
    """Write the report in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        unfinished = Path(folder) / path.name
        unfinished.write_text(json.dumps(report, indent=2) + "\n")
        os.replace(unfinished, path)
    print(f"written: {path}")


if __name__ == "__main__":
    main()
