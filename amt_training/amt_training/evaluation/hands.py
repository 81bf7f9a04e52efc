"""The protocol for hands: joints, mesh, keypoints in the picture, motion and confidence.

Figures in millimetres. The alignments are DexYCB's (absolute, root-relative, Procrustes); beside
their Procrustes alignment, which lets a hand be mirrored, stands the one that does not.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from amt_perception.hand.joints import BASES, FINGERS, JOINT_NAMES, WRIST
from amt_perception.metrics.classification import Reliability, reliability
from amt_perception.metrics.curves import Curve, pck_curve
from amt_perception.metrics.jitter import acceleration_error, savgol_residual
from amt_perception.metrics.keypoints import average_precision, keypoint_similarity
from amt_perception.metrics.pose import point_errors, procrustes_align
from amt_perception.metrics.surface import f_score
from amt_perception.model.interface import CONFIDENT_DISTANCE_M, LEFT, RIGHT
from amt_perception.output.files import atomic_write
from amt_training.evaluation.predictions import Predictions, Truth
from amt_training.evaluation.tables import Table, Value

ALIGNMENTS = ("absolute", "wrist-relative", "Procrustes, proper", "Procrustes, official")
"""Of joints and vertices to the truth; the official one of the data sets allows a reflection."""
DEPTHS_M = (0.0, 0.5, 0.7, 0.8, 1.0, np.inf)
"""Edges of the ranges of the true wrist's distance along the camera's axis."""
F_THRESHOLDS_M = np.array([0.005, 0.015])
_CHUNK = 256
"""Meshes that are aligned at a time: those of a whole data set need too much memory."""


@dataclass(frozen=True)
class HandErrors:
    """Of each joint of N samples after each alignment (m); NaN where it is not known."""

    by_alignment: np.ndarray
    """[4, N, 21] in the order of ALIGNMENTS."""

    @property
    def valid(self) -> np.ndarray:
        """[4, N, 21] bool."""
        return np.isfinite(self.by_alignment)

    def curve(self, alignment: int) -> Curve:
        """The PCK curve over 0 to 50 mm."""
        return pck_curve(self.by_alignment[alignment], self.valid[alignment])

    def of_samples(self, alignment: int) -> np.ndarray:
        """[N] mean over the joints that are known (m); NaN where none is."""
        return _mean(self.by_alignment[alignment], axis=1)


def hand_errors(predictions: Predictions, truth: Truth) -> HandErrors:
    """Errors of all joints.

    A joint counts where its place is known; wrist-relative, in samples whose wrist and another
    joint are known (a wrist alone would be right by definition); after a Procrustes alignment, in
    samples with all 21.
    """
    known, complete = truth.joints_valid, truth.joints_valid.all(axis=1)
    relative = known & (known[:, WRIST] & (known.sum(axis=1) > 1))[:, None]
    errors = np.full((len(ALIGNMENTS), *known.shape), np.nan)
    errors[0][known] = point_errors(predictions.joints, truth.joints)[known]
    errors[1][relative] = point_errors(predictions.joints, truth.joints, WRIST)[relative]
    for number, allowed in ((2, False), (3, True)):
        target = truth.joints[complete]
        aligned = procrustes_align(predictions.joints[complete], target, allowed)
        errors[number][complete] = point_errors(aligned, target)
    return HandErrors(errors)


def hand_tables(predictions: Predictions, truth: Truth, errors: HandErrors) -> list[Table]:
    """All tables about hands. errors: of `hand_errors`."""
    tables = [_overall(errors), *_breakdowns(truth, errors)]
    if predictions.vertices is not None and truth.vertices is not None and truth.mano_valid.any():
        tables.append(_mesh(predictions.vertices, truth.vertices, truth.mano_valid))
    return [
        *tables,
        _picture(predictions, truth),
        _motion(predictions, truth),
        _confidence(joint_reliability(predictions, errors)),
    ]


def joint_reliability(predictions: Predictions, errors: HandErrors) -> Reliability:
    """Of the joints' confidence, over all joints that are known."""
    known = errors.valid[0]
    correct = errors.by_alignment[0][known] < CONFIDENT_DISTANCE_M
    return reliability(predictions.joint_confidence[known], correct)


def write_dexycb_results(path: Path, numbers: np.ndarray, joints: np.ndarray) -> None:
    """Results in the text format of DexYCB's evaluation: a line of number and 63 mm a sample.

    numbers: [N] int, of each sample in the official split, in which those without a hand count.
    joints: [N, 21, 3] (m). Raises AmtError when the file cannot be written.
    """
    rows = 1e3 * joints.reshape(len(joints), 63)
    with atomic_write(path) as temporary, temporary.open("w") as file:
        for number, row in zip(numbers, rows, strict=True):
            file.write(",".join([str(int(number)), *(f"{value:.4f}" for value in row)]) + "\n")


