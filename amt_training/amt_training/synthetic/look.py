"""A sheet of shots: what the camera sees, the truth drawn on it, and the depth."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from amt_perception.drawing.scene import draw_contacts, draw_object
from amt_perception.drawing.skeleton import draw_skeleton
from amt_perception.drawing.text import GREY, WHITE, Colour, draw_chip
from amt_perception.estimators.interface import FrameEstimate
from amt_perception.output.files import atomic_write
from amt_training.synthetic.options import add_world_arguments, world_settings
from amt_training.synthetic.scene import (
    FIRST_OBJECT,
    LEFT_HAND,
    LEFT_SLEEVE,
    RIGHT_HAND,
    RIGHT_SLEEVE,
    Shot,
)
from amt_training.synthetic.truth import perfect_estimate
from amt_training.synthetic.world import World

TILE_COLUMNS = 320
"""Width of each of the three pictures of a shot (pixels)."""
MASK_COLOURS: dict[int, Colour] = {
    LEFT_HAND: (255, 150, 40),
    RIGHT_HAND: (40, 170, 255),
    LEFT_SLEEVE: (150, 90, 30),
    RIGHT_SLEEVE: (30, 90, 150),
}
OBJECT_COLOURS: tuple[Colour, ...] = ((120, 220, 90), (230, 90, 200), (240, 220, 80))
_MASK_OPACITY = 0.35
_GAP, _COLUMNS = 8, 2
_BACKGROUND = (30, 34, 40)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command `look`."""
    add_world_arguments(parser, part="train", scenes=12)
    parser.add_argument(
        "--out", type=Path, default=Path("out/synthetic/look.png"), metavar="FILE",
        help="picture to write (out/synthetic/look.png)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Write the sheet of all frames of all scenes."""
    world = World(world_settings(arguments), arguments.part)
    tiles = [
        tile(shot, perfect_estimate(shot, world.library), f"{scene}")
        for scene in tqdm(range(len(world)), unit="scene", desc="look")
        for shot in world.shots(scene)
    ]
    write_sheet(arguments.out, tiles)
    print(f"picture: {arguments.out}")


def tile(shot: Shot, truth: FrameEstimate, name: str) -> np.ndarray:
    """[h, 3 w, 3] uint8 RGB: the shot's picture, the truth on it, and its depth."""
    import cv2

    drawn = _tinted(shot)
    for one in truth.objects or ():
        draw_object(drawn, one, shot.camera)
    for hand in sorted(truth.hands, key=lambda hand: -hand.joints[0, 2]):
        draw_skeleton(drawn, hand)
    draw_contacts(drawn, truth.contacts or (), shot.camera)
    size = (TILE_COLUMNS, round(TILE_COLUMNS * shot.camera.height / shot.camera.width))
    pictures = [
        cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        for picture in (shot.picture.image, drawn, depth_picture(shot.picture.depth))
    ]
    nearest = min(float(hand.wrist[2]) for hand in shot.moment.hands)
    draw_chip(pictures[0], [(name, WHITE, True), (shot.activity, GREY, False)], 6, 6, 10)
    words = f"{nearest:.2f} m, focal {shot.camera.fx:.0f} px"
    draw_chip(pictures[2], [(words, GREY, False)], 6, 6, 10)
    return np.hstack(pictures)


def depth_picture(depth: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 RGB: from yellow (near) to violet (far), black where nothing is."""
    import cv2

    known = np.isfinite(depth)
    if not known.any():
        return np.zeros((*depth.shape, 3), np.uint8)
    near, far = np.percentile(depth[known], (1, 99))
    share = np.clip((far - np.where(known, depth, far)) / max(far - near, 1e-6), 0.0, 1.0)
    colours = cv2.applyColorMap(np.round(255 * share).astype(np.uint8), cv2.COLORMAP_PLASMA)
    picture: np.ndarray = colours[..., ::-1] * known[..., None].astype(np.uint8)
    return picture


def write_sheet(path: Path, tiles: Iterable[np.ndarray]) -> None:
    """Write tiles of one size as a PNG, two in a row. Raises AmtError when that cannot be done."""
    import cv2

    rows, rest = [], iter(tiles)
    while row := list(islice(rest, _COLUMNS)):
        row += [np.full_like(row[0], _BACKGROUND)] * (_COLUMNS - len(row))
        rows.append(np.hstack([_framed(one) for one in row]))
    _, data = cv2.imencode(".png", np.vstack(rows)[..., ::-1])
    with atomic_write(path) as temporary:
        temporary.write_bytes(data.tobytes())


def _framed(picture: np.ndarray) -> np.ndarray:
    widths = ((_GAP, 0), (_GAP, 0))
    return np.dstack(
        [np.pad(picture[..., i], widths, constant_values=_BACKGROUND[i]) for i in range(3)]
    )


def _tinted(shot: Shot) -> np.ndarray:
    """[H, W, 3] the picture, each hand, sleeve and object in a tint of its mask."""
    colours = np.zeros((256, 3), np.float32)
    for number, colour in MASK_COLOURS.items():
        colours[number] = colour
    for place in range(256 - FIRST_OBJECT):
        colours[FIRST_OBJECT + place] = OBJECT_COLOURS[place % len(OBJECT_COLOURS)]
    mask = shot.picture.mask
    opacity = _MASK_OPACITY * (mask > 0)[..., None].astype(np.float32)
    image = shot.picture.image + opacity * (colours[mask] - shot.picture.image)
    return np.round(image).astype(np.uint8)
