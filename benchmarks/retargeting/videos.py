"""The video of one sequence: the person's hand, our robot and the peer's robot, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from amt_perception.drawing.text import GREY, WHITE, Colour, draw_chip, draw_text, text_size
from amt_perception.output.encoder import video_writer
from amt_retarget.robot.robot import Robot
from amt_retarget.simulation.renderer import RobotRenderer
from benchmarks.retargeting import metrics
from benchmarks.retargeting.measure import Result, Run
from benchmarks.retargeting.plots import LABELS, strip_image
from benchmarks.retargeting.robot_points import DOME_RADIUS_M, FINGERS
from benchmarks.retargeting.skeleton import SkeletonRenderer

PANEL_WIDTH, PANEL_HEIGHT = 600, 600
INSET_WIDTH, INSET_HEIGHT = 210, 160
INSET_EYE_M, INSET_TARGET_M = np.array([2.15, 1.0, 0.95]), np.array([0.2, 0.1, 0.42])
"""Where the inset's camera stands and what it looks at, base frame."""
HEADER_HEIGHT = 52
STRIP_HEIGHT = 180
GAP = 4
MARGIN = 14
LETTERS = 17
SECOND_ROW = MARGIN + 40
BOTTOM_ROW = PANEL_HEIGHT - MARGIN - 32
BACKGROUND: Colour = (16, 20, 26)
GREEN: Colour = (88, 214, 141)
RED: Colour = (255, 107, 107)
CURSOR: Colour = (22, 32, 44)
PEER = "dexpilot"
"""The peer's method that closes pinches."""
NO_ARM = "fingers only: the arm is ours"


def write_video(path: Path, result: Result, robot: Robot) -> None:
    """Write the MP4, at the sequence's own rate."""
    sequence, live, peer = result.sequence, result.runs["live"], result.runs[PEER]
    arm = len(robot.arm_joint_names)
    peer_positions = np.hstack([live.positions[:, :arm], peer.positions[:, arm:]])
    width = 3 * PANEL_WIDTH + 2 * GAP
    height = HEADER_HEIGHT + PANEL_HEIGHT + STRIP_HEIGHT
    strip, first, last = strip_image(result, width, STRIP_HEIGHT)
    page = np.full((height, width, 3), BACKGROUND, np.uint8)
    _draw_header(page, result)

    person = SkeletonRenderer(PANEL_WIDTH, PANEL_HEIGHT)
    hands = RobotRenderer(robot.arm, robot.hand, PANEL_WIDTH, PANEL_HEIGHT)
    whole = RobotRenderer(
        robot.arm, robot.hand, INSET_WIDTH, INSET_HEIGHT, camera_pose=_inset_camera()
    )
    pinches = metrics.human_pinches(sequence.joints)
    try:
        with video_writer(path, width, height, sequence.rate_hz) as write:
            frames = tqdm(range(len(sequence.joints)), desc=path.name, unit="frame")
            for t in frames:
                ours = hands.render(live.positions[t], "hand").copy()
                _draw_inset(ours, whole.render(live.positions[t], "robot"))
                panels = (
                    _person_panel(person.render(sequence.joints[t]).copy(), pinches[t]),
                    _robot_panel(ours, LABELS["live"], live, t, pinches[t]),
                    _robot_panel(
                        hands.render(peer_positions[t], "hand").copy(),
                        LABELS[PEER],
                        peer,
                        t,
                        pinches[t],
                    ),
                )
                draw_chip(panels[2], [(NO_ARM, GREY, False)], MARGIN, BOTTOM_ROW, LETTERS)
                frame = page.copy()
                for column, panel in enumerate(panels):
                    left = column * (PANEL_WIDTH + GAP)
                    rows = slice(HEADER_HEIGHT, HEADER_HEIGHT + PANEL_HEIGHT)
                    frame[rows, left : left + PANEL_WIDTH] = panel
                frame[-STRIP_HEIGHT:] = strip
                x = round(first + (last - first) * t / max(len(sequence.joints) - 1, 1))
                frame[-STRIP_HEIGHT + 26 : -28, x - 1 : x + 1] = CURSOR
                write(frame, sequence.times[t])
    finally:
        for renderer in (person, hands, whole):
            renderer.close()


def _draw_header(page: np.ndarray, result: Result) -> None:
    draw_text(page, result.sequence.name, MARGIN + 6, 13, 22, WHITE, bold=True)
    parts = []
    for name in ("live", PEER):
        figures = result.figures["methods"][name]
        parts.append(
            f"{LABELS[name]}: {1e3 * figures['tip_error_person']:.1f} mm, "
            f"lag {1e3 * figures['lag']:.0f} ms"
        )
    text = "      ".join(parts)
    width, _ = text_size(text, LETTERS)
    draw_text(page, text, page.shape[1] - MARGIN - 6 - width, 17, LETTERS, GREY)


def _person_panel(panel: np.ndarray, pinches: np.ndarray) -> np.ndarray:
    draw_chip(panel, [("person", WHITE, True)], MARGIN, MARGIN, LETTERS)
    if pinches.any():
        fingers = [name for name, touches in zip(FINGERS[1:], pinches, strict=True) if touches]
        text = f"thumb touches {' and '.join(fingers)}"
        draw_chip(panel, [(text, WHITE, False)], MARGIN, SECOND_ROW, LETTERS)
    return panel


def _robot_panel(
    panel: np.ndarray, label: str, run: Run, t: int, pinches: np.ndarray
) -> np.ndarray:
    error = np.linalg.norm(run.points.tips[t] - run.targets[t], axis=-1).mean() / run.scale
    parts = [(label, WHITE, True), (f"{1e3 * error:.0f} mm", GREY, False)]
    draw_chip(panel, parts, MARGIN, MARGIN, LETTERS)
    if pinches.any():
        distance = metrics.pinch_distances(run.points.centres[t][None])[0][pinches].max()
        gap = 1e3 * (distance - 2.0 * DOME_RADIUS_M)
        closed = distance < metrics.CLOSED_M
        text = "touches" if closed else f"{gap:.0f} mm open"
        draw_chip(panel, [(text, GREEN if closed else RED, True)], MARGIN, SECOND_ROW, LETTERS)
    return panel


def _draw_inset(panel: np.ndarray, inset: np.ndarray) -> None:
    """The whole robot, in the lower left corner, with a thin frame."""
    top, left = PANEL_HEIGHT - MARGIN - INSET_HEIGHT, MARGIN
    panel[top - 2 : top + INSET_HEIGHT + 2, left - 2 : left + INSET_WIDTH + 2] = BACKGROUND
    panel[top : top + INSET_HEIGHT, left : left + INSET_WIDTH] = inset


def _inset_camera() -> np.ndarray:
    """[4, 4] pose in the base frame of a level camera (OpenCV axes) that sees all of the reach."""
    forward = INSET_TARGET_M - INSET_EYE_M
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([right, np.cross(forward, right), forward])
    pose[:3, 3] = INSET_EYE_M
    return pose