def _overall(errors: HandErrors) -> Table:
    rows = []
    for number, name in enumerate(ALIGNMENTS):
        known, values = errors.valid[number], errors.by_alignment[number]
        samples = int(known.any(axis=1).sum())
        median = 1e3 * float(np.median(values[known])) if known.any() else float("nan")
        rows.append(
            (name, samples, int(known.sum()), _mm(values), median, errors.curve(number).area)
        )
    columns = ("alignment", "samples", "joints", "MPJPE (mm)", "median (mm)", "AUC 0-50 mm")
    note = (
        "The official Procrustes alignment of FreiHAND, HO3D and DexYCB lets a hand be mirrored, "
        "the proper one does not. AUC: of the PCK curve, 100 steps."
    )
    return Table("Joints", columns, tuple(rows), note)


def _breakdowns(truth: Truth, errors: HandErrors) -> Iterator[Table]:
    every = np.arange(len(truth))
    yield _groups(
        "Joints by side", "side", errors,
        [(name, np.flatnonzero(truth.side == value), slice(None))
         for name, value in (("left", LEFT), ("right", RIGHT))],
    )  # fmt: skip
    wrist = np.where(truth.joints_valid[:, WRIST], truth.joints[:, WRIST, 2], np.nan)
    yield _groups(
        "Joints by distance from the camera", "wrist's depth", errors,
        [(_range_name(near, far), np.flatnonzero((wrist >= near) & (wrist < far)), slice(None))
         for near, far in itertools.pairwise(DEPTHS_M)],
    )  # fmt: skip
    parts = [("wrist", [WRIST])]
    parts += [
        (name, list(range(base, base + 4))) for name, base in zip(FINGERS, BASES, strict=True)
    ]
    yield _groups("Joints by finger", "finger", errors, [(name, every, own) for name, own in parts])
    yield _groups(
        "Joints one by one", "joint", errors,
        [(name.replace("_", " "), every, [number]) for number, name in enumerate(JOINT_NAMES)],
    )  # fmt: skip


def _groups(
    title: str,
    what: str,
    errors: HandErrors,
    groups: Sequence[tuple[str, np.ndarray, slice | list[int]]],
) -> Table:
    """Mean errors of groups of (name, samples, joints)."""
    rows: list[tuple[Value, ...]] = []
    for name, samples, joints in groups:
        part = errors.by_alignment[:, samples][:, :, joints]
        counts = np.isfinite(part).any(axis=2).sum(axis=1)
        means = [_mm(values) for values in part]
        rows.append((name, int(counts[0]), *means[:2], int(counts[2]), *means[2:]))
    columns = (what, "samples", *(f"{name} (mm)" for name in ALIGNMENTS[:2]),
               "with all joints", *(f"{name} (mm)" for name in ALIGNMENTS[2:]))  # fmt: skip
    return Table(title, columns, tuple(rows))


def _mesh(vertices: np.ndarray, truth: np.ndarray, valid: np.ndarray) -> Table:
    chosen = np.flatnonzero(valid)
    errors = np.zeros((len(ALIGNMENTS) - 1, len(chosen)))
    scores = np.zeros((len(ALIGNMENTS) - 1, len(chosen), len(F_THRESHOLDS_M)))
    bar = tqdm(total=len(chosen), desc="meshes", unit="sample")
    for start in range(0, len(chosen), _CHUNK):
        part = slice(start, start + _CHUNK)
        found, target = vertices[chosen[part]].astype(float), truth[chosen[part]].astype(float)
        candidates = (
            found,
            procrustes_align(found, target),
            procrustes_align(found, target, allow_reflection=True),
        )
        for number, moved in enumerate(candidates):
            errors[number, part] = point_errors(moved, target).mean(axis=1)
            scores[number, part] = [f_score(*pair, F_THRESHOLDS_M)
                                    for pair in zip(moved, target, strict=True)]  # fmt: skip
        bar.update(len(found))
    bar.close()
    names = (ALIGNMENTS[0], *ALIGNMENTS[2:])
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (name, len(chosen), _mm(error), *(float(one) for one in score.mean(axis=0)))
        for name, error, score in zip(names, errors, scores, strict=True)
    )
    return Table("Mesh", ("alignment", "samples", "MPVPE (mm)", "F at 5 mm", "F at 15 mm"), rows)


