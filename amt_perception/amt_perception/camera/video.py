"""Video files, decoded by FFmpeg's libraries through PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.camera.container import missing_bytes
from amt_perception.camera.sources import Frame, ImageSource
from amt_perception.errors import AmtError


class VideoSource(ImageSource):
    """The frames of a video file, upright, with their own presentation times.

    Every frame up to the file's real end is read, whatever number its header states; variable
    frame rate, the rotation that phones store, and audio streams are all right. A file that is cut
    off or damaged gives the frames before that place and then raises AmtError, never concealed
    pictures. These count as broken: a packet that the demuxer marks or cannot read, a frame that
    the decoder refuses or had to patch, and an end before the length that the container states
    (see `container.missing_bytes`) unless all frames of its index were read.
    """

    def __init__(self, path: Path, rate: float | None = None) -> None:
        """Open the file and decode its first frame; rate replaces the file's own times.

        Raises AmtError when the file cannot be read, is no video, or has no frame.
        """
        self._path = path
        self._rate = rate
        self.name = path.name
        av = _import_av()
        with _open_container(av, path) as container:
            stream = _video_stream(av, container, path)
            self.frame_count = stream.frames or None
            file_rate = stream.guessed_rate or stream.average_rate
        if not (rate or file_rate):
            raise AmtError(f"{path} does not say its frame rate: give one.")
        self.frame_rate = float(rate or file_rate)
        self.height, self.width = 0, 0  # not known yet: the first frame may be any size
        first = next(iter(self))
        self.height, self.width = first.image.shape[:2]

    def __iter__(self) -> Iterator[Frame]:
        first_time: float | None = None
        previous = -np.inf
        for index, (image, file_time) in enumerate(self._images()):
            if self._rate is not None:
                time = index / self._rate
            elif file_time is None:
                raise AmtError(f"{self._path} stores no times: give its frame rate.")
            else:
                first_time = file_time if first_time is None else first_time
                time = file_time - first_time
            if not time > previous:
                raise AmtError(
                    f"The times in {self._path} do not increase after frame {index}: "
                    "give a frame rate to be used in their place."
                )
            if self.width and image.shape[:2] != (self.height, self.width):
                raise AmtError(
                    f"{self._path} changes its size from {self.width}x{self.height} to "
                    f"{image.shape[1]}x{image.shape[0]} after {index} frames: cut it there."
                )
            yield Frame(image, time, index)
            previous = time

    def _images(self) -> Iterator[tuple[np.ndarray, float | None]]:
        """Upright RGB images with the file's own time in seconds, up to the end or the damage."""
        av = _import_av()
        # One reformatter for all frames keeps its scaling tables: half the cost of to_rgb().
        reformatter = av.video.reformatter.VideoReformatter()
        count = 0
        with _open_container(av, self._path) as container:
            stream = _video_stream(av, container, self._path)
            stream.thread_type = "AUTO"
            try:
                for frame in _sound_frames(container, stream):
                    image = reformatter.reformat(frame, format="rgb24").to_ndarray()
                    time = None if frame.pts is None else float(frame.pts * stream.time_base)
                    yield _upright(image, frame), time
                    count += 1
            except (av.FFmpegError, _DamageError) as error:
                raise self._broken_after(count) from error
            complete = stream.frames and count >= stream.frames
            if not complete and missing_bytes(self._path):
                raise self._broken_after(count)
        if count == 0:
            raise AmtError(f"{self._path} contains no video frames: record it again.")

    def _broken_after(self, count: int) -> AmtError:
        missing = missing_bytes(self._path)
        what = f"is cut off ({missing} bytes are missing)" if missing else "is damaged"
        where = f"after {count} frames" if count else "before its first frame"
        return AmtError(
            f"{self._path} {what} and breaks {where}: copy or download it again, or cut it there "
            "with a video editor."
        )


class _DamageError(Exception):
    """A packet or frame that FFmpeg marks as corrupt."""


def _import_av() -> Any:
    try:
        import av
        import av.video.reformatter
    except ImportError as error:
        raise AmtError("Reading a video needs PyAV: pip install av") from error
    return av


def _open_container(av: Any, path: Path) -> Any:
    try:
        container = av.open(str(path))
    except PermissionError as error:
        raise AmtError(f"No permission to read {path}: change its permissions.") from error
    except OSError as error:
        raise AmtError(f"Cannot read {path}: {error.strerror}.") from error
    except av.FFmpegError as error:
        if path.stat().st_size == 0:
            raise AmtError(f"{path} is empty: copy or download it again.") from error
        if missing_bytes(path):
            raise _cut_off_at_start(path) from error
        raise AmtError(f"{path} is not a video that can be read, or it is damaged.") from error
    if container.format.name == "tty":  # FFmpeg takes any text file for ASCII art
        container.close()
        raise AmtError(f"{path} is a text file, not a video.")
    return container


def _cut_off_at_start(path: Path) -> AmtError:
    return AmtError(
        f"{path} is cut off ({missing_bytes(path)} bytes are missing) and cannot be opened: "
        "copy or download it again."
    )


def _video_stream(av: Any, container: Any, path: Path) -> Any:
    """The first video stream that is not the cover picture of a piece of music."""
    cover = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not s.disposition & cover]
    if not streams:
        if missing_bytes(path):
            raise _cut_off_at_start(path)
        what = "only has sound" if container.streams.audio else "has no pictures"
        raise AmtError(f"{path} {what}: give a file with a video stream.")
    return streams[0]


def _sound_frames(container: Any, stream: Any) -> Iterator[Any]:
    """Decode until the end or the first mark of damage, after which no picture can be trusted."""
    for packet in container.demux(stream):
        if packet.is_corrupt:
            yield from stream.codec_context.decode(None)
            raise _DamageError
        for frame in packet.decode():
            if frame.is_corrupt:
                raise _DamageError
            yield frame


def _upright(image: np.ndarray, frame: Any) -> np.ndarray:
    """Turn and mirror the image as the frame's display matrix says (ISO/IEC 14496-12, 8.3.2)."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5]
    if abs(b) > abs(a):  # pixel (x, y) is shown at (a x + c y, b x + d y)
        image = image.swapaxes(0, 1)
        a, d = c, b
    if a < 0:
        image = image[:, ::-1]
    if d < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)
