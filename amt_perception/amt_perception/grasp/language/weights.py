"""What training has changed in Qwen2.5-VL, in a file beside the grasp model's checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch

from amt_perception.errors import AmtError
from amt_perception.grasp.language.qwen import QwenEncoder
from amt_perception.output.files import atomic_write


def language_file(checkpoint: Path) -> Path:
    """Beside grasp.safetensors: grasp.language.safetensors."""
    return checkpoint.with_suffix(".language.safetensors")


def save_qwen(checkpoint: Path, encoder: QwenEncoder) -> None:
    """Write how the encoder was trained, and the tensors that training changed.

    Raises AmtError where the file cannot be written.
    """
    from safetensors.torch import save_file

    with atomic_write(language_file(checkpoint)) as temporary:
        save_file(encoder.trained_state(), temporary, {"format": "amt", "mode": encoder.mode})


def load_qwen(checkpoint: Path, device: torch.device | str) -> QwenEncoder:
    """The encoder that a grasp model was trained with.

    Raises AmtError when the file beside the checkpoint is missing or damaged, or Qwen's own weights
    are not on this machine.
    """
    from safetensors import SafetensorError, safe_open

    path = language_file(checkpoint)
    if not path.is_file():
        raise AmtError(
            f"the language encoder's file {path} is missing; copy it together with {checkpoint}"
        )
    try:
        with safe_open(path, framework="pt") as file:
            mode = (file.metadata() or {}).get("mode", "")
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise AmtError(f"{path} is damaged ({error}); copy it anew") from error
    encoder = QwenEncoder.load(mode, str(device))
    encoder.load_trained_state(state)
    return encoder
