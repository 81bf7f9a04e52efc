"""The engine on a CPU: same results by every backend, and what it refuses."""

from __future__ import annotations

import gc
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from amt_perception.errors import AmtError
from amt_perception.model import cuda_graphs, openvino_export
from amt_perception.model.amt import Amt, with_temporal
from amt_perception.model.config import AmtConfig, model_config
from amt_perception.model.cuda_graphs import BatchRunner, Recorded
from amt_perception.model.engine import Engine
from amt_perception.model.fp8 import Fp8Linear, to_fp8
from amt_perception.model.interface import AmtOutput
from amt_perception.model.packed import Layout, PackedAmt, joined, pack_numbers, sample
from amt_perception.model.precision import autocast, choose_device, choose_precision, to_bfloat16
from amt_perception.model.sigma_reparam import fold_sigma_reparam

from .model_inputs import make_inputs, make_model, tiny_model

torch.set_num_threads(1)

TEMPORAL = with_temporal(model_config("tiny"))


def differences(one: AmtOutput, other: AmtOutput) -> dict[str, float]:
    """Largest difference of each tensor, in shares of its size where that is above 1."""
    found = {}
    for name in ("joint_steps", "joint_log_sigma", "keypoints", "mano_rotation", "mano_shape",
                 "translation", "vertices", "objects.position", "objects.rotation",
                 "objects.class_logits", "contact.points", "contact.forces"):  # fmt: skip
        a, b = one, other
        for part in name.split("."):
            a, b = getattr(a, part), getattr(b, part)
        found[name] = ((a - b).abs() / a.abs().clamp_min(1.0)).max().item()
    return found


@pytest.mark.parametrize("config", [None, TEMPORAL], ids=["single frames", "temporal"])
@torch.no_grad()
def test_engine_gives_what_the_model_gives(config: AmtConfig | None) -> None:
    inputs = make_inputs(3)
    expected = make_model(config)(inputs)
    engine = Engine(make_model(config), "cpu", "fp32", "eager")
    found = engine.decode([engine.encode(inputs)])
    assert max(differences(expected, found).values()) < 1e-5


@torch.no_grad()
def test_position_embeddings_are_made_for_the_grid_once() -> None:
    """Trained on pictures of another size, as DINOv2 is."""
    tiny = model_config("tiny")
    shape = tiny.backbone.architecture | {"image_size": 2 * tiny.image_size}
    config = replace(tiny, backbone=replace(tiny.backbone, architecture=shape))
    inputs = make_inputs(2)
    expected = make_model(config)(inputs)
    model = make_model(config)
    engine = Engine(model, "cpu", "fp32", "eager")
    assert model.image_encoder.backbone.network.embeddings.position_embeddings.shape[1] == 65
    found = engine.decode([engine.encode(inputs)])
    assert max(differences(expected, found).values()) < 1e-5


@torch.no_grad()
def test_frames_one_by_one_are_frames_together() -> None:
    """The engine's kept tokens give what the temporal model gives for the whole clip."""
    clip = make_inputs(2, frames=4)
    expected = make_model(TEMPORAL)(clip)
    engine = Engine(make_model(TEMPORAL), "cpu", "fp32", "eager")
    tokens = []
    for frame in range(4):
        now = replace(clip, **{
            name: getattr(clip, name)[:, frame : frame + 1]
            for name in ("image", "intrinsics", "crop", "hand_box")
        })  # fmt: skip
        tokens.append(engine.encode(now))
    outputs = [engine.decode([sample(one, k) for one in tokens]) for k in range(2)]
    assert max(differences(expected, joined(outputs)).values()) < 1e-5


@torch.no_grad()
def test_bfloat16_weights_are_what_autocast_computes() -> None:
    inputs = make_inputs(2)
    with autocast(torch.device("cpu"), "bf16"):
        expected = make_model()(inputs)
    engine = Engine(make_model(), "cpu", "bf16", "eager")
    found = engine.decode([engine.encode(inputs)])
    assert max(differences(expected, found).values()) < 5e-3


