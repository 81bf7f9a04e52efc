"""Low-rank adapters: small trained additions to the matrices of a large frozen network."""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor, nn

RANK, ALPHA = 32, 64
TARGETS = re.compile(
    r".*language_model\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
)
"""Attention and feed-forward matrices of the language model, none of the vision tower's."""


class LoraLinear(nn.Module):
    """A frozen linear layer plus (alpha / rank) B A x (Hu et al., "LoRA", ICLR 2022).

    B starts at zero: at first the layer computes what it did. A and B are float32, also beside
    16-bit weights, so that small steps of the optimiser are not lost.
    """

    def __init__(self, base: nn.Linear, rank: int = RANK, alpha: float = ALPHA) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        device = base.weight.device
        self.down = nn.Parameter(torch.empty(rank, base.in_features, device=device))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, device=device))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5.0))
        self.scale = alpha / rank

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        down, up = self.down.to(inputs.dtype), self.up.to(inputs.dtype)
        return self.base(inputs) + self.scale * (inputs @ down.T) @ up.T


def add_adapters(model: nn.Module) -> None:
    """Freeze a model and give each linear layer of TARGETS its adapter, the only trained part."""
    model.requires_grad_(False)
    layers = [
        (name, layer)
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and TARGETS.fullmatch(name)
    ]
    for name, layer in layers:
        owner, _, own_name = name.rpartition(".")
        setattr(model.get_submodule(owner), own_name, LoraLinear(layer))
