"""Checkpoints: what comes back, what is refused and in which words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from amt_perception.errors import AmtError
from amt_perception.estimators.amt import AmtEstimator
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.model.baseline import TINY_BASELINE, BaselineModel
from amt_perception.model.sigma_reparam import fold_sigma_reparam
from amt_perception.model.weights import (
    _pack,
    _unpack,
    load_checkpoint,
    read_info,
    save_checkpoint,
)

from .model_inputs import make_inputs, make_model, tiny_model

torch.set_num_threads(1)

HAND = generic_hand(Side.RIGHT)


@pytest.fixture(scope="module")
def folded():
    model = make_model()
    fold_sigma_reparam(model)
    return model


@pytest.fixture
def path(tmp_path: Path, folded) -> Path:
    save_checkpoint(tmp_path / "model.safetensors", folded, {"steps": 7})
    return tmp_path / "model.safetensors"


@torch.no_grad()
def joints(model) -> Tensor:
    return model(make_inputs(4)).joints


def rewrite(path: Path, tensors=None, **metadata: str) -> None:
    """The same file with other tensors or metadata."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        old = file.metadata()
    save_file(tensors or load_file(path), path, old | metadata)


def test_a_reparametrised_model_comes_back_exactly(tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.safetensors"
    save_checkpoint(path, tiny_model(), {"steps": 7})
    info = read_info(path)
    assert (info.folded, info.storage, info.training) == (False, "float32", {"steps": 7})
    assert info.config == tiny_model().config
    loaded = load_checkpoint(path, HAND)
    assert not loaded.training
    assert torch.equal(joints(loaded), joints(tiny_model()))
    assert [one.name for one in path.parent.iterdir()] == ["model.safetensors"]


def test_the_baseline_comes_back_but_estimates_nothing_for_robots(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, path = BaselineModel(TINY_BASELINE).eval(), tmp_path / "baseline.safetensors"
    save_checkpoint(path, model, {})
    loaded = load_checkpoint(path, HAND)
    assert loaded.config == TINY_BASELINE
    torch.testing.assert_close(joints(loaded), joints(model), rtol=0, atol=0)
    with pytest.raises(AmtError, match="is the baseline"):
        AmtEstimator.load(path)


def test_a_folded_model_comes_back_exactly_and_can_be_saved_again(path: Path, folded) -> None:
    assert read_info(path).folded
    loaded = load_checkpoint(path, HAND)
    assert torch.equal(joints(loaded), joints(folded))
    save_checkpoint(path, loaded, {})
    assert read_info(path).folded
    assert torch.equal(joints(load_checkpoint(path, HAND)), joints(folded))


@pytest.mark.parametrize(
    ("storage", "bytes_a_weight", "furthest"),
    [("bfloat16", 2.0, 5e-3), ("float16", 2.0, 5e-4), ("int8", 1.0, 3e-2)],  # of random weights
)
def test_smaller_storage_changes_little(
    tmp_path, folded, storage, bytes_a_weight, furthest
) -> None:
    path = tmp_path / "small.safetensors"
    save_checkpoint(path, folded, {}, storage)
    weights = sum(parameter.numel() for parameter in folded.parameters())
    header = int.from_bytes(path.read_bytes()[:8], "little")
    assert (path.stat().st_size - header) / weights < 1.1 * bytes_a_weight
    shift = (joints(load_checkpoint(path, HAND)) - joints(folded)).norm(dim=-1)
    assert 0.0 < shift.max() < furthest


def test_int8_rows_have_scales_of_their_own() -> None:
    matrix = torch.randn(6, 40) * 10.0 ** torch.arange(-3.0, 3.0)[:, None]
    found = _unpack(_pack({"weight": matrix}, "int8"))["weight"]
    step = matrix.abs().amax(dim=1, keepdim=True) / 127.0
    assert ((found - matrix).abs() <= 0.501 * step).all()


def test_another_hand_is_refused_unless_allowed(path: Path, folded) -> None:
    other = replace(HAND, v_template=HAND.v_template * 1.1)
    with pytest.raises(AmtError, match="trained with another hand model"):
        load_checkpoint(path, other)
    assert load_checkpoint(path, other, allow_other_hand=True).hand_model is other


def test_differing_tensors_are_named(path: Path) -> None:
    tensors = load_file(path)
    lost = sorted(name for name in tensors if name.startswith("refinement."))
    for name in lost:
        del tensors[name]
    tensors["nobody.knows"] = torch.zeros(1)
    tensors["fusion.kinds"] = torch.zeros(2, 5)
    rewrite(path, tensors)
    with pytest.raises(AmtError) as caught:
        load_checkpoint(path, HAND)
    text = str(caught.value)
    assert f"{len(lost)} missing ({lost[0]}, " in text and f"and {len(lost) - 3} more" in text
    assert "1 unknown (nobody.knows)" in text
    assert "1 of another shape (fusion.kinds (2, 5) instead of (3, 96))" in text


def test_what_is_not_a_checkpoint_is_refused(tmp_path: Path, path: Path) -> None:
    with pytest.raises(AmtError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "nothing", HAND)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:100], b"", b"\x80\x02not a tensor file"):
        path.write_bytes(content)
        with pytest.raises(AmtError, match="damaged or not a safetensors file"):
            load_checkpoint(path, HAND)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(AmtError, match="not a checkpoint of this model"):
        load_checkpoint(path, HAND)


def test_a_later_format_or_an_unknown_setting_is_refused(path: Path, folded) -> None:
    rewrite(path, config=json.dumps(folded.config.to_dict() | {"wings": 2}))
    with pytest.raises(AmtError, match="wings"):
        load_checkpoint(path, HAND)
    rewrite(path, format_version="99")
    with pytest.raises(AmtError, match="format version 99"):
        load_checkpoint(path, HAND)


def test_nothing_is_left_of_a_failed_save(tmp_path: Path, folded) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(AmtError, match="there is no storage 'int3'"):
        save_checkpoint(path, folded, {}, "int3")
    with pytest.raises(TypeError):
        save_checkpoint(path, folded, {"not": object()})
    broken = make_model()
    broken.fusion.kinds.data[0, 0] = float("nan")
    with pytest.raises(AmtError, match=r"fusion\.kinds is not finite"):
        save_checkpoint(path, broken, {})
    assert list(tmp_path.iterdir()) == []
