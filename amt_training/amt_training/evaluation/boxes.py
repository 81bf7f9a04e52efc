"""Where the hand boxes of an evaluation come from: the annotations, or a detector."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.estimators.hand_box import HandBox
from amt_perception.estimators.mediapipe_detector import MediaPipeDetector
from amt_training.data.sample import HandSample

LEAST_OVERLAP = 0.1
"""A detected box that overlaps the true one by less (intersection over union) is another hand's."""


class BoxSource(Protocol):
    """Gives the hand's box in a sample's picture."""

    @property
    def name(self) -> str:
        """For tables."""

    def __call__(self, sample: HandSample) -> np.ndarray | None:
        """[4] x, y, width, height (pixels) around the 21 joints; None where no hand is found."""


class TrueBoxes:
    """The data set's own: what papers call ground-truth boxes."""

    name = "truth"

    def __call__(self, sample: HandSample) -> np.ndarray:
        """The sample's box."""
        return sample.hand_box


class MediaPipeBoxes:
    """Those of MediaPipe's detector, on each picture by itself.

    Of several hands the annotations say which one is meant: the one that overlaps the true box
    most, whatever side the detector takes it for.
    """

    name = "MediaPipe"

    def __init__(self, hands: int = 2) -> None:
        """hands: the most that are looked for. Raises AmtError without MediaPipe or its models."""
        self._hands = hands
        self._detector: MediaPipeDetector | None = None
        MediaPipeDetector(hands, single_images=True).close()

    def __call__(self, sample: HandSample) -> np.ndarray | None:
        """The box around the detected keypoints."""
        if self._detector is None:  # made here: worker processes cannot take one over
            self._detector = MediaPipeDetector(self._hands, single_images=True)
        found = self._detector.detect(sample.image, 0.0)
        boxes = [HandBox.around(one.keypoints_px, one.side).array for one in found]
        overlaps = [_overlap(box, sample.hand_box) for box in boxes]
        if not boxes or max(overlaps) < LEAST_OVERLAP:
            return None
        return boxes[int(np.argmax(overlaps))]


def box_source(name: str) -> BoxSource:
    """truth or mediapipe. Raises AmtError for another name."""
    sources: dict[str, type[TrueBoxes] | type[MediaPipeBoxes]] = {
        "truth": TrueBoxes,
        "mediapipe": MediaPipeBoxes,
    }
    if name not in sources:
        raise AmtError(f"there is no box source '{name}'; choose one of: {', '.join(sources)}")
    return sources[name]()


def _overlap(box: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    low = np.maximum(box[:2], other[:2])
    high = np.minimum(box[:2] + box[2:], other[:2] + other[2:])
    common = float(np.prod((high - low).clip(min=0.0)))
    return common / float(box[2:].prod() + other[2:].prod() - common)
