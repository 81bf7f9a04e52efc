"""Retargeting against the peers: `python -m benchmarks.retargeting [--data FOLDER]`.

FOLDER holds videos/hand_right.joints.npz and sequences/dexmv_mustard.npz; without it only the two
generated sequences run. Prints tables; writes retarget.json, and for each sequence a plot and a
video under retarget/, into the output folder. The first run fetches the peers from PyPI.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from amt_perception.errors import AmtError
from amt_retarget.errors import RetargetError
from amt_retarget.robot.robot import Robot
from amt_retarget.simulation.engine import import_mujoco
from benchmarks.retargeting import report
from benchmarks.retargeting.collisions import CollisionCheck
from benchmarks.retargeting.measure import measure
from benchmarks.retargeting.peers import add_peers
from benchmarks.retargeting.plots import write_plot
from benchmarks.retargeting.sequences import GENERATED, NAMES, load
from benchmarks.retargeting.videos import write_video


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with videos/ and sequences/")
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--no-videos", action="store_true", help="figures and plots only")
    parser.add_argument("--sequences", nargs="+", choices=NAMES, help="default: all there are")
    options = parser.parse_args()
    names = options.sequences or (GENERATED if options.data is None else NAMES)
    try:
        run(list(names), options.data, options.out, videos=not options.no_videos)
    except (AmtError, RetargetError) as error:
        sys.exit(f"error: {error}")


def run(names: list[str], data: Path | None, out: Path, videos: bool) -> None:
    """Measure the named sequences and write everything into `out`."""
    import_mujoco()  # before a peer does: only the first import can choose how it draws
    add_peers(out / "peers")
    sequences = [load(name, data) for name in names]
    robot = Robot.load("ur5e", "right")
    check = CollisionCheck(robot)
    results = [measure(robot, check, sequence, out) for sequence in sequences]
    figures = report.summary({one.sequence.name: one.figures for one in results})
    report.print_tables(figures)
    report.write(figures, out / "retarget.json")
    print(f"written: {out / 'retarget.json'}")
    for result in results:
        path = out / "retarget" / result.sequence.name
        write_plot(path.with_suffix(".png"), result, robot)
        if videos:
            write_video(path.with_suffix(".mp4"), result, robot)
    print(f"written: {out / 'retarget'}")


if __name__ == "__main__":
    main()
