"""Contact: hand and object tokens look at each other, then queries ask who touches what, where."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from amt_perception.model.config import LayerConfig
from amt_perception.model.geometry import product
from amt_perception.model.interface import (
    CONTACT_TYPES,
    HAND_PARTS,
    INTERACTIONS,
    ContactOutput,
)
from amt_perception.model.layers import MLP, Attention, Decoder

_REACH_M = 0.1
"""Contact points are predicted in tenths of a metre from the hand's frame."""


class ContactBranch(nn.Module):
    """Tokens for the six hand parts, the K contact points and the interaction."""

    def __init__(self, config: LayerConfig, layers: int, points: int) -> None:
        super().__init__()
        width, heads = config.width, config.heads
        temperature = config.stabilisers.attention_temperature
        self.hand_norm = nn.LayerNorm(width)
        self.object_norm = nn.LayerNorm(width)
        self.hand_to_object = Attention(width, heads, temperature)
        self.object_to_hand = Attention(width, heads, temperature)
        self.context_norm = nn.LayerNorm(width)
        count = len(HAND_PARTS) + points + 1
        self.queries = nn.Parameter(torch.randn(count, width))
        self.decoder = Decoder(config, layers)

    def forward(self, hand: Tensor, objects: Tensor) -> Tensor:
        """[B, 6 + K + 1, C] from hand tokens [B, N, C] and object tokens [B, Q, C]."""
        hand_normed, objects_normed = self.hand_norm(hand), self.object_norm(objects)
        hand = hand + self.hand_to_object(hand_normed, objects_normed)
        objects = objects + self.object_to_hand(objects_normed, hand_normed)
        context = self.context_norm(torch.cat([hand, objects], dim=1))
        return self.decoder(self.queries.expand(len(hand), -1, -1), context)


class ContactHead(nn.Module):
    """Contact tokens to probabilities, points and forces."""

    def __init__(self, width: int, points: int) -> None:
        super().__init__()
        self.split = (len(HAND_PARTS), points, 1)
        self.part = nn.Linear(width, 1)
        self.point = MLP(width, width, 3)
        self.point_confidence = nn.Linear(width, 1)
        self.force = nn.Linear(width, 1)
        self.contact_type = nn.Linear(width, len(CONTACT_TYPES))
        self.interaction = nn.Linear(width, len(INTERACTIONS))

    def forward(self, tokens: Tensor, origin: Tensor, rotation: Tensor) -> ContactOutput:
        """tokens [B, 6 + K + 1, C]; origin [B, 3] (m) and rotation [B, 3, 3] of the frame that the
        points are predicted in."""
        parts, points, whole = tokens.split(self.split, dim=1)
        offsets = _REACH_M * self.point(points).float()
        return ContactOutput(
            part_logits=self.part(parts).float()[..., 0],
            points=origin[:, None] + product(offsets, rotation.mT),
            point_logits=self.point_confidence(points).float()[..., 0],
            forces=nn.functional.softplus(self.force(points).float())[..., 0],
            type_logits=self.contact_type(points).float(),
            interaction_logits=self.interaction(whole).float()[:, 0],
        )
