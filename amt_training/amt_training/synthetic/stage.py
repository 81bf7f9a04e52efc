"""What happens in a scene."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_training.synthetic.flesh import Flesh
from amt_training.synthetic.motions import gestures_in_turn, object_handled
from amt_training.synthetic.objects.library import ObjectLibrary
from amt_training.synthetic.placing import (
    free_hand,
    with_another_object,
    with_object,
    with_second_hand,
)
from amt_training.synthetic.scene import Moment
from amt_training.synthetic.settings import WorldSettings

ACTIVITIES = ("grasp", "approach", "gesture")
"""Of single moments; several are a sequence."""
_MORE_OBJECTS = 0.25
"""Share of the single moments with one more object."""


def draw_moments(
    library: ObjectLibrary,
    settings: WorldSettings,
    random: np.random.Generator,
    sides: Sequence[Side],
) -> tuple[str, list[Moment]]:
    """The activity of a scene and its moments, in a frame whose z axis points up.

    sides: of the first hand, which the scene is about, and of the second, if there is one.
    """
    shape = np.clip(random.normal(0.0, 1.0, 10), -2.5, 2.5)
    hands = [Flesh(generic_hand(side), shape) for side in sides]
    shares = np.array(settings.activities) / sum(settings.activities)
    activity = str(random.choice(ACTIVITIES, p=shares))
    if settings.frames > 1:
        times = np.arange(settings.frames) / settings.rate
        if activity == "gesture":
            return "sequence", gestures_in_turn(hands, times, library, random)
        return "sequence", object_handled(hands, times, library, random)

    if activity == "gesture":
        moment = Moment((free_hand(hands[0], random),), ())
    else:
        moment = with_object(hands[0], library, random, away=activity == "approach")
    if len(hands) > 1:
        moment = with_second_hand(moment, hands[1], library, random)
    if random.random() < _MORE_OBJECTS:
        moment = with_another_object(moment, library, random)
    return activity, [moment]
