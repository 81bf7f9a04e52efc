"""Turns a recording into what a person looks at: a video, a plot and a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from amt_perception.camera.sources import ImageSource
from amt_perception.demo.compose import write_demo_video
from amt_perception.demo.plots import write_joint_plot
from amt_perception.demo.recording import Recording
from amt_perception.demo.summary import format_table, summarize, write_summary
from amt_perception.output.files import atomic_folder
from amt_perception.pipeline.interrupts import uninterrupted
from amt_retarget.simulation.renderer import RobotRenderer

ROBOT_SIZE = 720
CLOSE_UP_SIZE = 280
BORDER = 3
"""Sides of the robot's picture in demo.mp4 and of the close-up of its hand in the corner (px)."""


def write_results(recording: Recording, source: ImageSource, out: Path) -> None:
    """Write demo.mp4, joints.png, trajectory.npz and summary.json, all or none; print the table.

    source: the recorded video again. Raises AmtError or RetargetError when one of them cannot be
    made; what was in `out` before is then unchanged.
    """
    summary = summarize(recording)
    with atomic_folder(out) as folder:
        _write_video(folder / "demo.mp4", recording, source)
        write_joint_plot(folder / "joints.png", recording)
        recording.save(folder / "trajectory.npz")
        write_summary(summary, folder / "summary.json")
    print(format_table(summary))
    if len(recording.command_times) == 0:
        hand = recording.meta["hand"]
        other = " Try the other one with --hand." if recording.hand_tracked.any() else ""
        print(f"No {hand} hand was seen, so the robot was sent no command.{other}")
    print(f"Look at {out / 'demo.mp4'} and {out / 'joints.png'}.")


def _write_video(path: Path, recording: Recording, source: ImageSource) -> None:
    robot, hand = recording.meta["robot"], recording.meta["hand"]
    with (
        RobotRenderer(robot, hand, ROBOT_SIZE, ROBOT_SIZE) as whole,
        RobotRenderer(robot, hand, CLOSE_UP_SIZE, CLOSE_UP_SIZE) as close_up,
    ):

        def draw_robot(positions: np.ndarray) -> np.ndarray:
            with uninterrupted():  # OpenGL is called by ctypes
                picture = whole.render(positions)
                hand_picture = close_up.render(positions, view="hand")
            corner = picture[-CLOSE_UP_SIZE - BORDER :, -CLOSE_UP_SIZE - BORDER :]
            corner[:] = 255
            corner[BORDER:, BORDER:] = hand_picture
            return picture

        write_demo_video(path, recording, source, draw_robot)
