"""A generic adult hand in MANO's format, built from published hand measurements."""

from amt_perception.hand.generic.build import generic_hand

__all__ = ["generic_hand"]
