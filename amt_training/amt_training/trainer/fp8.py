"""Training with float8 matrix products, through NVIDIA's Transformer Engine.

Micikevicius et al., "FP8 formats for deep learning", 2022: E4M3 forwards, E5M2 backwards, with
delayed scaling. Only the backbone's layers: the new parts' matrices are reparametrised. Rows of
their inputs (samples times tokens) must be a multiple of 8, so the batch size must.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

from amt_perception.errors import AmtError
from amt_perception.model.fp8 import MULTIPLE
from amt_training.trainer.layers import transformer_layers


def require_transformer_engine() -> Any:
    """Transformer Engine's torch module. Raises AmtError where it is not installed."""
    try:
        import transformer_engine.pytorch as engine
    except (ImportError, OSError) as error:  # OSError: its CUDA libraries are missing
        raise AmtError(
            "training in fp8 needs Transformer Engine: pip install --no-build-isolation "
            "'transformer_engine[pytorch]', or set trainer.precision.precision=bf16"
        ) from error
    return engine


def to_transformer_engine(model: nn.Module) -> None:
    """Replace the plain linear layers inside transformer layers whose sizes float8 units take."""
    engine = require_transformer_engine()

    class Linear(engine.Linear):  # type: ignore[misc, name-defined]
        """Without the scaling history in its state: a resumed run starts a new one."""

        get_extra_state = nn.Module.get_extra_state
        set_extra_state = nn.Module.set_extra_state

    for layer in transformer_layers(model):
        for name, old in list(layer.named_modules()):
            if type(old) is nn.Linear and not (old.in_features | old.out_features) % MULTIPLE:
                new = Linear(
                    old.in_features, old.out_features, bias=old.bias is not None,
                    params_dtype=torch.float32, device=old.weight.device,
                )  # fmt: skip
                new.load_state_dict(old.state_dict())
                for parameter, before in zip(new.parameters(), old.parameters(), strict=True):
                    parameter.requires_grad_(before.requires_grad)
                parent, _, attribute = name.rpartition(".")
                setattr(layer.get_submodule(parent), attribute, new)


def fp8_context() -> AbstractContextManager[None]:
    """Around a forward pass."""
    from transformer_engine.common.recipe import DelayedScaling, Format

    engine = require_transformer_engine()
    recipe = DelayedScaling(fp8_format=Format.HYBRID)
    context: AbstractContextManager[None] = engine.fp8_autocast(enabled=True, fp8_recipe=recipe)
    return context
