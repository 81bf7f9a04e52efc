"""Images that follow each other: a video, a camera, a folder with a frame rate."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.camera.sources import Frame, ImageSource
from amt_perception.drawing.overlay import draw_estimate
from amt_perception.errors import AmtError
from amt_perception.estimators.interface import Estimator, FrameEstimate
from amt_perception.hand.joints import Side
from amt_perception.infer.ahead import ahead, ahead_of
from amt_perception.infer.report import write_report
from amt_perception.infer.results import Results, camera_json
from amt_perception.infer.resume import RESULTS_FILE, ResultsFolder
from amt_perception.infer.timing import Timing, format_table
from amt_perception.output.encoder import video_writer
from amt_perception.pipeline.interrupts import TerminationRequest, uninterrupted

_Work = tuple[np.ndarray, FrameEstimate, float]
"""An undistorted image [H, W, 3], what was estimated of it, and its time (s)."""


class SequenceRun:
    """One run over a source; its results are one video and one .npz file.

    name: of these files, without suffix.
    """

    def __init__(
        self,
        source: ImageSource,
        name: str,
        folder: ResultsFolder,
        estimator: Estimator,
        intrinsics: Intrinsics,
        hand_faces: dict[Side, np.ndarray],
    ) -> None:
        self._source = source
        self._name = name
        self._folder = folder
        self._estimator = estimator
        self._intrinsics = intrinsics
        self._hand_faces = hand_faces
        self._results = Results(intrinsics)
        self._timing = Timing()

    def run(self, request: dict[str, Any], duration_s: float) -> None:
        """Work through the source, or its first seconds, then write everything.

        A source that breaks and Ctrl-C end it early: what was done until then is written, and the
        AmtError or KeyboardInterrupt raised after that. Ctrl-C is the proper end of a camera.
        """
        end = self._run_frames(duration_s)
        self._results.save(self._folder.arrays(self._name))
        timing = self._timing.summary()
        header = {
            "request": request,
            "complete": end is None,
            "ended": "" if end is None else str(end) or "stopped by the user",
            "camera": camera_json(self._intrinsics),
            "timing": timing,
        }
        write_report(self._folder.path / RESULTS_FILE, header, self._results.frames_json())
        print(format_table(timing))
        if end is None:
            return
        kept = f"The {timing['images']} frames before that are in {self._folder.path}."
        if isinstance(end, KeyboardInterrupt):
            print(f"Stopped. {kept}", file=sys.stderr)
            raise end
        raise AmtError(f"{end} {kept}") from end

    def _run_frames(self, end_s: float) -> AmtError | KeyboardInterrupt | None:
        """Estimate, draw and encode; what ended it early, if something did."""
        source = self._source
        # H.264 wants even sizes.
        rows, columns = source.height + source.height % 2, source.width + source.width % 2
        path = self._folder.video(self._name)
        with (
            video_writer(path, columns, rows, source.frame_rate) as write,
            tqdm(total=self._frame_count(end_s), unit="frame", smoothing=0.1) as progress,
            closing(ahead_of(self._timing.each("decode", source))) as frames,
            closing(ahead(partial(self._finish, write), self._estimated(frames, end_s))) as done,
        ):
            try:
                for _ in done:
                    progress.update()
            except (AmtError, KeyboardInterrupt) as end:
                done.close()
                if not self._timing.images:
                    raise  # there is nothing to keep
                proper = source.live and not isinstance(end, AmtError | TerminationRequest)
                return None if proper else end
        return None

    def _frame_count(self, end_s: float) -> int | None:
        """As far as it is known."""
        count = self._source.frame_count
        if math.isinf(end_s):
            return count
        asked = math.ceil(end_s * self._source.frame_rate)
        return asked if count is None else min(asked, count)

    def _estimated(self, frames: Iterable[Frame], end_s: float) -> Iterator[_Work]:
        for frame in frames:
            if frame.time_s >= end_s:
                return
            with self._timing.stage("estimate"), uninterrupted():
                image = self._intrinsics.undistort(frame.image)
                estimate = self._estimator.estimate(image, self._intrinsics, frame.time_s)
            yield image, estimate, frame.time_s

    def _finish(self, write: Callable[[np.ndarray, float], None], work: _Work) -> None:
        """Draw and encode one frame, in its turn."""
        image, estimate, time_s = work
        with self._timing.stage("draw"):
            picture = draw_estimate(image, estimate, self._intrinsics, self._hand_faces, time_s)
        with self._timing.stage("write"):
            even = ((0, picture.shape[0] % 2), (0, picture.shape[1] % 2), (0, 0))
            write(np.pad(picture, even, mode="edge"), time_s)
        self._results.add(time_s, estimate)
        self._timing.count_image()
