"""Hand keypoints by MediaPipe's HandLandmarker (Zhang et al., arXiv:2006.10214, 2020)."""

from __future__ import annotations

import contextlib
import os
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.estimators.detection import HandDetection, remove_duplicates
from amt_perception.estimators.mediapipe_models import model_bundle
from amt_perception.hand.joints import Side

SIDES = {"Left": Side.LEFT, "Right": Side.RIGHT}
"""MediaPipe's label is the true side of an image that is not mirrored: measured with this API on
clips of known hands. (The older `mp.solutions.hands` says the opposite.)"""


class MediaPipeDetector:
    """MediaPipe follows hands from frame to frame, or searches each image anew."""

    _time_ms: int
    _used: bool

    def __init__(self, max_hands: int = 2, single_images: bool = False) -> None:
        """single_images: images need no order; each is searched with the palm detector.

        Raises AmtError when MediaPipe or its models are not installed.
        """
        self._max_hands = max_hands
        self._single_images = single_images
        self._open()

    def detect(self, image: np.ndarray, time: float) -> list[HandDetection]:
        """Hands in an [H, W, 3] uint8 RGB image, not mirrored, each hand once.

        time: seconds, increasing.
        """
        import mediapipe as mp

        picture = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(image))
        # MediaPipe wants whole, strictly increasing milliseconds.
        self._time_ms = max(self._time_ms + 1, round(time * 1000.0))
        with contextlib.nullcontext() if self._used else _quiet_stderr():
            if self._single_images:
                result = self._landmarker.detect(picture)
            else:
                result = self._landmarker.detect_for_video(picture, self._time_ms)
        self._used = True
        size = (image.shape[1], image.shape[0])
        found = zip(
            result.handedness, result.hand_landmarks, result.hand_world_landmarks, strict=True
        )
        return remove_duplicates(
            [
                HandDetection(
                    keypoints_px=np.array([(p.x, p.y) for p in landmarks]) * size,
                    world_joints=np.array([(p.x, p.y, p.z) for p in world]),
                    side=SIDES[handedness[0].category_name],
                    side_score=handedness[0].score,
                )
                for handedness, landmarks, world in found
            ]
        )

    def reset(self) -> None:
        """Forget where the hands were and start a new time line."""
        if self._single_images:
            return
        self.close()
        self._open()

    def close(self) -> None:
        """Stop MediaPipe's threads; without this its `__del__` complains at the program's end."""
        self._close()

    def _open(self) -> None:
        self._landmarker = _open_landmarker(self._max_hands, self._single_images)
        # For a detector that is dropped without `close`: MediaPipe's own `__del__` would wait for a
        # thread that the garbage collector has ended before it.
        self._close = weakref.finalize(self, self._landmarker.close)
        self._close.atexit = False
        self._time_ms = -1
        self._used = False


def _open_landmarker(max_hands: int, single_images: bool) -> Any:
    try:
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError as error:
        raise AmtError(
            f"MediaPipe cannot be imported ({error}); install it with: pip install mediapipe==1.2.2"
        ) from error
    bundle = model_bundle()
    options = vision.HandLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(bundle)),
        running_mode=vision.RunningMode.IMAGE if single_images else vision.RunningMode.VIDEO,
        num_hands=max_hands,
    )
    try:
        with _quiet_stderr():
            return vision.HandLandmarker.create_from_options(options)
    except (RuntimeError, ValueError) as error:
        raise AmtError(f"MediaPipe cannot open {bundle} ({error}); get it again") from error


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Drop what MediaPipe's C++ code prints at its start and its first image.

    Its log level cannot be set from outside, and its warnings about delegates, log set-up and
    projections mean nothing to a user.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
