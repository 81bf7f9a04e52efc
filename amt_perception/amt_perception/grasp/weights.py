"""Checkpoints of the grasp model: one safetensors file with all that is needed to rebuild it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from amt_perception.errors import AmtError
from amt_perception.grasp.config import GraspConfig
from amt_perception.grasp.grasp_model import GraspModel
from amt_perception.output.files import atomic_write

FORMAT_VERSION = 1
SHIPPED_GRASP_CHECKPOINT = Path(__file__).parents[1] / "weights" / "grasp_small.safetensors"
"""A small model that comes with this package, trained on the synthetic functional set alone."""


@dataclass(frozen=True)
class GraspCheckpointInfo:
    """What a checkpoint says about itself."""

    config: GraspConfig
    libraries: dict[str, str]
    """Versions of the libraries that wrote it."""
    training: dict[str, Any]
    """What the trainer noted: data, steps, scores."""


def save_grasp_checkpoint(
    path: Path,
    model: GraspModel,
    training: dict[str, Any],
    state: dict[str, Tensor] | None = None,
) -> None:
    """Write a checkpoint in float32; a reader never sees a half-written one.

    training: notes that JSON can hold. state: tensors to write in place of the model's own, such
    as averaged ones. A small language encoder is part of the model and is written with it. Raises
    AmtError for weights that are not finite and for a file that cannot be written.
    """
    from safetensors.torch import save_file

    tensors = {
        name: tensor.detach().float().cpu().contiguous()
        for name, tensor in (model.state_dict() if state is None else state).items()
    }
    bad = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if bad:
        raise AmtError(
            f"the model is not saved because {_named(bad)} {'is' if len(bad) == 1 else 'are'} not "
            "finite; go back to an earlier checkpoint"
        )
    metadata = {
        "format": "amt",
        "format_version": str(FORMAT_VERSION),
        "model": "grasp",
        "config": json.dumps(model.config.to_dict()),
        "libraries": json.dumps({"torch": version("torch")}),
        "training": json.dumps(training),
    }
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, metadata)


def read_grasp_info(path: Path) -> GraspCheckpointInfo:
    """A checkpoint's description, without its tensors.

    Raises AmtError when the file is missing, damaged, something else, or of a later version.
    """
    return _read(path, tensors=False)[0]


def load_grasp_checkpoint(path: Path, device: torch.device | str = "cpu") -> GraspModel:
    """The model of a checkpoint, in evaluation mode and float32.

    Raises AmtError when the file cannot be used.
    """
    info, found = _read(path, tensors=True)
    model = GraspModel(info.config)
    wanted = model.state_dict()
    odd = sorted(wanted.keys() ^ found.keys()) + [
        name for name in sorted(wanted.keys() & found.keys())
        if wanted[name].shape != found[name].shape
    ]  # fmt: skip
    if odd:
        raise AmtError(
            f"{path} does not fit the model of its own configuration: {len(odd)} tensors differ "
            f"({_named(odd)}); use the version of amt_perception that wrote it"
        )
    model.load_state_dict(found)
    return model.to(device).eval()


def _read(path: Path, tensors: bool) -> tuple[GraspCheckpointInfo, dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise AmtError(f"there is no checkpoint {path}; give the file of a trained grasp model")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            found = {name: file.get_tensor(name) for name in (file.keys() if tensors else [])}
    except (SafetensorError, OSError) as error:
        raise AmtError(
            f"{path} is damaged or not a safetensors file ({error}); download or copy it anew"
        ) from error
    if metadata.get("format") != "amt" or metadata.get("model") != "grasp":
        raise AmtError(
            f"{path} is a safetensors file but not a checkpoint of the grasp model; give one that "
            "amt_training has written for functional grasps"
        )
    number = int(metadata["format_version"])
    if number > FORMAT_VERSION:
        raise AmtError(
            f"{path} has format version {number}, but this program knows versions up to "
            f"{FORMAT_VERSION}; update amt_perception"
        )
    info = GraspCheckpointInfo(
        config=GraspConfig.from_dict(json.loads(metadata["config"])),
        libraries=json.loads(metadata["libraries"]),
        training=json.loads(metadata["training"]),
    )
    return info, found


def _named(names: list[str]) -> str:
    """The first few of the names."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
