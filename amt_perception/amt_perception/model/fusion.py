"""Fusion: hand, object and contact tokens attend to one another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from amt_perception.model.config import AmtConfig
from amt_perception.model.layers import EncoderLayer


class Fusion(nn.Module):
    """Self-attention over the tokens of all branches, each marked with its kind."""

    def __init__(self, config: AmtConfig) -> None:
        super().__init__()
        self.kinds = nn.Parameter(0.02 * torch.randn(3, config.width))
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.fusion_layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(
        self, hand: Tensor, objects: Tensor, contact: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens of the three branches, each [B, number, C], to the same shapes."""
        branches = (hand, objects, contact)
        tokens = torch.cat(
            [branch + kind for branch, kind in zip(branches, self.kinds, strict=True)], dim=1
        )
        for layer in self.layers:
            tokens = layer(tokens)
        counts = [branch.shape[1] for branch in branches]
        hand, objects, contact = self.norm(tokens).split(counts, dim=1)
        return hand, objects, contact
