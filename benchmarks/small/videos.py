"""The model and MediaPipe on the same real videos, frame by frame, as the pipeline runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
from tqdm import tqdm

from amt_perception.camera.folder import image_files, read_image
from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.camera.sources import open_source
from amt_perception.errors import AmtError
from amt_perception.estimators.interface import Estimator, FrameEstimate, HandEstimate, TrackState

HAND_CLIPS = ("hand_right", "coffee")
NO_HAND_CLIP, NO_HAND_IMAGES = "no_hand_dog", "images_no_hand"
REPEATS = 3
"""An image without hands is shown so many times: an estimator may believe only the second."""


@dataclass
class Watched:
    """What an estimator said about a clip."""

    hands: list[list[HandEstimate]] = field(default_factory=list)
    """Of each frame, those that are seen in it."""
    seconds: list[float] = field(default_factory=list)
    """Each frame took."""


Paint = Callable[[np.ndarray, FrameEstimate, FrameEstimate, Intrinsics, float], None]
"""Takes an image, what the model and MediaPipe say about it, its camera and its time."""


def clip_path(data: Path, name: str) -> Path:
    """Of a clip in the folder of shared data. Raises AmtError when it is not there."""
    path = data / "videos" / f"{name}.mp4"
    if not path.is_file():
        raise AmtError(f"{path} does not exist; give the folder that holds videos/ with --data")
    return path


def watch(
    path: Path, model: Estimator, mediapipe: Estimator, paint: Paint
) -> tuple[Watched, Watched]:
    """Run both estimators over a video, and give every frame to `paint`. Shows its progress."""
    model.reset()
    mediapipe.reset()
    ours, theirs = Watched(), Watched()
    with open_source(str(path)) as source:
        bar = tqdm(source, total=source.frame_count, desc=path.name, unit="frame")
        for frame in bar:
            camera = Intrinsics.from_field_of_view(frame.image.shape[1], frame.image.shape[0])
            found = [
                _ask(estimator, watched, frame.image, camera, frame.time_s)
                for estimator, watched in ((model, ours), (mediapipe, theirs))
            ]
            paint(frame.image, found[0], found[1], camera, frame.time_s)
    return ours, theirs


def false_finds(data: Path, estimator: Estimator) -> dict[str, int]:
    """Frames in which a hand is seen, in a clip and in images that show none."""
    clip = clip_path(data, NO_HAND_CLIP)
    with open_source(str(clip)) as source:
        in_clip = _frames_with_hands(estimator, (frame.image for frame in source))
        frames = in_clip[1]
    images = [read_image(file) for file in image_files(data / NO_HAND_IMAGES)]
    in_images = [_frames_with_hands(estimator, [image] * REPEATS) for image in images]
    return {
        "clip_frames": frames,
        "in_clip": in_clip[0],
        "images": len(images),
        "in_images": sum(found for found, _ in in_images),
    }


def _ask(
    estimator: Estimator, watched: Watched, image: np.ndarray, camera: Intrinsics, time_s: float
) -> FrameEstimate:
    start = perf_counter()
    estimate = estimator.estimate(image, camera, time_s)
    watched.seconds.append(perf_counter() - start)
    watched.hands.append([one for one in estimate.hands if one.state == TrackState.TRACKED])
    return estimate


def _frames_with_hands(estimator: Estimator, images: Iterable[np.ndarray]) -> tuple[int, int]:
    """How many of the images show a hand, says the estimator, and how many there are."""
    estimator.reset()
    found = count = 0
    for image in tqdm(images, desc="without hands", unit="frame", leave=False):
        camera = Intrinsics.from_field_of_view(image.shape[1], image.shape[0])
        found += bool(estimator.estimate(image, camera, count / 30.0).hands)
        count += 1
    return found, count
