"""Functional grasps to learn from: objects with named parts, and grasps of them that hold.

No data set, no licence, no download is needed. The same seed gives the same files on any number of
processes, and a command that was stopped goes on where it was when it is given again.
"""

from __future__ import annotations

import logging
import sys

from amt_perception.command_line import OneSentenceParser
from amt_perception.errors import AmtError
from amt_training.configuration import INTERRUPTED
from amt_training.functional import generate

COMMANDS = {"generate": (generate, "make a set to train, look at and evaluate on")}


def main(words: list[str] | None = None) -> None:
    """Run the command line. words: instead of those that the program was called with."""
    try:
        run(words)
    except AmtError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        sys.exit(INTERRUPTED)


def run(words: list[str] | None) -> None:
    """The command that the words name. Raises AmtError for a user's mistake."""
    parser = OneSentenceParser(prog="python -m amt_training.functional", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (module, purpose) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    arguments = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments.run(arguments)


if __name__ == "__main__":
    main()
