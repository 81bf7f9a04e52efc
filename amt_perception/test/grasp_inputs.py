"""A tiny grasp model's configuration, clouds, instructions and grasps."""

import math

import torch

from amt_perception.grasp.config import GraspConfig
from amt_perception.grasp.interface import Grasps, Language

TINY = GraspConfig(
    "tiny",
    language_encoder="qwen",  # its features come from outside: no encoder in the checkpoint
    language_width=12,
    centres=(32, 8),
    radii=(0.04, 0.1),
    neighbours=(8, 4),
    geometry_width=16,
    fusion_points=16,
    width=32,
    fusion_layers=2,
    heads=4,
    velocity_layers=2,
    velocity_points=8,
)


def make_cloud(batch: int, count: int = 128) -> tuple[torch.Tensor, torch.Tensor]:
    """Points [B, N, 3] on ellipsoids the size of a hand, and their normals."""
    generator = torch.Generator().manual_seed(5)
    sphere = torch.randn(batch, count, 3, generator=generator)
    sphere = sphere / sphere.norm(dim=-1, keepdim=True)
    axes = torch.tensor([0.04, 0.05, 0.08]) + 0.01 * torch.rand(batch, 1, 3, generator=generator)
    normals = sphere / axes
    return sphere * axes, normals / normals.norm(dim=-1, keepdim=True)


def make_language(batch: int, length: int = 5, width: int = TINY.language_width) -> Language:
    """Random features of instructions, all of them text."""
    generator = torch.Generator().manual_seed(6)
    mask = torch.ones(batch, length, dtype=torch.bool)
    return Language(torch.randn(batch, length, width, generator=generator), mask, mask.clone())


def make_grasps(count: int, config: GraspConfig = TINY) -> Grasps:
    """Grasps within the joints' limits, at any orientation."""
    import roma

    generator = torch.Generator().manual_seed(7)
    turn = torch.randn(count, 3, generator=generator)
    turn = turn / turn.norm(dim=1, keepdim=True) * math.pi * torch.rand(count, 1)
    lower, upper = torch.tensor(config.allegro_lower), torch.tensor(config.allegro_upper)
    if config.hand == "allegro":
        joints = lower + (upper - lower) * torch.rand(count, 16, generator=generator)
        shape = torch.zeros(count, 0)
    else:
        joints = 0.5 * torch.randn(count, 15, 3, generator=generator)
        shape = torch.randn(count, 10, generator=generator)
    return Grasps(
        roma.rotvec_to_rotmat(turn), 0.1 * torch.randn(count, 3, generator=generator), joints, shape
    )
