"""Functional grasps to learn from: objects with named parts, and grasps of them that hold.

No data set, no licence, no download is needed. The same seed gives the same files on any number of
processes, and a command that was stopped goes on where it was when it is given again.
"""

from __future__ import annotations

from amt_training.functional import generate
from amt_training.subcommands import run_command

COMMANDS = {"generate": (generate, "make a set to train, look at and evaluate on")}


def main(words: list[str] | None = None) -> None:
    """Run the command line. words: instead of those that the program was called with."""
    run_command("amt_training.functional", __doc__, COMMANDS, words)


if __name__ == "__main__":
    main()
