"""Programs of several commands: one sentence for a mistake, and Ctrl-C says how to go on."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping
from typing import Protocol

from amt_perception.command_line import OneSentenceParser
from amt_perception.errors import AmtError
from amt_training.configuration import INTERRUPTED


class Command(Protocol):
    """A module that is one command; its docstring describes it."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The command's own."""

    def run(self, arguments: argparse.Namespace) -> None:
        """Do it. Raises AmtError for a user's mistake."""


def run_command(
    program: str,
    description: str | None,
    commands: Mapping[str, tuple[Command, str]],
    words: list[str] | None,
) -> None:
    """Run the command that the words name; those that the program was called with, where None.

    commands: by name, each with its purpose in a few words.
    """
    try:
        parser = OneSentenceParser(prog=f"python -m {program}", description=description)
        choices = parser.add_subparsers(metavar="COMMAND", required=True)
        for name, (command, purpose) in commands.items():
            chosen = choices.add_parser(name, help=purpose, description=command.__doc__)
            command.add_arguments(chosen)
            chosen.set_defaults(run=command.run)
        arguments = parser.parse_args(words)
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        arguments.run(arguments)
    except AmtError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        sys.exit(INTERRUPTED)
