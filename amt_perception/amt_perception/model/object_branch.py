"""Objects: learned queries, a transformer decoder on the image tokens, a pose for each query."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from amt_perception.model.camera import View
from amt_perception.model.config import AmtConfig
from amt_perception.model.geometry import identity_6d, product, rotation_from_6d, viewing_rays
from amt_perception.model.image_encoder import ImageTokens
from amt_perception.model.interface import ObjectOutput
from amt_perception.model.layers import MLP, Decoder


class ObjectBranch(nn.Module):
    """One token for each of the queries (DETR, Carion et al., ECCV 2020)."""

    def __init__(self, config: AmtConfig) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(config.object_queries, config.width))
        self.decoder = Decoder(config, config.object_layers)

    def forward(self, image: ImageTokens) -> Tensor:
        """[B, Q, C]."""
        queries = self.queries + image.summary[:, None]
        return self.decoder(queries, image.tokens)


class ObjectHead(nn.Module):
    """Tokens to poses, in the same normalised space as the hand's.

    The centre is a pixel and a depth relative to the hand's, which geometry has found; the
    orientation is relative to the ray through the crop's centre.
    """

    def __init__(self, config: AmtConfig) -> None:
        super().__init__()
        width = config.width
        self.pose = nn.Sequential(MLP(width, width, width), nn.GELU(), nn.Linear(width, 9))
        self.confidence = nn.Linear(width, 1)
        self.classes = nn.Linear(width, len(config.object_classes))
        self.register_buffer("identity", identity_6d(), persistent=False)

    def forward(self, tokens: Tensor, view: View, hand_depth: Tensor) -> ObjectOutput:
        """tokens [B, Q, C]; hand_depth [B], the wrist's (m)."""
        centre, farther, six = self.pose(tokens).float().split((2, 1, 6), dim=-1)
        pixels = (0.5 + 0.5 * centre) * view.size
        depth = hand_depth[:, None, None] * torch.exp(0.3 * farther)
        rays = viewing_rays(pixels, view.intrinsics)
        return ObjectOutput(
            position=torch.cat([rays * depth, depth], dim=-1),
            rotation=product(view.turn[:, None], rotation_from_6d(self.identity + six)),
            confidence_logits=self.confidence(tokens).float()[..., 0],
            class_logits=self.classes(tokens).float(),
        )
