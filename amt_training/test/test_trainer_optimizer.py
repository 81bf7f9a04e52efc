"""Groups of parameters, clipping, centralisation, the average."""

import pytest
import torch
from torch import nn

from amt_perception.errors import AmtError
from amt_training.trainer.ema import Ema, EmaSettings
from amt_training.trainer.optimizer import (
    OptimizerSettings,
    build_optimizer,
    prepare_gradients,
)

from .micro_training import AmtTask, MicroTask

CPU = torch.device("cpu")


def with_gradients() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Linear(4, 5), nn.LayerNorm(5))
    for parameter in net.parameters():
        parameter.grad = 10.0 * torch.randn_like(parameter)
    return net


def test_groups_of_the_tiny_model() -> None:
    task = AmtTask()
    task.parameter_groups = lambda: {  # type: ignore[method-assign]
        "backbone": [task.model.image_encoder.backbone],
        "decoders": [task.model.hand_branch.decoder],
    }
    settings = OptimizerSettings(learning_rate=1e-3, decoder_factor=0.5, weight_decay=0.1)
    optimizer = build_optimizer(settings, task, CPU)
    names = {parameter: name for name, parameter in task.named_parameters()}
    found = {
        names[parameter]: (group["peak"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    trainable = {name for name, one in task.named_parameters() if one.requires_grad}
    backbone = "model.image_encoder.backbone.network."
    query = "model.hand_branch.decoder.layers.0.self_attention.query."

    assert found.keys() == trainable
    assert found[backbone + "encoder.layer.0.mlp.fc1.weight"] == (pytest.approx(1e-4), 0.1)
    assert found[backbone + "embeddings.position_embeddings"] == (pytest.approx(1e-4), 0.0)
    assert found[backbone + "encoder.layer.0.layer_scale1.lambda1"] == (pytest.approx(1e-4), 0.0)
    assert found[query + "parametrizations.weight.original"] == (pytest.approx(5e-4), 0.1)
    assert found[query + "parametrizations.weight.0.gamma"] == (pytest.approx(5e-4), 0.0)
    assert found[query + "bias"] == (pytest.approx(5e-4), 0.0)
    assert found["model.hand_branch.queries"] == (1e-3, 0.0)
    assert found["model.image_encoder.position"] == (1e-3, 0.0)
    assert found["model.fusion.kinds"] == (1e-3, 0.0)
    assert found["loss.coarse.raw"] == (1e-3, 0.0)
    assert all(name.endswith(("weight", "original")) for name, (_, d) in found.items() if d)


def test_an_unknown_group_and_nothing_to_train_are_errors() -> None:
    task = MicroTask()
    task.parameter_groups = lambda: {"head": []}  # type: ignore[method-assign, dict-item]
    with pytest.raises(AmtError, match="'head'"):
        build_optimizer(OptimizerSettings(), task, CPU)
    with pytest.raises(AmtError, match="frozen"):
        build_optimizer(OptimizerSettings(), MicroTask().requires_grad_(False), CPU)


def test_the_norm_is_clipped_as_torch_does() -> None:
    net, other = with_gradients(), with_gradients()
    norm = prepare_gradients(OptimizerSettings(gradient_norm=2.0), net.parameters())
    expected = nn.utils.clip_grad_norm_(other.parameters(), 2.0)

    assert float(norm) == pytest.approx(float(expected), rel=1e-6)
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad)


def test_a_small_gradient_stays() -> None:
    net = with_gradients()
    before = [one.grad.clone() for one in net.parameters()]
    prepare_gradients(OptimizerSettings(gradient_norm=1e6), net.parameters())

    assert all(torch.equal(a, b.grad) for a, b in zip(before, net.parameters(), strict=True))


def test_adaptive_clipping_row_by_row() -> None:
    """Transcribed from Brock et al., equation 3."""
    net, other = with_gradients(), with_gradients()
    prepare_gradients(OptimizerSettings(gradient_norm=0.0, adaptive_clipping=0.1), net.parameters())

    for clipped, given in zip(net.parameters(), other.parameters(), strict=True):
        rows = range(len(given)) if given.ndim > 1 else [slice(None)]
        for row in rows:
            gradient, weight = given.grad[row], max(float(given[row].detach().norm()), 1e-3)
            expected = gradient
            if float(gradient.norm()) / weight > 0.1:
                expected = 0.1 * weight / gradient.norm() * gradient
            torch.testing.assert_close(clipped.grad[row], expected)


def test_centralised_gradients_have_no_mean() -> None:
    net, other = with_gradients(), with_gradients()
    settings = OptimizerSettings(gradient_norm=0.0, centralise_gradients=True)
    prepare_gradients(settings, net.parameters())

    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        if one.ndim == 1:
            assert torch.equal(one.grad, two.grad)
        else:
            assert one.grad.flatten(1).mean(1).abs().max() < 1e-5
            torch.testing.assert_close(one.grad.flatten(1).std(1), two.grad.flatten(1).std(1))


def test_the_average_follows_and_steps_in() -> None:
    net = nn.Linear(2, 1)
    ema = Ema(EmaSettings(decay=0.5, warm_up=False), net)
    start = net.weight.detach().clone()
    nn.init.ones_(net.weight)
    ema.update(1)
    nn.init.zeros_(net.weight)
    ema.update(2)

    with ema.in_place():
        torch.testing.assert_close(net.weight.detach(), 0.25 * start + 0.25)
    assert (net.weight == 0.0).all()


def test_the_average_forgets_the_start() -> None:
    net = nn.Linear(2, 1)
    ema = Ema(EmaSettings(), net)
    nn.init.ones_(net.weight)
    for step in range(1, 30):
        ema.update(step)

    with ema.in_place():
        torch.testing.assert_close(net.weight.detach(), torch.ones(1, 2), atol=1e-4, rtol=0.0)
