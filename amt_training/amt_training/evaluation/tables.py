"""Tables of figures: what every protocol gives and every report prints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Value = float | int | str
"""Of a cell; a count is an int, NaN is a figure that nothing could be said about."""


@dataclass(frozen=True)
class Table:
    """Figures with the names of their columns, units included."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    """The first cell of each is its name."""
    note: str = ""
    """How the figures are meant, where their names do not say it all."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"'{self.title}' has a row of {len(row)} cells: {row}")

    def value(self, row: str, column: str) -> Value:
        """One cell. Raises KeyError when there is none of these names."""
        for cells in self.rows:
            if cells[0] == row and column in self.columns:
                return cells[self.columns.index(column)]
        raise KeyError(f"'{self.title}' has no row '{row}' with a column '{column}'")

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN and infinity, which JSON does not know, are None."""
        rows = [[_plain(cell) for cell in row] for row in self.rows]
        return {
            "title": self.title,
            "columns": list(self.columns),
            "rows": rows,
            "note": self.note,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Table:
        """The reverse of `to_json`; None becomes NaN."""
        rows = (tuple(math.nan if cell is None else cell for cell in row) for row in values["rows"])
        return cls(values["title"], tuple(values["columns"]), tuple(rows), values["note"])

    def to_markdown(self) -> str:
        """With the numbers to the right."""
        lines = [_line(self.columns), _line(["---"] + ["---:"] * (len(self.columns) - 1))]
        return "\n".join(lines + [_line([shown(cell) for cell in row]) for row in self.rows])


def shown(value: Value) -> str:
    """A cell as a person reads it: counts in groups of three digits, figures with three or four
    digits that count, a dash for what is not known."""
    if isinstance(value, str):
        return value.replace("|", r"\|")
    if isinstance(value, int):
        return f"{value:,}"
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "∞"
    if value == 0.0:
        return "0"
    digits = 1 if abs(value) >= 100.0 else 2 if abs(value) >= 1.5 else 3
    return f"{value:,.{digits}f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(value: Value) -> Value | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
