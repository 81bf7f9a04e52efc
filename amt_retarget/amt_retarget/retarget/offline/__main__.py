"""Recorded hands to robot trajectories: `python -m amt_retarget.retarget.offline`.

For every recording an .npz with the trajectory and a picture of it; one table of all. What is done
already, of the same file with the same arguments, is not done again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.offline.batch import Outcome, process_all
from amt_retarget.retarget.offline.recordings import AXES, Options
from amt_retarget.retarget.offline.sequence import CUTOFF_HZ
from amt_retarget.robot.description import ARMS, HANDS


class _Parser(argparse.ArgumentParser):
    """Says what was wrong in one sentence, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        raise RetargetError(f"{message}; --help lists all arguments.")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line. Raises RetargetError for what it does not know."""
    parser = _Parser(
        prog="python -m amt_retarget.retarget.offline",
        description="Recorded hands to smooth robot trajectories without lag.",
    )
    parser.add_argument(
        "recordings",
        type=Path,
        nargs="+",
        metavar="RECORDING.npz",
        help="joints [T, 21, 3] (m) and, unless they come at --rate, times [T] (s)",
    )
    parser.add_argument("--robot", choices=ARMS, default="ur5e")
    parser.add_argument("--hand", choices=HANDS, default="right", help="of the robot")
    parser.add_argument("--person", choices=HANDS, help="the person's hand (default: as --hand)")
    parser.add_argument(
        "--axes",
        choices=tuple(AXES),
        default="base",
        help="of the joints: the robot's base frame, or a level camera in front of the robot",
    )
    parser.add_argument("--rate", type=float, default=30.0, help="frames a second (default 30)")
    parser.add_argument(
        "--cutoff",
        type=float,
        default=CUTOFF_HZ,
        help="Hz; of swings this fast half is left: lower is smoother (default %(default)g)",
    )
    parser.add_argument("--out", type=Path, default=Path("out/offline"), help="folder of results")
    parser.add_argument("--jobs", type=int, default=1, help="recordings at the same time")
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        raise RetargetError(f"--jobs must be 1 or more, not {options.jobs}.")
    stems = [path.stem for path in options.recordings]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise RetargetError(
            f"Several recordings are named {', '.join(twice)}: their results would overwrite each "
            "other, so rename them or run them with another --out."
        )
    return options


def run(arguments: argparse.Namespace) -> int:
    """Process all recordings, print the table; returns how many failed."""
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise RetargetError("The progress bar needs tqdm: pip install tqdm") from error

    options = Options(
        robot=arguments.robot,
        hand=arguments.hand,
        person=arguments.person or arguments.hand,
        axes=arguments.axes,
        rate_hz=arguments.rate,
        cutoff_hz=arguments.cutoff,
    )
    outcomes: dict[Path, Outcome] = {}
    results = process_all(arguments.recordings, arguments.out, options, arguments.jobs)
    progress = tqdm(results, total=len(arguments.recordings), desc="retargeting", unit="recording")
    for path, outcome in progress:
        outcomes[path] = outcome
        if outcome.problem:
            progress.write(f"error: {path}: {outcome.problem}", file=sys.stderr)
    print_table({path: outcomes[path] for path in arguments.recordings})
    print(f"results: {arguments.out}")
    return sum(bool(outcome.problem) for outcome in outcomes.values())


def print_table(outcomes: dict[Path, Outcome]) -> None:
    """One row a recording."""
    head = ["recording", "frames", "no hand", "scale", "jerk rad/s^3", "error mm*", "lag ms"]
    head += ["pinches closed", "margin mm", "speed", "accel.", "s"]
    rows = [head]
    for path, outcome in outcomes.items():
        one = outcome.figures
        if one is None:
            rows.append([path.name, "failed", *[""] * (len(head) - 2)])
            continue
        closed = f"{100 * one.pinches_closed:.0f} % of {one.pinches}" if one.pinches else "-"
        rows.append(
            [
                path.name,
                str(one.frames),
                str(one.bridged),
                f"{one.scale:.2f}",
                f"{one.goal_jerk:.0f} -> {one.jerk:.0f}",
                f"{1e3 * one.tip_error_person:.1f}",
                f"{1e3 * one.lag:.1f}",
                closed,
                f"{1e3 * one.least_slack:.2f}",
                f"{100 * one.velocity_share:.0f} %",
                f"{100 * one.acceleration_share:.0f} %",
                f"{outcome.seconds:.1f}" if outcome.seconds else "done before",
            ]
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    print("* in the person's size; margin: of the distances; speed, accel.: most used of a limit")


def main(arguments: list[str] | None = None) -> None:
    """Entry point: exit code 1 when a recording failed, or with one sentence for a mistake."""
    try:
        failed = run(parse(arguments))
    except RetargetError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped: what is finished is in the folder of results.")
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
