"""Another source's images, seen differently: undistorted, or in a mirror."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.camera.sources import Frame, ImageSource


class _View(ImageSource):
    """A source with each image changed; its times, size and errors are those of the original."""

    def __init__(self, source: ImageSource) -> None:
        self._source = source
        self.name = source.name
        self.frame_rate = source.frame_rate
        self.frame_count = source.frame_count
        self.live = source.live
        self.width, self.height = source.width, source.height

    @abstractmethod
    def _seen(self, image: np.ndarray) -> np.ndarray:
        """The changed image, of the same size."""

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._source:
            yield Frame(self._seen(frame.image), frame.time_s, frame.index)

    def close(self) -> None:
        self._source.close()


class UndistortedSource(_View):
    """Images without the camera's distortion, as the estimators see them."""

    def __init__(self, source: ImageSource, intrinsics: Intrinsics) -> None:
        super().__init__(source)
        self._intrinsics = intrinsics

    def _seen(self, image: np.ndarray) -> np.ndarray:
        return self._intrinsics.undistort(image)


class MirroredSource(_View):
    """Images with left and right exchanged: a right hand becomes a left one."""

    def _seen(self, image: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(image[:, ::-1])
