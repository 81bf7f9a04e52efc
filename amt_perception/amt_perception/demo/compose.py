"""Puts the input with the drawn hands and the robot side by side into the demo's video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from amt_perception.camera.sources import Frame, ImageSource
from amt_perception.demo.recording import Recording, RetargetState
from amt_perception.demo.summary import summarize
from amt_perception.drawing.overlay import draw_overlay
from amt_perception.drawing.text import (
    GREY,
    WHITE,
    Colour,
    draw_chip,
    draw_text,
    letter_size,
    text_size,
)
from amt_perception.errors import AmtError
from amt_perception.output.encoder import video_writer

PANEL_HEIGHT = 720
HEADER_HEIGHT = 56
HEADER_SIZE = 22
HEADER_TOP = 15
TIMELINE_HEIGHT = 8
TIMELINE_EMPTY: Colour = (78, 86, 96)
BACKGROUND: Colour = (16, 20, 26)
ACCENT: Colour = (64, 186, 255)
STATE_COLOURS: dict[RetargetState, Colour] = {
    RetargetState.INACTIVE: GREY,
    RetargetState.HOLD: (255, 196, 61),
    RetargetState.RAMP: (64, 186, 255),
    RetargetState.TRACK: (88, 214, 141),
    RetargetState.FAULT: (255, 107, 107),
}


def write_demo_video(
    path: Path,
    recording: Recording,
    source: ImageSource,
    render_robot: Callable[[np.ndarray], np.ndarray],
) -> None:
    """Write the demo's MP4: the input with its hands left, the robot right, at the input's times.

    source: the recorded video again; its frames are matched to the recording by time, and the
    video ends with the last recorded frame. render_robot: joint positions [J] (rad, in the order
    of `recording.joint_names`) to a picture [H, W, 3] uint8 RGB, always of one size. The robot is
    shown as measured, interpolated at the frame's time. Nothing is left behind under `path` on an
    error or Ctrl-C. Raises AmtError when the recording has no frames or joint states, when the
    source breaks, or when the video cannot be written.
    """
    from tqdm import tqdm

    if len(recording.frame_times) == 0 or len(recording.joint_state_times) == 0:
        raise AmtError("The recording has no frames or no joint states: there is nothing to show.")
    robot = _RobotPanel(recording, render_robot)
    page = _Page(recording, source, robot.width)
    end = recording.frame_times[-1] + 0.5 / source.frame_rate
    with (
        video_writer(path, page.width, page.height, source.frame_rate) as write,
        tqdm(total=len(recording.frame_times), desc=path.name, unit="frame") as progress,
    ):
        for frame in source:
            if frame.time_s > end:
                break
            write(page.draw(frame, robot.draw(frame.time_s)), frame.time_s)
            progress.update()


class _RobotPanel:
    """The robot's picture at any time, scaled to the panel's height."""

    def __init__(
        self, recording: Recording, render_robot: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        self._recording = recording
        self._render = render_robot
        self._picture = self._rendered(recording.joint_state_positions[0])
        self.width = self._picture.shape[1]

    def _rendered(self, positions: np.ndarray) -> np.ndarray:
        return _scaled(self._render(positions), PANEL_HEIGHT)

    def draw(self, time_s: float) -> np.ndarray:
        """The robot with its state; the last picture, darkened, while its positions are unknown."""
        positions = self._recording.robot_positions_at(np.array([time_s]))[0]
        known = bool(np.all(np.isfinite(positions)))
        if known:
            self._picture = self._rendered(positions)
        panel = self._picture.copy() if known else self._picture // 3
        size = letter_size(PANEL_HEIGHT)
        draw_chip(panel, [(self._recording.meta["robot"], WHITE, False)], size, size, size)
        state = self._state(time_s) if known else [("no robot state", GREY, False)]
        draw_chip(panel, state, size, PANEL_HEIGHT - size - round(1.7 * size), size)
        return panel

    def _state(self, time_s: float) -> list[tuple[str, Colour, bool]]:
        """What the retargeter said with its last command before the time."""
        last = int(np.searchsorted(self._recording.command_times, time_s, side="right")) - 1
        if last < 0:
            return [("no command yet", GREY, False)]
        state = RetargetState(int(self._recording.command_state[last]))
        parts = [(state.name, STATE_COLOURS[state], True)]
        residual = self._recording.tip_residual[last]
        if state == RetargetState.TRACK and np.all(np.isfinite(residual)):
            parts.append((f"tip error {1e3 * residual.mean():.0f} mm", WHITE, False))
        return parts


class _Page:
    """Header, the two panels and a timeline that shows where a hand was seen."""

    def __init__(self, recording: Recording, source: ImageSource, robot_width: int) -> None:
        self._recording = recording
        self._source_name = source.name
        self._half_period = 0.5 / source.frame_rate
        self._input_width = round(source.width * PANEL_HEIGHT / source.height)
        self.width = (self._input_width + robot_width + 1) // 2 * 2  # H.264 wants even sizes
        self.height = HEADER_HEIGHT + PANEL_HEIGHT + TIMELINE_HEIGHT
        self._blank = np.full((self.height, self.width, 3), BACKGROUND, np.uint8)
        title = f"Human hand to {recording.meta['robot']}, {recording.meta['hand']} hand"
        draw_text(self._blank, title, HEADER_SIZE, HEADER_TOP, HEADER_SIZE, WHITE, bold=True)
        self._title_end = 2 * HEADER_SIZE + text_size(title, HEADER_SIZE, bold=True)[0]
        self._figures = _figures(recording)
        columns = np.linspace(recording.frame_times[0], recording.frame_times[-1], self.width)
        seen = recording.hand_tracked[[self._recorded_frame(time) for time in columns]]
        self._timeline = np.where(seen[:, None], ACCENT, TIMELINE_EMPTY).astype(np.uint8)

    def draw(self, frame: Frame, robot: np.ndarray) -> np.ndarray:
        """[height, width, 3] uint8 RGB."""
        page = self._blank.copy()
        end = self._recording.frame_times[-1]
        time = f"{frame.time_s:.1f} / {end:.1f} s"
        for text in (self._figures + time, time):
            left = self.width - HEADER_SIZE - text_size(text, HEADER_SIZE)[0]
            if left > self._title_end:  # above a narrow video there is only room for the time
                draw_text(page, text, left, HEADER_TOP, HEADER_SIZE, GREY)
                break
        panels = page[HEADER_HEIGHT : HEADER_HEIGHT + PANEL_HEIGHT]
        panels[:, : self._input_width] = self._input_panel(frame)
        panels[:, self._input_width : self._input_width + robot.shape[1]] = robot
        panels[:, self._input_width - 1 : self._input_width + 1] = BACKGROUND
        timeline = page[HEADER_HEIGHT + PANEL_HEIGHT :]
        start = self._recording.frame_times[0]
        part = (frame.time_s - start) / max(end - start, 1e-9)
        played = round(self.width * min(max(part, 0.0), 1.0))
        timeline[:, played:] = self._timeline[played:] // 3
        timeline[:, :played] = self._timeline[:played]
        timeline[:, max(0, played - 2) : played + 2] = WHITE
        return page

    def _input_panel(self, frame: Frame) -> np.ndarray:
        """The image with its hands and where it comes from."""
        index = self._recorded_frame(frame.time_s)
        recorded = abs(self._recording.frame_times[index] - frame.time_s) <= self._half_period
        answered = recorded and not self._recording.dropped[index]
        hands = self._recording.hands(index) if answered else []
        note = "no hand" if answered else "frame not answered"
        drawn = draw_overlay(frame.image, hands, frame.time_s, note)
        panel = _scaled(drawn, PANEL_HEIGHT)
        size = letter_size(PANEL_HEIGHT)
        estimator = self._recording.meta["estimator"]
        draw_chip(
            panel, [(self._source_name, WHITE, False), (estimator, GREY, False)], size, size, size
        )
        return panel

    def _recorded_frame(self, time_s: float) -> int:
        """Index of the recorded frame nearest in time."""
        return int(np.argmin(np.abs(self._recording.frame_times - time_s)))


def _figures(recording: Recording) -> str:
    """Rate and latency of the whole run, as far as they are known."""
    summary = summarize(recording)
    rate, latency = summary["rate_hz"], summary["latency_ms"]["p50"]
    parts = [] if rate is None else [f"{rate:.1f} Hz"]
    parts += [] if latency is None else [f"{latency:.0f} ms latency"]
    return "".join(f"{part}     " for part in parts)


def _scaled(image: np.ndarray, height: int) -> np.ndarray:
    """The image at this height, in its proportions."""
    import cv2

    rows, columns = image.shape[:2]
    if rows == height:
        return image
    size = (round(columns * height / rows), height)
    return cv2.resize(
        image, size, interpolation=cv2.INTER_AREA if rows > height else cv2.INTER_LINEAR
    )
