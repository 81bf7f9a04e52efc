"""Images that have nothing to do with each other: one file of results and one picture for each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
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
from amt_perception.infer.report import write_report
from amt_perception.infer.results import Results, camera_json
from amt_perception.infer.resume import NAMED, RESULTS_FILE, ResultsFolder, file_stamp
from amt_perception.infer.timing import Timing, format_table
from amt_perception.output.files import atomic_write
from amt_perception.pipeline.interrupts import uninterrupted

JPEG_QUALITY = 92


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

    def run(self, request: dict[str, Any]) -> None:
        """Work through the images that are not done yet, then write results.json.

        Images that cannot be read are left out, and named at the end. Raises AmtError for them,
        KeyboardInterrupt when it was stopped: what is done then stays.
        """
        done = self._folder.done(self._images)
        failures: dict[str, str] = {}
        count = len(self._images)
        try:
            with tqdm(total=count, initial=len(done), unit="image", smoothing=0.1) as progress:
                for file in self._images:
                    if file in done:
                        continue
                    with uninterrupted():
                        try:
                            self._process(file)
                            done.add(file)
                        except _UnreadableImageError as error:
                            failures[file.name] = str(error)
                    progress.update()
        except KeyboardInterrupt:
            print(
                f"Stopped with {len(done)} of {count} images done; the same command goes on.",
                file=sys.stderr,
            )
            raise
        timing = self._timing.summary()
        header = {**request, "complete": not failures, "failures": failures, "timing": timing}
        write_report(self._folder.path / RESULTS_FILE, header, self._frames(done))
        print(format_table(timing))
        if failures:
            raise AmtError(_describe(failures, len(done), self._folder.path))

    def _process(self, file: Path) -> None:
        """One image; its .npz comes last and says that it is done."""
        timing, stamp = self._timing, file_stamp(file)
        with timing.stage("decode"):
            try:
                image = read_image(file)
            except AmtError as error:
                raise _UnreadableImageError(str(error)) from error
            intrinsics = self._camera(image.shape[1], image.shape[0])
            image = intrinsics.undistort(image)
        with timing.stage("estimate"):
            self._estimator.reset()
            estimate = _numbered(self._estimator.estimate(image, intrinsics, 0.0))
        with timing.stage("draw"):
            picture = draw_estimate(image, estimate, intrinsics, self._hand_faces)
        with timing.stage("write"):
            _write_picture(self._folder.picture(file.stem), picture)
            results = Results(intrinsics)
            results.add(0.0, estimate)
            kept = {f"input_{key}": value for key, value in stamp.items()}
            results.save(self._folder.arrays(file.stem), **kept)
        timing.images += 1

    def _frames(self, done: set[Path]) -> Iterator[dict[str, Any]]:
        """What results.json says about each image, read back from its .npz."""
        for file in self._images:
            if file in done:
                results = Results.load(self._folder.arrays(file.stem))
                (frame,) = results.frames_json()
                yield {"image": file.name, "camera": camera_json(results.intrinsics), **frame}


class _UnreadableImageError(Exception):
    """An image of the folder is damaged or is none."""


def _numbered(estimate: FrameEstimate) -> FrameEstimate:
    """With hands numbered from 1: across independent images a track means nothing."""
    hands = [replace(hand, track_id=number) for number, hand in enumerate(estimate.hands, 1)]
    return replace(estimate, hands=hands)


def _write_picture(path: Path, picture: np.ndarray) -> None:
    from PIL import Image

    with atomic_write(path) as temporary:
        # Full colour resolution: thin coloured lines stay crisp.
        Image.fromarray(picture).save(temporary, quality=JPEG_QUALITY, subsampling=0)


def _describe(failures: dict[str, str], done: int, folder: Path) -> str:
    if len(failures) == 1 and done == 0:
        return next(iter(failures.values()))
    names = ", ".join(list(failures)[:NAMED])
    rest = f" and {len(failures) - NAMED} more" if len(failures) > NAMED else ""
    return (
        f"{len(failures)} of {len(failures) + done} images could not be read ({names}{rest}); the "
        f"results of the others are in {folder}."
    )
