"""Checkpoints: one safetensors file with the tensors and everything needed to rebuild the model."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from amt_perception.errors import AmtError
from amt_perception.hand.model_data import HandModelData
from amt_perception.model.amt import Amt
from amt_perception.model.backbone import FROM_CHECKPOINT
from amt_perception.model.baseline import BaselineConfig, BaselineModel
from amt_perception.model.config import AmtConfig

FORMAT_VERSION = 1
STORAGE = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.int8,
}
"""How matrices are stored. Vectors (biases, norms) stay in float32, or in float16 with int8."""
CONFIGS: dict[str, type[AmtConfig] | type[BaselineConfig]] = {
    "amt": AmtConfig,
    "baseline": BaselineConfig,
}
"""Of the kinds of models."""
_SCALE_SUFFIX = "::row_scale"
_NAMES_SHOWN = 3


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says about itself."""

    config: AmtConfig | BaselineConfig
    hand_fingerprint: str
    """`HandModelData.fingerprint` of the right hand that the model was trained with; empty for the
    baseline, which has no hand model."""
    folded: bool
    """Whether sigmaReparam has been folded into the matrices."""
    storage: str
    """A key of STORAGE."""
    libraries: dict[str, str]
    """Versions of the libraries that wrote it."""
    training: dict[str, Any]
    """What the trainer noted: data, steps, scores."""


def save_checkpoint(
    path: Path,
    model: Amt | BaselineModel,
    training: dict[str, Any],
    storage: str = "float32",
    state: dict[str, Tensor] | None = None,
) -> None:
    """Write a checkpoint; a reader never sees a half-written one.

    training: notes that JSON can hold. storage: a key of STORAGE; int8 keeps one scale for each row
    of a matrix (weights only). `small` with random weights takes 135 MB, 68 in 16 bits and 34 in
    int8; its joints move by 0.2 mm on average with float16, 2.0 with bfloat16 and 4.1 with int8.
    state: tensors to write in place of the model's own: averaged ones, or gathered ones of a model
    that is spread over processes. Raises AmtError for an unknown storage or weights that are not
    finite.
    """
    from safetensors.torch import save_file

    if storage not in STORAGE:
        raise AmtError(f"there is no storage '{storage}'; choose one of: {', '.join(STORAGE)}")
    tensors = model.state_dict() if state is None else state
    state = {name: tensor.detach().cpu() for name, tensor in tensors.items()}
    bad = [name for name, tensor in state.items() if not tensor.isfinite().all()]
    if bad:
        raise AmtError(
            f"the model is not saved because {_named(bad)} {'is' if len(bad) == 1 else 'are'} not "
            "finite; go back to an earlier checkpoint"
        )
    metadata = {
        "format": "amt",
        "format_version": str(FORMAT_VERSION),
        "model": "amt" if isinstance(model, Amt) else "baseline",
        "config": json.dumps(model.config.to_dict()),
        "hand_fingerprint": model.hand_model.fingerprint if isinstance(model, Amt) else "",
        "folded": json.dumps(not _reparametrised(model)),
        "storage": storage,
        "libraries": json.dumps({name: version(name) for name in ("torch", "transformers")}),
        "training": json.dumps(training),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        temporary = Path(file.name)
    try:
        save_file(_pack(state, storage), temporary, metadata)
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)  # temporary files are private
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_info(path: Path) -> CheckpointInfo:
    """A checkpoint's description, without its tensors.

    Raises AmtError when the file is missing, damaged, something else, or of a later version.
    """
    return _read(path, tensors=False)[0]


