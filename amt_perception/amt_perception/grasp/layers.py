"""Attention on tokens of which some are padding."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from amt_perception.model.layers import Attention


class MaskedAttention(Attention):
    """Multi-head attention of `tokens` on those of `context` that the mask allows."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads, temperature=False)

    def forward(self, tokens: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """[B, N, C] from tokens [B, N, C], context [B, M, C] and mask [B, M] bool.

        Every row of the mask needs at least one True.
        """
        allowed = None if mask is None else mask[:, None, None]  # [B, 1, 1, M]
        query, key = self._query(tokens), self._split(self.key(context))
        value = self._split(self.value(context))
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        return self.out(mixed.transpose(1, 2).flatten(-2))
