"""sigmaReparam as published: the spectral norm is gamma, before, during and after training."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.nn.utils import parametrize  # noqa: E402

from amt_perception.model import sigma_reparam  # noqa: E402
from amt_perception.model.config import TINY_BACKBONE, AmtConfig  # noqa: E402
from amt_perception.model.layers import EncoderLayer, zero_start  # noqa: E402
from amt_perception.model.sigma_reparam import (  # noqa: E402
    SigmaReparam,
    add_sigma_reparam,
    fold_sigma_reparam,
)


def part(kind: str) -> nn.Module:
    torch.manual_seed(0)
    if kind == "layer":
        return EncoderLayer(AmtConfig("test", TINY_BACKBONE, width=48, heads=4))
    inputs, outputs = map(int, kind.split("x"))
    return nn.Linear(inputs, outputs)


def batch(module: nn.Module, seed: int) -> Tensor:
    width = 48 if isinstance(module, EncoderLayer) else module.in_features
    return torch.randn(4, 5, width, generator=torch.Generator().manual_seed(seed))


RATE = 1e-3


def train(module: nn.Module, steps: int = 50) -> None:
    """Steps towards another function of the same kind, at the highest rate that is in use."""
    torch.manual_seed(1)
    teacher = copy.deepcopy(module).eval()
    fold_sigma_reparam(teacher)
    for layer in teacher.modules():
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    module.train()
    optimiser = torch.optim.AdamW(module.parameters(), lr=RATE)
    for step in range(steps):
        x = batch(module, step)
        loss = (module(x) - teacher(x)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def matrices(module: nn.Module) -> list[tuple[nn.Linear, nn.Module]]:
    """Reparametrised layers with their parametrisation."""
    return [
        (layer, layer.parametrizations.weight[0])
        for layer in module.modules()
        if isinstance(layer, nn.Linear) and parametrize.is_parametrized(layer, "weight")
    ]


def spectral_norm(matrix: Tensor) -> Tensor:
    return torch.linalg.matrix_norm(matrix.detach(), 2)


def worst_norm_error(module: nn.Module) -> float:
    """Largest relative difference of a matrix's spectral norm from its gamma."""
    module.eval()
    return max(
        abs(float(spectral_norm(layer.weight)) / one.gamma.item() - 1.0)
        for layer, one in matrices(module)
    )


PARTS = pytest.mark.parametrize("kind", ["32x32", "64x16", "16x96", "200x8", "layer"])


@PARTS
def test_function_is_unchanged_at_the_start(kind: str) -> None:
    module = part(kind).eval()
    x = batch(module, 1)
    before = module(x)
    add_sigma_reparam(module)
    assert len(matrices(module)) == (6 if kind == "layer" else 1)
    torch.testing.assert_close(module.eval()(x), before, atol=1e-5, rtol=0)
    assert worst_norm_error(module) < 1e-4


@PARTS
def test_spectral_norm_is_gamma_after_training(kind: str) -> None:
    module = part(kind)
    add_sigma_reparam(module)
    start = [(one.gamma.item(), layer.weight.detach()) for layer, one in matrices(module)]
    train(module)
    assert worst_norm_error(module) < 0.01
    for (gamma, weight), (layer, one) in zip(start, matrices(module), strict=True):
        assert abs(one.gamma.item() - gamma) > 0.005 * gamma, "training moved it"
        turned = (layer.weight * weight).sum() / layer.weight.norm() / weight.norm()
        assert turned.item() < 0.995, "and the matrix"


def test_vectors_catch_up_with_another_matrix() -> None:
    """One power iteration a pass lags while another direction overtakes; it does not get stuck."""
    module = part("64x16")
    add_sigma_reparam(module)
    with torch.no_grad():
        nn.init.normal_(module.parametrizations.weight.original)
    module.train()
    early = worst_norm_error(module)
    module.train()
    for step in range(200):
        module(batch(module, step))
    assert early > 0.1 > 0.001 > worst_norm_error(module)


@PARTS
def test_folding_keeps_the_outputs(kind: str) -> None:
    module = part(kind)
    add_sigma_reparam(module)
    train(module)
    x = batch(module, 1)
    before = module.eval()(x)
    fold_sigma_reparam(module)
    assert not matrices(module)
    assert all("parametrizations" not in name for name in module.state_dict())
    torch.testing.assert_close(module(x), before, atol=1e-5, rtol=0)


def test_folding_a_copy_leaves_the_model_as_it_was() -> None:
    module = part("layer")
    add_sigma_reparam(module)
    x = batch(module, 1)
    before = module.eval()(x)
    fold_sigma_reparam(copy.deepcopy(module))
    assert len(matrices(module)) == 6
    assert torch.equal(module(x), before)


def test_training_is_of_the_direction_and_gamma_alone() -> None:
    """The matrix's own size has no effect, so the gradient has no component along it."""
    module = part("32x16")
    add_sigma_reparam(module)
    module.eval()
    (layer, one), weight = matrices(module)[0], module.parametrizations.weight.original
    module(batch(module, 0)).square().sum().backward()
    assert float(one.gamma.grad.abs()) > 1e-3
    along = (weight.grad * weight).sum() / weight.norm() / weight.grad.norm()
    assert float(weight.grad.norm()) > 1e-3
    assert abs(float(along)) < 1e-4
    before = layer.weight.detach().clone()
    with torch.no_grad():
        weight.mul_(3.0)
    torch.testing.assert_close(layer.weight, before)


