"""Published figures on DexYCB's s0 test split, to be read with care beside one's own."""

from __future__ import annotations

import math

from amt_training.evaluation.tables import Table

SPLIT = "DexYCB s0 test"
"""`HandDataset.name` of the only split that the figures belong to."""
_COLUMNS = ("method", "absolute (mm)", "root-relative (mm)", "Procrustes, official (mm)",
            "AUC of Procrustes", "source")  # fmt: skip
_UNKNOWN = math.nan
_ROWS = (
    ("Spurr HRNet32", 52.26, 17.34, 6.83, 0.864, "[R]"),
    ("HandOccNet", _UNKNOWN, 14.04, 5.80, 0.884, "[R]"),
    ("H2ONet, single frame", _UNKNOWN, _UNKNOWN, 5.7, 0.889, "[R]"),
    ("H2ONet, several frames", _UNKNOWN, _UNKNOWN, 5.3, 0.894, "[R]"),
    ("Deformer", _UNKNOWN, 13.64, 5.22, 0.896, "[S]"),
    ("HaMeR", _UNKNOWN, 15.49, 5.42, 0.892, "[S]"),
    ("HaWoR", _UNKNOWN, 15.05, 4.92, 0.902, "[S]"),
    ("HaPTIC", _UNKNOWN, 11.04, 5.01, 0.900, "[S]"),
    ("MaskHand", _UNKNOWN, 11.7, _UNKNOWN, _UNKNOWN, "[S]"),
    ("ScaleHP", _UNKNOWN, _UNKNOWN, 4.6, _UNKNOWN, "[S]"),
)


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
