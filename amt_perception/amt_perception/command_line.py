"""What the command lines share: one sentence for a mistake, and numbers that make sense."""

from __future__ import annotations

import argparse
import math
from typing import NoReturn

from amt_perception.errors import AmtError


class OneSentenceParser(argparse.ArgumentParser):
    """Says what was wrong in one sentence, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        raise AmtError(f"{message}; --help lists all arguments.")


def positive(text: str) -> float:
    """An argument's type: a positive finite number."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0.0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive number")
    return number
