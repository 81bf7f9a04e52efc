"""Images that have nothing to do with each other: one file of results and one picture for each."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from amt_perception.camera.folder import SUFFIXES, image_files, read_image
from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.drawing.overlay import draw_estimate
from amt_perception.errors import AmtError
from amt_perception.estimators.interface import Estimator, FrameEstimate
from amt_perception.hand.joints import Side
from amt_perception.infer.ahead import ahead
from amt_perception.infer.report import write_report
from amt_perception.infer.results import Results, camera_json
from amt_perception.infer.resume import NAMED, RESULTS_FILE, ResultsFolder, file_stamp
from amt_perception.infer.timing import Timing, format_table
from amt_perception.output.files import atomic_write
from amt_perception.pipeline.interrupts import uninterrupted

JPEG_QUALITY = 92
READERS, WRITERS = 2, 2
"""Threads that decode images, and that draw and write, while the estimator computes."""


def find_images(text: str) -> list[Path]:
    """The images of a folder in natural order, or the one image.

    Empty when it is neither. Raises AmtError for a folder without images, or with two whose results
    would have one name.
    """
    path = Path(text).expanduser()
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return [path]
    if not path.is_dir():
        return []
    files = image_files(path)
    names: dict[str, str] = {}
    for file in files:
        if file.stem in names:
            raise AmtError(
                f"The results of {names[file.stem]} and {file.name} would both be "
                f"{file.stem}.npz: rename one of them."
            )
        names[file.stem] = file.name
    return files


class ImageRun:
    """One run over independent images.

    camera: intrinsics for an image of a width and a height (px).
    """

    def __init__(
        self,
        images: Sequence[Path],
        folder: ResultsFolder,
        estimator: Estimator,
        camera: Callable[[int, int], Intrinsics],
        hand_faces: dict[Side, np.ndarray],
    ) -> None:
        self._images = images
        self._folder = folder
        self._estimator = estimator
        self._camera = camera
        self._hand_faces = hand_faces
        self._timing = Timing()
        self._done: set[Path] = set()
        self._failures: dict[str, str] = {}

    def run(self, request: dict[str, Any]) -> None:
        """Work through the images that are not done yet, then write results.json.

        Images that cannot be read are left out, and named at the end. Raises AmtError for them,
        KeyboardInterrupt when it was stopped: what is done then stays.
        """
        self._done = self._folder.done(self._images)
        count = len(self._images)
        left = [file for file in self._images if file not in self._done]
        try:
            with (
                tqdm(total=count, initial=len(self._done), unit="image", smoothing=0.1) as progress,
                closing(ahead(self._load, left, READERS)) as loaded,
                closing(ahead(self._finish, self._estimated(loaded), WRITERS)) as finished,
            ):
                for _ in finished:
                    progress.update()
        except KeyboardInterrupt:
            print(
                f"Stopped with {len(self._done)} of {count} images done; the same command goes on.",
                file=sys.stderr,
            )
            raise
        timing = self._timing.summary()
        header = {
            "request": request,
            "complete": not self._failures,
            "failures": self._failures,
            "timing": timing,
        }
        write_report(self._folder.path / RESULTS_FILE, header, self._frames())
        if timing["images"]:
            print(format_table(timing))
        if self._failures:
            raise AmtError(_describe(self._failures, len(self._done), self._folder.path))

    def _load(self, file: Path) -> _Loaded | None:
        """None for a file that cannot be read."""
        with self._timing.stage("decode"):
            stamp = file_stamp(file)
            try:
                image = read_image(file)
            except AmtError as error:
                self._failures[file.name] = str(error)
                return None
            intrinsics = self._camera(image.shape[1], image.shape[0])
            return _Loaded(file, stamp, intrinsics.undistort(image), intrinsics)

    def _estimated(
        self, images: Iterable[_Loaded | None]
    ) -> Iterator[tuple[_Loaded, FrameEstimate]]:
        for loaded in filter(None, images):
            with self._timing.stage("estimate"), uninterrupted():
                self._estimator.reset()
                estimate = self._estimator.estimate(loaded.image, loaded.intrinsics, 0.0)
            yield loaded, _numbered(estimate)

    def _finish(self, work: tuple[_Loaded, FrameEstimate]) -> None:
        """Draw and write; the .npz comes last and says that the image is done."""
        loaded, estimate = work
        file, intrinsics = loaded.file, loaded.intrinsics
        with self._timing.stage("draw"):
            picture = draw_estimate(loaded.image, estimate, intrinsics, self._hand_faces)
        with self._timing.stage("write"):
            _write_picture(self._folder.picture(file.stem), picture)
            results = Results(intrinsics)
            results.add(0.0, estimate)
            stamp = {f"input_{key}": value for key, value in loaded.stamp.items()}
            results.save(self._folder.arrays(file.stem), **stamp)
        self._timing.count_image()
        self._done.add(file)

    def _frames(self) -> Iterator[dict[str, Any]]:
        """What results.json says about each image, read back from its .npz."""
        for file in self._images:
            if file in self._done:
                results = Results.load(self._folder.arrays(file.stem))
                (frame,) = results.frames_json()
                yield {"image": file.name, "camera": camera_json(results.intrinsics), **frame}


@dataclass(frozen=True)
class _Loaded:
    """An image in memory."""

    file: Path
    stamp: dict[str, int]
    image: np.ndarray
    """[H, W, 3] uint8 RGB, undistorted."""
    intrinsics: Intrinsics


def _numbered(estimate: FrameEstimate) -> FrameEstimate:
    """With hands numbered from 1: across independent images a track means nothing."""
    hands = [replace(hand, track_id=number) for number, hand in enumerate(estimate.hands, 1)]
    return replace(estimate, hands=hands)


def _write_picture(path: Path, picture: np.ndarray) -> None:
    from PIL import Image

    encoded = io.BytesIO()  # Pillow's own writing does not notice when the disk becomes full
    # Full colour resolution: thin coloured lines stay crisp.
    Image.fromarray(picture).save(encoded, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    with atomic_write(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())


def _describe(failures: dict[str, str], done: int, folder: Path) -> str:
    if len(failures) == 1 and done == 0:
        return next(iter(failures.values()))
    names = ", ".join(list(failures)[:NAMED])
    rest = f" and {len(failures) - NAMED} more" if len(failures) > NAMED else ""
    return (
        f"{len(failures)} of {len(failures) + done} images could not be read ({names}{rest}); the "
        f"results of the others are in {folder}."
    )