class Plain(BatchRunner):
    """Compiles and records nothing: each replay is an eager run, as a CPU can do."""

    def __init__(self, packed: PackedAmt, precision: str, example: Tensor) -> None:
        super().__init__(packed, precision, example)
        self._function = packed

    def _record(self, size: int) -> Recorded:
        image = torch.zeros(size, 3, self._image_size, self._image_size, dtype=torch.uint8)
        numbers = self._example.repeat(size, 1)
        rows = self._function(image, numbers)
        return Recorded(image, numbers, rows, lambda: rows.copy_(self._function(image, numbers)))


@torch.no_grad()
def test_batches_are_filled_up_and_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graphs, "BATCH_SIZES", (1, 2, 4))
    packed = PackedAmt(tiny_model())
    inputs = make_inputs(7)
    image, numbers = inputs.image[:, 0], pack_numbers(inputs)
    runner = Plain(packed, "fp32", numbers[:1])
    expected = packed(image, numbers)
    for count in (7, 1, 3, 5):
        rows = runner(image[:count], numbers[:count])
        torch.testing.assert_close(rows, expected[:count], atol=1e-4, rtol=1e-4)
    first = runner(image[:1], numbers[:1])
    runner(image[1:2], numbers[1:2])
    torch.testing.assert_close(first, expected[:1], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_layout_names_every_part_of_a_row() -> None:
    packed = PackedAmt(tiny_model())
    inputs = make_inputs(3)
    arguments = (inputs.image[:, 0], pack_numbers(inputs))
    unpacked = Layout(packed.results(*(one[:1] for one in arguments))).unpack(packed(*arguments))
    assert max(differences(packed.results(*arguments), unpacked).values()) == 0.0
    assert unpacked.heatmap_logits is None


# Float8.


@pytest.mark.parametrize("rows", [(17,), (2, 5), (32,)])
@torch.no_grad()
def test_float8_layer_is_near_the_layer_whatever_the_scale(rows: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(64, 48)
    layer.weight.data *= 10.0 ** torch.linspace(-3, 3, 48)[:, None]  # each output its own scale
    values = torch.randn(*rows, 64) * 10.0 ** torch.linspace(-3, 3, rows[-1])[:, None]
    expected = layer(values)
    found = Fp8Linear(layer)(values)
    assert found.shape == expected.shape and found.dtype == torch.bfloat16
    # Three bits of mantissa: each factor is wrong by 1/16 at most, the terms of a sum at random.
    terms = values.abs() @ layer.weight.abs().T + layer.bias.abs()
    error = (found.float() - expected).abs() / terms
    assert error.max() < 0.13
    assert 1e-3 < error.square().mean().sqrt() < 0.01


@torch.no_grad()
def test_float8_in_the_backbone_changes_results_a_little() -> None:
    model = make_model()
    fold_sigma_reparam(model)
    packed = PackedAmt(model)
    inputs = make_inputs(2)
    image, numbers = inputs.image[:, 0], pack_numbers(inputs)
    exact = packed.results(image, numbers)
    backbone = model.image_encoder.backbone
    layers = [name for name, one in backbone.named_modules() if isinstance(one, nn.Linear)]
    assert to_fp8(backbone) == layers and len(layers) >= 4 * 6
    to_bfloat16(packed)
    with autocast(torch.device("cpu"), "fp8"):
        rough = packed.results(image, numbers)
    shift = (rough.joints - exact.joints).norm(dim=-1)
    assert 0.0 < shift.max() < 0.05


# OpenVINO. The export of even the smallest model takes seconds: all is tested on one.


@torch.no_grad()
def test_openvino_agrees_and_its_cache_is_kept_checked_and_rebuilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    exports = []
    export = openvino_export._export
    monkeypatch.setattr(
        openvino_export, "_export", lambda *arguments: (exports.append(1), export(*arguments))
    )
    # Every part, each as small as can be: an export takes time for each operation.
    tiny = model_config("tiny")
    architecture = tiny.backbone.architecture | {"num_hidden_layers": 1}
    backbone = replace(tiny.backbone, architecture=architecture, taps=(1,))
    config = replace(tiny, backbone=backbone, refinement_steps=1)
    inputs = make_inputs(3)
    expected = make_model(config)(inputs)

    def engine() -> Engine:
        return Engine(
            make_model(config), "cpu", "fp32", "openvino", threads=1, cache_folder=tmp_path
        )

    first = engine()
    found = first.decode([first.encode(inputs)])
    assert max(differences(expected, found).values()) < 1e-3
    (folder,) = tmp_path.iterdir()

    engine()
    assert len(exports) == 1  # kept

    # A damaged cache is built anew; the export itself is stood in for by its earlier result.
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}

    def restore(packed: PackedAmt, example: tuple[Tensor, Tensor], where: Path) -> None:
        exports.append(1)
        where.mkdir(exist_ok=True)
        for name, content in whole.items():
            (where / name).write_bytes(content)

    monkeypatch.setattr(openvino_export, "_export", restore)
    for name in ("model.bin", "model.xml", "sha256.json"):
        (folder / name).write_bytes(whole[name][:-100])
        engine()
    assert len(exports) == 4
    (folder / "model.bin").unlink()
    again = engine()
    assert len(exports) == 5
    found = again.decode([again.encode(inputs)])
    assert max(differences(expected, found).values()) < 1e-3

    # Other weights are another export.
    models = (make_model(config), make_model(config, seed=1))
    names = {openvino_export._fingerprint(PackedAmt(model)) for model in models}
    assert len(names) == 2


def test_an_export_that_disagrees_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")

    class Doubling(nn.Module):
        def forward(self, image: Tensor, numbers: Tensor) -> Tensor:
            return 2.0 * numbers + image.float().mean()

    class Plain(nn.Module):
        def forward(self, image: Tensor, numbers: Tensor) -> Tensor:
            return numbers + image.float().mean()

    example = (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.ones(1, 20))
    model = openvino.convert_model(torch.export.export(Doubling(), example))
    openvino_export._check(Doubling(), example, model)
    with pytest.raises(AmtError, match="OpenVINO's results differ"):
        openvino_export._check(Plain(), example, model)


# What cannot be had.


@pytest.mark.parametrize(
    ("choose", "message"),
    [
        (lambda: choose_device("tpu"), "no device 'tpu'"),
        (lambda: choose_precision("int4", torch.device("cpu")), "no precision 'int4'"),
        (lambda: choose_precision("fp8", torch.device("cpu")), "fp8 needs a GPU"),
        (lambda: Engine(make_model(), "cpu", backend="onnx"), "no backend 'onnx'"),
        (lambda: Engine(make_model(), "cpu", backend="compiled"), "CUDA graphs need a GPU"),
    ],
)
def test_unknown_names_are_refused(choose: Callable[[], object], message: str) -> None:
    with pytest.raises(AmtError, match=re.escape(message)):
        choose()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(AmtError, match="sees no CUDA GPU"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"
    assert choose_precision("auto", torch.device("cpu")) == "fp32"


# On a GPU, where there is one.


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp8"])
@torch.no_grad()
def test_recorded_graphs_give_what_the_model_gives(precision: str) -> None:
    inputs = make_inputs(3)
    expected = make_model()(inputs)
    model: Amt = make_model()
    engine = Engine(model, "cuda", precision)
    for _ in range(2):
        found = engine.decode([engine.encode(replace(inputs, image=inputs.image.cuda()))])
    shift = (found.joints - expected.joints).norm(dim=-1).max()
    assert shift < {"fp32": 1e-3, "bf16": 0.02, "fp8": 0.05}[precision]


def test_ctrl_c_still_works_after_openvino() -> None:
    """A library that OpenVINO looks into takes the thread's signal stack away with it."""
    engine = Engine(make_model(), "cpu", backend="openvino")
    del engine
    gc.collect()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1.0)
