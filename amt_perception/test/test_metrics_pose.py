"""Pose metrics against transcriptions of the official evaluation code and against scipy."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.skinning import hand_vertices
from amt_perception.metrics.curves import average_recall, pck_curve
from amt_perception.metrics.jitter import acceleration_error
from amt_perception.metrics.pose import mpjpe, point_errors, procrustes_align, procrustes_mpjpe
from amt_perception.metrics.surface import f_score, nearest_distances, penetration_depth


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.fixture
def hands(random) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and truth [30, 21, 3] (m): hands about 8 mm apart in their shape, some far off."""
    hand = HandKinematics(generic_hand(Side.RIGHT))
    poses = random.normal(scale=0.3, size=(30, 16, 3))
    truth = np.stack([hand.joints21(pose, np.zeros(10), np.zeros(3)) for pose in poses])
    truth += (0.0, 0.0, 0.7)
    offset = random.normal(scale=0.02, size=(30, 1, 3))
    return truth + offset + random.normal(scale=0.008, size=truth.shape), truth


def official_alignment(truth: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """FreiHAND's, which DexYCB's and HO3D's evaluation use."""
    truth_middle, middle = truth.mean(0), joints.mean(0)
    truth, joints = truth - truth_middle, joints - middle
    truth_size = np.linalg.norm(truth) + 1e-8
    joints = joints / (np.linalg.norm(joints) + 1e-8)
    rotation, scale = orthogonal_procrustes(truth / truth_size, joints)
    return joints @ rotation.T * scale * truth_size + truth_middle


def official_auc(errors: np.ndarray) -> float:
    """FreiHAND's EvalUtil: each keypoint's curve, its area, the mean."""
    thresholds = np.linspace(0.0, 0.05, 100)
    areas = []
    for keypoint in range(errors.shape[1]):
        curve = [np.mean((errors[:, keypoint] <= one).astype(float)) for one in thresholds]
        area = sum(
            (b + a) / 2 * (t - s)
            for a, b, s, t in zip(curve, curve[1:], thresholds, thresholds[1:], strict=False)
        )
        areas.append(area / 0.05)
    return float(np.mean(areas))


def test_absolute_and_root_relative_errors(hands):
    joints, truth = hands
    distance = np.array([np.diag(cdist(a, b)) for a, b in zip(joints, truth, strict=True)])
    np.testing.assert_allclose(point_errors(joints, truth), distance, atol=1e-12)
    moved = joints - joints[:, 9:10] + truth[:, 9:10]
    relative = np.array([np.diag(cdist(a, b)) for a, b in zip(moved, truth, strict=True)])
    np.testing.assert_allclose(point_errors(joints, truth, root=9), relative, atol=1e-12)
    np.testing.assert_allclose(mpjpe(joints, truth), distance.mean(axis=1), atol=1e-12)


def test_official_alignment_is_freihands(hands):
    joints, truth = hands
    aligned = procrustes_align(joints, truth, allow_reflection=True)
    expected = np.stack([official_alignment(b, a) for a, b in zip(joints, truth, strict=True)])
    np.testing.assert_allclose(aligned, expected, atol=1e-7)


def test_official_alignment_leaves_scipys_disparity(hands):
    joints, truth = hands
    aligned = procrustes_align(joints, truth, allow_reflection=True)
    spread = ((truth - truth.mean(axis=1, keepdims=True)) ** 2).sum(axis=(1, 2))
    disparity = ((aligned - truth) ** 2).sum(axis=(1, 2)) / spread
    expected = [procrustes(b, a)[2] for a, b in zip(joints, truth, strict=True)]
    np.testing.assert_allclose(disparity, expected, atol=1e-10)


def test_proper_alignment_turns_as_scipys_rotation_does(hands):
    joints, truth = hands
    joints = joints * np.where(np.arange(30) % 2, 1.0, -1.0)[:, None, None]  # every other mirrored
    for estimate, target in zip(joints, truth, strict=True):
        a, b = estimate - estimate.mean(0), target - target.mean(0)
        turned = Rotation.align_vectors(b, a)[0].apply(a)
        expected = turned * (turned * b).sum() / (turned**2).sum() + target.mean(0)
        np.testing.assert_allclose(procrustes_align(estimate, target), expected, atol=1e-9)


def test_only_the_official_alignment_forgives_a_mirrored_hand(hands):
    truth = hands[1]
    mirrored = truth * (-1.0, 1.0, 1.0)
    assert procrustes_mpjpe(mirrored, truth, allow_reflection=True).max() < 1e-9
    assert procrustes_mpjpe(mirrored, truth).min() > 0.005
    both = [procrustes_mpjpe(*hands, allow_reflection=allowed) for allowed in (False, True)]
    np.testing.assert_allclose(*both, atol=1e-12)  # hands that are not mirrored: no difference


def test_a_collapsed_estimate_comes_to_the_middle_of_the_truth(hands):
    truth = hands[1]
    middle = truth.mean(axis=1, keepdims=True)
    aligned = procrustes_align(np.zeros_like(truth), truth)
    np.testing.assert_allclose(aligned, np.broadcast_to(middle, truth.shape), atol=1e-12)


@pytest.mark.parametrize("root", [None, 0])
def test_area_under_the_pck_curve_is_freihands(hands, root):
    errors = point_errors(*hands, root)
    valid = np.ones(errors.shape, bool)
    assert pck_curve(errors, valid).area == pytest.approx(official_auc(errors), abs=1e-9)


def test_pck_counts_each_joint_by_itself_and_only_where_it_is_known(random):
    errors = random.uniform(0.0, 0.07, (200, 3))
    valid = random.random((200, 3)) < 0.5
    valid[:, 2] = False
    errors[~valid] = np.nan
    curve = pck_curve(errors, valid)
    alone = [official_auc(errors[valid[:, joint], joint][:, None]) for joint in (0, 1)]
    assert curve.area == pytest.approx(np.mean(alone), abs=1e-9)
    assert np.isnan(pck_curve(errors, np.zeros_like(valid)).area)
    valid[0] = True
    with pytest.raises(ValueError, match="not finite"):
        pck_curve(np.where(np.arange(3) == 2, np.nan, errors), valid)


def test_average_recall_counts_what_was_not_found(random):
    errors = np.array([0.01, 0.2, np.inf, 0.06])
    expected = np.mean([np.mean(errors < limit) for limit in (0.05, 0.1, 0.3)])
    assert average_recall(errors, np.array([0.05, 0.1, 0.3])) == pytest.approx(expected)
    own = np.array([[0.02], [0.1], [9.0], [0.07]])
    assert average_recall(errors, own) == pytest.approx(0.5)
    assert np.isnan(average_recall(np.array([]), own[0]))
    with pytest.raises(ValueError, match="infinite"):
        average_recall(np.array([np.nan]), own[0])


def test_f_score_of_meshes_by_all_pairs_of_vertices(random):
    hand = generic_hand(Side.RIGHT)
    poses = random.normal(scale=0.2, size=(2, 16, 3))
    points, truth = (hand_vertices(hand, pose, np.zeros(10), np.zeros(3)) for pose in poses)
    distances = cdist(points, truth)
    for limit, score in zip((0.005, 0.015), f_score(points, truth, (0.005, 0.015)), strict=True):
        precision = np.mean(distances.min(axis=1) < limit)
        recall = np.mean(distances.min(axis=0) < limit)
        expected = 2 * precision * recall / (precision + recall)
        assert score == pytest.approx(expected, abs=1e-12)
        assert 0.0 < score < 1.0
    assert f_score(points, points + 1.0, (0.005,)) == 0.0
    np.testing.assert_allclose(nearest_distances(points, truth), distances.min(axis=1), atol=1e-12)


def test_penetration_into_a_ball():
    golden = np.pi * (3.0 - np.sqrt(5.0)) * np.arange(20000)
    height = np.linspace(-1.0, 1.0, 20000)
    ring = np.sqrt(1.0 - height**2)
    normals = np.column_stack([ring * np.cos(golden), ring * np.sin(golden), height])
    vertices = np.array([[0.0, 0.0, 0.03], [0.045, 0.0, 0.0], [0.2, 0.0, 0.0]])
    depth = penetration_depth(vertices, 0.05 * normals, normals)
    assert depth == pytest.approx(0.02, abs=1e-6)
    assert penetration_depth(vertices[2:], 0.05 * normals, normals) == 0.0
    inside = vertices[1:]
    nearest = cdist(inside, 0.05 * normals).argmin(axis=1)
    planes = ((0.05 * normals[nearest] - inside) * normals[nearest]).sum(axis=1)
    assert penetration_depth(inside, 0.05 * normals, normals) == pytest.approx(planes.max())


def test_acceleration_error_by_hand_and_across_a_gap(random):
    joints, truth = random.normal(size=(2, 12, 4, 3))
    joints[7] = np.nan
    error = acceleration_error(joints, truth)
    for t in range(1, 11):
        a = joints[t - 1] - 2 * joints[t] + joints[t + 1]
        b = truth[t - 1] - 2 * truth[t] + truth[t + 1]
        np.testing.assert_allclose(error[t], np.linalg.norm(a - b, axis=-1), atol=1e-12)
    assert np.flatnonzero(np.isnan(error[:, 0])).tolist() == [0, 6, 7, 8, 11]
    with pytest.raises(ValueError, match="differ in shape"):
        acceleration_error(joints, truth[:-1])
