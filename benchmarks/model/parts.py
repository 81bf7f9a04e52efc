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
    return {
        "parameters": _numbers(model),
        "frozen": sum(one.numel() for one in model.parameters() if not one.requires_grad),
        "parts": {name: _numbers(part) for name, part in _parts(model).items() if _numbers(part)},
    }


@torch.no_grad()
def count_operations(model: Amt) -> dict[str, float]:
    """GFLOP for one sample by part, and their "total" (a multiply-add counts as two)."""
    counts: dict[str, float] = {}
    running: list[str] = []
    hooks = []
    counter = FlopCounterMode(display=False)

    def begin(name: str) -> None:
        if not running:
            counts[name] = counts.get(name, 0.0) - counter.get_total_flops() / 1e9
        running.append(name)

    def end(name: str) -> None:
        running.pop()
        if not running:
            counts[name] += counter.get_total_flops() / 1e9

    for name, part in _parts(model).items():
        hooks.append(part.register_forward_pre_hook(lambda *_, name=name: begin(name)))
        hooks.append(part.register_forward_hook(lambda *_, name=name: end(name)))
    image, numbers = random_crops(1, model.config.image_size)
    with counter:
        PackedAmt(model)(image, numbers)
    for hook in hooks:
        hook.remove()
    counts["total"] = counter.get_total_flops() / 1e9
    return {name: value for name, value in counts.items() if value > 0.0}


def _parts(model: Amt) -> dict[str, nn.Module]:
    """The model's parts; the image encoder's backbone and the rest of it are two."""
    parts: dict[str, nn.Module] = {}
    for name, part in model.named_children():
        if name == "image_encoder":
            parts["backbone"] = model.image_encoder.backbone
            parts |= {
                f"image_encoder.{inner}": child
                for inner, child in part.named_children()
                if inner != "backbone"
            }
        else:
            parts[name] = part
    return parts


def _numbers(part: nn.Module) -> int:
    return sum(parameter.numel() for parameter in part.parameters())
