"""Metrics of object poses against the words of their papers, trimesh and search by brute force."""

import numpy as np
import pytest
import trimesh
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from amt_perception.metrics.objects import (
    add_error,
    adds_error,
    all_symmetries,
    corner_error,
    diameter,
    mspd,
    mssd,
    outer_points,
    rotation_error,
    translation_error,
)

CAMERA = np.array([[600.0, 0.0, 320.0], [0.0, 590.0, 240.0], [0.0, 0.0, 1.0]])
NO_AXIS = np.zeros(3)
NO_SYMMETRY = np.eye(3)[None]
HALF_TURNS = Rotation.from_rotvec(np.pi * np.vstack([np.zeros(3), np.eye(3)])).as_matrix()


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.asarray(trimesh.creation.box((0.06, 0.09, 0.16)).subdivide().subdivide().vertices)


@pytest.fixture
def poses() -> tuple[np.ndarray, np.ndarray]:
    """An estimate and the truth."""
    random = np.random.default_rng(5)
    pose, truth = np.eye(4), np.eye(4)
    turn = Rotation.from_rotvec(random.normal(scale=0.3, size=3))
    truth[:3, :3] = Rotation.random(rng=random).as_matrix()
    truth[:3, 3] = (0.05, -0.02, 0.7)
    pose[:3, :3] = turn.as_matrix() @ truth[:3, :3]
    pose[:3, 3] = truth[:3, 3] + random.normal(scale=0.01, size=3)
    return pose, truth


def placed(pose: np.ndarray, points: np.ndarray) -> np.ndarray:
    return trimesh.transform_points(points, pose)


def test_add_and_add_s(poses, points):
    pairs = cdist(placed(poses[1], points), placed(poses[0], points))
    assert add_error(*poses, points) == pytest.approx(np.diag(pairs).mean(), abs=1e-12)
    assert adds_error(*poses, points) == pytest.approx(pairs.min(axis=1).mean(), abs=1e-12)
    assert 0.0 < adds_error(*poses, points) < add_error(*poses, points)


def test_add_s_forgives_a_half_turn_of_a_box(poses, points):
    truth, turned = poses[1], poses[1].copy()
    turned[:3, :3] = truth[:3, :3] @ HALF_TURNS[3]
    assert adds_error(turned, truth, points) == pytest.approx(0.0, abs=1e-9)
    assert add_error(turned, truth, points) > 0.02


def test_translation_and_rotation(poses):
    pose, truth = poses
    assert translation_error(pose, truth) == pytest.approx(
        np.sqrt(((pose[:3, 3] - truth[:3, 3]) ** 2).sum()), abs=1e-15
    )
    cosine = (np.trace(truth[:3, :3].T @ pose[:3, :3]) - 1.0) / 2.0
    found = rotation_error(pose[:3, :3], truth[:3, :3], NO_SYMMETRY, NO_AXIS)
    assert found == pytest.approx(np.arccos(cosine), abs=1e-9)


def test_rotation_with_symmetries_is_the_smallest_angle(poses):
    pose, truth = poses[0][:3, :3], poses[1][:3, :3]
    for turn in HALF_TURNS:
        found = rotation_error(pose @ turn, truth, HALF_TURNS, NO_AXIS)
        assert found == pytest.approx(rotation_error(pose, truth, NO_SYMMETRY, NO_AXIS), abs=1e-9)


@pytest.mark.parametrize("discrete", [NO_SYMMETRY, HALF_TURNS[:2]])
def test_rotation_about_an_axis_of_symmetry_by_search(discrete):
    random = np.random.default_rng(2)
    axis = np.array([0.0, 0.0, 1.0])
    angles = np.linspace(0.0, 2.0 * np.pi, 200_001)
    turns = Rotation.from_rotvec(angles[:, None] * axis)
    for _ in range(5):
        pose, truth = Rotation.random(2, rng=random)
        candidates = [
            (turns.inv() * Rotation.from_matrix(one).inv() * truth.inv() * pose).magnitude().min()
            for one in discrete
        ]
        found = rotation_error(pose.as_matrix(), truth.as_matrix(), discrete, axis)
        assert found == pytest.approx(min(candidates), abs=1e-6)


def test_mssd_and_mspd_are_the_definitions_of_bop(poses, points):
    pose, truth = poses
    turned = pose.copy()
    turned[:3, :3] = pose[:3, :3] @ HALF_TURNS[2]
    surface, projection = [], []
    for symmetry in HALF_TURNS:
        candidate = truth.copy()
        candidate[:3, :3] = truth[:3, :3] @ symmetry
        a, b = placed(turned, points), placed(candidate, points)
        surface.append(max(np.linalg.norm(p - q) for p, q in zip(a, b, strict=True)))
        flat = [(CAMERA @ p / p[2] - CAMERA @ q / q[2])[:2] for p, q in zip(a, b, strict=True)]
        projection.append(max(np.linalg.norm(one) for one in flat))
    assert mssd(turned, truth, points, HALF_TURNS) == pytest.approx(min(surface), abs=1e-12)
    outer = outer_points(points)
    assert len(outer) < len(points)
    assert mssd(turned, truth, outer, HALF_TURNS) == pytest.approx(min(surface), abs=1e-12)
    found = mspd(turned, truth, points, HALF_TURNS, CAMERA)
    assert found == pytest.approx(min(projection), abs=1e-9)
    assert mssd(turned, truth, points, NO_SYMMETRY) > 2.0 * min(surface)
    behind = turned.copy()
    behind[2, 3] = -0.5
    assert mspd(behind, truth, points, HALF_TURNS, CAMERA) == np.inf


def test_steps_about_an_axis_are_no_longer_than_bops():
    ball = np.asarray(trimesh.creation.icosphere(2, 0.05).vertices)
    turns = all_symmetries(NO_SYMMETRY, np.array([0.0, 1.0, 0.0]))
    assert len(turns) == 315
    np.testing.assert_allclose(turns[0], np.eye(3))
    step = np.linalg.norm(ball @ turns[1].T - ball, axis=1).max()
    assert step <= 0.01 * diameter(ball)
    assert np.linalg.norm(ball @ turns[-1].T - ball, axis=1).max() == pytest.approx(step)
    assert all_symmetries(HALF_TURNS, NO_AXIS) is HALF_TURNS
    assert len(all_symmetries(HALF_TURNS[:2], np.array([0.0, 0.0, 1.0]))) == 630


def test_diameter(points):
    assert diameter(points) == pytest.approx(cdist(points, points).max(), abs=1e-15)


def test_corners_are_those_of_the_boxes_of_the_placed_meshes(poses, points):
    boxes = [trimesh.PointCloud(placed(pose, points)).bounding_box.vertices for pose in poses]
    boxes = [np.array(sorted(box.tolist())) for box in boxes]
    expected = np.linalg.norm(boxes[0] - boxes[1], axis=1).mean()
    assert corner_error(*poses, points) == pytest.approx(expected, abs=1e-9)
