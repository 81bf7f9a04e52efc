"""Numbers and kernels that are chosen, or refused in one sentence."""

import sys

import pytest
import torch

from amt_perception.errors import AmtError
from amt_training.trainer.distributed import DistributedSettings, World, run
from amt_training.trainer.fp8 import require_transformer_engine
from amt_training.trainer.layers import transformer_layers
from amt_training.trainer.precision import Precision, PrecisionSettings

from .micro_training import AmtTask

CPU = torch.device("cpu")


def test_bf16_is_autocast_and_fp32_is_not() -> None:
    layer, values = torch.nn.Linear(4, 4), torch.ones(1, 4)
    with Precision(PrecisionSettings(precision="fp32"), CPU).context():
        assert layer(values).dtype == torch.float32
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        with Precision(PrecisionSettings(precision="bf16"), CPU).context():
            assert layer(values).dtype == torch.bfloat16


def test_fp8_is_never_another_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AmtError, match="fp8 needs a GPU"):
        Precision(PrecisionSettings(precision="fp8"), CPU)
    monkeypatch.setitem(sys.modules, "transformer_engine.pytorch", None)
    with pytest.raises(AmtError, match="Transformer Engine: pip install"):
        require_transformer_engine()


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"compile": "fast"}, "precision.compile"),
        ({"attention": ("flash", "xformers")}, "precision.attention"),
        ({"attention": ()}, "precision.attention"),
        ({"recompute": "some"}, "precision.recompute"),
    ],
)
def test_impossible_settings_are_named(settings: dict, key: str) -> None:
    with pytest.raises(AmtError, match=key):
        PrecisionSettings(**settings)


def test_the_transformer_layers_of_model_and_backbone() -> None:
    kinds = [type(layer).__name__ for layer in transformer_layers(AmtTask().model)]

    assert kinds.count("Dinov2Layer") == 4
    assert kinds.count("DecoderLayer") == 4  # hand, vertices, objects, contact
    assert kinds.count("EncoderLayer") == 1


def test_fsdp2_alone_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    def work(world: World) -> None:
        raise AssertionError("must not be reached")

    assert run(DistributedSettings("fsdp2"), "cpu", work) == 1
    assert "start the program with torchrun" in capsys.readouterr().err
