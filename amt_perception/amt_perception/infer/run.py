"""From the command line's options to a run over images or over a sequence."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import amt_perception
from amt_perception.camera.intrinsics import (
    DEFAULT_HORIZONTAL_FOV_DEG,
    Intrinsics,
    load_intrinsics,
)
from amt_perception.camera.sources import open_source
from amt_perception.errors import AmtError
from amt_perception.estimators.factory import (
    SHIPPED_CHECKPOINT,
    create_estimator,
    resolved_name,
)
from amt_perception.estimators.interface import Estimator
from amt_perception.hand.mano_files import hand_faces
from amt_perception.infer.arguments import Options, default_name
from amt_perception.infer.images import ImageRun, find_images
from amt_perception.infer.resume import ResultsFolder, file_stamp
from amt_perception.infer.sequence import SequenceRun

PACKAGES = {
    "mediapipe": ("mediapipe", "numpy", "scipy"),
    "amt": ("torch", "transformers", "mediapipe", "numpy", "scipy"),
}
"""What an estimator's numbers depend on."""


def run(options: Options) -> None:
    """Do what was asked for. Raises AmtError, and KeyboardInterrupt when it was stopped."""
    images = [] if options.frame_rate else find_images(options.input)
    if images:
        _run_images(images, options)
    else:
        _run_sequence(options)
    print(f"Results are in {options.output}.")


def _run_images(images: list[Path], options: Options) -> None:
    if options.duration is not None:
        raise AmtError("Images have no duration; give --duration with a video or a camera only.")
    camera = _camera(options)
    request = _request(options)
    folder = ResultsFolder(options.output)
    folder.check(request, options.overwrite)
    if not options.overwrite:
        done = folder.done(images)
        if len(done) == len(images) and folder.is_complete:
            print(f"All {len(images)} images are done already; --overwrite starts anew.")
            return
    with _opened_estimator(options, single_images=True) as estimator:
        folder.begin(request, options.overwrite)
        faces = hand_faces(options.mano)
        ImageRun(images, folder, estimator, camera, faces).run(request)


def _run_sequence(options: Options) -> None:
    with open_source(options.input, options.frame_rate) as source:
        intrinsics = _camera(options)(source.width, source.height)
        request = _request(options)
        if Path(request["input"]["path"]).exists() and not source.live:
            request["input"] |= file_stamp(Path(request["input"]["path"]))
        folder = ResultsFolder(options.output)
        folder.check(request, options.overwrite)
        if folder.is_complete and not options.overwrite:
            if source.live:
                raise AmtError(
                    f"{options.output} holds an earlier recording; choose another --output, or "
                    "start anew with --overwrite."
                )
            print(f"{source.name} is done already; --overwrite starts anew.")
            return
        with _opened_estimator(options, single_images=False) as estimator:
            folder.begin(request, options.overwrite)
            name, faces = default_name(options.input), hand_faces(options.mano)
            sequence = SequenceRun(source, name, folder, estimator, intrinsics, faces)
            sequence.run(request, options.duration or math.inf)


def _request(options: Options) -> dict[str, Any]:
    """Everything that the results depend on: a run with another request is another run."""
    name = resolved_name(options.estimator, options.checkpoint)
    path = Path(options.input).expanduser()
    files = {
        "checkpoint": options.checkpoint or (SHIPPED_CHECKPOINT if name == "amt" else None),
        "mano": options.mano,
        "intrinsics": options.intrinsics,
    }
    return {
        "input": {"path": str(path.resolve()) if path.exists() else options.input},
        "estimator": name,
        "device": options.device,
        "precision": options.precision,
        "field_of_view": options.field_of_view,
        "camera": options.camera,
        "hand_length": options.hand_length,
        "frame_rate": options.frame_rate,
        "duration": options.duration,
        **{key: file and {"path": str(file), **file_stamp(file)} for key, file in files.items()},
        "versions": _versions(name),
    }


def _versions(estimator: str) -> dict[str, str]:
    """Of this package, of Python, and of what the estimator computes with."""
    versions = {"amt_perception": amt_perception.__version__, "python": platform.python_version()}
    for package in PACKAGES[estimator]:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def _camera(options: Options) -> Callable[[int, int], Intrinsics]:
    """Intrinsics by the width and height (px) of an image."""
    if options.intrinsics is None:
        degrees = options.field_of_view or DEFAULT_HORIZONTAL_FOV_DEG
        return lambda width, height: Intrinsics.from_field_of_view(width, height, degrees)
    calibration = load_intrinsics(options.intrinsics, options.camera)

    def checked(width: int, height: int) -> Intrinsics:
        if (width, height) != (calibration.width, calibration.height):
            raise AmtError(
                f"{options.intrinsics} is for {calibration.width}x{calibration.height} images, but "
                f"there is one of {width}x{height}; give the calibration of this camera mode."
            )
        return calibration

    return checked


@contextmanager
def _opened_estimator(options: Options, single_images: bool) -> Iterator[Estimator]:
    estimator = create_estimator(
        options.estimator,
        mano_folder=options.mano,
        hand_length_m=options.hand_length,
        checkpoint=options.checkpoint,
        device=options.device,
        precision=options.precision,
        single_images=single_images,
    )
    print(f"Estimator: {estimator.name}", flush=True)
    try:
        yield estimator
    finally:
        estimator.close()
