"""What is watched of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from amt_training.watch.loggers import LoggerSettings
from amt_training.watch.look import LookSettings


@dataclass(frozen=True)
class WatchSettings:
    """What is watched, and where it goes."""

    loggers: LoggerSettings = field(default_factory=LoggerSettings)
    look: LookSettings = field(default_factory=LookSettings)
