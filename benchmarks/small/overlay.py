"""The model's hands and MediaPipe's side by side, as a video and as still pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.camera.sources import open_source
from amt_perception.drawing.overlay import draw_estimate, draw_overlay
from amt_perception.drawing.text import GREY, WHITE, draw_text, text_size
from amt_perception.estimators.interface import FrameEstimate
from amt_perception.hand.mano_files import hand_faces
from amt_perception.metrics.pose import procrustes_mpjpe
from amt_perception.output.encoder import video_writer
from amt_perception.output.files import atomic_write
from benchmarks.small.video_figures import same_hands
from benchmarks.small.videos import Paint

PANEL_WIDTH = 800
HEADING, GAP, LETTERS = 44, 4, 18
BACKGROUND = (22, 26, 32)
JPEG_QUALITY = 88


@contextmanager
def painter(path: Path, clip: Path, stills: dict[int, Path]) -> Iterator[Paint]:
    """Gives the block what it calls with every frame of the clip; afterwards the video is there.

    stills: files of the frames to keep as pictures, too, by number. Raises AmtError when a file
    cannot be written.
    """
    with open_source(str(clip)) as source:
        width, height, rate = source.width, source.height, source.frame_rate
    panel_height = round(PANEL_WIDTH * height / width / 2) * 2
    number = 0
    size = (2 * PANEL_WIDTH + GAP, HEADING + panel_height)
    with video_writer(path, *size, rate) as write:

        def paint(
            image: np.ndarray,
            ours: FrameEstimate,
            theirs: FrameEstimate,
            camera: Intrinsics,
            time_s: float,
        ) -> None:
            nonlocal number
            page = side_by_side(image, ours, theirs, camera, time_s, panel_height)
            write(page, time_s)
            if number in stills:
                write_jpeg(stills[number], page)
            number += 1

        yield paint


def side_by_side(
    image: np.ndarray,
    ours: FrameEstimate,
    theirs: FrameEstimate,
    camera: Intrinsics,
    time_s: float,
    panel_height: int,
) -> np.ndarray:
    """[HEADING + panel_height, 2 PANEL_WIDTH + GAP, 3] uint8 RGB picture."""
    import cv2

    panels = (
        draw_estimate(image, ours, camera, hand_faces(), time_s),
        draw_overlay(image, theirs.hands, time_s),
    )
    page = np.full((HEADING + panel_height, 2 * PANEL_WIDTH + GAP, 3), BACKGROUND, np.uint8)
    pairs = same_hands(ours.hands, theirs.hands)
    apart = [1e3 * float(procrustes_mpjpe(a.joints, b.joints)) for a, b in pairs]
    notes = (", ".join(f"{one:.1f} mm from MediaPipe (PA)" for one in apart), "")
    for place, (panel, title, note) in enumerate(
        zip(panels, ("AMT small", "MediaPipe, fitted hand"), notes, strict=True)
    ):
        left = place * (PANEL_WIDTH + GAP)
        page[HEADING:, left : left + PANEL_WIDTH] = cv2.resize(
            panel, (PANEL_WIDTH, panel_height), interpolation=cv2.INTER_AREA
        )
        draw_text(page, title, left + 14, 11, LETTERS, WHITE, bold=True)
        begin = left + 14 + text_size(title, LETTERS, bold=True)[0] + 18
        draw_text(page, note, begin, 12, LETTERS - 2, GREY)
    return page


def write_jpeg(path: Path, picture: np.ndarray) -> None:
    """Write [H, W, 3] uint8 RGB. Raises AmtError when that cannot be done."""
    import cv2

    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    with atomic_write(path) as temporary:
        temporary.write_bytes(data.tobytes())
