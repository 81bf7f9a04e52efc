"""Transformer layers: attention against its formula, symmetries, what starts as nothing."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from amt_perception.model.config import TINY_BACKBONE, AmtConfig  # noqa: E402
from amt_perception.model.layers import (  # noqa: E402
    MLP,
    Attention,
    Decoder,
    EncoderLayer,
    zero_start,
)

CONFIG = AmtConfig("test", TINY_BACKBONE, width=32, heads=4)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def by_hand(
    attention: Attention, tokens: torch.Tensor, context: torch.Tensor, logit_scale: torch.Tensor
) -> torch.Tensor:
    """Vaswani et al., equation 1, head by head; logits times logit_scale [heads]."""
    size = tokens.shape[-1] // attention.heads
    query, key, value = attention.query(tokens), attention.key(context), attention.value(context)
    heads = []
    for head in range(attention.heads):
        of_head = slice(head * size, (head + 1) * size)
        logits = query[..., of_head] @ key[..., of_head].mT / size**0.5
        heads.append((logit_scale[head] * logits).softmax(-1) @ value[..., of_head])
    return attention.out(torch.cat(heads, dim=-1))


def test_temperature_divides_the_logits_of_each_head() -> None:
    attention = Attention(32, 4, temperature=True)
    tokens, context = torch.randn(2, 5, 32), torch.randn(2, 7, 32)
    plain = by_hand(attention, tokens, context, torch.ones(4))
    torch.testing.assert_close(attention(tokens, context), plain, msg="starts at one")
    temperature = torch.tensor([0.5, 1.0, 2.0, 4.0])
    with torch.no_grad():
        attention.log_temperature.copy_(temperature.log().reshape(4, 1, 1))
    expected = by_hand(attention, tokens, context, 1.0 / temperature)
    torch.testing.assert_close(attention(tokens, context), expected)
    assert not torch.allclose(expected, plain, atol=1e-3)


def test_no_temperature_when_switched_off() -> None:
    assert "log_temperature" not in dict(Attention(32, 4, temperature=False).named_parameters())


def test_attention_on_one_token_is_its_value() -> None:
    attention = Attention(32, 4, temperature=True)
    tokens, context = torch.randn(2, 5, 32), torch.randn(2, 1, 32)
    expected = attention.out(attention.value(context)).expand(-1, 5, -1)
    torch.testing.assert_close(attention(tokens, context), expected)


def test_encoder_layer_does_not_know_the_order() -> None:
    layer = EncoderLayer(CONFIG).eval()
    tokens, order = torch.randn(2, 9, 32), torch.randperm(9)
    torch.testing.assert_close(layer(tokens[:, order]), layer(tokens)[:, order])


def test_decoder_does_not_know_the_order() -> None:
    decoder = Decoder(CONFIG, 2).eval()
    tokens, context = torch.randn(2, 4, 32), torch.randn(2, 9, 32)
    result = decoder(tokens, context)
    order = torch.randperm(4)
    torch.testing.assert_close(decoder(tokens[:, order], context), result[:, order])
    torch.testing.assert_close(decoder(tokens, context[:, torch.randperm(9)]), result)
    assert not torch.allclose(decoder(tokens, context + 1.0), result, atol=1e-3)


def test_decoder_without_layers_is_its_norm() -> None:
    tokens = torch.randn(2, 4, 32)
    decoder = Decoder(CONFIG, 0)
    torch.testing.assert_close(decoder(tokens, tokens), decoder.norm(tokens))


def test_samples_do_not_mix() -> None:
    layer = EncoderLayer(CONFIG).eval()
    tokens = torch.randn(3, 5, 32)
    changed = tokens.clone()
    changed[1] += 1.0
    same = (layer(changed) - layer(tokens)).abs().amax(dim=(1, 2)) < 1e-6
    assert same.tolist() == [True, False, True]


def test_residual_branches_that_start_as_nothing() -> None:
    layer = EncoderLayer(CONFIG).eval()
    tokens = torch.randn(2, 5, 32)
    assert not torch.allclose(layer(tokens), tokens, atol=1e-2)
    zero_start(layer.attention.out)
    zero_start(layer.mlp[2])
    torch.testing.assert_close(layer(tokens), tokens)


def test_drop_path_skips_both_branches_in_training() -> None:
    config = AmtConfig.from_dict(CONFIG.to_dict() | {"stabilisers": {"drop_path": 0.5}})
    layer = EncoderLayer(config).train()
    tokens = torch.randn(1000, 2, 32)
    skipped = (layer(tokens) == tokens).all(dim=-1).all(dim=-1).float().mean()
    assert float(skipped) == pytest.approx(0.25, abs=0.05), "both branches at once"


def test_mlp_widths() -> None:
    mlp = MLP(8, 32, 5)
    assert mlp(torch.randn(2, 3, 8)).shape == (2, 3, 5)
    assert [mlp[0].out_features, mlp[2].in_features] == [32, 32]
