"""The packed model on a CPU through OpenVINO: exported once, kept in a cache, checked.

OpenVINO runs this model on a CPU in about half of PyTorch's time. The export takes most of a
minute, so it is kept under a name that stands for everything that it was made from.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from amt_perception.errors import AmtError
from amt_perception.model.packed import PackedAmt

LARGEST_DIFFERENCE = 1e-3
"""Between the export in float32 and PyTorch: metres, elements of rotations, logits; pixels and
other large numbers relative to their size."""
_MODEL, _SUMS = "model.xml", "sha256.json"

_log = logging.getLogger(__name__)


class _Stack(ctypes.Structure):
    """stack_t of sigaltstack(2) on Linux."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def _own_signal_stack() -> Iterator[None]:
    """Gives this thread its own stack for signals back.

    A library that OpenVINO opens to see what devices there are puts a stack of its own in place of
    Python's and is closed again: the next Ctrl-C would run on memory that is gone.
    """
    if sys.platform != "linux":
        yield
        return
    system, before = ctypes.CDLL(None), _Stack()
    system.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        system.sigaltstack(ctypes.byref(before), None)


class OpenVinoRunner:
    """Runs the packed model one sample at a time.

    example: image [1, 3, S, S] and numbers [1, 20] of any sample. precision: fp32 or bf16. threads:
    None for all cores. cache_folder: None for `default_cache_folder`. Raises AmtError when OpenVINO
    is missing, the CPU lacks bfloat16, or the export does not agree with the model.
    """

    @_own_signal_stack()
    def __init__(
        self,
        packed: PackedAmt,
        example: tuple[Tensor, Tensor],
        precision: str,
        threads: int | None = None,
        cache_folder: Path | None = None,
    ) -> None:
        openvino = import_openvino()
        core = openvino.Core()
        if precision == "bf16" and "BF16" not in core.get_property(
            "CPU", "OPTIMIZATION_CAPABILITIES"
        ):
            raise AmtError("this CPU has no bfloat16 units; set the precision to fp32")
        folder = (cache_folder or default_cache_folder()) / f"openvino-{_fingerprint(packed)}"
        if not _intact(folder):
            _log.info("Exporting the model to OpenVINO, once, into %s.", folder)
            _export(packed, example, folder)
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
            "PERFORMANCE_HINT": "LATENCY",
        }
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        compiled = core.compile_model(folder / _MODEL, "CPU", settings)
        self._request = compiled.create_infer_request()

    def __call__(self, image: Tensor, numbers: Tensor) -> Tensor:
        """Rows [B, D]; arguments as `PackedAmt.forward`'s, on the CPU."""
        rows = []
        for one_image, one_row in zip(image.numpy(), numbers.numpy(), strict=True):
            self._request.infer([one_image[None], one_row[None]])
            rows.append(torch.from_numpy(self._request.get_output_tensor().data.copy()))
        return torch.cat(rows)


def import_openvino() -> Any:
    """The package. Raises AmtError when it is not installed."""
    try:
        import openvino
    except ImportError as error:
        raise AmtError(
            "OpenVINO is not installed; install it with: pip install openvino==2026.4.1, or choose "
            "the backend eager"
        ) from error
    return openvino


def default_cache_folder() -> Path:
    """AMT_CACHE, else amt_perception in the user's cache folder."""
    chosen = os.environ.get("AMT_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "amt_perception"


def _fingerprint(packed: PackedAmt) -> str:
    """Hash of weights, configuration, hand model, this package's model code and the exporters."""
    digest = hashlib.sha256()
    for name, tensor in sorted(packed.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().contiguous().numpy())
    digest.update(json.dumps(packed.model.config.to_dict(), sort_keys=True).encode())
    digest.update(packed.model.hand_model.fingerprint.encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    for library in ("torch", "transformers", "openvino", "roma"):
        digest.update(version(library).encode())
    return digest.hexdigest()[:24]


def _export(packed: PackedAmt, example: tuple[Tensor, Tensor], folder: Path) -> None:
    """Convert, check against PyTorch, and put everything into the folder at once."""
    import openvino

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # PyTorch's exporter warns about its own insides
        with _PlainProducts():
            program = torch.export.export(packed, example)
        model = openvino.convert_model(program)
    model.reshape({port: list(one.shape) for port, one in enumerate(example)})
    _check(packed, example, model)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix="part-"))
    try:
        openvino.save_model(model, temporary / _MODEL, compress_to_fp16=False)
        (temporary / _SUMS).write_text(json.dumps(_sums(temporary)))
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


class _PlainProducts(TorchFunctionMode):
    """Cross products as differences of products: OpenVINO's front end knows no other."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return (_cross if func is torch.cross else func)(*args, **(kwargs or {}))


def _cross(first: Tensor, second: Tensor, dim: int = -1) -> Tensor:
    a, b, c = first.unbind(dim)
    x, y, z = second.unbind(dim)
    return torch.stack([b * z - c * y, c * x - a * z, a * y - b * x], dim=dim)


def _check(packed: PackedAmt, example: tuple[Tensor, Tensor], model: Any) -> None:
    """Raises AmtError when the export in float32 and PyTorch give different results."""
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, example[0].shape, dtype=torch.uint8, generator=generator)
    with torch.no_grad():
        expected = packed(noise, example[1])
    found = torch.from_numpy(compiled([noise.numpy(), example[1].numpy()])[0])
    difference = ((found - expected).abs() / expected.abs().clamp_min(1.0)).max().item()
    if not difference <= LARGEST_DIFFERENCE:
        raise AmtError(
            f"OpenVINO's results differ from PyTorch's by {difference:.2g}; choose the backend "
            "eager, or another version of OpenVINO"
        )


def _sums(folder: Path) -> dict[str, str]:
    """SHA-256 of the exported files by name."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob("model.*"))
    }


def _intact(folder: Path) -> bool:
    """Whether the folder holds a complete export."""
    try:
        wanted = json.loads((folder / _SUMS).read_text())
    except (OSError, ValueError):
        return False
    return bool(wanted) and wanted == _sums(folder)
