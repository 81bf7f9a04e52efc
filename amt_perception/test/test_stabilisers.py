"""Stabilisers: what they do in training, and that they do nothing in evaluation."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from amt_perception.model.stabilisers import DropPath, FeatureNoise, mix_up  # noqa: E402


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_drop_path_skips_whole_samples_and_keeps_the_mean() -> None:
    branch = torch.rand(20_000, 3, 2) + 0.5
    dropped = DropPath(0.25).train()(branch)
    ratio = (dropped / branch).flatten(1)
    assert torch.equal(ratio.amin(dim=1) > 0.0, ratio.amax(dim=1) > 0.0), "all or nothing"
    kept = ratio[:, 0] > 0.0
    assert float(kept.float().mean()) == pytest.approx(0.75, abs=0.01)
    torch.testing.assert_close(dropped[kept], branch[kept] / 0.75)
    assert float(dropped.mean() / branch.mean()) == pytest.approx(1.0, abs=0.02)


def test_drop_path_keeps_the_type() -> None:
    branch = torch.ones(8, 3, dtype=torch.bfloat16)
    assert DropPath(0.5).train()(branch).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("module", "off"), [(DropPath(0.9), DropPath(0.0)), (FeatureNoise(0.5), FeatureNoise(0.0))]
)
def test_identity_in_evaluation_and_when_off(module: torch.nn.Module, off: torch.nn.Module) -> None:
    x = torch.randn(16, 4, 8)
    assert not torch.equal(module.train()(x), x)
    assert torch.equal(module.eval()(x), x)
    assert torch.equal(off.train()(x), x)


def test_feature_noise_is_relative_and_unbiased() -> None:
    features = torch.randn(4, 50, 2000) * torch.tensor([0.01, 1.0, 100.0, 3.0])[:, None, None]
    noise = FeatureNoise(0.02).train()(features) - features
    share = noise.std(dim=-1) / features.std(dim=-1)
    torch.testing.assert_close(share.mean(dim=1), torch.full((4,), 0.02), atol=2e-4, rtol=0)
    assert float((noise / features.std(dim=-1, keepdim=True)).mean().abs()) < 2e-4


def test_mix_up_shares() -> None:
    image = torch.rand(4000, 2, 3)
    mixed, share, partner = mix_up(image, 0.2)
    assert share.shape == partner.shape == (4000,)
    assert bool((share >= 0.5).all()) and bool((share <= 1.0).all())
    expected = share[:, None, None] * image + (1.0 - share)[:, None, None] * image[partner]
    torch.testing.assert_close(mixed, expected)
    assert sorted(partner.tolist()) == list(range(4000))
    # max(s, 1 - s) of s ~ Beta(a, a): its second moment about 1/2 is that of s, 1 / (4 (2 a + 1)).
    assert float((share - 0.5).square().mean()) == pytest.approx(0.25 / 1.4, rel=0.03)


def test_mix_up_without_mixing() -> None:
    image = torch.rand(16, 3, 4, 4)
    mixed, share, _ = mix_up(image, 0.0)
    assert torch.equal(mixed, image)
    assert torch.equal(share, torch.ones(16))


def test_mix_up_is_repeatable() -> None:
    image = torch.rand(16, 3, 4, 4)
    first, again, other = (
        mix_up(image, 0.2, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[1], other[1])
