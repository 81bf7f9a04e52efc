"""Protocols on predictions that are known: perfect ones, mirrored ones, and some by chance."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

pytest.importorskip("mujoco", reason="mujoco is not installed")

from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import MANO_TIP_VERTICES, TIPS, Side
from amt_perception.model.config import YCB_CLASSES
from amt_perception.model.interface import LEFT, RIGHT
from amt_training.evaluation.boxes import TrueBoxes
from amt_training.evaluation.contacts import contact_tables
from amt_training.evaluation.hands import (
    ALIGNMENTS,
    hand_errors,
    hand_tables,
    write_dexycb_results,
)
from amt_training.evaluation.objects import object_errors, object_tables
from amt_training.evaluation.predictions import Predictions, Truth, with_tips
from amt_training.evaluation.reading import Picturing, read_samples
from amt_training.evaluation.tables import Table
from amt_training.losses.targets import UNKNOWN

from .evaluation_scenes import SceneDataset

DEXYCB_TIPS = {Side.LEFT: (745, 317, 445, 556, 673), Side.RIGHT: (745, 317, 444, 556, 673)}


@pytest.fixture(scope="module")
def dataset() -> SceneDataset:
    return SceneDataset(18)


@pytest.fixture(scope="module")
def truth(dataset) -> Truth:
    picturing = Picturing(16, 2.0, TrueBoxes(), generic_hand(Side.RIGHT))
    rows = [crop.row for crop in read_samples(dataset, picturing, workers=0)]
    return Truth(**{name: np.stack([row[name] for row in rows]) for name in rows[0]})


@pytest.fixture
def perfect(truth) -> Predictions:
    """What is true, said with full confidence."""
    projected = truth.joints @ np.swapaxes(truth.intrinsics, 1, 2)
    chance = np.zeros((len(truth), 2, len(YCB_CLASSES)))
    chance[np.arange(len(truth)), 1, truth.object_class[:, 0]] = 1.0
    return Predictions(
        joints=truth.joints,
        joint_confidence=np.ones((len(truth), 21)),
        keypoints=projected[..., :2] / projected[..., 2:],
        object_pose=truth.object_pose[:, [1, 0]],
        object_chance=chance,
        contact_probability=(truth.contact_part == 1).astype(float),
        contact_points=truth.contact_points,
        contact_confidence=truth.contact_valid.astype(float),
        interaction_probability=np.eye(3)[truth.interaction.clip(0)],
        vertices=truth.vertices,
    )


@pytest.fixture
def noisy(perfect) -> Predictions:
    """Hands about 15 mm off, each fourth mirrored."""
    random = np.random.default_rng(1)
    joints = perfect.joints + random.normal(scale=0.006, size=perfect.joints.shape)
    joints[::4] *= (-1.0, 1.0, 1.0)
    confidence = random.random(perfect.joint_confidence.shape)
    return replace(perfect, joints=joints, joint_confidence=confidence)


def tables_of(tables: list[Table]) -> dict[str, Table]:
    return {table.title: table for table in tables}


def test_the_truth_has_no_error(perfect, truth, dataset):
    tables = tables_of(hand_tables(perfect, truth, hand_errors(perfect, truth)))
    for name in ALIGNMENTS:
        assert tables["Joints"].value(name, "MPJPE (mm)") == pytest.approx(0.0, abs=1e-6)
        assert tables["Joints"].value(name, "samples") == 18
        # An error of 1e-17 is not below the first threshold, 0.
        assert tables["Joints"].value(name, "AUC 0-50 mm") == pytest.approx(1.0, abs=0.006)
    for name in (ALIGNMENTS[0], *ALIGNMENTS[2:]):
        assert tables["Mesh"].value(name, "MPVPE (mm)") == pytest.approx(0.0, abs=1e-4)
        assert tables["Mesh"].value(name, "F at 5 mm") == 1.0
    for name in ("keypoints", "3D joints"):
        assert tables["Joints in the picture"].value(name, "mean (px)") < 1e-9
        assert tables["Joints in the picture"].value(name, "OKS AP (%)") == 100.0
    motion = tables["Motion"]
    assert motion.value("acceleration error (mm/frame²)", "mean") == 0.0
    jitter = motion.value("jitter of the truth (mm)", "mean")
    assert motion.value("jitter of the estimate (mm)", "mean") == jitter > 0.0
    assert tables["Confidence of the joints"].value("all joints", "calibration error (%)") == 0.0

    errors = object_errors(perfect, truth, dataset.object_models)
    objects = tables_of(object_tables(perfect, truth, dataset.object_models, errors, YCB_CLASSES))
    assert objects["Objects found"].value("all", "F1 (%)") == 100.0
    for column in objects["Object poses"].columns[2:]:
        assert objects["Object poses"].value("003_cracker_box", column) < 1e-4
    for column in ("ADD-S < 10 % (%)", "AR of MSSD (%)", "AR of MSPD (%)"):
        assert objects["Object poses, recall"].value("all", column) == 100.0

    contacts = tables_of(contact_tables(perfect, truth, dataset.object_models))
    assert contacts["Contact of the hand's parts"].value("all", "F1 (%)") == 100.0
    assert contacts["Interaction"].value("grasp", "F1 (%)") == 100.0
    for cells in contacts["Contact points"].rows:
        assert cells[-1] == 0.0
    estimated, annotated = (row[1:] for row in contacts["Penetration"].rows)
    assert estimated == annotated
    assert annotated[1] > 0.0


def official_figures(found: np.ndarray, target: np.ndarray) -> list[tuple[float, float]]:
    """DexYCB's HPEEvaluator, in its own words: mm in; (MPJPE, AUC) for its three alignments."""

    def aligned(one, other):
        t1, t2 = one.mean(0), other.mean(0)
        one, other = one - t1, other - t2
        s1, s2 = np.linalg.norm(one) + 1e-8, np.linalg.norm(other) + 1e-8
        R, s = orthogonal_procrustes(one / s1, other / s2)
        return np.dot(other / s2, R.T) * s * s1 + t1

    pairs = [
        list(zip(target, found, strict=True)),
        [(a - a[0], b - b[0]) for a, b in zip(target, found, strict=True)],
        [(a, aligned(a, b)) for a, b in zip(target, found, strict=True)],
    ]
    thresholds = np.linspace(0.0, 50.0, 100)
    figures = []
    for alignment in pairs:
        data = np.array([np.sqrt(((a - b) ** 2).sum(-1)) for a, b in alignment])
        means, areas = [], []
        for keypoint in data.T:
            curve = np.array([np.mean((keypoint <= t).astype("float")) for t in thresholds])
            areas.append(np.trapezoid(curve, thresholds) / np.trapezoid(np.ones(100), thresholds))
            means.append(np.mean(keypoint))
        figures.append((float(np.mean(means)), float(np.mean(areas))))
    return figures


