"""python -m amt_training.evaluation FOLDER FOLDER ...: evaluations side by side."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from amt_perception.errors import AmtError
from amt_training.evaluation.report import PAGE, RESULTS, compare


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m amt_training.evaluation", description=__doc__)
    parser.add_argument(
        "evaluations", type=Path, nargs="+", help="folders that amt_training.evaluate has written"
    )
    parser.add_argument("--out", type=Path, default=Path("out/comparison"), help="folder")
    arguments = parser.parse_args()
    try:
        print(compare([folder / RESULTS for folder in arguments.evaluations], arguments.out))
    except AmtError as error:
        sys.exit(str(error))
    print(f"page: {arguments.out / PAGE}")


if __name__ == "__main__":
    main()
