"""Errors that a user can cause. Their message is one sentence: what was wrong and what to do."""

from __future__ import annotations


class AmtError(Exception):
    """A user's mistake or a missing thing; programs print the message and exit with code 1."""
