"""Runs the whole pipeline on a video, as real processes over DDS, and records what it does."""

from __future__ import annotations

import argparse
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from amt_perception.camera.intrinsics import load_intrinsics
from amt_perception.camera.sources import ImageSource, open_source
from amt_perception.camera.video import VideoSource
from amt_perception.camera.views import UndistortedSource
from amt_perception.errors import AmtError
from amt_perception.output.encoder import video_writer
from amt_perception.output.files import check_writable
from amt_perception.pipeline import table
from amt_perception.pipeline.arguments import Values, complete
from amt_perception.pipeline.interrupts import TerminationRequest, uninterrupted
from amt_perception.pipeline.runner import Pipeline

if TYPE_CHECKING:
    from amt_perception.demo.recorder import Recorder
    from amt_perception.demo.recording import Recording

CAMERA_SECONDS = 20.0
FILE_QUEUE = 2
"""Images of a file that may wait: a frame that comes late is better than one that is missing."""
START_TIMEOUT_S = 60.0
LAST_MESSAGES_S = 0.5
SPIN_S = 0.02
DOMAINS = 100
"""Domains 1 to 100 have their ports below those that Linux gives to other programs."""


def run(arguments: argparse.Namespace) -> None:
    """Run the demo and write its results. Raises AmtError or RetargetError, having written nothing.

    arguments: as `demo.__main__.parse` gives them.
    """
    values = complete(
        {
            "video": arguments.video,
            "frame_rate": arguments.frame_rate,
            "robot": arguments.robot,
            "hand": arguments.hand,
            "estimator": arguments.estimator,
            "checkpoint": arguments.checkpoint,
            "mano": arguments.mano,
            "camera_info_file": arguments.camera_info_file,
            "velocity_scale": "1.0",  # a simulated arm may move as fast as the real one can
            "max_accel": "15.0",
            "image_queue": str(FILE_QUEUE),
            "input_timeout_s": "0.2",  # nothing can break, and a slow laptop shall move as well
            "joint_state_timeout_s": "0.5",
            "realtime_priority": "0",
            "command_rate_hz": "100",
            "robot_state": "false",  # nobody looks at /tf here
            "log_level": "warn",
        }
    )
    if values["hand"] == "both":
        raise AmtError("hand is 'both'; the demo shows one robot: choose right or left.")
    if values["video"] == "sample" and values["hand"] == "left":
        values["video"] = "sample-left"
    check_writable(arguments.out)
    with (
        open_source(values["video"], float(values["frame_rate"]) or None) as source,
        tempfile.TemporaryDirectory(prefix="amt_") as folder,
    ):
        seconds, clip = arguments.seconds, None
        if source.live:
            source.close()  # the video node opens it again
            values["image_queue"] = "1"
            seconds, clip = seconds or CAMERA_SECONDS, Path(folder, "camera.mp4")
        recording = _run_pipeline(values, source, seconds, clip)
        from amt_perception.demo.results import write_results

        shown = _shown(source, clip, values["camera_info_file"])
        write_results(recording, shown, arguments.out)


def _shown(source: ImageSource, clip: Path | None, info_file: str) -> ImageSource:
    """The images once more, as the estimator saw them."""
    shown = source
    if clip is not None:
        shown = VideoSource(clip)
        shown.name = source.name
    return UndistortedSource(shown, load_intrinsics(Path(info_file))) if info_file else shown


def use_private_domain() -> int:
    """Keep the demo's topics on this machine and off real robots, unless the user chose a domain.

    Call it before rclpy is initialised. Returns the domain: one that no process of this machine
    uses, so that several demos can run at once.
    """
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    if "ROS_DOMAIN_ID" not in os.environ:
        domains = [1 + (os.getpid() + step) % DOMAINS for step in range(DOMAINS)]
        os.environ["ROS_DOMAIN_ID"] = str(next(filter(_is_free, domains), domains[0]))
    os.environ.update(table.transport_environment())
    return int(os.environ["ROS_DOMAIN_ID"])


def _is_free(domain: int) -> bool:
    """Whether the port of a domain's first participant is free (DDSI-RTPS 2.5, 9.6.2.3)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", 7400 + 250 * domain + 10))
        except OSError:
            return False
    return True


def _run_pipeline(
    values: Values, source: ImageSource, seconds: float | None, clip: Path | None
) -> Recording:
    """Run the pipeline on the source and record it; a camera's images are kept in `clip`."""
    domain = use_private_domain()
    print(f"Running the pipeline on {source.name} (ROS_DOMAIN_ID={domain}) ...", flush=True)
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    from amt_perception.demo.recorder import Recorder
    from amt_retarget.robot.robot import Robot

    robot = Robot.load(values["robot"], values["hand"])
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    kept = ExitStack()
    keep_image = None if clip is None else kept.enter_context(_image_keeper(clip, source))
    recorder = Recorder(robot, keep_image)
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)

    def spin_once() -> None:
        with uninterrupted():
            executor.spin_once(SPIN_S)
            recorder.poll()

    try:
        with kept, Pipeline(values) as pipeline:
            record(pipeline, recorder, spin_once, source, seconds)
        meta = {
            "video": source.name,
            "estimator": recorder.estimator,
            "robot": values["robot"],
            "hand": values["hand"],
        }
        return recorder.recording(robot.lower, robot.upper, meta)
    finally:
        recorder.destroy_node()
        rclpy.try_shutdown()


@contextmanager
def _image_keeper(
    clip: Path, source: ImageSource
) -> Iterator[Callable[[np.ndarray, float], object]]:
    """Give the block a function that appends an image to a video, encoded beside the listening."""
    with (
        video_writer(clip, source.width, source.height, source.frame_rate) as write,
        ThreadPoolExecutor(max_workers=1) as encoder,
    ):
        written: list[Future[None]] = []
        yield lambda image, time_s: written.append(encoder.submit(write, image, time_s))
        for future in written:
            future.result()


def record(
    pipeline: Pipeline,
    recorder: Recorder,
    spin_once: Callable[[], None],
    source: ImageSource,
    seconds: float | None,
) -> None:
    """Run the pipeline to the end of the source, or for some seconds, while the recorder listens.

    The video starts when everything that listens is ready, and the seconds count from its first
    image. Ctrl-C ends a live source early and well. Raises AmtError when a node dies or does not
    come up.
    """
    video = [node for node in table.processes(pipeline.values) if node.executable == "video_node"]
    pipeline.start(without=("video_node",))
    deadline = time.monotonic() + START_TIMEOUT_S
    while not recorder.pipeline_ready:
        spin_once()
        pipeline.video_ended()
        if time.monotonic() > deadline:
            raise AmtError(
                f"The nodes were not ready within {START_TIMEOUT_S:.0f} s; close other programs "
                "and try again."
            )
    pipeline.start_node(video[0], info_listeners=2)  # the perception node and this recorder
    total = None if source.live else source.frame_count
    end: float | None = None
    with tqdm(total=total, desc="running", unit="frame", smoothing=0.1) as progress:
        try:
            while not pipeline.video_ended() and (end is None or time.monotonic() < end):
                spin_once()
                if seconds is not None and end is None and recorder.image_count:
                    end = time.monotonic() + seconds
                progress.update(recorder.image_count - progress.n)
        except TerminationRequest:
            raise
        except KeyboardInterrupt:
            if not (source.live and recorder.image_count):
                raise
    last = time.monotonic() + LAST_MESSAGES_S
    while time.monotonic() < last:
        spin_once()
    pipeline.stop()
