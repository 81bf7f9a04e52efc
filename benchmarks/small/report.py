"""The figures as a page, and those that come first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from amt_perception.model.interface import HAND_PARTS
from amt_training.evaluation.tables import Table, Value, shown
from benchmarks.small.figures import CLEAR, HELD_OUT_FOCAL

NOT_RUN = "not run"
BARS = (
    ("PA-MPJPE (mm)", "pa_mpjpe_mm", "<=", 8.0),
    ("MPJPE, wrist-relative (mm)", "mpjpe_mm", "<=", 15.0),
    ("depth error, median (%)", "depth_error_median_pct", "<=", 4.0),
    ("contact F1", "contact_f1", ">=", 0.7),
    ("MediaPipe finds a hand in plain sight", "mediapipe_detection_rate", ">=", 0.6),
    ("hands found where there are none", "false_finds", "<=", 0.0),
)
"""Of the figures that come first: label, key, and the bar."""
BOXES = {"truth": "true", "detector_like": "detector-like"}
ESTIMATORS = {"small": "AMT small", "mediapipe": "MediaPipe, fitted hand"}
_HAND_COLUMNS = ("hands", "MPJPE (mm)", "PA-MPJPE (mm)", "absolute (mm)", "AUC of PA",
                 "PCK 20 mm", "depth, median (%)", "depth, p90 (%)", "depth, bias (%)")  # fmt: skip


def first_figures(synthetic: Mapping[str, Any], videos: Mapping[str, Any] | None) -> dict[str, Any]:
    """Those that a reader looks for first: of the model with the true boxes."""
    small = synthetic["small"]["truth"]
    contacts = small["contacts"]
    empty = None if videos is None else videos["no_hand"]["small"]
    return {
        "pa_mpjpe_mm": small["hands"]["procrustes"]["mean_mm"],
        "mpjpe_mm": small["hands"]["relative"]["mean_mm"],
        "absolute_mm": small["hands"]["absolute"]["mean_mm"],
        "depth_error_median_pct": small["depth"]["median_pct"],
        "contact_f1": None if contacts is None else contacts["f1_micro"],
        "object_position_mm": small["objects"]["position_mm"],
        "object_rotation_deg": small["objects"]["rotation_deg"],
        "mediapipe_detection_rate": synthetic["mediapipe"]["detection"][CLEAR]["rate"],
        "false_finds": None if empty is None else empty["in_clip"] + empty["in_images"],
    }


def as_markdown(report: Mapping[str, Any]) -> str:
    """The whole page. report: as it is in small.json."""
    synthetic = report["synthetic"]
    parts = [
        "# The small checkpoint: what it is worth",
        _origin(report),
        _bars(report),
        f"## Held-out scenes: {synthetic['data']}",
        "Objects, hand shapes and cameras that training has not seen. MPJPE is relative to the "
        "wrist, PA after a proper Procrustes alignment (a mirrored hand stays wrong), absolute in "
        "the camera's frame; means over the hands. Depth: the wrist's distance along the camera's "
        "axis, in percent of the true one. Detector-like boxes are the true ones moved and "
        "resized by a standard deviation of 10 % of their size.",
        "![Truth and prediction on twelve held-out scenes](../small_scenes.jpg)",
        _models(synthetic).to_markdown(),
        "### Objects and contacts",
        _objects(synthetic).to_markdown(),
        _contacts(synthetic).to_markdown(),
        "### The same hands with MediaPipe",
        _detection(synthetic["mediapipe"]),
        _beside_mediapipe(synthetic).to_markdown(),
        "The fitted hand is what the pipeline makes of MediaPipe's keypoints, with a hand of "
        "average length: its depth cannot be better than that guess. The model is told the side, "
        "MediaPipe finds it by itself.",
        "### Depth",
        _depth(synthetic, "by_depth_m", "distance (m)").to_markdown(),
        _depth(synthetic, "by_focal_px", "focal length (px at 640)").to_markdown(),
        _held_out(synthetic),
        *_videos(report["videos"]),
        "## What took how long",
        _seconds(report["seconds"]).to_markdown(),
    ]
    return "\n\n".join(parts) + "\n"


def _origin(report: Mapping[str, Any]) -> str:
    return (
        f"`{report['command']}` at commit {report['commit']}, on {report['machine']}. Checkpoint "
        f"`{report['checkpoint']}` (SHA-256 {report['checkpoint_sha256'][:12]}…), trained on: "
        f"{report['trained_on']}. {report['scenes']:,} scenes of seed {report['seed']}, "
        f"{report['synthetic']['hands']:,} hands; all figures: [small.json](small.json). "
        "[How it was trained](small_training.md)."
    )


def _bars(report: Mapping[str, Any]) -> str:
    rows: list[tuple[Value, ...]] = []
    for label, key, sign, bar in BARS:
        value = report[key]
        met = value is not None and (value <= bar if sign == "<=" else value >= bar)
        verdict = NOT_RUN if value is None else "met" if met else "**not met**"
        rows.append((label, f"{sign} {bar:g}", _cell(value), verdict))
    for label, key in (
        ("absolute error (mm)", "absolute_mm"),
        ("object position (mm)", "object_position_mm"),
        ("object rotation (°)", "object_rotation_deg"),
    ):
        rows.append((label, "-", _cell(report[key]), ""))
    return Table("Bars", ("figure", "bar", "here", ""), tuple(rows)).to_markdown()


def _models(synthetic: Mapping[str, Any]) -> Table:
    rows: list[tuple[Value, ...]] = []
    for name in ("small", "baseline"):
        if synthetic[name] is None:
            rows.append((name, NOT_RUN, *[""] * len(_HAND_COLUMNS)))
            continue
        for key, boxes in BOXES.items():
            rows.append((name, boxes, *_hand_cells(synthetic[name][key])))
    return Table("Hands", ("model", "boxes", *_HAND_COLUMNS), tuple(rows))


def _hand_cells(run: Mapping[str, Any]) -> tuple[Value, ...]:
    hands, depth = run["hands"], run["depth"]
    absolute = hands.get("absolute")
    procrustes = hands["procrustes"]
    return (
        hands["samples"],
        _number(hands["relative"]["mean_mm"]),
        _number(procrustes["mean_mm"]),
        "-" if absolute is None else _number(absolute["mean_mm"]),
        _number(procrustes["auc_0_50_mm"]),
        _number(hands["relative"]["pck"]["20 mm"]),
        *(
            "-" if depth is None else _number(depth[key])
            for key in ("median_pct", "p90_pct", "bias_pct")
        ),
    )


def _objects(synthetic: Mapping[str, Any]) -> Table:
    keys = ("position_mm", "position_median_mm", "position_from_wrist_mm", "rotation_deg",
            "rotation_median_deg")  # fmt: skip
    rows = tuple(
        (name, BOXES[boxes], which, part["objects"], *(_number(part[key]) for key in keys),
         _number(run["objects"]["class_accuracy"]))
        for name, boxes, run in _runs(synthetic)
        for which, part in (("all", run["objects"]), ("nearest", run["objects"]["nearest"]))
    )  # fmt: skip
    columns = ("model", "boxes", "objects", "count", "position (mm)", "median (mm)",
               "from the wrist (mm)", "rotation (°)", "median (°)", "right class")  # fmt: skip
    return Table("Objects", columns, rows)


def _contacts(synthetic: Mapping[str, Any]) -> Table:
    rows = tuple(
        (name, BOXES[boxes], found["decisions"], found["touching"], _number(found["f1_micro"]),
         _number(found["f1_mean"]), *(_number(found["f1_by_part"][part]) for part in HAND_PARTS))
        for name, boxes, run in _runs(synthetic)
        for found in [run["contacts"]]
        if found is not None
    )  # fmt: skip
    columns = ("model", "boxes", "decisions", "touching", "contact F1", "mean of parts",
               *HAND_PARTS)  # fmt: skip
    return Table("Contacts", columns, rows)


def _runs(synthetic: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Model, boxes and figures of every run."""
    return [
        (name, boxes, synthetic[name][boxes])
        for name in ("small", "baseline")
        if synthetic[name] is not None
        for boxes in BOXES
    ]


