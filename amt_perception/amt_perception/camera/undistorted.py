"""A source whose images are undistorted, as the estimators see them."""

from __future__ import annotations

from collections.abc import Iterator

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.camera.sources import Frame, ImageSource


class UndistortedSource(ImageSource):
    """Another source's images without the camera's distortion; raises what that source raises."""

    def __init__(self, source: ImageSource, intrinsics: Intrinsics) -> None:
        self._source = source
        self._intrinsics = intrinsics
        self.name = source.name
        self.frame_rate = source.frame_rate
        self.frame_count = source.frame_count
        self.live = source.live
        self.width, self.height = source.width, source.height

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._source:
            yield Frame(self._intrinsics.undistort(frame.image), frame.time_s, frame.index)

    def close(self) -> None:
        self._source.close()
