"""Parameters and floating-point operations of the model, by part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from amt_perception.hand.joints import Side
from amt_perception.hand.mano_files import load_hand_model
from amt_perception.model.amt import Amt
from amt_perception.model.backbone import FROM_CHECKPOINT, RANDOM
from amt_perception.model.config import model_config
from amt_perception.model.packed import PackedAmt

from .inputs import random_crops


def random_model(name: str) -> Amt:
    """A named size with random weights, as it is deployed: sigmaReparam folded."""
    torch.manual_seed(0)
    config = model_config(name)
    plain = replace(config.stabilisers, sigma_reparam=False)
    config = replace(config, stabilisers=plain)
    return Amt(config, load_hand_model(Side.RIGHT), RANDOM).eval().requires_grad_(False)


def count_parameters(name: str) -> dict[str, Any]:
    """Of a named size as it is trained: in all, not trained, and by part."""
    model = Amt(model_config(name), load_hand_model(Side.RIGHT), FROM_CHECKPOINT)
    counts = {part: _numbers(module) for part, module in model.named_children()}
    backbone = _numbers(model.image_encoder.backbone)
    counts["image_encoder"] -= backbone
    return {
        "parameters": _numbers(model),
        "frozen": sum(one.numel() for one in model.parameters() if not one.requires_grad),
        "parts": {"backbone": backbone} | {part: count for part, count in counts.items() if count},
    }


@torch.no_grad()
def count_operations(model: Amt) -> dict[str, float]:
    """GFLOP for one sample by part, and their "total" (a multiply-add counts as two).

    The hand layer's are in the hand branch, which calls it.
    """
    counter = FlopCounterMode(display=False)
    counts: dict[str, float] = {}
    hooks = []

    def count(name: str, part: nn.Module) -> None:
        counts[name] = 0.0

        def begin(*_: Any) -> None:
            counts[name] -= counter.get_total_flops() / 1e9

        def end(*_: Any) -> None:
            counts[name] += counter.get_total_flops() / 1e9

        hooks.append(part.register_forward_pre_hook(begin))
        hooks.append(part.register_forward_hook(end))

    count("backbone", model.image_encoder.backbone)
    for name, part in model.named_children():
        if part is not model.hand_layer:
            count(name, part)
    image, numbers = random_crops(1, model.config.image_size)
    with counter:
        PackedAmt(model)(image, numbers)
    for hook in hooks:
        hook.remove()
    counts["image_encoder"] -= counts["backbone"]
    counts["total"] = counter.get_total_flops() / 1e9
    return counts


def _numbers(part: nn.Module) -> int:
    return sum(parameter.numel() for parameter in part.parameters())
