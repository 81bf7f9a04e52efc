"""The contact kernel, what it refuses, and pooling by contact."""

import math

import numpy as np
import pytest
import torch

from amt_perception.errors import AmtError
from amt_perception.grasp.contact import (
    ContactKernel,
    contact_places,
    pool_by_contact,
    pool_by_part,
)

from .grasp_inputs import make_cloud

KERNELS = [ContactKernel("exponential", 0.01), ContactKernel("gaussian", 0.01)]


def distances(batch: int = 2) -> torch.Tensor:
    return 0.05 * torch.rand(batch, 30, 6, generator=torch.Generator().manual_seed(1))


def test_targets_are_an_independent_computation() -> None:
    found = distances().tolist()
    formulas = (lambda d: math.exp(-d / 0.01), lambda d: math.exp(-0.5 * d * d / 1e-4))
    for kernel, formula in zip(KERNELS, formulas, strict=True):
        target = kernel.target(distances(), ["a", "b"])
        expected = [[[formula(d) for d in row] for row in sample] for sample in found]
        np.testing.assert_allclose(target.numpy(), expected, rtol=1e-5)
    # The source document's own example: 5 and 10 mm are 0.61 and 0.37.
    pair = KERNELS[0].target(torch.tensor([[[0.005, 0.010]]]), ["mug"])
    np.testing.assert_allclose(pair.numpy(), [[[0.61, 0.37]]], atol=0.005)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda one: one.name)
def test_probabilities_go_back_to_distances(kernel: ContactKernel) -> None:
    target = kernel.target(distances(), ["a", "b"])
    torch.testing.assert_close(kernel.distance(target), distances(), rtol=1e-4, atol=1e-6)
    assert kernel.distance(torch.zeros(1)).isfinite().all()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (math.inf, "not finite"),
        (math.nan, "not finite"),
        (-0.001, "negative"),
    ],
)
def test_one_bad_distance_names_its_sample(value: float, words: str) -> None:
    bad = distances()
    bad[1, 3, 2] = value
    with pytest.raises(AmtError, match=f"{words}.*: mug_07;"):
        ContactKernel().target(bad, ["box_01", "mug_07"])


def test_a_grasp_far_from_its_object_is_refused() -> None:
    far = distances()
    far[0] += 0.5
    with pytest.raises(AmtError, match=r"metres.*: box_01;"):
        ContactKernel().target(far, ["box_01", "mug_07"])
    far = distances()
    far[:, :, 5] = 1.0  # the little finger that the Allegro hand has not
    assert ContactKernel().target(far, ["box_01", "mug_07"])[..., 5].max() < 1e-30


def test_pooling_weights_points_by_their_largest_probability_and_is_detached() -> None:
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(2, 30, 4, generator=generator, requires_grad=True)
    logits = (3.0 * torch.randn(2, 30, 6, generator=generator)).requires_grad_()
    probability = 1.0 / (1.0 + np.exp(-logits.detach().numpy().astype(float)))
    values = features.detach().numpy()
    pooled, parts = pool_by_contact(features, logits), pool_by_part(features, logits)
    for b in range(2):
        expected = np.average(values[b], axis=0, weights=probability[b].max(axis=1))
        np.testing.assert_allclose(pooled[b].detach().numpy(), expected, rtol=1e-4, atol=1e-5)
        for part in range(6):
            expected = np.average(values[b], axis=0, weights=probability[b, :, part])
            found = parts[b, part].detach().numpy()
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    (pooled.sum() + parts.sum()).backward()
    assert logits.grad is None and features.grad is not None
    nothing = pool_by_contact(features.detach(), torch.full((2, 30, 6), -200.0))
    assert nothing.isfinite().all()


def test_pooling_is_in_float32_under_autocast() -> None:
    features, logits = torch.randn(1, 30, 4), torch.randn(1, 30, 6)
    with torch.autocast("cpu", torch.bfloat16):
        inside = pool_by_part(features, logits)
    torch.testing.assert_close(inside, pool_by_part(features, logits), rtol=0, atol=0)


def test_contact_places_are_where_the_parts_touch() -> None:
    points, _ = make_cloud(1)
    touched = points[0, [3, 50, 90]]  # palm, thumb and index touch here
    gap = torch.full((1, points.shape[1], 6), 1.0)
    for part, place in enumerate(touched):
        gap[0, :, part] = (points[0] - place).norm(dim=-1)
    gap[0, :, 3] = 0.03 + 0.01 * torch.rand(points.shape[1])
    places = contact_places(points, gap)
    assert places.shape == (1, 6, 4)
    assert places[0, :, 3].tolist() == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    assert (places[0, :3, :3] - touched).norm(dim=-1).max() < 0.008
    assert not places[0, 3:].any()
