"""What trials of a grasp model's grasps add up to: figures with intervals, by group of objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from amt_perception.metrics.grasp import Interval, bootstrap_interval

FUNCTIONAL_SHARE = 0.8
"""Of a grasp's contacts that must be on the instructed part for it to be functional."""
NEAR_LINKS = 3
"""So many links that touch make a grasp more than a pinch."""


@dataclass(frozen=True)
class Trial:
    """What became of one grasp."""

    held: bool
    """It held in MuJoCo, and was not deep in the object before."""
    on_part: float
    """Share of its contacts that are on the instructed part; 0 where nothing touches."""
    penetration: float
    """Deepest point of the hand in the object before the simulation (m)."""
    near_links: int
    """Links within 2 mm of the object."""

    @property
    def functional(self) -> bool:
        """It held, and where it was asked to."""
        return self.held and self.on_part >= FUNCTIONAL_SHARE


@dataclass(frozen=True)
class Record:
    """One object and instruction with one seed, by one method: K grasps."""

    method: str
    object: str
    family: str
    hard: bool
    """See `catalogue.Family`."""
    part: str
    """Of the object, which is to be touched."""
    only_part: bool
    """It has no other: whatever touches the object is on it."""
    instruction: str
    """What the method was told; empty for one that does not listen."""
    seed: int
    trials: tuple[Trial, ...]
    """[K] the grasp that the method ranks first comes first."""
    draw_seconds: float
    """To draw and rank them."""
    refine_seconds: float
    """To make all of them touch."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Record:
        """The reverse of `to_json`."""
        return cls(**{**values, "trials": tuple(Trial(**one) for one in values["trials"])})


def single(records: Sequence[Record], value: Callable[[Trial], float]) -> Interval:
    """Mean over every grasp that was drawn, whatever its rank."""
    return _over_trials(records, value, np.mean)


def first(records: Sequence[Record], value: Callable[[Trial], float]) -> Interval:
    """Mean over the grasps that are ranked first."""
    values = [value(one.trials[0]) for one in records]
    return bootstrap_interval(np.array(values, dtype=float), _names(records))


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """Every figure of one method on some objects, as {value, low, high}; lengths in mm.

    Where a grasp touches is judged on objects of several parts only.
    """
    choice = [one for one in records if not one.only_part]
    figures = {
        "success": single(records, lambda one: one.held),
        "success_best": first(records, lambda one: one.held),
        "functional": single(choice, lambda one: one.functional),
        "functional_best": first(choice, lambda one: one.functional),
        "on_part": single(choice, lambda one: one.on_part),
        "penetration_median_mm": _over_trials(records, _millimetres, np.median),
        "penetration_p95_mm": _over_trials(records, _millimetres, _p95),
        "three_links_near": single(records, lambda one: one.near_links >= NEAR_LINKS),
        "draw_ms": _milliseconds(records, lambda one: one.draw_seconds),
        "refine_ms": _milliseconds(records, lambda one: one.refine_seconds),
    }
    return {
        "objects": len({one.object for one in records}),
        "objects_of_parts": len({one.object for one in choice}),
        "grasps": sum(len(one.trials) for one in records),
        **{name: figure._asdict() for name, figure in figures.items()},
    }


def paired_difference(
    first: Sequence[Record], second: Sequence[Record], value: Callable[[Trial], float]
) -> Interval:
    """Mean of the first method's values minus the second's, over the objects and parts of both."""
    means, others = _by_part(first, value), _by_part(second, value)
    both = sorted(means.keys() & others.keys())
    differences = np.array([means[key] - others[key] for key in both])
    return bootstrap_interval(differences, np.array([name for name, _ in both]))


def _by_part(
    records: Sequence[Record], value: Callable[[Trial], float]
) -> dict[tuple[str, str], float]:
    """Mean of the trials of each object and part."""
    values: dict[tuple[str, str], list[float]] = {}
    for one in records:
        values.setdefault((one.object, one.part), []).extend(map(value, one.trials))
    return {key: float(np.mean(mine)) for key, mine in values.items()}


def _over_trials(
    records: Sequence[Record],
    value: Callable[[Trial], float],
    statistic: Callable[[np.ndarray], Any],
) -> Interval:
    values = [value(trial) for one in records for trial in one.trials]
    names = [one.object for one in records for _ in one.trials]
    return bootstrap_interval(np.array(values, dtype=float), np.array(names), statistic)


def _milliseconds(records: Sequence[Record], seconds: Callable[[Record], float]) -> Interval:
    """Of one grasp."""
    values = [1e3 * seconds(one) / len(one.trials) for one in records]
    return bootstrap_interval(np.array(values), _names(records))


def _millimetres(trial: Trial) -> float:
    return 1e3 * trial.penetration


def _p95(values: np.ndarray) -> float:
    return float(np.percentile(values, 95))


def _names(records: Sequence[Record]) -> np.ndarray:
    return np.array([one.object for one in records])
