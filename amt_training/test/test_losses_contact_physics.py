"""Losses of contact and of bodies that may not pass through each other; attention's entropy."""

import pytest
import torch

from amt_perception.model.config import model_config
from amt_perception.model.interface import ContactOutput
from amt_perception.model.layers import Attention, EncoderLayer
from amt_training.losses.contact import proximity_loss
from amt_training.losses.matching import Matches, match
from amt_training.losses.physics import force_bound_loss, penetration_loss
from amt_training.losses.temporal import AttentionEntropy

ONE = torch.ones(1)
EVERY = torch.ones(1, dtype=torch.bool)


def contact(points: torch.Tensor, probability: float) -> ContactOutput:
    """[1, K, 3] points that are all called contacts with one probability."""
    count = points.shape[1]
    logit = float(torch.logit(torch.tensor(probability)))
    return ContactOutput(
        part_logits=torch.zeros(1, 6),
        points=points,
        point_logits=torch.full((1, count), logit, requires_grad=True),
        forces=torch.zeros(1, count),
        type_logits=torch.zeros(1, count, 4),
        interaction_logits=torch.zeros(1, 3),
    )


def test_confident_points_are_drawn_to_the_surface_and_far_ones_lose_confidence():
    surface = torch.zeros(1, 1, 3)
    points = torch.tensor([[[0.025, 0.0, 0.0]]], requires_grad=True)
    predicted = contact(points, 0.8)
    sample = torch.tensor([0])
    loss = proximity_loss(predicted, surface, sample, 0.005, EVERY, ONE)
    assert loss.item() == pytest.approx(0.8 * 0.2, rel=1e-5)
    loss.backward()
    assert points.grad[0, 0, 0] > 0.0  # down the gradient: towards the surface
    assert predicted.point_logits.grad[0, 0] > 0.0  # and less sure
    close = contact(torch.tensor([[[0.004, 0.0, 0.0]]]), 0.99)
    assert proximity_loss(close, surface, sample, 0.005, EVERY, ONE) == 0.0


def test_the_nearest_of_several_surfaces_counts():
    surfaces = torch.tensor([[[1.0, 0.0, 0.0]], [[0.1, 0.0, 0.0]]])
    predicted = contact(torch.zeros(1, 1, 3), 0.5)
    loss = proximity_loss(predicted, surfaces, torch.tensor([0, 0]), 0.0, EVERY, ONE)
    assert loss.item() == pytest.approx(0.5, rel=1e-5)


def test_a_sample_without_surfaces_teaches_nothing():
    predicted = contact(torch.zeros(1, 1, 3), 0.5)
    nothing = torch.zeros(0, dtype=torch.int64)
    loss = proximity_loss(predicted, torch.zeros(0, 4, 3), nothing, 0.0, EVERY, ONE)
    loss.backward()
    assert loss == 0.0
    assert (predicted.point_logits.grad == 0.0).all()


def sphere(radius: float, count: int = 2000) -> tuple[torch.Tensor, torch.Tensor]:
    normals = torch.nn.functional.normalize(
        torch.randn(1, count, 3, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    return radius * normals, normals


def test_penetration_is_the_depth_and_its_gradient_points_out():
    surface, normals = sphere(0.04)
    pair = Matches(torch.tensor([0]), torch.tensor([0]), torch.tensor([0]))
    vertices = torch.tensor([[[0.03, 0.0, 0.0], [0.05, 0.0, 0.0], [0.0, 0.0, 0.2]]])
    vertices.requires_grad_()
    loss = penetration_loss(vertices, surface, normals, pair, 0.03, ONE)
    assert loss.item() == pytest.approx(0.01 / 0.1 / 3, rel=0.02)
    loss.backward()
    assert vertices.grad[0, 0, 0] < 0.0
    assert (vertices.grad[0, 1:] == 0.0).all()
    beyond_reach = penetration_loss(torch.zeros(1, 3, 3), surface, normals, pair, 0.03, ONE)
    assert beyond_reach == 0.0


def test_forces_are_bounded():
    assert force_bound_loss(torch.tensor([[10.0, 80.0]]), 80.0, ONE) == 0.0
    assert force_bound_loss(torch.tensor([[0.0, 120.0]]), 80.0, ONE).item() == pytest.approx(0.25)


def test_matching_is_the_cheapest_one_and_leaves_out_what_is_not_there():
    cost = torch.tensor([[[1.0, 0.0, 9.0], [0.0, 0.9, 9.0], [5.0, 5.0, 9.0]]])
    valid = torch.tensor([[True, True, False]])
    matches = match(cost, valid)
    assert matches.slot.tolist() == [0, 1]
    assert matches.place.tolist() == [1, 0]
    assert len(match(cost, valid & False).sample) == 0
    crowded = match(torch.rand(1, 2, 3), torch.ones(1, 3, dtype=torch.bool))
    assert len(crowded.sample) == 2
    with pytest.raises(ValueError, match="invalid"):
        match(torch.full((1, 2, 2), torch.nan), torch.ones(1, 2, dtype=torch.bool))


def test_attention_shows_the_logits_that_it_uses():
    torch.manual_seed(0)
    layer = Attention(16, 2, temperature=True)
    torch.nn.init.normal_(layer.log_temperature)
    tokens, context = torch.randn(3, 5, 16), torch.randn(3, 7, 16)
    shares = layer.logits(tokens, context).softmax(-1)
    values = layer.value(context).unflatten(-1, (2, 8)).transpose(1, 2)
    expected = layer.out((shares @ values).transpose(1, 2).flatten(-2))
    torch.testing.assert_close(layer(tokens, context), expected)


def test_entropy_of_spread_and_of_collapsed_attention():
    torch.manual_seed(0)
    layer = EncoderLayer(model_config("tiny"))
    tokens = torch.randn(2, 50, 96)
    attention = layer.attention
    with AttentionEntropy(layer) as watch:
        torch.nn.init.zeros_(attention.query.weight)
        torch.nn.init.zeros_(attention.query.bias)
        layer(tokens)
        assert watch.entropies()["attention"].item() == pytest.approx(1.0, abs=1e-5)
        assert watch.loss(0.1) == 0.0
        torch.nn.init.normal_(attention.query.weight, std=20.0)
        layer(tokens)
        assert watch.entropies()["attention"] < 0.05
        loss = watch.loss(0.1)
        assert loss > 0.05
        loss.backward()
        assert attention.query.weight.grad.abs().sum() > 0.0
    before = watch.entropies()
    torch.nn.init.zeros_(attention.query.weight)
    layer(tokens)
    assert watch.entropies() == before  # no longer watched