def _detection(mediapipe: Mapping[str, Any]) -> str:
    rows = tuple(
        (name, group["hands"], _number(group["rate"]))
        for name, group in mediapipe["detection"].items()
    )
    table = Table("Detection", ("hands", "there", "found by MediaPipe"), rows).to_markdown()
    side = mediapipe["side_right"]
    return f"{table}\n\nOf those that it finds, {_cell(side)} are on the right side."


def _beside_mediapipe(synthetic: Mapping[str, Any]) -> Table:
    small, other = synthetic["small"]["where_mediapipe_finds_the_hand"], synthetic["mediapipe"]
    rows = [
        *((f"small, {boxes} boxes", *_hand_cells(small[key])) for key, boxes in BOXES.items()),
        ("MediaPipe, fitted hand", *_hand_cells(other)),
        (
            "the same, right side only",
            *_hand_cells({"hands": other["hands_of_the_right_side"], "depth": None}),
        ),
        ("MediaPipe, its own joints", *_hand_cells({"hands": other["own_joints"], "depth": None})),
    ]
    return Table("Beside MediaPipe", ("", *_HAND_COLUMNS), tuple(rows))


def _depth(synthetic: Mapping[str, Any], key: str, what: str) -> Table:
    found: dict[str, Sequence[Mapping[str, Any]]] = {
        f"{name}, {BOXES[boxes]}": run["depth"][key] for name, boxes, run in _runs(synthetic)
    }
    found["MediaPipe"] = synthetic["mediapipe"]["depth"][key]
    first = next(iter(found.values()))
    rows = tuple(
        (
            f"{one['from']:g} to {one['to']:g}",
            one["samples"],
            *(
                f"{_cell(bins[k]['median_pct'])} / {_cell(bins[k]['p90_pct'])} / "
                f"{_signed(bins[k]['bias_pct'])}"
                for bins in found.values()
            ),
        )
        for k, one in enumerate(first)
    )
    columns = (what, "hands", *(f"{name}: median / p90 / bias (%)" for name in found))
    return Table("Depth", columns, rows)


