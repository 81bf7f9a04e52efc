"""Hands, objects and contacts in images, without ROS: `python -m amt_perception.infer INPUT`."""

from __future__ import annotations

import sys

from amt_perception.errors import AmtError
from amt_perception.infer.arguments import parse
from amt_perception.pipeline.interrupts import interrupt_on_sigterm


def main(arguments: list[str] | None = None) -> int:
    """Entry point: exit code 0, 1 with one sentence for a mistake, 130 for Ctrl-C or SIGTERM."""
    interrupt_on_sigterm()
    try:
        options = parse(arguments)
        from amt_perception.infer.run import run  # takes a moment in which Ctrl-C counts, too

        run(options)
    except AmtError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
