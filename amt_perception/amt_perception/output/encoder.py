"""Writes an MP4 that plays everywhere: H.264, 4:2:0, index at the front."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.output.files import atomic_write

TIME_BASE = Fraction(1, 90_000)
"""Fine enough for the exact times of any frame rate in use."""


@contextmanager
def video_writer(
    path: Path, width: int, height: int, frame_rate: float
) -> Iterator[Callable[[np.ndarray, float], None]]:
    """Give the block a function that appends one image [height, width, 3] uint8 RGB at a time (s).

    Times increase strictly. width and height are even. The file appears under its name only when
    the block ends without an error; AmtError when it cannot be written or PyAV is missing.
    """
    try:
        import av
        from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
    except ImportError as error:
        raise AmtError("Writing a video needs PyAV: pip install av") from error
    with (
        atomic_write(path) as temporary,
        av.open(str(temporary), "w", options={"movflags": "+faststart"}) as container,
    ):
        stream = container.add_stream(
            "libx264",
            rate=Fraction(frame_rate).limit_denominator(1001),
            options={"preset": "veryfast", "crf": "20"},
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        codec = stream.codec_context
        codec.time_base = TIME_BASE
        # Convert by BT.709 and say so: players assume it at this size and would shift the colours.
        codec.colorspace, codec.color_range = Colorspace.ITU709, ColorRange.MPEG
        codec.color_primaries = codec.color_trc = 1
        reformatter = VideoReformatter()

        def write(image: np.ndarray, time_s: float) -> None:
            frame = reformatter.reformat(
                av.VideoFrame.from_ndarray(image, format="rgb24"),
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
            )
            frame.pts, frame.time_base = round(time_s / TIME_BASE), TIME_BASE
            container.mux(stream.encode(frame))

        yield write
        container.mux(stream.encode(None))
