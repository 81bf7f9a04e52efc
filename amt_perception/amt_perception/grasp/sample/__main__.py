"""Entry point of `python -m amt_perception.grasp.sample`."""

from __future__ import annotations

import sys

from amt_perception.errors import AmtError
from amt_perception.grasp.sample.arguments import parse
from amt_retarget.errors import RetargetError


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, 1 with one sentence for a mistake, 130 for Ctrl-C."""
    try:
        options = parse(arguments)
        from amt_perception.grasp.sample.run import run  # takes a moment in which Ctrl-C counts

        run(options)
    except (AmtError, RetargetError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; nothing was written.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
