"""Inputs for tests of the model: random pictures with honest geometry."""

from __future__ import annotations

from functools import lru_cache

import torch

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.model.amt import Amt
from amt_perception.model.backbone import RANDOM
from amt_perception.model.config import AmtConfig, model_config
from amt_perception.model.interface import AmtInput

SIZE = 112


def make_model(config: AmtConfig | None = None, seed: int = 0) -> Amt:
    """A model with random weights, in evaluation; zero starts are made to say something."""
    torch.manual_seed(seed)
    model = Amt(config or model_config("tiny"), generic_hand(Side.RIGHT), RANDOM).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.02)
    return model


@lru_cache(maxsize=1)
def tiny_model() -> Amt:
    """One such model for all tests that only look."""
    return make_model()


def make_inputs(count: int, frames: int = 1, size: int = SIZE, seed: int = 0) -> AmtInput:
    """Left and right hands in turns, each frame with a camera and box of its own."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(count, frames, *shape, generator=generator)

    crop = torch.zeros(count, frames, 2, 3)
    scale = 0.4 + 0.4 * random()
    crop[..., 0, 0] = crop[..., 1, 1] = scale
    crop[..., 2] = -20.0 * random(2)
    intrinsics = torch.zeros(count, frames, 3, 3)
    intrinsics[..., 0, 0] = intrinsics[..., 1, 1] = 600.0 * scale
    intrinsics[..., :2, 2] = scale[..., None] * 160.0 + crop[..., 2]
    intrinsics[..., 2, 2] = 1.0
    corner = (0.25 * size - crop[..., 2]) / scale[..., None]
    box = torch.cat([corner, 0.5 * size / scale[..., None].expand(-1, -1, 2)], dim=-1)
    image = (256 * random(3, size, size)).to(torch.uint8)
    return AmtInput(image, intrinsics, crop, box, torch.arange(count) % 2)
