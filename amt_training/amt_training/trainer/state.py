"""The tensors of a checkpoint: gathered from all processes, and given back to them.

The same for one process, DDP and FSDP2, so a run may go on with another strategy.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from amt_perception.errors import AmtError
from amt_perception.grasp.grasp_model import GraspModel
from amt_perception.grasp.weights import save_grasp_checkpoint
from amt_perception.model.amt import Amt
from amt_perception.model.baseline import BaselineModel
from amt_perception.model.weights import save_checkpoint
from amt_training.trainer.checkpoints import Writer
from amt_training.trainer.ema import Ema

MODEL, AVERAGE, OPTIMIZER, TASK = (
    f"{name}.safetensors" for name in ("model", "ema", "optimizer", "task")
)
_WHOLE = StateDictOptions(full_state_dict=True)
_GATHERED = StateDictOptions(full_state_dict=True, cpu_offload=True)
_MODEL_PREFIX = "model."
_SEPARATOR = "::"

State = dict[str, Tensor]


def gather_state(
    task: nn.Module, optimizer: torch.optim.Optimizer, ema: Ema, notes: dict[str, Any]
) -> dict[str, Writer]:
    """What writes each file of a checkpoint. All processes must call it; the main one writes.

    notes: for the training notes of a network's own checkpoint file.
    """
    model: nn.Module = task.model  # type: ignore[assignment]
    with ema.in_place():
        average = _copied(get_model_state_dict(model, options=_GATHERED))
    weights = _copied(get_model_state_dict(model, options=_GATHERED))
    return {
        MODEL: partial(_save_model, model, weights, notes),
        AVERAGE: partial(_save_model, model, average, notes | {"averaged": True}),
        OPTIMIZER: partial(_save, _optimizer_tensors(task, optimizer, _GATHERED)),
        TASK: partial(_save, _copied(_outside_model(task))),
    }


def restore_state(
    folder: Path, task: nn.Module, optimizer: torch.optim.Optimizer, ema: Ema
) -> None:
    """Load a checkpoint's tensors in place; every process reads the files.

    Raises AmtError where they are those of another network.
    """
    model: nn.Module = task.model  # type: ignore[assignment]
    _load(model, folder / AVERAGE)
    ema.restart()
    _load(model, folder / MODEL)
    _load_outside_model(task, folder / TASK)
    stored = _read(folder / OPTIMIZER)
    state = get_optimizer_state_dict(task, optimizer, options=_WHOLE)
    for parameter, values in _moments(state).items():
        for kind, value in values.items():
            found = stored.get(parameter + _SEPARATOR + kind, torch.zeros_like(value))
            values[kind] = found.to(value.device)
    set_optimizer_state_dict(task, optimizer, state, options=_WHOLE)
    for tensor, kept in list(optimizer.state.items()):
        if not kept["step"]:  # it has had no gradient yet, and was not in the file
            del optimizer.state[tensor]


def _save_model(model: nn.Module, state: State, notes: dict[str, Any], path: Path) -> None:
    if isinstance(model, (Amt, BaselineModel)):
        save_checkpoint(path, model, notes, state=state)
    elif isinstance(model, GraspModel):
        save_grasp_checkpoint(path, model, notes, state=state)
    else:
        _save(state, path)


def _save(state: State, path: Path) -> None:
    from safetensors.torch import save_file

    save_file(state, path)


def _read(path: Path) -> State:
    from safetensors.torch import load_file

    state: State = load_file(path)
    return state


def _load(model: nn.Module, path: Path) -> None:
    state: Mapping[str, Any] = _read(path)
    try:
        set_model_state_dict(model, dict(state), options=_WHOLE)
    except (RuntimeError, KeyError) as error:
        raise _other_network(path, str(error).strip().splitlines()[-1].strip()) from error


def _outside_model(task: nn.Module) -> State:
    """The task's own tensors, which are whole in every process; they share its memory."""
    state: State = task.state_dict()
    return {name: one for name, one in state.items() if not name.startswith(_MODEL_PREFIX)}


def _load_outside_model(task: nn.Module, path: Path) -> None:
    stored, wanted = _read(path), _outside_model(task)
    differing = sorted(stored.keys() ^ wanted.keys())
    if differing:
        raise _other_network(path, f"{', '.join(differing)} on one side only")
    for name, tensor in wanted.items():
        tensor.copy_(stored[name])


def _other_network(path: Path, reason: str) -> AmtError:
    return AmtError(
        f"{path} is not of the network that is trained here ({reason}): train with the "
        "configuration of its run, or in a new folder"
    )


def _optimizer_tensors(
    task: nn.Module, optimizer: torch.optim.Optimizer, options: StateDictOptions
) -> State:
    state = get_optimizer_state_dict(task, optimizer, options=options)
    return {
        parameter + _SEPARATOR + kind: value.detach().cpu().contiguous()
        for parameter, values in _moments(state).items()
        for kind, value in values.items()
    }


def _moments(state: Mapping[str, Any]) -> dict[str, dict[str, Tensor]]:
    """[parameter][kind] of an optimiser's state; empty in processes that gather nothing."""
    moments: dict[str, dict[str, Tensor]] = state.get("state", {})
    return moments


def _copied(state: Mapping[str, Any]) -> State:
    """Tensors of their own memory, as files want them."""
    return {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}
