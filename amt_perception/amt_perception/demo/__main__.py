"""One command from a video to a robot hand that does the same: `python -m amt_perception.demo`.

Runs the pipeline's nodes as real processes over DDS with the MuJoCo robot, then writes demo.mp4
(the video with the hands drawn on it, beside the robot), joints.png, trajectory.npz and
summary.json, and prints a table.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from amt_perception.camera.sources import ImageSource, open_source
from amt_perception.demo.run import record, use_private_domain
from amt_perception.errors import AmtError
from amt_perception.pipeline.arguments import ARGUMENTS, Values, complete
from amt_perception.pipeline.runner import Pipeline
from amt_retarget.errors import RetargetError

if TYPE_CHECKING:
    from amt_perception.demo.recording import Recording

CAMERA_SECONDS = 20.0
ROBOT_SIZE = 720
CLOSE_UP_SIZE = 280
BORDER = 3
"""Sides of the robot's picture in demo.mp4 and of the close-up of its hand in the corner (px)."""


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    defaults = {argument.name: argument.default for argument in ARGUMENTS}
    parser = argparse.ArgumentParser(
        prog="python -m amt_perception.demo", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--video", default="sample", help="video file, folder of images, camera (0) or 'sample'"
    )
    parser.add_argument("--frame-rate", default=defaults["frame_rate"], help="of a folder (Hz)")
    parser.add_argument("--robot", default=defaults["robot"], help="ur5e or ur10e")
    parser.add_argument(
        "--hand", default=defaults["hand"], help="whose hand drives the robot: right or left"
    )
    parser.add_argument("--estimator", default=defaults["estimator"], help="hand estimator")
    parser.add_argument("--mano", default=defaults["mano"], help="folder with your MANO files")
    parser.add_argument(
        "--camera-info-file", default=defaults["camera_info_file"], help="calibration YAML"
    )
    parser.add_argument(
        "--seconds", type=float, help=f"stop after this time (a camera: {CAMERA_SECONDS:g})"
    )
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for results")
    return parser.parse_args(arguments)


def check_writable(folder: Path) -> None:
    """Make the folder. Raises AmtError when nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise AmtError(
            f"Cannot write to {folder} ({error.strerror}); choose another folder with --out."
        ) from error


def run(arguments: argparse.Namespace) -> None:
    """Run the demo and write its results. Raises AmtError, having written nothing."""
    values = complete(
        {
            "video": arguments.video,
            "frame_rate": arguments.frame_rate,
            "robot": arguments.robot,
            "hand": arguments.hand,
            "estimator": arguments.estimator,
            "mano": arguments.mano,
            "camera_info_file": arguments.camera_info_file,
            "velocity_scale": "1.0",  # a simulated arm may move as fast as the real one can
            "max_accel": "15.0",
            "log_level": "warn",
        }
    )
    check_writable(arguments.out)
    with open_source(arguments.video, float(arguments.frame_rate) or None) as source:
        if source.live:
            source.close()  # the video node opens it again
        recording = _record(values, source, arguments)
        _write(recording, source, arguments.out)


def _record(values: Values, source: ImageSource, arguments: argparse.Namespace) -> Recording:
    domain = use_private_domain()
    print(f"Running the pipeline on {source.name} (ROS_DOMAIN_ID={domain}) ...", flush=True)
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    from amt_perception.demo.recorder import Recorder
    from amt_retarget.robot.robot import Robot

    robot = Robot.load(values["robot"], values["hand"])
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    recorder = Recorder(robot.joint_names)
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)
    seconds = arguments.seconds or (CAMERA_SECONDS if source.live else None)
    try:
        with Pipeline(values) as pipeline:
            record(pipeline, recorder, executor.spin_once, source, seconds)
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


def _write(recording: Recording, source: ImageSource, out: Path) -> None:
    from amt_perception.demo.compose import write_demo_video
    from amt_perception.demo.plots import write_joint_plot
    from amt_perception.demo.summary import format_table, summarize, write_summary
    from amt_retarget.simulation.renderer import RobotRenderer

    robot, hand = recording.meta["robot"], recording.meta["hand"]
    with (
        RobotRenderer(robot, hand, ROBOT_SIZE, ROBOT_SIZE) as whole,
        RobotRenderer(robot, hand, CLOSE_UP_SIZE, CLOSE_UP_SIZE) as close_up,
    ):

        def draw_robot(positions: np.ndarray) -> np.ndarray:
            picture = whole.render(positions)
            corner = picture[-CLOSE_UP_SIZE - BORDER :, -CLOSE_UP_SIZE - BORDER :]
            corner[:] = 255
            corner[BORDER:, BORDER:] = close_up.render(positions, view="hand")
            return picture

        write_demo_video(out / "demo.mp4", recording, source, draw_robot)
    write_joint_plot(out / "joints.png", recording)
    recording.save(out / "trajectory.npz")
    summary = summarize(recording)
    write_summary(summary, out / "summary.json")
    print(format_table(summary))
    print(f"Look at {out / 'demo.mp4'} and {out / 'joints.png'}.")


def main(arguments: list[str] | None = None) -> int:
    """Entry point: exit code 0, 1 with one sentence for a mistake, or 130 after Ctrl-C."""
    try:
        run(parse(arguments))
    except (AmtError, RetargetError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; nothing was written.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # rendering and DDS threads may outlive the interpreter's own end