def test_gradient_is_the_true_one() -> None:
    """Of gamma / sigma(W) W, with the spectral norm differentiated through, too."""
    torch.manual_seed(0)
    weight = torch.randn(12, 9)
    target = torch.randn(12, 9)
    one = SigmaReparam(weight, from_checkpoint=False).eval()
    mine, theirs = (weight.clone().requires_grad_() for _ in range(2))
    (one(mine) * target).sum().backward()
    scale = one.gamma.detach() / torch.linalg.matrix_norm(theirs, 2)
    (scale * theirs * target).sum().backward()
    torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-4, rtol=1e-3)


def test_singular_vectors_are_buffers() -> None:
    module = part("32x16")
    add_sigma_reparam(module)
    names = {name for name, _ in module.named_parameters()}
    assert names == {"bias", "parametrizations.weight.original", "parametrizations.weight.0.gamma"}
    _, one = matrices(module)[0]
    module.train()(batch(module, 0)).square().sum().backward()
    assert not one.left.requires_grad and not one.right.requires_grad
    before = one.right.clone()
    module.eval()(batch(module, 0))
    assert torch.equal(one.right, before), "evaluation changes nothing"


def test_two_passes_before_one_backward() -> None:
    """Gradient accumulation and shared layers: the second pass moves the vectors in place."""
    module = part("32x16").train()
    add_sigma_reparam(module)
    (module(batch(module, 0)).sum() + module(batch(module, 1)).sum()).backward()
    assert torch.isfinite(module.parametrizations.weight.original.grad).all()


def test_state_survives_saving() -> None:
    trained, fresh = part("layer"), part("layer")
    add_sigma_reparam(trained)
    add_sigma_reparam(fresh, from_checkpoint=True)
    train(trained, 10)
    state = trained.state_dict()
    vectors = {name.rsplit(".", 1)[-1] for name in state if ".parametrizations." in name}
    assert vectors == {"original", "gamma", "left", "right"}
    fresh.load_state_dict(state)
    x = batch(fresh, 3)
    assert torch.equal(fresh.eval()(x), trained.eval()(x))


def test_float32_under_autocast() -> None:
    """The power iteration and the division are not rounded to bfloat16."""
    module = part("64x16").train()
    add_sigma_reparam(module)
    with torch.autocast("cpu", torch.bfloat16):
        weight = module.weight
        assert module(batch(module, 0)).dtype == torch.bfloat16
    assert weight.dtype == torch.float32
    _, one = matrices(module)[0]
    assert {one.gamma.dtype, one.left.dtype, one.right.dtype} == {torch.float32}
    assert float(spectral_norm(weight)) / one.gamma.item() == pytest.approx(1.0, abs=1e-5)


def test_what_is_left_alone() -> None:
    norm, embedding = nn.LayerNorm(16), nn.Embedding(9, 16)
    module = nn.Sequential(
        nn.Linear(16, 16), zero_start(nn.Linear(16, 16)), nn.Linear(16, 3), norm, embedding
    )
    add_sigma_reparam(module)
    assert [layer for layer, _ in matrices(module)] == [module[0]]
    add_sigma_reparam(module)
    assert len(module[0].parametrizations.weight) == 1, "a second call adds nothing"


# The three versions of the source documents, which are not sigmaReparam.


class RowNorm(SigmaReparam):
    """Every row of norm gamma."""

    def forward(self, weight: Tensor) -> Tensor:
        return self.gamma * nn.functional.normalize(weight, dim=1)


class MatrixNorm(SigmaReparam):
    """The whole matrix of Frobenius norm gamma."""

    def forward(self, weight: Tensor) -> Tensor:
        return self.gamma * weight / weight.norm()


class RandomisedOutput(nn.Module):
    """mu + sigma * noise from the two halves of the features."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = nn.Linear(layer.in_features, 2 * layer.out_features)

    def forward(self, x: Tensor) -> Tensor:
        mean, log_variance = self.layer(x).chunk(2, dim=-1)
        return mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)


@pytest.mark.parametrize("wrong", [RowNorm, MatrixNorm])
def test_the_documents_norms_are_told_apart(
    wrong: type[SigmaReparam], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sigma_reparam, "SigmaReparam", wrong)
    module = part("32x32").eval()
    x = batch(module, 1)
    before = module(x)
    add_sigma_reparam(module)
    assert worst_norm_error(module) > 0.2
    assert float((module(x) - before).abs().max()) > 0.1


def test_the_documents_random_output_is_told_apart() -> None:
    module = part("32x32").eval()
    x = batch(module, 1)
    wrong = RandomisedOutput(module).eval()
    assert float((wrong(x) - module(x)).abs().max()) > 0.1
    assert not torch.equal(wrong(x), wrong(x))
