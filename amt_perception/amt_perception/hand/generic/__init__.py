"""A generic adult hand in MANO's format, built from published hand measurements."""

from amt_perception.hand.generic.build import generic_hand
from amt_perception.hand.generic.skeleton import SHAPE_NAMES

__all__ = ["SHAPE_NAMES", "generic_hand"]
