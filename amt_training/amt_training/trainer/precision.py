"""With which numbers and kernels a training computes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from amt_perception.errors import AmtError
from amt_perception.model.precision import choose_precision
from amt_training.trainer.layers import RECOMPUTE, recompute_layers, transformer_layers

COMPILE = ("none", "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
ATTENTION = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "math": SDPBackend.MATH,
}


@dataclass(frozen=True)
class PrecisionSettings:
    """Numbers, kernels and memory."""

    precision: str = "auto"
    """fp32; bf16: autocast, with float32 weights; fp8: Transformer Engine's linear layers; auto:
    bf16 on a GPU, fp32 on a CPU."""
    compile: str = "none"
    """torch.compile's mode, or none."""
    attention: tuple[str, ...] = ("flash", "efficient", "math")
    """Kernels of scaled_dot_product_attention that may be chosen: flash, efficient, cudnn, math.
    cudnn's backward pass has given NaN with masks on Hopper GPUs."""
    recompute: str = "none"
    """Activations of transformer layers that the backward pass computes again: none, selective (all
    but matrix products and attention) or full."""
    deterministic: bool = False
    """Only algorithms that give the same bits each time; slower on a GPU."""

    def __post_init__(self) -> None:
        for key, value, known in (
            ("compile", (self.compile,), COMPILE),
            ("attention", self.attention, tuple(ATTENTION)),
            ("recompute", (self.recompute,), RECOMPUTE),
        ):
            unknown = [one for one in value if one not in known]
            if unknown or not value:
                raise AmtError(
                    f"trainer.precision.{key} cannot be '{', '.join(unknown)}'; choose from: "
                    f"{', '.join(known)}"
                )


class Precision:
    """The settings put to work on one device.

    Raises AmtError for a precision that the device or the installed packages do not have.
    """

    def __init__(self, settings: PrecisionSettings, device: torch.device) -> None:
        self.settings = settings
        self.device = device
        self.name = choose_precision(settings.precision, device)
        if self.name == "fp8":
            from amt_training.trainer.fp8 import require_transformer_engine

            require_transformer_engine()
        if settings.deterministic:
            # cuBLAS reads this when it starts.
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True)

    def prepare(self, model: nn.Module, whole: bool) -> None:
        """Change a network in place for its training, before it is shared between processes.

        whole: compile it in one piece; else layer by layer, as sharding needs it.
        """
        settings = self.settings
        if self.name == "fp8":
            from amt_training.trainer.fp8 import to_transformer_engine

            to_transformer_engine(model)
        if settings.recompute != "none":
            recompute_layers(model, settings.recompute)
        if settings.compile != "none":
            for part in [model] if whole else transformer_layers(model):
                part.compile(mode=settings.compile, dynamic=False)

    @contextmanager
    def context(self) -> Iterator[None]:
        """Of a forward pass. Rotations, projection and losses leave autocast by themselves."""
        if self.settings.compile != "none":
            torch.compiler.cudagraph_mark_step_begin()
        backends = [ATTENTION[name] for name in self.settings.attention]
        with (
            sdpa_kernel(backends),
            torch.autocast(self.device.type, torch.bfloat16, enabled=self.name != "fp32"),
        ):
            if self.name == "fp8":
                from amt_training.trainer.fp8 import fp8_context

                with fp8_context():
                    yield
            else:
                yield
