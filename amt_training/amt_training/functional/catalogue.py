"""Which families the functional set has, who trains on them, and what their parts are for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.random import Generator

from amt_perception.errors import AmtError
from amt_training.functional import families as more
from amt_training.synthetic.objects import families as common
from amt_training.synthetic.objects.shapes import Shape

SPLITS = ("train", "val", "test")
RIM = "rim"
TOP_RIM, OUTER_RIM = "top", "outer"


@dataclass(frozen=True)
class Family:
    """Objects of one kind."""

    draw: Callable[[Generator], Shape]
    split: str
    """Who sees it: train, val or test. No family is in two."""
    use: str
    """The part to hold when the object is used."""
    handover: str
    """The part to hold when it is handed over, so that the other person can take the handle."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Solids of the shape that count as another part, such as a hammer's face as its head."""
    rim: str | None = None
    """Where a hollow body has its rim: at the top, around the outside, or nowhere."""
    hard: bool = False
    """Can it hardly be held without knowing how? Results are given for such families apart."""

    @property
    def name(self) -> str:
        """Such as spray_bottle."""
        return self.draw.__name__

    @property
    def noun(self) -> str:
        """What people call it."""
        return self.name.replace("_", " ")

    @cached_property
    def part_names(self) -> tuple[str, ...]:
        """Of its objects, the same for all of them."""
        solids = self.draw(np.random.default_rng(0)).parts
        names = dict.fromkeys(self.parts.get(solid, solid) for solid in solids)
        return (*names, RIM) if self.rim else tuple(names)


_SPRAYER = {"neck": "head", "nozzle": "head"}
_HAMMER = {"face": "head", "wedge": "head"}
_STEM = {"stem": "body"}

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family(common.box, "train", "body", "body"),
        Family(common.can, "train", "body", "body"),
        Family(common.bottle, "train", "body", "body"),
        Family(common.mug, "train", "handle", "body", rim=TOP_RIM),
        Family(common.bowl, "train", "body", "rim", rim=TOP_RIM),
        Family(common.fruit, "train", "body", "body", parts=_STEM),
        Family(common.cup, "train", "body", "rim", rim=TOP_RIM),
        Family(common.screwdriver, "train", "handle", "shaft"),
        Family(common.marker, "train", "body", "cap"),
        Family(common.spray_bottle, "train", "head", "body", parts=_SPRAYER),
        Family(more.jar, "train", "body", "lid"),
        Family(more.mallet, "train", "handle", "head"),
        Family(more.spatula, "train", "handle", "blade"),
        Family(more.torch, "train", "handle", "head"),
        Family(more.hair_dryer, "train", "handle", "body"),
        Family(more.brush, "train", "handle", "head"),
        Family(more.kettle, "train", "handle", "body"),
        Family(more.dish, "train", "rim", "rim", rim=OUTER_RIM, hard=True),
        Family(more.board, "train", "handle", "body", hard=True),
        Family(more.book, "train", "body", "body", hard=True),
        Family(common.banana, "val", "body", "body", parts=_STEM),
        Family(more.knife, "val", "handle", "blade"),
        Family(more.pitcher, "val", "handle", "body", rim=TOP_RIM),
        Family(common.pan, "test", "handle", "body", parts={"bowl": "body"}, rim=TOP_RIM),
        Family(more.teapot, "test", "handle", "body"),
        Family(more.drill, "test", "handle", "head"),
        Family(more.spoon, "test", "handle", "head"),
        Family(more.flask, "test", "body", "cap"),
        Family(more.tin, "test", "body", "lid"),
        Family(common.hammer, "test", "handle", "head", parts=_HAMMER, hard=True),
        Family(more.plate, "test", "rim", "rim", rim=OUTER_RIM, hard=True),
        Family(more.big_box, "test", "body", "body", hard=True),
    )
}
"""By name. The held-out families have parts whose names training knows from other families."""


def families_of(split: str) -> tuple[Family, ...]:
    """The families of train, val or test. Raises AmtError for another name."""
    if split not in SPLITS:
        raise AmtError(f"the functional set has {', '.join(SPLITS)}, not '{split}'; choose one")
    return tuple(family for family in FAMILIES.values() if family.split == split)
