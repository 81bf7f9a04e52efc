"""Samples that cannot be read: counted, named, and too many of them are an error."""

from __future__ import annotations

import logging

from amt_perception.errors import AmtError

_log = logging.getLogger(__name__)
_NAMED = 5
"""So many are named in the log, the others are only counted."""


class Skipping:
    """Keeps account of the unreadable samples of one data set."""

    def __init__(self, name: str, total: int, limit: float) -> None:
        """name: of the data set. total: samples in it. limit: share of them that may be skipped."""
        self.name, self.total, self.limit = name, total, limit
        self._faults = 0
        self.messages: dict[int, str] = {}
        """What was wrong with each skipped sample, by its index; empty where only a label was
        missing, which is no fault and does not count against the limit."""

    def add(self, index: int, message: str) -> None:
        """Skip a sample; the same one may come again. Raises AmtError above the limit."""
        if index in self.messages:
            return
        self.messages[index] = message
        if not message:
            return
        faults = self._faults = self._faults + 1
        if faults <= _NAMED:
            _log.warning("%s: skipped %s", self.name, message)
        if faults > self.limit * self.total:
            raise AmtError(
                f"{self.name}: {faults} of {self.total} samples cannot be read, more "
                f"than the limit of {self.limit:.2%} (the last: {message}); repair the data, or "
                "raise skip_limit"
            )

    def report(self) -> None:
        """Say in the log how many there were, if any."""
        if self._faults:
            _log.warning(
                "%s: %d of %d samples could not be read and were skipped",
                self.name, self._faults, self.total,
            )  # fmt: skip
        if len(self.messages) > self._faults:
            _log.info(
                "%s: %d of %d pictures have no labelled hand",
                self.name, len(self.messages) - self._faults, self.total,
            )  # fmt: skip
