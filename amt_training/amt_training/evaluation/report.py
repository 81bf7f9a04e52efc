"""The report of an evaluation: results.json, a page of Markdown, and its pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.metrics.curves import Curve
from amt_perception.output.files import atomic_write
from amt_training.evaluation.hands import ALIGNMENTS
from amt_training.evaluation.plots import write_comparison
from amt_training.evaluation.tables import Table, Value, shown

FORMAT, VERSION = "amt_evaluation", 1
RESULTS, PAGE, OVERVIEW, SAMPLES = "results.json", "README.md", "overview.png", "samples.png"
"""Names of the report's files; a README.md is what GitHub shows of a folder."""
_NAMES_SHOWN = 20
_LONGEST = 12
"""Rows of a table; a longer one is folded away."""


@dataclass(frozen=True)
class Origin:
    """What the figures are about; stands under every table."""

    checkpoint: str
    """Name of the model."""
    training_split: str
    """What the model was trained on, such as 'DexYCB s0 train'."""
    evaluation_split: str
    """`HandDataset.name`."""
    box_source: str
    """truth, or the detector's name."""
    entries: int
    """Samples of the data set."""
    evaluated: int
    """Those that the figures are about; the difference is corrupt or missed."""
    corrupt: tuple[str, ...] = ()
    """Why each unreadable sample could not be read."""
    missed: tuple[str, ...] = ()
    """Names of the samples in which the detector found no hand."""
    hand_model: str = ""
    """The hand model of the labels' meshes; empty for none."""

    @property
    def unlabelled(self) -> int:
        """Samples whose hand nobody labelled: there is nothing to judge."""
        return self.entries - self.evaluated - len(self.corrupt) - len(self.missed)

    @property
    def caption(self) -> str:
        """One line."""
        return (
            f"Evaluated on {self.evaluation_split}: {self.evaluated:,} of {self.entries:,} samples "
            f"({len(self.corrupt):,} unreadable, {len(self.missed):,} without a detected hand, "
            f"{self.unlabelled:,} without a labelled one) · "
            f"boxes: {self.box_source} · trained on: {self.training_split} · model: "
            f"{self.checkpoint}"
        )


