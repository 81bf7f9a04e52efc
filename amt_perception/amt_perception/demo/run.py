"""Runs the whole pipeline on a video, as real processes over DDS, and records what it does."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tqdm import tqdm

from amt_perception.camera.sources import ImageSource
from amt_perception.errors import AmtError
from amt_perception.pipeline import table
from amt_perception.pipeline.runner import Pipeline

if TYPE_CHECKING:
    from amt_perception.demo.recorder import Recorder

START_TIMEOUT_S = 60.0
LAST_MESSAGES_S = 0.5
SPIN_S = 0.02


def use_private_domain() -> int:
    """Keep the demo's topics on this machine and off real robots, unless the user chose a domain.

    Call it before rclpy is initialised. Returns the domain.
    """
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    os.environ.update(table.transport_environment())
    return int(os.environ["ROS_DOMAIN_ID"])


def record(
    pipeline: Pipeline,
    recorder: Recorder,
    spin_once: Callable[[float], None],
    source: ImageSource,
    seconds: float | None,
) -> None:
    """Run the pipeline to the end of the source, or for some seconds, while the recorder listens.

    The video starts when everything that listens is ready. Ctrl-C ends a live source early and
    well. Raises AmtError when a node dies or does not come up.
    """
    video = [entry for entry in table.entries(pipeline.values) if entry.executable == "video_node"]
    pipeline.start(without=("video_node",))
    deadline = time.monotonic() + START_TIMEOUT_S
    while not recorder.pipeline_ready:
        spin_once(SPIN_S)
        _raise_if_dead(pipeline)
        if time.monotonic() > deadline:
            raise AmtError(
                f"The nodes were not ready within {START_TIMEOUT_S:.0f} s; close other programs "
                "and try again."
            )
    pipeline.start_node(video[0], info_listeners=2)  # the perception node and this recorder
    total = None if source.live else source.frame_count
    end = None if seconds is None else time.monotonic() + seconds
    with tqdm(total=total, desc="running", unit="frame", smoothing=0.1) as progress:
        try:
            while end is None or time.monotonic() < end:
                spin_once(SPIN_S)
                if recorder.image_count > progress.n:
                    progress.update(recorder.image_count - progress.n)
                _raise_if_dead(pipeline)
                if pipeline.ended() is not None:  # the video came to its end
                    break
        except KeyboardInterrupt:
            if not source.live:
                raise
    last = time.monotonic() + LAST_MESSAGES_S
    while time.monotonic() < last:
        spin_once(SPIN_S)
    pipeline.stop()


def _raise_if_dead(pipeline: Pipeline) -> None:
    process = pipeline.ended()
    if process is not None and process.exit_code != 0:
        raise AmtError(f"{process.describe_end()}; see its message above. Nothing was written.")
