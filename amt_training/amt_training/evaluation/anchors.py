"""Published figures on DexYCB's s0 test split, to be read with care beside one's own."""

from __future__ import annotations

from amt_training.evaluation.tables import Table

SPLIT = "DexYCB s0 test"
"""`HandDataset.name` of the only split that the figures belong to."""
_COLUMNS = ("method", "absolute (mm)", "root-relative (mm)", "Procrustes, official (mm)",
            "AUC of Procrustes", "source")  # fmt: skip
_ROWS = (
    ("Spurr HRNet32", "52.26", "17.34", "6.83", ".864", "[R]"),
    ("HandOccNet", "-", "14.04", "5.80", ".884", "[R]"),
    ("H2ONet, single frame", "-", "-", "5.7", ".889", "[R]"),
    ("H2ONet, several frames", "-", "-", "5.3", ".894", "[R]"),
    ("Deformer", "-", "13.64", "5.22", ".896", "[S]"),
    ("HaMeR", "-", "15.49", "5.42", ".892", "[S]"),
    ("HaWoR", "-", "15.05", "4.92", ".902", "[S]"),
    ("HaPTIC", "-", "11.04", "5.01", ".900", "[S]"),
    ("MaskHand", "-", "11.7", "-", "-", "[S]"),
    ("ScaleHP", "-", "-", "4.6", "-", "[S]"),
)
"""With the digits of their sources."""


def anchor_table(split: str) -> Table | None:
    """The figures, for the split that they belong to; None for any other."""
    if split != SPLIT:
        return None
    note = (
        "Figures of others; evaluation split: DexYCB s0 test. Not to be set beside one's own "
        "without care: more than 90,000, 78,768 and about 24,000 valid samples have all been "
        "called s0 test, and boxes and training data differ or are not stated. [R]: read in "
        "official code, papers or posters; [S]: copied from others' tables, to be checked again."
    )
    return Table("Published figures", _COLUMNS, _ROWS, note)