def load_checkpoint(
    path: Path, hand: HandModelData, device: str = "cpu", allow_other_hand: bool = False
) -> Amt | BaselineModel:
    """The model of a checkpoint, in evaluation mode and float32.

    hand: the right hand's model; the baseline needs none. allow_other_hand: accept another hand
    model than the one that the checkpoint was trained with; pose and shape then mean something
    else. sigmaReparam stays as it is stored, see `sigma_reparam.fold_sigma_reparam`. Raises
    AmtError when the file cannot be used.
    """
    info, packed = _read(path, tensors=True)
    config = info.config
    if info.folded:
        config = replace(config, stabilisers=replace(config.stabilisers, sigma_reparam=False))
    model: Amt | BaselineModel
    if isinstance(config, BaselineConfig):
        model = BaselineModel(config)
    else:
        if info.hand_fingerprint != hand.fingerprint and not allow_other_hand:
            raise AmtError(
                f"{path} was trained with another hand model ({info.hand_fingerprint}) than "
                f"'{hand.source}' ({hand.fingerprint}): give the same MANO files (or none, if it "
                "was trained with the generic hand), or allow another hand and expect worse poses"
            )
        model = Amt(config, hand, FROM_CHECKPOINT)
    state = _unpack(packed)
    _check(path, state, model.state_dict())
    model.load_state_dict(state)
    return model.to(device).eval()


def _reparametrised(model: torch.nn.Module) -> bool:
    return any(parametrize.is_parametrized(module) for module in model.modules())


def _pack(state: dict[str, Tensor], storage: str) -> dict[str, Tensor]:
    """The state dict as it is stored."""
    packed = {}
    vectors = torch.float16 if storage == "int8" else torch.float32
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            packed[name] = tensor.contiguous()
        elif tensor.ndim < 2:
            packed[name] = tensor.to(vectors).contiguous()
        elif storage == "int8":
            rows = tensor.float().flatten(1)
            scale = (rows.abs().amax(dim=1) / 127.0).clamp_min(1e-12)
            packed[name] = (rows / scale[:, None]).round().to(torch.int8).view_as(tensor)
            packed[name + _SCALE_SUFFIX] = scale
        else:
            packed[name] = tensor.to(STORAGE[storage]).contiguous()
    return packed


def _unpack(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict in float32."""
    state = {}
    for name, tensor in packed.items():
        if name.endswith(_SCALE_SUFFIX):
            continue
        scale = packed.get(name + _SCALE_SUFFIX)
        if scale is not None:
            tensor = tensor * scale.reshape(-1, *[1] * (tensor.ndim - 1))
        state[name] = tensor.float() if tensor.is_floating_point() else tensor
    return state


def _read(path: Path, tensors: bool) -> tuple[CheckpointInfo, dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise AmtError(f"there is no checkpoint {path}; give the file of a trained model")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = file.keys() if tensors else []
            packed = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise AmtError(
            f"{path} is damaged or not a safetensors file ({error}); download or copy it anew"
        ) from error
    if metadata.get("format") != "amt" or metadata.get("model") not in CONFIGS:
        raise AmtError(
            f"{path} is a safetensors file but not a checkpoint of this model; give one that "
            "amt_training has written"
        )
    number = int(metadata["format_version"])
    if number > FORMAT_VERSION:
        raise AmtError(
            f"{path} has format version {number}, but this program knows versions up to "
            f"{FORMAT_VERSION}; update amt_perception"
        )
    info = CheckpointInfo(
        config=CONFIGS[metadata["model"]].from_dict(json.loads(metadata["config"])),
        hand_fingerprint=metadata["hand_fingerprint"],
        folded=json.loads(metadata["folded"]),
        storage=metadata["storage"],
        libraries=json.loads(metadata["libraries"]),
        training=json.loads(metadata["training"]),
    )
    return info, packed


def _check(path: Path, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Raises AmtError that says how the tensors found differ from those wanted."""
    missing = sorted(wanted.keys() - found.keys())
    unknown = sorted(found.keys() - wanted.keys())
    shapes = [
        f"{name} {tuple(found[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in sorted(wanted.keys() & found.keys())
        if found[name].shape != wanted[name].shape
    ]
    parts = [
        f"{len(names)} {what} ({_named(names)})"
        for what, names in (
            ("missing", missing),
            ("unknown", unknown),
            ("of another shape", shapes),
        )
        if names
    ]
    if parts:
        raise AmtError(
            f"{path} does not fit the model of its own configuration: tensors "
            f"{', '.join(parts)}; use the version of amt_perception that wrote it"
        )


def _named(names: Iterable[str]) -> str:
    """The first few of the names."""
    names = list(names)
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
