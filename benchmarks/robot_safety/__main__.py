"""Is it safe to plug into a robot?

    python -m benchmarks.robot_safety faults            about 200 injected faults over real DDS
    python -m benchmarks.robot_safety soak --minutes 60 --video FILE
    python -m benchmarks.robot_safety stops --count 1000 --video FILE

Each writes its rows to out/bench while it runs and a JSON file to docs/results at its end. Faults
and stops that were broken off go on where they were when they are started again.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from amt_perception.errors import AmtError
from amt_perception.pipeline.interrupts import interrupt_on_sigterm
from amt_perception.pipeline.table import transport_environment
from benchmarks.robot_safety.rows import RESULTS


def main() -> int:
    """Read the command line and run one of the three."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.robot_safety",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="what", required=True)
    faults = commands.add_parser("faults", help="inject faults between real processes")
    faults.add_argument("--only", default="", metavar="PATTERN", help="names that match; no report")
    soak = commands.add_parser("soak", help="run the whole pipeline for long")
    soak.add_argument("--minutes", type=float, default=60.0)
    stops = commands.add_parser("stops", help="stop the whole pipeline at random moments")
    stops.add_argument("--count", type=int, default=1000)
    stops.add_argument("--parallel", type=int, default=1, help="pipelines at a time (1)")
    for command in (soak, stops):
        command.add_argument("--video", default="sample", help="file that is played in a loop")
    for command in (faults, soak, stops):
        command.add_argument("--seed", type=int, default=0)
        command.add_argument("--out", type=Path, default=Path("out/bench"), metavar="FOLDER")
        command.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    options = parser.parse_args()
    os.environ.update(transport_environment())
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    interrupt_on_sigterm()
    words = [Path(word).name if Path(word).is_file() else word for word in sys.argv[1:]]
    command_line = shlex.join(["python", "-m", "benchmarks.robot_safety", *words])
    try:
        if options.what == "faults":
            from benchmarks.robot_safety import fault_run

            return fault_run.main(
                options.seed, options.only, options.out, options.results, command_line
            )
        if options.what == "soak":
            from benchmarks.robot_safety import soak as soak_run

            return soak_run.main(
                options.video, options.minutes, options.out, options.results, command_line
            )
        from benchmarks.robot_safety import stops as stops_run

        return stops_run.main(
            options.video, options.count, options.parallel, options.seed, options.out,
            options.results, command_line,
        )  # fmt: skip
    except KeyboardInterrupt:
        return 130
    except AmtError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
