"""What each point means for the instruction: a transformer over points that reads its tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from amt_perception.grasp.config import GraspConfig
from amt_perception.grasp.interface import Language
from amt_perception.grasp.layers import MaskedAttention
from amt_perception.grasp.point_operations import gather, interpolate
from amt_perception.model.interface import Tensors
from amt_perception.model.layers import MLP, MLP_RATIO


@dataclass
class Instruction(Tensors):
    """B instructions in the model's own width."""

    tokens: Tensor
    """[B, L, F]."""
    mask: Tensor
    """[B, L] bool: False for padding."""
    pooled: Tensor
    """[B, F]."""


class InstructionReader(nn.Module):
    """Projects an encoder's tokens and pools them; a learned token stands for no instruction.

    The text's mean and the last token (which in a causal language model has seen all others) are
    pooled apart from image tokens, of which there are 25 for each of the text. The source
    document's design (`config.pooled`) takes one mean over all.
    """

    def __init__(self, config: GraspConfig) -> None:
        super().__init__()
        width = config.width
        self.mean_of_all = config.pooled
        self.dropout = config.instruction_dropout
        self.project = nn.Sequential(
            nn.LayerNorm(config.language_width), nn.Linear(config.language_width, width)
        )
        self.none = nn.Parameter(torch.randn(width))
        self.pool = nn.Linear(width if config.pooled else 2 * width, width)

    def forward(self, language: Language | None, batch: int) -> Instruction:
        """None is for no instruction; in training some of the B are dropped at random."""
        if language is None:
            tokens = self.none.expand(batch, 1, -1)
            mask = is_text = torch.ones(batch, 1, dtype=torch.bool, device=tokens.device)
        else:
            tokens = self.project(language.tokens.to(self.none.dtype))  # [B, L, F]
            given = language.mask.any(dim=1)  # [B]
            if self.training:
                given = given & (torch.rand(batch, device=given.device) >= self.dropout)
            # Tokens that are all the same act as one, so that their number does not matter.
            tokens = torch.where(given[:, None, None], tokens, self.none.to(tokens.dtype))
            mask = language.mask | ~given[:, None]
            is_text = language.is_text | ~given[:, None]
        if self.mean_of_all:
            pooled = _mean(tokens, mask)
        else:
            places = torch.arange(1, mask.shape[1] + 1, device=mask.device)
            last = (mask * places).argmax(dim=1)  # [B]
            pooled = torch.cat([_mean(tokens, mask & is_text), gather(tokens, last)], dim=-1)
        return Instruction(tokens, mask, self.pool(pooled))


class Fusion(nn.Module):
    """Self-attention among sampled points, cross-attention to the instruction, back to all points.

    Attention among all of 1024 points would take four times as long as among 256 and tell the
    others little that their nearest do not know. Pre-norm (Xiong et al., ICML 2020).
    """

    def __init__(self, config: GraspConfig) -> None:
        super().__init__()
        width, geometry = config.width, config.geometry_width
        self.count = config.fusion_points
        self.from_geometry = nn.Linear(geometry, width)
        self.from_overall = nn.Linear(geometry, width)
        self.from_language = nn.Linear(width, width)
        self.layers = nn.ModuleList(
            FusionLayer(width, config.heads, reads_tokens=not config.pooled)
            for _ in range(config.fusion_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.to_points = MLP(width + geometry, width, width)
        self.out_norm = nn.LayerNorm(width)

    def forward(
        self,
        points: Tensor,
        geometry: Tensor,
        overall: Tensor,
        instruction: Instruction,
        order: Tensor,
    ) -> Tensor:
        """[B, N, F] features of points [B, N, 3] (m).

        geometry, overall: [B, N, G] and [B, G] of `PointNet`. order: [B, fusion_points or more] of
        `farthest_points`.
        """
        order = order[:, : self.count]  # [B, P]
        shared = self.from_overall(overall) + self.from_language(instruction.pooled)
        tokens = self.from_geometry(gather(geometry, order)) + shared[:, None]  # [B, P, F]
        for layer in self.layers:
            tokens = layer(tokens, instruction)
        carried = interpolate(points, gather(points, order), self.norm(tokens))  # [B, N, F]
        own = self.to_points(torch.cat([carried, geometry], dim=-1))
        return self.out_norm(carried + own)


class FusionLayer(nn.Module):
    """Self-attention, cross-attention to the instruction (unless all is pooled) and MLP."""

    def __init__(self, width: int, heads: int, reads_tokens: bool) -> None:
        super().__init__()
        self.self_norm = nn.LayerNorm(width)
        self.self_attention = MaskedAttention(width, heads)
        self.reads_tokens = reads_tokens
        if reads_tokens:
            self.cross_norm = nn.LayerNorm(width)
            self.cross_attention = MaskedAttention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = MLP(width, MLP_RATIO * width, width)

    def forward(self, tokens: Tensor, instruction: Instruction) -> Tensor:
        """[B, P, F] to the same shape."""
        normed = self.self_norm(tokens)
        tokens = tokens + self.self_attention(normed, normed)
        if self.reads_tokens:
            normed = self.cross_norm(tokens)
            tokens = tokens + self.cross_attention(normed, instruction.tokens, instruction.mask)
        return tokens + self.mlp(self.mlp_norm(tokens))


def _mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """[B, F] over the tokens [B, L, F] where the mask [B, L] is True; zero where none is."""
    weight = mask[..., None].to(tokens.dtype)
    return (weight * tokens).sum(dim=1) / weight.sum(dim=1).clamp_min(1.0)
