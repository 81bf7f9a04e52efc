"""Picture to tokens: a backbone tapped at several depths, fused, with a task embedding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from amt_perception.model.backbone import Backbone
from amt_perception.model.config import AmtConfig
from amt_perception.model.layers import MLP
from amt_perception.model.stabilisers import FeatureNoise


@dataclass
class ImageTokens:
    """What the branches look at."""

    tokens: Tensor
    """[B, N, C] one for each patch, row by row."""
    summary: Tensor
    """[B, C] of the whole picture."""


class ImageEncoder(nn.Module):
    """Backbone features of several layers, projected to one width and added up.

    weights: where the backbone's come from, see `backbone.Backbone`.
    """

    def __init__(self, config: AmtConfig, weights: str | Path) -> None:
        super().__init__()
        self.backbone = Backbone(config.backbone, config.image_size, weights)
        self.grid = self.backbone.grid
        width = config.width
        self.tap_norms = nn.ModuleList(nn.LayerNorm(size) for size in self.backbone.tap_widths)
        self.tap_projections = nn.ModuleList(
            nn.Linear(size, width) for size in self.backbone.tap_widths
        )
        self.position = nn.Parameter(_sines(self.grid, width))
        self.task = nn.Parameter(torch.zeros(width))
        self.fusion_norm = nn.LayerNorm(width)
        self.fusion = MLP(width, width, width)
        self.norm = nn.LayerNorm(width)
        self.summary = nn.Linear(self.backbone.width, width)
        self.noise = FeatureNoise(config.stabilisers.feature_noise)

    def forward(self, image: Tensor) -> ImageTokens:
        """image: [B, 3, S, S], uint8 in 0..255 or float in 0..1."""
        features = self.backbone(image)
        tokens = self.position + self.task
        for tap, norm, projection in zip(
            features.taps, self.tap_norms, self.tap_projections, strict=True
        ):
            tokens = tokens + projection(norm(tap))  # [B, N, C]
        tokens = tokens + self.fusion(self.fusion_norm(tokens))
        return ImageTokens(self.noise(self.norm(tokens)), self.summary(features.summary))


def _sines(grid: int, width: int) -> Tensor:
    """[grid * grid, width] where each patch is, row by row: sines of column and row.

    The start of the learned embedding, as in MAE (He et al., CVPR 2022), half as large as the
    normalised features that it is added to.
    """
    frequencies = 100.0 ** -torch.linspace(0.0, 1.0, width // 4)
    angles = torch.arange(grid)[:, None] * frequencies
    sines = 0.5**0.5 * torch.cat([angles.sin(), angles.cos()], dim=-1)  # [grid, width / 2]
    columns, rows = sines.expand(grid, -1, -1), sines[:, None].expand(-1, grid, -1)
    return torch.cat([columns, rows], dim=-1).flatten(0, 1)
