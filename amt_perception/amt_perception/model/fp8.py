"""Linear layers in float8 (e4m3), through torch's scaled matrix product.

Micikevicius et al., "FP8 formats for deep learning", 2022. Weights have one scale for each output,
activations one for each token, found anew in every pass: no calibration, and samples of a batch do
not influence one another. Products add up in float32 and come out in bfloat16.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

LARGEST = torch.finfo(torch.float8_e4m3fn).max
MULTIPLE = 16
"""Float8 matrix units want sizes that are multiples of this."""
FEWEST_TOKENS = 64
"""Layers that see fewer tokens of a sample stay in bfloat16: they read weights more than they
multiply, and they are the ones that give the results."""


class Fp8Linear(nn.Module):
    """A linear layer's replacement, for inference."""

    weight: Tensor
    weight_scale: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        quantised, scale = _quantised(layer.weight.detach().float())
        self.register_buffer("weight", quantised)
        self.register_buffer("weight_scale", scale.T.contiguous())
        bias = None if layer.bias is None else layer.bias.detach().bfloat16()
        self.register_buffer("bias", bias)

    def forward(self, values: Tensor) -> Tensor:
        """[..., in] to [..., out] in bfloat16."""
        rows = values.flatten(0, -2)
        count = rows.shape[0]
        quantised, scale = _quantised(pad(rows, (0, 0, 0, -count % MULTIPLE)).float())
        product = torch._scaled_mm(
            quantised,
            self.weight.T,
            scale_a=scale,
            scale_b=self.weight_scale,
            bias=self.bias,
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
        )
        return product[:count].unflatten(0, values.shape[:-1])


def _quantised(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [N, C] in float8, and their scales [N, 1]."""
    scale = rows.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / LARGEST
    return (rows / scale).to(torch.float8_e4m3fn), scale


def to_fp8(model: nn.Module, *inputs: Tensor) -> list[str]:
    """Replace the linear layers that see many tokens; gives their names.

    inputs: of the model, for one sample: a pass over them counts the tokens of each layer.
    """
    tokens: dict[str, int] = {}
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):

            def count(_: nn.Module, arguments: tuple[Tensor, ...], name: str = name) -> None:
                tokens[name] = arguments[0].numel() // arguments[0].shape[-1]

            hooks.append(module.register_forward_pre_hook(count))
    try:
        with torch.no_grad():
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    replaced = []
    for name, seen in tokens.items():
        layer = model.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        fits = layer.in_features % MULTIPLE == 0 and layer.out_features % MULTIPLE == 0
        if seen >= FEWEST_TOKENS and fits:
            parent, _, attribute = name.rpartition(".")
            setattr(model.get_submodule(parent), attribute, Fp8Linear(layer))
            replaced.append(name)
    return replaced
