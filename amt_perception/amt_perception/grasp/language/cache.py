"""Features of an object's views on disk: a frozen vision tower looks at each object once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from amt_perception.errors import AmtError
from amt_perception.grasp.language.qwen import QwenEncoder
from amt_perception.output.files import atomic_write


class VisionCache:
    """`QwenEncoder.see` with a memory on disk, one safetensors file per set of views."""

    def __init__(self, encoder: QwenEncoder, folder: Path) -> None:
        """Raises AmtError for an encoder whose vision tower is trained."""
        if not encoder.vision_is_fixed:
            raise AmtError("features of views are not kept while the vision tower is trained")
        self._encoder, self._folder = encoder, folder
        self._weights = _fingerprint(encoder)

    def see(self, views: np.ndarray) -> tuple[Tensor, ...]:
        """As `QwenEncoder.see`, bit for bit. The same views are looked at once.

        The key is the content of the views and of the vision tower's weights. Raises AmtError for
        a file that cannot be read or written.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file, save_file

        key = hashlib.sha256(self._weights)
        key.update(str(views.shape).encode())
        key.update(np.ascontiguousarray(views).tobytes())
        path = self._folder / f"{key.hexdigest()[:32]}.safetensors"
        device = self._encoder.model.device
        if path.is_file():
            try:
                kept = load_file(path, device=str(device))
            except (SafetensorError, OSError) as error:
                raise AmtError(f"{path} is damaged ({error}); delete it") from error
            return tuple(kept[str(place)] for place in range(len(views)))
        seen = self._encoder.see(views)
        with atomic_write(path) as temporary:
            save_file(
                {str(place): view.cpu().contiguous() for place, view in enumerate(seen)}, temporary
            )
        return seen


def _fingerprint(encoder: QwenEncoder) -> bytes:
    """Of the vision tower's weights and shape."""
    digest = hashlib.sha256()
    for name, tensor in encoder.model.visual.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.digest()