def _held_out(synthetic: Mapping[str, Any]) -> str:
    depth = synthetic["small"]["truth"]["depth"]
    held, known = depth["held_out_focal"], depth["trained_focal"]
    bands = " and ".join(f"{low:g} to {high:g}" for low, high in HELD_OUT_FOCAL)
    return (
        f"Focal lengths that training has not seen ({bands} px): median "
        f"{_cell(held['median_pct'])} % of {held['samples']:,} hands; others: "
        f"{_cell(known['median_pct'])} % of {known['samples']:,}."
    )


def _videos(videos: Mapping[str, Any] | None) -> list[str]:
    if videos is None:
        return ["## Real videos", "Not run: give the folder that holds videos/ with --data."]
    return [
        "## Real videos",
        "Both as the pipeline runs them, with an assumed field of view of 60°. There is no truth: "
        "the difference is to MediaPipe's fitted hand. Jitter: distance of the wrist-relative "
        "joints to a Savitzky-Golay fit over 9 frames, root mean square.",
        _found(videos).to_markdown(),
        _steadiness(videos).to_markdown(),
        _differences(videos).to_markdown(),
        *(f"![The model's hands and MediaPipe's](../{name})" for name in videos["stills"]),
    ]


def _found(videos: Mapping[str, Any]) -> Table:
    rows: list[tuple[Value, ...]] = [
        (name, label, f"{one['frames_with_a_hand']:,} of {clip['frames']:,}", one["side_flips"],
         f"{one['ms_p50']:.0f} / {one['ms_p95']:.0f}")
        for name, clip in videos["clips"].items()
        for key, label in ESTIMATORS.items()
        for one in [clip[key]]
    ]  # fmt: skip
    for key, label in ESTIMATORS.items():
        empty = videos["no_hand"][key]
        rows += [
            ("no_hand_dog", label, f"{empty['in_clip']:,} of {empty['clip_frames']:,}", "", ""),
            ("images_no_hand", label, f"{empty['in_images']:,} in {empty['images']:,} images",
             "", ""),
        ]  # fmt: skip
    columns = ("clip", "estimator", "frames with a hand", "side flips", "ms a frame, p50 / p95")
    return Table("Clips", columns, tuple(rows))


def _steadiness(videos: Mapping[str, Any]) -> Table:
    rows = tuple(
        (f"{name}, {side} hand", label, steady["frames"], _number(steady["jitter_mm"]),
         _number(steady["bone_variation"]))
        for name, clip in videos["clips"].items()
        for side in ("left", "right")
        if any(clip[key]["sides"][side]["frames"] for key in ESTIMATORS)
        for key, label in ESTIMATORS.items()
        for steady in [clip[key]["sides"][side]]
    )  # fmt: skip
    columns = ("hand", "estimator", "frames", "jitter (mm)", "bone length variation")
    return Table("Steadiness", columns, rows)


def _differences(videos: Mapping[str, Any]) -> Table:
    keys = ("pa_mm", "pa_median_mm", "pa_p90_mm", "keypoints_of_box", "same_side")
    rows = tuple(
        (name, clip["difference"]["hands"], *(_number(clip["difference"][key]) for key in keys))
        for name, clip in videos["clips"].items()
    )
    columns = ("model to MediaPipe", "hands", "PA (mm)", "median (mm)", "p90 (mm)",
               "keypoints (of the box's size)", "same side")  # fmt: skip
    return Table("Differences", columns, rows)


def _seconds(seconds: Mapping[str, float]) -> Table:
    return Table(
        "Seconds", ("part", "seconds"), tuple((name, round(one)) for name, one in seconds.items())
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _cell(value: float | None) -> str:
    return shown(_number(value))


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f}"
