"""The flow's network: which way a half-finished grasp is to go.

A transformer over a pose and the places of its contacts, which read the object: adaptive layer norm
after Peebles and Xie, "Scalable Diffusion Models with Transformers", ICCV 2023.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from amt_perception.grasp.config import LENGTH_UNIT_M, GraspConfig
from amt_perception.grasp.interface import GraspContext
from amt_perception.grasp.layers import MaskedAttention
from amt_perception.grasp.point_operations import farthest_points, gather
from amt_perception.model.interface import HAND_PARTS
from amt_perception.model.layers import MLP, MLP_RATIO, zero_start

CONTACT_NUMBERS = 4
"""Of each hand part in the flow's state: the place of its contact and whether it touches."""
_TIME_WAVES = 64
_OCTAVES = 4
_PLACE_WAVES = 3 * 2 * _OCTAVES


class VelocityNetwork(nn.Module):
    """Velocities of K grasps of each of B objects; what they read of the object is shared."""

    def __init__(self, config: GraspConfig, pose_size: int) -> None:
        super().__init__()
        width = config.width
        self.pose_size = pose_size
        self.points = config.velocity_points
        self.samples_contacts = config.sample_contacts
        self.place = nn.Linear(3 + _PLACE_WAVES, width)
        self.kinds = nn.Parameter(0.02 * torch.randn(2 + len(HAND_PARTS), width))
        self.memory_norm = nn.LayerNorm(width)
        self.condition = nn.Linear(2 * width, width)
        self.time = TimeEmbedding(width)
        self.pose_in = nn.Linear(pose_size + _PLACE_WAVES, width)
        self.pose_out = zero_start(nn.Linear(width, pose_size))
        if config.sample_contacts:
            self.contact_in = nn.Linear(CONTACT_NUMBERS + _PLACE_WAVES, width)
            self.contact_parts = nn.Parameter(0.02 * torch.randn(len(HAND_PARTS), width))
            self.contact_out = zero_start(nn.Linear(width, CONTACT_NUMBERS))
        self.layers = nn.ModuleList(
            VelocityLayer(width, config.heads) for _ in range(config.velocity_layers)
        )
        self.norm = nn.LayerNorm(width)

    def read(self, context: GraspContext) -> tuple[Tensor, Tensor]:
        """What the grasps of an object read: tokens [B, M, F] and the condition [B, F].

        The tokens: points far from each other, the six part tokens and the instruction. They are
        the same at all times, so a sampler makes them once.
        """
        order = farthest_points(context.points, self.points)
        places = gather(context.points, order) / LENGTH_UNIT_M
        points = gather(context.point_features, order) + self.place(with_waves(places))
        kind, language_kind, part_kinds = self.kinds.split([1, 1, len(HAND_PARTS)])
        tokens = [
            points + kind,
            context.part_tokens + part_kinds,
            context.language[:, None] + language_kind,
        ]
        condition = self.condition(torch.cat([context.pooled, context.language], dim=-1))
        return self.memory_norm(torch.cat(tokens, dim=1)), condition

    def forward(self, state: Tensor, time: Tensor, read: tuple[Tensor, Tensor]) -> Tensor:
        """[B, K, D] from states [B, K, D] at times [B, K] in 0..1 and what `read` gives."""
        memory, condition = read
        condition = condition[:, None] + self.time(time)  # [B, K, F]
        pose, contacts = state[..., : self.pose_size], state[..., self.pose_size :]
        tokens = self.pose_in(with_waves(pose))[:, :, None]  # [B, K, 1, F]
        if self.samples_contacts:
            numbers = contacts.unflatten(-1, (len(HAND_PARTS), CONTACT_NUMBERS))
            places = self.contact_in(with_waves(numbers)) + self.contact_parts
            tokens = torch.cat([tokens, places], dim=2)  # [B, K, 7, F]
        for layer in self.layers:
            tokens = layer(tokens, condition, memory)
        tokens = self.norm(tokens)
        velocity = self.pose_out(tokens[:, :, 0])
        if self.samples_contacts:
            velocity = torch.cat([velocity, self.contact_out(tokens[:, :, 1:]).flatten(2)], dim=-1)
        return velocity


class VelocityLayer(nn.Module):
    """Self-attention within a grasp, cross-attention to its object, MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.modulation = zero_start(nn.Linear(width, 6 * width))
        self.self_norm = nn.LayerNorm(width, elementwise_affine=False)
        self.self_attention = MaskedAttention(width, heads)
        self.cross_norm = nn.LayerNorm(width)
        self.cross_attention = MaskedAttention(width, heads)
        self.mlp_norm = nn.LayerNorm(width, elementwise_affine=False)
        self.mlp = MLP(width, MLP_RATIO * width, width)

    def forward(self, tokens: Tensor, condition: Tensor, memory: Tensor) -> Tensor:
        """tokens [B, K, T, F], condition [B, K, F] and memory [B, M, F] to [B, K, T, F]."""
        modulation = self.modulation(nn.functional.silu(condition))[:, :, None]  # [B, K, 1, 6 F]
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = modulation.chunk(6, dim=-1)
        normed = (self.self_norm(tokens) * (1.0 + scale) + shift).flatten(0, 1)  # [B K, T, F]
        tokens = tokens + gate * self.self_attention(normed, normed).view_as(tokens)
        normed = self.cross_norm(tokens).flatten(1, 2)  # [B, K T, F]: the memory is not repeated
        tokens = tokens + self.cross_attention(normed, memory).view_as(tokens)
        normed = self.mlp_norm(tokens) * (1.0 + mlp_scale) + mlp_shift
        return tokens + mlp_gate * self.mlp(normed)


class TimeEmbedding(nn.Module):
    """Sines and cosines of the time (Vaswani et al., 2017) and an MLP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(2 * _TIME_WAVES, width), nn.SiLU(), nn.Linear(width, width)
        )

    def forward(self, time: Tensor) -> Tensor:
        """[..., F] from times [...] in 0..1."""
        return self.mlp(time_waves(time, _TIME_WAVES))


def with_waves(numbers: Tensor) -> Tensor:
    """[..., C + 24] numbers [..., C] and waves of the first three, a place in units of 5 cm.

    Waves of 40, 20, 10 and 5 cm let attention tell near places from far ones (Tancik et al.,
    "Fourier Features Let Networks Learn High Frequency Functions", NeurIPS 2020).
    """
    rates = 0.25 * torch.pi * 2.0 ** torch.arange(_OCTAVES, device=numbers.device)
    angles = (numbers[..., :3, None] * rates).flatten(-2)
    return torch.cat([numbers, angles.sin(), angles.cos()], dim=-1)


def time_waves(time: Tensor, count: int) -> Tensor:
    """[..., 2 count] sines and cosines of times [...] in 0..1, at 1 to 1000 rad a unit of time."""
    rates = torch.logspace(0.0, 3.0, count, device=time.device)
    angles = time.float()[..., None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
