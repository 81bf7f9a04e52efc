"""Pixel-aligned refinement: project, sample the picture's features there, move the joints."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate

from amt_perception.model.camera import View
from amt_perception.model.config import AmtConfig
from amt_perception.model.geometry import in_float32, product, project, visible
from amt_perception.model.layers import MLP, Attention, zero_start

_REACH_M = 0.1
"""Offsets are predicted in tenths of a metre."""
_POINT_FEATURES = 3 + 2 + 1
"""Place from the wrist, gap between keypoint and projection, whether the picture shows it."""


class FeatureMap(nn.Module):
    """Image tokens to a feature map of twice their resolution: a pyramid of three convolutions."""

    def __init__(self, config: AmtConfig, grid: int) -> None:
        super().__init__()
        self.grid = grid
        width = config.refinement_width
        self.reduce = nn.Conv2d(config.width, width, 1)
        self.lateral = nn.Conv2d(width, width, 3, padding=1)
        self.smooth = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, D, 2 grid, 2 grid] from tokens [B, grid * grid, C]."""
        coarse = self.reduce(tokens.mT.unflatten(-1, (self.grid, self.grid)))
        coarse = coarse + nn.functional.gelu(self.lateral(coarse))
        fine = interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
        return fine + nn.functional.gelu(self.smooth(fine))


@in_float32
def sample_at(features: Tensor, pixels: Tensor, shown: Tensor, size: int) -> Tensor:
    """[B, N, D] features [B, D, h, w] of an S x S picture at pixels [B, N, 2], bilinearly.

    Points that the picture does not show (shown [B, N] is zero) get zeros, not the nearest border.
    """
    grid = (2.0 * pixels + 1.0) / size - 1.0
    grid = grid.clamp(-2.0, 2.0)  # far points would lose precision
    sampled = grid_sample(features, grid[:, :, None], padding_mode="border", align_corners=False)
    return sampled[..., 0].mT * shown[..., None]


class Refinement(nn.Module):
    """Steps of decreasing size; each sees where the joints now are."""

    def __init__(self, config: AmtConfig, grid: int) -> None:
        super().__init__()
        width = config.refinement_width
        self.steps = config.refinement_steps
        self.map = FeatureMap(config, grid)
        self.token = nn.Linear(config.width, width)
        self.point = MLP(_POINT_FEATURES, width, width)
        self.norm = nn.LayerNorm(width)
        heads = max(1, width // 32)
        self.attention = Attention(width, heads, config.stabilisers.attention_temperature)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = MLP(width, 2 * width, width)
        self.offset = zero_start(nn.Linear(width, 3))
        self.log_sigma = nn.Linear(width, 1)
        nn.init.constant_(self.log_sigma.bias, -4.0)

    def forward(
        self, joints: Tensor, keypoints: Tensor, tokens: Tensor, image: Tensor, view: View
    ) -> tuple[Tensor, Tensor]:
        """Joints after each step [B, 1 + steps, 21, 3] and their log sigma [B, 21].

        joints [B, 21, 3], keypoints [B, 21, 2] (crop pixels), joint tokens [B, 21, C], image tokens
        [B, N, C]. Offsets are relative to the ray through the crop's centre.
        """
        features = self.map(image)
        tokens = self.token(tokens)
        steps = [joints]
        for number in range(self.steps):
            state = self._look(steps[-1], keypoints, tokens, features, view)
            offset = 0.5**number * _REACH_M * self.offset(state).float()
            steps.append(steps[-1] + product(offset, view.turn.mT))
        state = self._look(steps[-1], keypoints, tokens, features, view)
        return torch.stack(steps, dim=1), self.log_sigma(state).float()[..., 0]

    def _look(
        self, joints: Tensor, keypoints: Tensor, tokens: Tensor, features: Tensor, view: View
    ) -> Tensor:
        """[B, 21, D] what is known about each joint where it now is."""
        pixels = project(joints, view.intrinsics)
        shown = visible(joints, pixels, view.size)
        gap = ((keypoints - pixels) / (0.1 * view.size)).clamp(-5.0, 5.0)
        place = product(joints - joints[:, :1], view.turn) / _REACH_M
        point = self.point(torch.cat([place, gap, shown[..., None]], dim=-1))
        state = tokens + point + sample_at(features, pixels, shown, view.size)
        normed = self.norm(state)
        state = state + self.attention(normed, normed)
        return state + self.mlp(self.mlp_norm(state))
