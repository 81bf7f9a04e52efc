"""What keeps the model exact in bfloat16 and capturable in a CUDA graph, shown on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from amt_perception.model.amt import Amt, with_temporal
from amt_perception.model.config import model_config
from amt_perception.model.fp8 import Fp8Linear
from amt_perception.model.packed import PackedAmt, pack_numbers
from amt_perception.model.precision import autocast, to_bfloat16
from amt_perception.model.sigma_reparam import fold_sigma_reparam

from .model_inputs import make_inputs, make_model

torch.set_num_threads(1)

_HOST_COPIES = {
    torch.tensor, torch.as_tensor, torch.nonzero, torch.Tensor.new_tensor, torch.Tensor.item,
    torch.Tensor.tolist, torch.Tensor.cpu, torch.Tensor.numpy, torch.Tensor.nonzero,
    torch.Tensor.__bool__, torch.Tensor.__int__, torch.Tensor.__float__,
}  # fmt: skip
"""Each makes a GPU wait for the host or the reverse, which a CUDA graph cannot record."""


class HostCopies(TorchFunctionMode):
    """Notes every copy between host and device that a function would make on a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.__getitem__:
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(isinstance(one, (list, tuple, np.ndarray)) for one in index):
                self.found.append(f"an index that is a list: {index}")
        elif func in _HOST_COPIES:
            self.found.append(func.__name__)
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def model() -> Amt:
    return make_model(with_temporal(model_config("tiny"))).eval()


@torch.no_grad()
def test_nothing_is_copied_between_host_and_device(model: Amt) -> None:
    inputs = make_inputs(2, frames=2)
    with HostCopies() as copies:
        model(inputs)
    assert not copies.found


@torch.no_grad()
def test_bfloat16_keeps_rotations_exact_and_pixels_whole(model: Amt) -> None:
    inputs = make_inputs(4)
    exact = model(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(inputs)
    for rotation in (rough.mano_rotation, rough.objects.rotation):
        gap = rotation @ rotation.mT - torch.eye(3)
        assert gap.abs().max() < 1e-5
    assert (rough.keypoints - exact.keypoints).abs().max() < 0.5
    assert (rough.joints - exact.joints).norm(dim=-1).max() < 0.01


@torch.no_grad()
def test_the_whole_model_is_one_graph_for_torch_compile() -> None:
    """As the engine compiles it on a GPU: folded, in bfloat16, nothing left to Python."""
    model = make_model()
    fold_sigma_reparam(model)
    packed = PackedAmt(model)
    inputs = make_inputs(2)
    arguments = (inputs.image[:, 0], pack_numbers(inputs))
    packed(*arguments)  # transformers puts its hooks in place in the first, eager pass
    to_bfloat16(packed)
    compiled = torch.compile(packed, fullgraph=True, dynamic=False, backend="aot_eager")
    with autocast(torch.device("cpu"), "bf16"):
        expected, found = packed(*arguments), compiled(*arguments)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


@torch.no_grad()
def test_a_float8_layer_is_one_graph_for_torch_compile() -> None:
    layer = Fp8Linear(torch.nn.Linear(96, 48))
    values = torch.randn(2, 33, 96)
    compiled = torch.compile(layer, fullgraph=True, dynamic=False, backend="aot_eager")
    assert torch.equal(compiled(values), layer(values))
