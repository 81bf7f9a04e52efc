"""A model made ready to run: folded, in its precision, on its device, by its fastest backend."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from amt_perception.errors import AmtError
from amt_perception.model.amt import Amt, FrameTokens
from amt_perception.model.cuda_graphs import BatchRunner
from amt_perception.model.fp8 import to_fp8
from amt_perception.model.interface import AmtInput, AmtOutput
from amt_perception.model.openvino_export import OpenVinoRunner
from amt_perception.model.packed import Layout, PackedAmt, pack_numbers
from amt_perception.model.precision import autocast, choose_device, choose_precision, to_bfloat16
from amt_perception.model.sigma_reparam import fold_sigma_reparam

BACKENDS = ("auto", "eager", "compiled", "openvino")
Encoded: TypeAlias = AmtOutput | FrameTokens
"""What is known after the spatial pass: all of it, or what the temporal encoder wants."""

_log = logging.getLogger(__name__)


class Engine:
    """Runs a model; takes it over and changes it.

    device: auto, cpu or cuda. precision: auto, fp32, bf16 or fp8, see `precision`. backend: eager
    (plain PyTorch), compiled (GPU: torch.compile and CUDA graphs; the first batch of each size
    takes about a minute), openvino (CPU), or auto: the fastest that is installed. threads: on a
    CPU, None for all cores (PyTorch's number of threads belongs to the whole process; openvino
    sets it to 1).
    cache_folder: of OpenVINO's exports, None for `openvino_export.default_cache_folder`. Raises
    AmtError for a name that is unknown or that cannot be had here.
    """

    def __init__(
        self,
        model: Amt,
        device: str = "auto",
        precision: str = "auto",
        backend: str = "auto",
        threads: int | None = None,
        cache_folder: Path | None = None,
    ) -> None:
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.backend = _choose_backend(backend, self.device)
        self.config = model.config
        self._model = _for_inference(model).to(self.device)
        packed = PackedAmt(self._model)
        image, numbers = _example(model.config.image_size)
        image, numbers = image.to(self.device), numbers.to(self.device)
        with torch.no_grad():
            self._layout = Layout(packed.results(image, numbers))
        if self.precision == "fp8":
            to_fp8(self._model.image_encoder.backbone)
        if self.precision != "fp32" and self.backend != "openvino":
            to_bfloat16(self._model)
        self._runner: Any
        if self.backend == "openvino":
            # PyTorch only cuts crops then; its waiting threads would hold OpenVINO's cores.
            torch.set_num_threads(1)
            self._runner = OpenVinoRunner(
                packed, (image, numbers), self.precision, threads, cache_folder
            )
        elif self.backend == "compiled":
            self._runner = BatchRunner(packed, self.precision, numbers)
        else:
            if threads is not None:
                torch.set_num_threads(threads)
            self._runner = self._eager(packed)
        _log.info(
            "AMT %s: %s, %s, %s", model.config.name, self.device, self.precision, self.backend
        )

    def encode(self, inputs: AmtInput) -> Encoded:
        """The spatial pass over single frames (T = 1), in inference mode.

        `inputs.image` is on the engine's device, the rest may be on the host, where results of a
        model of single frames are, too.
        """
        numbers = pack_numbers(inputs)
        if self.device.type == "cuda" and numbers.device.type == "cpu":
            numbers = numbers.pin_memory()
        rows = self._runner(inputs.image[:, 0], numbers)
        if self._model.temporal is None:
            rows = rows.cpu()
        return self._layout.unpack(rows)

    @torch.no_grad()
    def decode(self, frames: list[Encoded]) -> AmtOutput:
        """Results for the last of frames in time order, on the host. See `Amt.decode`."""
        last = frames[-1]
        if isinstance(last, AmtOutput):
            return last
        with autocast(self.device, self.precision):
            tokens = [frame for frame in frames if isinstance(frame, FrameTokens)]
            return self._model.decode(tokens[-self.config.frames :]).to("cpu")

    def _eager(self, packed: PackedAmt) -> Any:
        def run(image: Tensor, numbers: Tensor) -> Tensor:
            with torch.no_grad(), autocast(self.device, self.precision):
                return packed(image, numbers.to(self.device, non_blocking=True))

        return run


def _choose_backend(name: str, device: torch.device) -> str:
    if name not in BACKENDS:
        raise AmtError(f"there is no backend '{name}'; choose one of: {', '.join(BACKENDS)}")
    if name == "openvino" and device.type != "cpu":
        raise AmtError("OpenVINO runs on the CPU; set the device to cpu or the backend to compiled")
    if name == "compiled" and device.type == "cpu":
        raise AmtError("CUDA graphs need a GPU; set the backend to openvino or eager")
    if name != "auto":
        return name
    if device.type == "cuda":
        return "compiled"
    return "openvino" if importlib.util.find_spec("openvino") is not None else "eager"


def _for_inference(model: Amt) -> Amt:
    """Without gradients, sigmaReparam folded, position embeddings made for the grid."""
    fold_sigma_reparam(model)
    model.requires_grad_(False).eval()
    backbone = model.image_encoder.backbone
    embeddings: Any = getattr(backbone.network, "embeddings", None)  # a ResNet has none
    if hasattr(embeddings, "interpolate_pos_encoding"):
        size = model.config.image_size
        tokens = embeddings.cls_token.expand(1, backbone.grid**2 + 1, -1)  # only its shape counts
        positions = embeddings.interpolate_pos_encoding(tokens, size, size)
        embeddings.position_embeddings = nn.Parameter(positions.detach(), requires_grad=False)
    return model


def _example(size: int) -> tuple[Tensor, Tensor]:
    """A grey picture of a right hand in the middle, seen by a usual camera."""
    inputs = AmtInput(
        image=torch.full((1, 1, 3, size, size), 128, dtype=torch.uint8),
        intrinsics=torch.tensor(
            [[2.0 * size, 0.0, 0.5 * size], [0.0, 2.0 * size, 0.5 * size], [0.0, 0.0, 1.0]]
        )[None, None],
        crop=torch.eye(2, 3)[None, None],
        hand_box=size * torch.tensor([0.25, 0.25, 0.5, 0.5])[None, None],
        side=torch.tensor([1]),
    )
    return inputs.image[:, 0], pack_numbers(inputs)
