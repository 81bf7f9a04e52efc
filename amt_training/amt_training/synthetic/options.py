"""What the commands of the synthetic world share: which part of which world, and where to."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from amt_training.data.settings import PARTS
from amt_training.synthetic.settings import WorldSettings

_USUAL = WorldSettings()


def add_world_arguments(
    parser: argparse.ArgumentParser, part: str, scenes: int | None = None, frames: int = 1
) -> None:
    """Options that say which scenes. part, scenes, frames: what they are when nobody says."""
    if scenes is None:
        counts = ", ".join(f"{getattr(_USUAL, name)} of {name}" for name in PARTS)
    else:
        counts = str(scenes)
    group = parser.add_argument_group("the world")
    group.add_argument(
        "--part", choices=PARTS, default=part,
        help="val and test have objects, hand shapes and focal lengths that train never shows "
        f"({part})",
    )  # fmt: skip
    group.add_argument(
        "--scenes", type=whole, default=scenes, metavar="N", help=f"how many ({counts})"
    )
    group.add_argument(
        "--frames", type=whole, default=frames, metavar="N",
        help=f"pictures of each scene, 30 a second; with more than one, things move ({frames})",
    )  # fmt: skip
    group.add_argument(
        "--seed", type=int, default=_USUAL.seed, metavar="N",
        help="another one gives another world, the same one the same files "
        f"({_USUAL.seed})",
    )  # fmt: skip
    group.add_argument(
        "--mesh", type=Path, action="append", default=[], metavar="FILE",
        help="an object of yours, in metres, that joins the drawn ones; may be given many times",
    )  # fmt: skip


def add_output_arguments(parser: argparse.ArgumentParser, folder: str) -> None:
    """Where to, and with how many processes."""
    processes = os.cpu_count() or 1
    parser.add_argument(
        "--out", type=Path, default=Path(folder), metavar="FOLDER", help=f"to write into ({folder})"
    )
    parser.add_argument(
        "--workers", type=processes_count, default=processes, metavar="N",
        help=f"processes; the files are the same with any number of them ({processes})",
    )  # fmt: skip


def world_settings(arguments: argparse.Namespace) -> WorldSettings:
    """The world that `add_world_arguments` describes."""
    values = {
        "frames": arguments.frames,
        "seed": arguments.seed,
        "meshes": tuple(str(path.expanduser()) for path in arguments.mesh),
    }
    if arguments.scenes is not None:
        values[arguments.part] = arguments.scenes
    return WorldSettings(**values)


def whole(text: str) -> int:
    """An argument's type: a whole number from 1."""
    return _at_least(1, text)


def processes_count(text: str) -> int:
    """An argument's type: how many processes, from 0, which works in this one."""
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {least}")
    return int(text)
