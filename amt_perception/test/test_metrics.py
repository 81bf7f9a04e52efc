"""Metrics against independent formulas and signals whose answer is known."""

from itertools import product

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from amt_perception.metrics.jitter import (
    bone_length_variation,
    jitter_rms,
    lag_frames,
    savgol_residual,
)
from amt_perception.metrics.pose import mpjpe, procrustes_align, procrustes_mpjpe
from amt_perception.metrics.volume import enclosed_volume


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)


def test_savgol_residual_equals_a_polynomial_fit_in_each_window(random):
    trajectory = random.normal(size=(40, 3, 3))
    residual = savgol_residual(trajectory)
    offsets = np.arange(-4, 5)
    for frame in range(4, 36):
        window = trajectory[frame - 4 : frame + 5].reshape(9, -1)
        centre = np.polynomial.polynomial.polyfit(offsets, window, 2)[0].reshape(3, 3)
        expected = np.linalg.norm(trajectory[frame] - centre, axis=-1)
        assert residual[frame] == pytest.approx(expected)


def test_smooth_motion_has_no_jitter_and_noise_has_its_own():
    time = np.linspace(0.0, 1.0, 200)[:, None, None]
    parabola = np.concatenate([time, time**2, 1.0 - time], axis=-1)
    assert jitter_rms(parabola) == pytest.approx(0.0, abs=1e-12)
    noise = np.random.default_rng(0).normal(scale=2.0, size=(20000, 1, 3))
    # The window's fit explains h = 0.2554 of the variance at its centre: the filter's coefficient.
    assert jitter_rms(noise) == pytest.approx(2.0 * np.sqrt(3.0 * (1.0 - 0.2554)), rel=0.02)


def test_savgol_residual_does_not_reach_over_a_gap(random):
    trajectory = random.normal(size=(40, 2, 3))
    trajectory[15:18] = np.nan
    residual = savgol_residual(trajectory)
    assert residual[:15] == pytest.approx(savgol_residual(trajectory[:15]))
    assert np.isnan(residual[15:18]).all()
    assert np.isnan(savgol_residual(trajectory[:8])).all()
    assert np.isnan(jitter_rms(trajectory[:8]))


def test_bone_length_variation():
    lengths = np.array([1.0, 2.0, 3.0, np.nan])
    trajectory = np.zeros((4, 3, 3))
    trajectory[:, 1, 0] = lengths
    trajectory[:, 2] = trajectory[:, 1] + (0.0, 0.0, 0.5)
    expected = [np.std([1.0, 2.0, 3.0]) / 2.0, 0.0]
    assert bone_length_variation(trajectory, [(0, 1), (1, 2)]) == pytest.approx(expected)


def wave(frames: np.ndarray) -> np.ndarray:
    return np.stack([np.sin(0.31 * frames), np.cos(0.17 * frames + 1.0)], axis=-1)[:, None]


@pytest.mark.parametrize("shift", [-3.0, -0.4, 0.0, 0.7, 2.0, 4.6])
def test_lag_to_a_fraction_of_a_frame(shift):
    frames = np.arange(400.0)
    assert lag_frames(wave(frames - shift), wave(frames)) == pytest.approx(shift, abs=0.05)


def test_lag_bridges_missing_frames_and_refuses_what_does_not_move():
    frames = np.arange(400.0)
    holed = wave(frames - 2.0)
    holed[100:120] = np.nan
    assert lag_frames(holed, wave(frames)) == pytest.approx(2.0, abs=0.05)
    assert np.isnan(lag_frames(np.ones((50, 2, 3)), np.ones((50, 2, 3))))
    with pytest.raises(ValueError, match="differ in shape"):
        lag_frames(wave(frames), wave(frames[:-1]))


def test_mpjpe_absolute_and_root_relative(random):
    truth = random.normal(size=(4, 21, 3))
    joints = truth + np.array([0.0, 3.0, 4.0])
    assert mpjpe(joints, truth) == pytest.approx(np.full(4, 5.0))
    assert mpjpe(joints, truth, root=0) == pytest.approx(np.zeros(4))
    joints[2, 1] += (0.0, 0.0, 21.0)
    assert mpjpe(joints, truth, root=0) == pytest.approx([0.0, 0.0, 1.0, 0.0])


def test_procrustes_undoes_any_similarity(random):
    truth = random.normal(size=(5, 21, 3))
    rotation = Rotation.random(5, rng=random).as_matrix()
    joints = 0.3 * truth @ rotation.swapaxes(1, 2) + random.normal(size=(5, 1, 3))
    assert procrustes_align(joints, truth) == pytest.approx(truth)
    assert procrustes_mpjpe(joints, truth) == pytest.approx(np.zeros(5), abs=1e-12)


def test_procrustes_is_the_least_squares_similarity(random):
    joints, truth = random.normal(size=(2, 21, 3))

    def residuals(parameters: np.ndarray) -> np.ndarray:
        moved = np.exp(parameters[6]) * Rotation.from_rotvec(parameters[:3]).apply(joints)
        return (moved + parameters[3:6] - truth).ravel()

    starts = [np.concatenate([v, np.zeros(4)]) for v in Rotation.random(20, rng=random).as_rotvec()]
    best = min((least_squares(residuals, start) for start in starts), key=lambda one: one.cost)
    assert 0.5 * np.sum((procrustes_align(joints, truth) - truth) ** 2) == pytest.approx(best.cost)


def test_a_mirrored_hand_stays_wrong(random):
    truth = random.normal(size=(21, 3))
    assert procrustes_mpjpe(truth * (-1.0, 1.0, 1.0), truth) > 0.3


def test_enclosed_volume_counts_what_is_inside_once_and_twice() -> None:
    hull = ConvexHull(list(product((0.0, 1.0), repeat=3)))
    outwards = np.einsum(
        "fi,fi->f",
        np.cross(*np.diff(hull.points[hull.simplices], axis=1).swapaxes(0, 1)),
        hull.equations[:, :3],
    )
    faces = np.where((outwards > 0)[:, None], hull.simplices, hull.simplices[:, ::-1])
    assert enclosed_volume(hull.points, faces, 0.01) == pytest.approx((1.0, 0.0), abs=0.01)
    other = hull.points @ Rotation.from_euler("x", 10, degrees=True).as_matrix().T * 0.5
    two = np.vstack([hull.points, hull.points + np.array([0.5, 0.0, 0.0])])
    both = enclosed_volume(two, np.vstack([faces, faces + 8]), 0.01)
    assert both == pytest.approx((1.5, 0.5), abs=0.015)
    assert enclosed_volume(other, faces, 0.005) == pytest.approx((0.125, 0.0), abs=0.002)
    assert enclosed_volume(hull.points, faces[:, ::-1], 0.01).filled == 0.0  # inside out
