"""Transformer layers of the new parts: pre-norm, scaled_dot_product_attention.

Vaswani et al., "Attention is all you need", 2017, in the pre-norm form of Xiong et al., 2020.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from amt_perception.model.config import LayerConfig
from amt_perception.model.stabilisers import DropPath

MLP_RATIO = 4


class Attention(nn.Module):
    """Multi-head attention of `tokens` on `context`, with a learned temperature for each head."""

    def __init__(self, width: int, heads: int, temperature: bool) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.log_temperature = nn.Parameter(torch.zeros(heads, 1, 1)) if temperature else None

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """[B, N, C] from tokens [B, N, C] and context [B, M, C]."""
        query, key = self._query(tokens), self._split(self.key(context))
        value = self._split(self.value(context))
        mixed = scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).flatten(-2))

    def logits(self, tokens: Tensor, context: Tensor) -> Tensor:
        """[B, heads, N, M] attention before its softmax, which the fused kernel does not show."""
        query, key = self._query(tokens), self._split(self.key(context))
        return query @ key.mT / query.shape[-1] ** 0.5

    def _query(self, tokens: Tensor) -> Tensor:
        query = self._split(self.query(tokens))
        if self.log_temperature is not None:
            query = query * torch.exp(-self.log_temperature).to(query.dtype)
        return query

    def _split(self, x: Tensor) -> Tensor:
        """[B, heads, N, C / heads] from [B, N, C]."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class MLP(nn.Sequential):
    """Two linear layers with a GELU between: [..., width] to [..., out_width]."""

    def __init__(self, width: int, hidden: int, out_width: int) -> None:
        super().__init__(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, out_width))


class EncoderLayer(nn.Module):
    """Self-attention and MLP."""

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        width = config.width
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, config.heads, config.stabilisers.attention_temperature)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = MLP(width, MLP_RATIO * width, width)
        self.drop_path = DropPath(config.stabilisers.drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, N, C] to the same shape."""
        normed = self.attention_norm(tokens)
        tokens = tokens + self.drop_path(self.attention(normed, normed))
        return tokens + self.drop_path(self.mlp(self.mlp_norm(tokens)))


class DecoderLayer(nn.Module):
    """Self-attention, cross-attention on a context, MLP."""

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        width, heads = config.width, config.heads
        temperature = config.stabilisers.attention_temperature
        self.self_norm = nn.LayerNorm(width)
        self.self_attention = Attention(width, heads, temperature)
        self.cross_norm = nn.LayerNorm(width)
        self.cross_attention = Attention(width, heads, temperature)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = MLP(width, MLP_RATIO * width, width)
        self.drop_path = DropPath(config.stabilisers.drop_path)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """tokens [B, N, C] and normalised context [B, M, C] to [B, N, C]."""
        normed = self.self_norm(tokens)
        tokens = tokens + self.drop_path(self.self_attention(normed, normed))
        normed = self.cross_norm(tokens)
        tokens = tokens + self.drop_path(self.cross_attention(normed, context))
        return tokens + self.drop_path(self.mlp(self.mlp_norm(tokens)))


class Decoder(nn.Module):
    """A stack of decoder layers with a norm at its end."""

    def __init__(self, config: LayerConfig, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """tokens [B, N, C] and normalised context [B, M, C] to normalised tokens [B, N, C]."""
        for layer in self.layers:
            tokens = layer(tokens, context)
        return self.norm(tokens)


def zero_start(layer: nn.Linear) -> nn.Linear:
    """The layer with zero weights and bias: what it adds to starts out unchanged."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
