"""Angles between rotations: right values, finite gradients, symmetries."""

import numpy as np
import pytest
import roma
import torch
from scipy.spatial.transform import Rotation

from amt_training.losses.reduction import length, masked_mean
from amt_training.losses.rotations import geodesic, symmetric_geodesic

NO_AXIS = torch.zeros(3)
NO_TURN = torch.eye(3)[None]


def matrices(rotation: Rotation) -> torch.Tensor:
    return torch.tensor(rotation.as_matrix(), dtype=torch.float32)


def turn(axis: str, degrees: float) -> torch.Tensor:
    return matrices(Rotation.from_euler(axis, degrees, degrees=True))


def test_equals_scipys_angle():
    one, other = (Rotation.random(500, random_state=seed) for seed in (0, 1))
    expected = (one.inv() * other).magnitude()
    found = geodesic(matrices(one), matrices(other)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("degrees", [0.0, 0.01, 1.0, 179.99])
def test_small_and_large_angles_are_exact(degrees):
    start = Rotation.random(random_state=3)
    moved = start * Rotation.from_rotvec(np.radians(degrees) * np.array([0.6, 0.0, 0.8]))
    angle = geodesic(matrices(start), matrices(moved))
    assert float(angle) == pytest.approx(np.radians(degrees), abs=2e-6)


@pytest.mark.parametrize("degrees", [0.0, 1e-4, 90.0, 180.0])
def test_gradient_is_finite_and_bounded_everywhere(degrees):
    predicted = turn("x", degrees).requires_grad_()
    geodesic(predicted, torch.eye(3)).backward()
    assert predicted.grad.isfinite().all()
    assert predicted.grad.norm() < 2.0


def test_gradient_leads_to_the_truth():
    vector = torch.tensor([0.3, -1.1, 0.4], requires_grad=True)
    truth = matrices(Rotation.random(random_state=5))
    for _ in range(200):
        loss = geodesic(roma.rotvec_to_rotmat(vector), truth)
        (gradient,) = torch.autograd.grad(loss, vector)
        vector = (vector - 0.5 * loss.detach() * gradient).detach().requires_grad_()
    assert loss.item() < 1e-3


def test_a_turn_by_a_discrete_symmetry_costs_nothing():
    half_turns = torch.stack([torch.eye(3), turn("z", 180.0)])
    truth = matrices(Rotation.random(random_state=7))
    for symmetry in half_turns:
        assert float(symmetric_geodesic(truth @ symmetry, truth, half_turns, NO_AXIS)) < 1e-6
    quarter = symmetric_geodesic(truth @ turn("z", 90.0), truth, half_turns, NO_AXIS)
    assert float(quarter) == pytest.approx(np.pi / 2, abs=1e-5)
    assert float(symmetric_geodesic(truth @ turn("x", 180.0), truth, half_turns, NO_AXIS)) > 3.0


def test_any_turn_about_a_continuous_axis_costs_nothing():
    axis = torch.tensor([0.0, 0.0, 1.0])
    truth = matrices(Rotation.random(random_state=8))
    for degrees in (0.0, 17.0, 180.0):
        turned = truth @ turn("z", degrees)
        assert float(symmetric_geodesic(turned, truth, NO_TURN, axis)) < 1e-6
    leaning = symmetric_geodesic(truth @ turn("zx", [40.0, 25.0]), truth, NO_TURN, axis)
    assert float(leaning) == pytest.approx(np.radians(25.0), abs=1e-5)
    upside_down = truth @ turn("x", 180.0)
    assert float(symmetric_geodesic(upside_down, truth, NO_TURN, axis)) > 3.0
    either_way = torch.stack([torch.eye(3), turn("x", 180.0)])
    assert float(symmetric_geodesic(upside_down, truth, either_way, axis)) < 1e-6


@pytest.mark.parametrize("axis", [NO_AXIS, torch.tensor([0.0, 0.0, 1.0])])
def test_gradient_with_symmetries_is_finite_at_the_truth(axis):
    predicted = torch.eye(3).requires_grad_()
    symmetric_geodesic(predicted, torch.eye(3), NO_TURN, axis).backward()
    assert predicted.grad.isfinite().all()


def test_length_has_no_gradient_at_zero():
    vector = torch.zeros(2, 3, requires_grad=True)
    length(vector).sum().backward()
    assert (vector.grad == 0.0).all()
    assert length(torch.tensor([3.0, 4.0])) == pytest.approx(5.0)


def test_masked_mean_counts_what_is_valid_and_weighs_samples():
    values = torch.tensor([[1.0, 2.0], [3.0, torch.nan]])
    valid = torch.tensor([[True, True], [True, False]])
    assert masked_mean(values, valid, torch.ones(2)) == pytest.approx(2.0)
    assert masked_mean(values, valid, torch.tensor([0.5, 1.0])) == pytest.approx(1.5)
    assert masked_mean(values, ~valid & False, torch.ones(2)) == 0.0
