"""A network's transformer layers: found, and recomputed in the backward pass to save memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)

from amt_perception.model.layers import DecoderLayer, EncoderLayer
from amt_perception.model.sigma_reparam import SigmaReparam

RECOMPUTE = ("none", "selective", "full")
_aten = torch.ops.aten
_KEPT = {
    _aten.mm.default,
    _aten.addmm.default,
    _aten.bmm.default,
    _aten.baddbmm.default,
    _aten._scaled_dot_product_flash_attention.default,
    _aten._scaled_dot_product_efficient_attention.default,
    _aten._scaled_dot_product_flash_attention_for_cpu.default,
}
"""What selective recomputation keeps: matrix products and attention, nearly all of the work."""


def transformer_layers(model: nn.Module) -> list[nn.Module]:
    """The layers of all stacks, those of a Hugging Face backbone included (SwinV2: stages)."""
    names = {EncoderLayer.__name__, DecoderLayer.__name__}
    for module in model.modules():
        names |= {
            name
            for name in getattr(module, "_no_split_modules", None) or ()
            if not name.endswith("Embeddings")
        }
    return [module for module in model.modules() if type(module).__name__ in names]


def recompute_layers(model: nn.Module, mode: str) -> None:
    """Compute activations inside transformer layers again instead of keeping them.

    mode: full keeps only each layer's input (Chen et al., "Training deep nets with sublinear memory
    cost", 2016); selective also keeps the results of matrix products and attention.
    """
    for layer in transformer_layers(model):
        layer.forward = partial(  # type: ignore[method-assign]
            checkpoint,
            layer.forward,
            use_reentrant=False,
            context_fn=partial(_contexts, layer, mode),
        )


def _contexts(
    layer: nn.Module, mode: str
) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Of the forward pass and of its repetition."""
    if mode == "full":
        return _nothing(), _norms_held(layer)
    first, again = create_selective_checkpoint_contexts(_policy)
    return first, _both(_norms_held(layer), again)


def _policy(_: Any, operator: Any, *arguments: Any, **options: Any) -> CheckpointPolicy:
    # A vector times a matrix is cheap, and torch squeezes its result in place.
    vector = operator is _aten.mm.default and len(arguments[0]) == 1
    kept = operator in _KEPT and not vector
    return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE


@contextmanager
def _norms_held(layer: nn.Module) -> Iterator[None]:
    """No power iteration: the repetition must find the norms of the first pass."""
    reparams = [one for one in layer.modules() if isinstance(one, SigmaReparam) and one.training]
    for one in reparams:
        one.training = False
    try:
        yield
    finally:
        for one in reparams:
            one.training = True


@contextmanager
def _both(one: AbstractContextManager[Any], other: AbstractContextManager[Any]) -> Iterator[None]:
    with one, other:
        yield


@contextmanager
def _nothing() -> Iterator[None]:
    yield
