"""Pictures of hands and objects with exact truth, drawn by this program.

No data set, no licence, no download is needed. The same seed gives the same files on any number of
processes, and a command that was stopped goes on where it was when it is given again.
"""

from __future__ import annotations

import logging
import sys

from amt_perception.command_line import OneSentenceParser
from amt_perception.errors import AmtError
from amt_training.configuration import INTERRUPTED
from amt_training.synthetic import bags, check, dexycb_folder, look, realism, shards

COMMANDS = {
    "look": (look, "a picture of some scenes with their truth: begin here"),
    "shards": (shards, "pictures and truth of each hand, to train on (WebDataset)"),
    "dexycb": (dexycb_folder, "sequences from several sides in DexYCB's layout"),
    "bags": (bags, "sequences as ROS 2 bags with topics for the truth (MCAP)"),
    "check": (check, "whether pictures and truth agree: joints, depth, touches, sides"),
    "realism": (realism, "how many of our hands MediaPipe finds, and which not"),
}


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
    parser = OneSentenceParser(prog="python -m amt_training.synthetic", description=__doc__)
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
