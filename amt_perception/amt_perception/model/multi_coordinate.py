"""Vertices seen from 22 coordinate frames, after HORT (Chen et al., 2025)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from amt_perception.model.config import AmtConfig
from amt_perception.model.geometry import in_float32
from amt_perception.model.hand_layer import FRAMES

_SCALE_M = 0.1
"""Coordinates are given in tenths of a metre, so that they are of order one."""


class MultiCoordinateEncoder(nn.Module):
    """778 x 67 numbers to one token for each frame.

    Each vertex is described by its coordinates in the 22 frames (66) and its index / 778 (1). Every
    frame's token is an attention-weighted mean over the vertices.
    """

    def __init__(self, config: AmtConfig) -> None:
        super().__init__()
        self.with_rotation = config.multi_coordinate == "full"
        sizes = (3 * FRAMES + 1, *config.vertex_widths)
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.LayerNorm(after), nn.GELU()]
        self.per_vertex = nn.Sequential(*layers, nn.Linear(sizes[-1], config.width))
        self.scores = nn.Linear(config.width, FRAMES)

    def forward(self, vertices: Tensor, rotation: Tensor, origin: Tensor) -> Tensor:
        """[B, 22, C] from vertices [B, V, 3], frame rotations [B, 22, 3, 3], origins [B, 22, 3]."""
        if not self.with_rotation:
            rotation = torch.eye(3, device=rotation.device).expand_as(rotation)
        features = self.per_vertex(vertex_features(vertices, rotation, origin))  # [B, V, C]
        shares = self.scores(features).softmax(dim=1)  # [B, V, 22]
        return shares.mT @ features


@in_float32
def vertex_features(vertices: Tensor, rotation: Tensor, origin: Tensor) -> Tensor:
    """[B, V, 67]; the same wherever and however the hand is held, when the frames carry rotation.

    Arguments as in `MultiCoordinateEncoder.forward`.
    """
    offset = vertices[:, :, None] - origin[:, None]  # [B, V, 22, 3]
    local = torch.einsum("bvfi,bfij->bvfj", offset, rotation) / _SCALE_M
    count = vertices.shape[1]
    index = torch.arange(count, device=vertices.device, dtype=torch.float32) / count
    index = index[None, :, None].expand(len(vertices), -1, 1)
    return torch.cat([local.flatten(2), index], dim=-1)