def test_figures_are_those_of_dexycbs_evaluation_of_our_result_file(noisy, truth, tmp_path: Path):
    path = tmp_path / "results.txt"
    numbers = np.arange(18) * 3 + 7
    write_dexycb_results(path, numbers, noisy.joints)
    results = {}
    for line in path.read_text().splitlines():  # as its _load_results reads them
        elements = line.split(",")
        assert len(elements) == 64
        results[int(elements[0])] = np.array(elements[1:], dtype=np.float64).reshape(21, 3)
    assert list(results) == numbers.tolist()
    expected = official_figures(np.array(list(results.values())), 1e3 * truth.joints)
    joints = tables_of(hand_tables(noisy, truth, hand_errors(noisy, truth)))["Joints"]
    for name, (mean, area) in zip((*ALIGNMENTS[:2], ALIGNMENTS[3]), expected, strict=True):
        assert joints.value(name, "MPJPE (mm)") == pytest.approx(mean, abs=1e-3)  # 4 digits a value
        assert joints.value(name, "AUC 0-50 mm") == pytest.approx(area, abs=1e-3)
    exact = official_figures(1e3 * noisy.joints, 1e3 * truth.joints)
    for name, (mean, area) in zip((*ALIGNMENTS[:2], ALIGNMENTS[3]), exact, strict=True):
        assert joints.value(name, "MPJPE (mm)") == pytest.approx(mean, abs=1e-6)
        assert joints.value(name, "AUC 0-50 mm") == pytest.approx(area, abs=1e-6)
    proper, official = (joints.value(name, "MPJPE (mm)") for name in ALIGNMENTS[2:])
    assert proper > official + 1.0  # the mirrored ones


def test_groups_are_means_over_their_own_samples_and_joints(noisy, truth):
    errors = hand_errors(noisy, truth)
    tables = tables_of(hand_tables(noisy, truth, errors))
    absolute = 1e3 * np.linalg.norm(noisy.joints - truth.joints, axis=-1)
    for name, value in (("left", LEFT), ("right", RIGHT)):
        found = tables["Joints by side"].value(name, "absolute (mm)")
        assert found == pytest.approx(absolute[truth.side == value].mean())
    near = truth.joints[:, 0, 2] < 0.5
    by_depth = tables["Joints by distance from the camera"]
    assert by_depth.value("below 500 mm", "samples") == near.sum()
    found = by_depth.value("below 500 mm", "absolute (mm)")
    assert found == pytest.approx(absolute[near].mean())
    assert np.isnan(by_depth.value("above 1000 mm", "absolute (mm)"))
    found = tables["Joints by finger"].value("index", "absolute (mm)")
    assert found == pytest.approx(absolute[:, 5:9].mean())
    found = tables["Joints one by one"].value("pinky tip", "absolute (mm)")
    assert found == pytest.approx(absolute[:, 20].mean())