@dataclass(frozen=True)
class Results:
    """Everything that results.json holds."""

    origin: Origin
    hands: tuple[Table, ...]
    objects: tuple[Table, ...]
    contacts: tuple[Table, ...]
    curves: tuple[Curve, ...]
    """PCK over 0 to 50 mm, for each of ALIGNMENTS."""

    def value(self, title: str, row: str, column: str) -> Value:
        """One cell of a table. Raises KeyError when it is not there."""
        for table in (*self.hands, *self.objects, *self.contacts):
            if table.title == title:
                return table.value(row, column)
        raise KeyError(f"there is no table '{title}'")

    def save(self, path: Path) -> None:
        """Write results.json, all or nothing. Raises AmtError when it cannot be written."""
        values = {
            "format": FORMAT,
            "version": VERSION,
            "origin": asdict(self.origin),
            **{name: [table.to_json() for table in getattr(self, name)] for name in _GROUPS},
            "curves": {
                name: {"thresholds_m": curve.thresholds.tolist(),
                       "share": [None if np.isnan(one) else one for one in curve.share.tolist()]}
                for name, curve in zip(ALIGNMENTS, self.curves, strict=True)
            },
        }  # fmt: skip
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(values, indent=1, allow_nan=False, ensure_ascii=False)
                                 + "\n", encoding="utf-8")  # fmt: skip

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read what `save` wrote. Raises AmtError when the file is missing or something else."""
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if values["format"] != FORMAT or values["version"] != VERSION:
                raise ValueError(f"it is {values['format']} {values['version']}")
            known = {one.name for one in fields(Origin)}
            origin: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v
                      for k, v in values["origin"].items() if k in known}  # fmt: skip
            groups = {name: tuple(Table.from_json(one) for one in values[name]) for name in _GROUPS}
            curves = [values["curves"][name] for name in ALIGNMENTS]
            return cls(
                Origin(**origin),
                curves=tuple(
                    Curve(np.array(one["thresholds_m"]), np.array(one["share"], dtype=float))
                    for one in curves
                ),
                **groups,
            )
        except OSError as error:
            raise AmtError(f"Cannot read {path}: {error.strerror}.") from error
        except (KeyError, TypeError, ValueError) as error:
            raise AmtError(
                f"{path} is not the results.json of an evaluation ({error}); give the file that "
                "amt_training.evaluate wrote"
            ) from error


_GROUPS = ("hands", "objects", "contacts")


def page(results: Results, published: Table | None, with_samples: bool) -> str:
    """The page of Markdown that stands beside the pictures.

    published: figures of others for this very split; None for none. with_samples: is there a
    picture of samples?
    """
    origin = results.origin
    joints, *more = results.hands
    parts = [
        f"# {origin.checkpoint} on {origin.evaluation_split}",
        _about(origin),
        "## Hands",
        *_table(joints, origin),
        f"![Share of correct joints, errors by joint and by distance, confidence]({OVERVIEW})",
    ]
    if published is not None:
        parts += [f"### {published.title}", published.to_markdown(), f"<sub>{published.note}</sub>"]
    for table in more:
        section = _table(table, origin)
        if len(table.rows) > _LONGEST:
            section = [f"<details><summary>{table.title}</summary>", *section[1:], "</details>"]
        parts += section
    for heading, tables in (("Objects", results.objects), ("Contacts", results.contacts)):
        if tables:
            parts.append(f"## {heading}")
        for table in tables:
            parts += _table(table, origin)
    if with_samples:
        parts += [
            "## Samples",
            "Left the truth, right the estimate; the figures are the mean errors over the joints: "
            "absolute, wrist-relative, and after a proper Procrustes alignment.",
            f"![Typical and worst samples]({SAMPLES})",
            f"<sub>{origin.caption}</sub>",
        ]
    for what, names in (
        ("Samples that could not be read", origin.corrupt),
        ("Samples without a detected hand", origin.missed),
    ):
        if names:
            parts.append(_folded(what, names))
    return "\n\n".join(parts) + "\n"


def compare(paths: Sequence[Path], out: Path) -> str:
    """Runs side by side: writes README.md and comparison.png to the folder, returns the page.

    paths: results.json files. Raises AmtError when one cannot be read or a file not be written.
    """
    runs = [Results.load(path) for path in paths]
    if not runs:
        raise AmtError("there is nothing to compare; give the results.json files of evaluations")
    names = [_unique(run.origin, runs) for run in runs]
    splits = {(run.origin.evaluation_split, run.origin.box_source, run.origin.evaluated)
              for run in runs}  # fmt: skip
    parts = ["# Evaluations side by side"]
    if len(splits) > 1:
        parts.append(
            "**The rows differ in evaluation split, boxes or number of samples: figures of "
            "different rows do not belong together.**"
        )
    rows = tuple(_compared(name, run) for name, run in zip(names, runs, strict=True))
    used = [k for k in range(len(_COMPARED_COLUMNS)) if any(_known(row[k]) for row in rows)]
    table = Table(
        "Comparison",
        tuple(_COMPARED_COLUMNS[k] for k in used),
        tuple(tuple(row[k] for k in used) for row in rows),
    )
    parts += [table.to_markdown(), "![Share of correct joints](comparison.png)"]
    text = "\n\n".join(parts) + "\n"
    curves = [(name, run.curves) for name, run in zip(names, runs, strict=True)]
    write_comparison(out / "comparison.png", curves)
    with atomic_write(out / PAGE) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return text


_COMPARED = (
    *(("Joints", name, "MPJPE (mm)", f"{name} (mm)") for name in ALIGNMENTS),
    ("Joints", ALIGNMENTS[3], "AUC 0-50 mm", "AUC, official"),
    ("Mesh", ALIGNMENTS[0], "MPVPE (mm)", "MPVPE (mm)"),
    ("Mesh", ALIGNMENTS[3], "MPVPE (mm)", "PA-MPVPE, official (mm)"),
    ("Motion", "acceleration error (mm/frame²)", "mean", "acceleration (mm/frame²)"),
    ("Object poses", "all", "ADD-S (mm)", "ADD-S (mm)"),
    ("Objects found", "all", "F1 (%)", "objects F1 (%)"),
    ("Contact of the hand's parts", "all", "F1 (%)", "contact F1 (%)"),
)
"""Table, row and column of each figure, and its name in a comparison."""
_COMPARED_COLUMNS = ("run", "evaluated on", "samples", "boxes", "trained on",
                     *(name for *_, name in _COMPARED))  # fmt: skip


def _compared(name: str, run: Results) -> tuple[Value, ...]:
    origin = run.origin
    figures: list[Value] = []
    for title, row, column, _ in _COMPARED:
        try:
            figures.append(run.value(title, row, column))
        except KeyError:  # a run without meshes, objects or contacts
            figures.append(float("nan"))
    return (name, origin.evaluation_split, origin.evaluated, origin.box_source,
            origin.training_split, *figures)  # fmt: skip


def _known(value: Value) -> bool:
    return shown(value) not in ("", "-")


def _unique(origin: Origin, runs: Sequence[Results]) -> str:
    """The checkpoint's name, with what tells its runs apart."""
    same = [run.origin for run in runs if run.origin.checkpoint == origin.checkpoint]
    parts = [origin.checkpoint]
    for name in ("evaluation_split", "box_source"):
        if len({getattr(one, name) for one in same}) > 1:
            parts.append(getattr(origin, name))
    return ", ".join(parts)


def _about(origin: Origin) -> str:
    rows: list[tuple[Value, ...]] = [
        ("model", origin.checkpoint),
        ("trained on", origin.training_split),
        ("evaluated on", origin.evaluation_split),
        ("hand boxes", origin.box_source),
        ("samples", f"{origin.evaluated:,} of {origin.entries:,}"),
        ("unreadable", len(origin.corrupt)),
        ("without a detected hand", len(origin.missed)),
        ("without a labelled hand", origin.unlabelled),
    ]
    if origin.hand_model:
        rows.append(("hand model of the meshes", origin.hand_model))
    return Table("About", ("about", ""), tuple(rows)).to_markdown()


def _table(table: Table, origin: Origin) -> list[str]:
    small = " ".join(part for part in (table.note, f"{origin.caption}.") if part)
    return [f"### {table.title}", table.to_markdown(), f"<sub>{small}</sub>"]


def _folded(what: str, names: Sequence[str]) -> str:
    lines = [f"- `{name}`" for name in names[:_NAMES_SHOWN]]
    if len(names) > _NAMES_SHOWN:
        lines.append(f"- and {len(names) - _NAMES_SHOWN:,} more, see {RESULTS}")
    body = "\n".join(lines)
    return f"<details><summary>{what}: {len(names):,}</summary>\n\n{body}\n\n</details>"