def _picture(predictions: Predictions, truth: Truth) -> Table:
    """The joints in the picture: as the network sees them, and where the 3D joints project to."""
    target = _projected(truth.joints, truth.intrinsics)
    valid = np.asarray(truth.joints_valid & (truth.joints[..., 2] > 0.0))
    samples = np.asarray(valid.any(axis=1))
    area = truth.hand_box[:, 2:].prod(axis=1)
    rows: list[tuple[Value, ...]] = []
    in_front = (predictions.joints[..., 2:] > 0.0).all(axis=1, keepdims=True)
    projected = np.where(in_front, _projected(predictions.joints, truth.intrinsics), np.inf)
    for name, points in (("keypoints", predictions.keypoints), ("3D joints", projected)):
        errors = np.linalg.norm(points - target, axis=-1)[valid]
        similarity = keypoint_similarity(points, target, valid, area)[samples]
        score = predictions.joint_confidence.mean(axis=1)[samples]
        pictures = [(score[n : n + 1], similarity[n : n + 1, None]) for n in range(len(score))]
        if len(errors) == 0:
            rows.append((name, 0, *[float("nan")] * 4))
            continue
        rows.append(
            (name, len(score), float(np.mean(errors)), float(np.median(errors)),
             float(np.mean(similarity)), 100.0 * average_precision(pictures))
        )  # fmt: skip
    columns = ("points", "samples", "mean (px)", "median (px)", "OKS", "OKS AP (%)")
    note = (
        "OKS and AP as COCO defines them, with DexYCB's sigma of 0.05. The hand's area is that of "
        "the box around its joints, where COCO takes the segmentation's, and every sample counts "
        "as a picture with one hand: not comparable with figures of a hand detector."
    )
    return Table("Joints in the picture", columns, tuple(rows), note)


def _motion(predictions: Predictions, truth: Truth) -> Table:
    """Over stretches of frames that follow each other."""
    acceleration, found_jitter, true_jitter = [], [], []
    for name in np.unique(truth.sequence):
        own = np.flatnonzero(truth.sequence == name)
        frames = truth.frame[own] - truth.frame[own].min()
        found = np.full((frames.max() + 1, 21, 3), np.nan)
        target = found.copy()
        found[frames] = predictions.joints[own]
        target[frames] = np.where(truth.joints_valid[own][..., None], truth.joints[own], np.nan)
        acceleration.append(acceleration_error(found, target).ravel())
        found_jitter.append(savgol_residual(found).ravel())
        true_jitter.append(savgol_residual(target).ravel())
    rows = tuple(
        (name, int(np.isfinite(values).sum()), _mm(values), 1e3 * _root_mean_square(values))
        for name, parts in (
            ("acceleration error (mm/frame²)", acceleration),
            ("jitter of the estimate (mm)", found_jitter),
            ("jitter of the truth (mm)", true_jitter),
        )
        for values in [np.concatenate(parts)]
    )
    note = (
        "Jitter: distance to a Savitzky-Golay fit over 9 frames. Only joints in frames that follow "
        "each other count."
    )
    return Table("Motion", ("figure", "joints", "mean", "root mean square"), rows, note)


def _confidence(found: Reliability) -> Table:
    limit = f"{1e3 * CONFIDENT_DISTANCE_M:.0f} mm"
    total = int(found.sizes.sum())
    accuracy, confidence = (
        float(np.nansum(values * found.sizes) / total) if total else float("nan")
        for values in (found.accuracy, found.confidence)
    )
    return Table(
        "Confidence of the joints",
        ("what", "joints", f"within {limit} (%)", "confidence (%)", "calibration error (%)"),
        (("all joints", total, 100.0 * accuracy, 100.0 * confidence,
          100.0 * found.calibration_error),),
        f"A joint's confidence is the probability that it is within {limit} of the truth. Expected "
        f"calibration error over {len(found.sizes)} bins.",
    )  # fmt: skip


def _projected(points: np.ndarray, cameras: np.ndarray) -> np.ndarray:
    """[N, J, 2] pixels of points [N, J, 3]; NaN or infinite on the camera's own plane."""
    projected = points @ np.swapaxes(cameras, -1, -2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return projected[..., :2] / projected[..., 2:]


def _range_name(near: float, far: float) -> str:
    if near == 0.0:
        return f"below {1e3 * far:.0f} mm"
    if np.isinf(far):
        return f"above {1e3 * near:.0f} mm"
    return f"{1e3 * near:.0f} to {1e3 * far:.0f} mm"


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    known = np.isfinite(values)
    total, count = np.where(known, values, 0.0).sum(axis=axis), known.sum(axis=axis)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def _mm(values: np.ndarray) -> float:
    """Mean of what is known, in millimetres; NaN for nothing."""
    return 1e3 * float(_mean(np.ravel(values), axis=0))


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(_mean(np.square(values), axis=0)))