def test_only_what_is_known_counts(noisy, truth):
    known = np.ones((18, 21), bool)
    known[0], known[1, 0], known[2, 8], known[3, 1:] = False, False, False, False
    joints = np.where(known[..., None], truth.joints, 0.0)
    errors = hand_errors(noisy, replace(truth, joints=joints, joints_valid=known))
    whole = hand_errors(noisy, truth)
    counts = errors.valid.sum(axis=(1, 2))
    assert counts.tolist() == [15 * 21 + 20 - 1 + 1, 15 * 21 - 1, 14 * 21, 14 * 21]
    for alignment in range(4):
        chosen = errors.valid[alignment]
        np.testing.assert_allclose(
            errors.by_alignment[alignment][chosen], whole.by_alignment[alignment][chosen]
        )
    table = hand_tables(noisy, replace(truth, joints=joints, joints_valid=known), errors)[0]
    assert [row[1] for row in table.rows] == [17, 15, 14, 14]
    unknown = replace(truth, joints_valid=np.zeros_like(known))
    for table in hand_tables(noisy, unknown, hand_errors(noisy, unknown)):
        assert table.title == "Mesh" or table.rows[0][1] == 0


def test_tips_go_where_the_data_set_has_them(perfect, truth):
    moved = with_tips(perfect, truth.side, DEXYCB_TIPS)
    for row, side in enumerate(truth.side):
        own = DEXYCB_TIPS[Side.LEFT if side == LEFT else Side.RIGHT]
        offset = truth.vertices[row, list(own)] - truth.vertices[row, list(MANO_TIP_VERTICES)]
        expected = truth.joints[row].copy()
        expected[list(TIPS)] += offset
        np.testing.assert_allclose(moved.joints[row], expected, atol=1e-7)
        assert np.abs(offset).max() > 1e-3
    no_mesh = replace(perfect, vertices=None)
    assert with_tips(no_mesh, truth.side, DEXYCB_TIPS) is no_mesh


def test_object_figures_ask_for_the_class_and_count_what_is_not_reported(perfect, truth, dataset):
    kind = int(truth.object_class[0, 0])
    chance = 0.4 * perfect.object_chance  # too unsure to be reported
    chance[:, 0, kind + 1] = 0.9  # another class, surely
    unsure = replace(perfect, object_chance=chance)
    models = dataset.object_models
    errors = object_errors(unsure, truth, models)
    assert errors.add.max() < 1e-6
    found = tables_of(object_tables(unsure, truth, models, errors, YCB_CLASSES))["Objects found"]
    assert found.value("all", "recall (%)") == 0.0
    assert found.value("all", "precision (%)") == 0.0
    unknown = replace(truth, objects_annotated=np.zeros(18, bool))
    errors = object_errors(perfect, unknown, models)
    assert object_tables(perfect, unknown, models, errors, YCB_CLASSES) == []
    assert len(object_errors(perfect, truth, {})) == 0
    assert len(object_errors(perfect, truth, models, frame_step=4)) == 6


def test_many_objects_of_few_classes_count_as_their_class(perfect, truth, dataset):
    kind, (model,) = int(truth.object_class[0, 0]), dataset.object_models.values()
    many = truth.object_class * np.array([[20], [50]])[np.arange(18) % 2]
    renumbered = replace(truth, object_class=many)
    models = {number: replace(model, object_class=kind) for number in (20 * kind, 50 * kind)}
    errors = object_errors(perfect, renumbered, models)
    assert len(errors) == 18 and set(errors.class_index) == {kind}
    assert errors.add.max() < 1e-6
    for table in object_tables(perfect, renumbered, models, errors, YCB_CLASSES):
        assert [row[0] for row in table.rows] == ["all", YCB_CLASSES[kind]]
        if table.title == "Objects found":
            assert table.value("all", "F1 (%)") == 100.0
    depths = tables_of(contact_tables(perfect, renumbered, models))["Penetration"]
    expected = tables_of(contact_tables(perfect, truth, dataset.object_models))["Penetration"]
    assert depths == expected


def test_contacts_that_nobody_annotated_do_not_count(perfect, truth):
    part = truth.contact_part.copy()
    part[:10] = UNKNOWN
    wrong = replace(perfect, contact_probability=1.0 - perfect.contact_probability)
    tables = tables_of(contact_tables(wrong, replace(truth, contact_part=part), {}))
    parts = tables["Contact of the hand's parts"]
    assert parts.value("all", "decisions") == 48
    assert parts.value("all", "accuracy (%)") == 0.0
    nothing = replace(
        truth,
        contact_part=np.full_like(part, UNKNOWN),
        contact_annotated=np.zeros(18, bool),
        interaction=np.full(18, UNKNOWN),
    )
    assert contact_tables(replace(perfect, vertices=None), nothing, {}) == []


def test_arrays_come_back_from_their_files(perfect, truth, tmp_path: Path):
    for arrays in (truth, replace(perfect, vertices=None)):
        arrays.save(tmp_path / "arrays.npz")
        again = type(arrays).load(tmp_path / "arrays.npz")
        assert len(again) == 18
        for name, array in arrays.items():
            np.testing.assert_array_equal(getattr(again, name), array)
    with pytest.raises(AmtError, match="does not hold truth"):
        Truth.load(tmp_path / "arrays.npz")  # predictions
    (tmp_path / "cut.npz").write_bytes((tmp_path / "arrays.npz").read_bytes()[:1000])
    with pytest.raises(AmtError, match="run the evaluation again"):
        Predictions.load(tmp_path / "cut.npz")
