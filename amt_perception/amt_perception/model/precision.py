"""With which numbers a model computes: chosen by name, never replaced by others silently."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import nn

from amt_perception.errors import AmtError
from amt_perception.model.config import DEVICES, PRECISIONS

FP8_CAPABILITY = (8, 9)
"""The first GPUs with float8 matrix units (Ada; Hopper is 9.0)."""


def choose_device(name: str) -> torch.device:
    """The device of that name; auto takes a GPU where there is one.

    Raises AmtError for an unknown name or a GPU that is not there.
    """
    if name not in DEVICES:
        raise AmtError(f"there is no device '{name}'; choose one of: {', '.join(DEVICES)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise AmtError(
            "this PyTorch sees no CUDA GPU; set the device to auto or cpu, or install PyTorch for "
            "CUDA and its driver"
        )
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def choose_precision(name: str, device: torch.device) -> str:
    """fp32, bf16 or fp8; auto is bf16 on a GPU and fp32 on a CPU.

    Raises AmtError for an unknown name or numbers that the device does not have.
    """
    if name not in PRECISIONS:
        raise AmtError(f"there is no precision '{name}'; choose one of: {', '.join(PRECISIONS)}")
    if name == "auto":
        return "bf16" if device.type == "cuda" else "fp32"
    if name == "fp8":
        _require_fp8(device)
    if name == "bf16" and not _has_bfloat16(device):
        raise AmtError(
            f"this {'GPU' if device.type == 'cuda' else 'CPU'} has no bfloat16 units; set the "
            "precision to fp32"
        )
    return name


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _require_fp8(device: torch.device) -> None:
    if device.type != "cuda":
        raise AmtError("fp8 needs a GPU with float8 units; set the precision to fp32 or bf16")
    capability = torch.cuda.get_device_capability(device)
    if capability < FP8_CAPABILITY:
        found, needed = (".".join(map(str, one)) for one in (capability, FP8_CAPABILITY))
        raise AmtError(
            f"fp8 needs a GPU of compute capability {needed} or newer, this one has {found}; set "
            "the precision to bf16"
        )


def to_bfloat16(model: nn.Module) -> None:
    """Keep the matrices of linear layers and convolutions in bfloat16, as autocast would cast them.

    Run the model under `autocast`: the results are those of autocast on float32 weights, without
    the casts. Norms, embeddings and geometry stay in float32.
    """
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            module.to(torch.bfloat16)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """The context in which a model of that precision runs."""
    # The cache of cast weights must not end up in a CUDA graph; to_bfloat16 leaves nothing to cast.
    return torch.autocast(
        device.type, torch.bfloat16, enabled=precision != "fp32", cache_enabled=False
    )
