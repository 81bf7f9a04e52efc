"""How large the gradients of each part of a model are."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

_BACKBONE = "image_encoder.backbone"
_WRAPPERS = ("module", "_orig_mod")
"""What DDP and torch.compile put into the names of what they wrap."""


def gradient_norms(model: nn.Module) -> dict[str, float]:
    """Norm of the gradients of each part of a model: its children, the backbone on its own.

    Parts without gradients are left out. One transfer from the GPU. Not for sharded parameters.
    """
    gradients: dict[str, list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            gradients.setdefault(_part(plain_name(name)), []).append(parameter.grad)
    if not gradients:
        return {}
    norms = torch.stack([nn.utils.get_total_norm(one) for one in gradients.values()])
    return dict(zip(gradients, norms.tolist(), strict=True))


def is_sharded(model: nn.Module) -> bool:
    """Does this process have only a shard of the parameters (FSDP2)?"""
    return any(isinstance(one, DTensor) for one in model.parameters())


def plain_name(name: str) -> str:
    """A parameter's or module's dotted path without what DDP and torch.compile put into it."""
    return ".".join(one for one in name.split(".") if one not in _WRAPPERS)


def _part(parameter: str) -> str:
    return "backbone" if parameter.startswith(f"{_BACKBONE}.") else parameter.split(".", 1)[0]
