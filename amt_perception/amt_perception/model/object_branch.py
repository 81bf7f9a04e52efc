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


class QueryHead(nn.Module):
    """What a query says of its object: nine numbers of its pose, confidence and class."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.pose = nn.Sequential(MLP(width, width, width), nn.GELU(), nn.Linear(width, 9))
        self.confidence = nn.Linear(width, 1)
        self.classes = nn.Linear(width, classes)
        self.register_buffer("identity", identity_6d(), persistent=False)

    def pose_numbers(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Three numbers [B, Q, 3] of the place, and the rotation's two columns [B, Q, 6]."""
        place, six = self.pose(tokens).float().split((3, 6), dim=-1)
        return place, self.identity + six

    def output(self, tokens: Tensor, position: Tensor, rotation: Tensor) -> ObjectOutput:
        """tokens [B, Q, C] with the poses made of their numbers."""
        return ObjectOutput(
            position=position,
            rotation=rotation,
            confidence_logits=self.confidence(tokens).float()[..., 0],
            class_logits=self.classes(tokens).float(),
        )


class ObjectHead(QueryHead):
    """Tokens to poses, in the same normalised space as the hand's.

    The centre is a pixel and a depth relative to the hand's, which geometry has found; the
    orientation is relative to the ray through the crop's centre.
    """

    def forward(self, tokens: Tensor, view: View, hand_depth: Tensor) -> ObjectOutput:
        """tokens [B, Q, C]; hand_depth [B], the wrist's (m)."""
        place, six = self.pose_numbers(tokens)
        centre, farther = place.split((2, 1), dim=-1)
        pixels = (0.5 + 0.5 * centre) * view.size
        depth = hand_depth[:, None, None] * torch.exp(0.3 * farther)
        rays = viewing_rays(pixels, view.intrinsics)
        position = torch.cat([rays * depth, depth], dim=-1)
        return self.output(tokens, position, product(view.turn[:, None], rotation_from_6d(six)))
