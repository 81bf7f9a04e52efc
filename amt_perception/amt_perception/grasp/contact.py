"""Contact of each point of an object with each part of the hand, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from amt_perception.errors import AmtError
from amt_perception.grasp.config import GraspConfig
from amt_perception.model.geometry import in_float32
from amt_perception.model.interface import HAND_PARTS

TOUCH_M = 0.005
"""A hand part this near to one of the object's points touches it: samples of the surface are some
millimetres apart, so the nearest sample of a touching finger is beside the contact."""
_ALL_ZERO = 1e-6
"""A grasp whose largest target is below this is 14 cm off the object."""
_LEAST_PROBABILITY = 1e-7
_SMALL_WEIGHT = 1e-6


@dataclass(frozen=True)
class ContactKernel:
    """Probability of contact at a distance d: exp(-d / tau), or exp(-(d / tau)^2 / 2).

    Each hand part's is its own: the six do not add up to one.
    """

    name: str = GraspConfig.contact_kernel
    scale: float = GraspConfig.contact_scale
    """tau (m)."""

    def target(self, distances: Tensor, names: Sequence[str]) -> Tensor:
        """[B, N, 6] probabilities from distances to the hand parts [B, N, 6] (m).

        names: of the B samples. Raises AmtError naming the samples whose distances are not finite,
        are negative, or give no contact anywhere: training on such would teach that nothing is
        touched.
        """
        valid = (distances.isfinite() & (distances >= 0.0)).flatten(1).all(dim=1)
        self._refuse(~valid, names, "distances that are not finite or are negative")
        ratio = distances.float() / self.scale
        target = torch.exp(-ratio if self.name == "exponential" else -0.5 * ratio.square())
        nothing = target.flatten(1).amax(dim=1) < _ALL_ZERO
        self._refuse(nothing, names, "no point near any part of the hand (are they in metres?)")
        return target

    def distance(self, probability: Tensor) -> Tensor:
        """The reverse of `target`: distances (m) from probabilities of any shape.

        Probabilities under 1e-7 count as 1e-7, which is 16 tau away (Gaussian: 5.7 tau).
        """
        depth = -probability.float().clamp(_LEAST_PROBABILITY, 1.0).log()
        return self.scale * (depth if self.name == "exponential" else (2.0 * depth).sqrt())

    def _refuse(self, bad: Tensor, names: Sequence[str], what: str) -> None:
        if bad.any():
            found = [name for name, one in zip(names, bad.tolist(), strict=True) if one]
            raise AmtError(
                f"{len(found)} grasp(s) have {what}: {', '.join(found[:3])}; make the contact "
                "distances of these samples anew or leave them out"
            )


class ContactHead(nn.Sequential):
    """Six logits [B, N, 6], of HAND_PARTS, from features [B, N, F]."""

    def __init__(self, width: int) -> None:
        super().__init__(
            nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, len(HAND_PARTS))
        )


@in_float32
def pool_by_contact(features: Tensor, logits: Tensor) -> Tensor:
    """[B, F] mean of features [B, N, F], weighted by the largest of each point's six probabilities.

    The weights are detached: the flow's loss does not move the contact head. In float32.
    """
    weight = logits.detach().sigmoid().amax(dim=-1)  # [B, N]
    share = weight / (weight.sum(dim=1, keepdim=True) + _SMALL_WEIGHT)
    return (share[..., None] * features).sum(dim=1)


@in_float32
def pool_by_part(features: Tensor, logits: Tensor) -> Tensor:
    """[B, 6, F] means of features [B, N, F], weighted by the probabilities of each hand part.

    Detached and in float32 as in `pool_by_contact`.
    """
    weight = logits.detach().sigmoid()  # [B, N, 6]
    share = weight / (weight.sum(dim=1, keepdim=True) + _SMALL_WEIGHT)
    return share.mT @ features


def contact_places(points: Tensor, distances: Tensor) -> Tensor:
    """[B, 6, 4] where each hand part touches [3] (m) and whether it does (1 or 0).

    points: [B, N, 3] object frame (m). distances: [B, N, 6] to the hand parts (m). The place is
    the mean of the points, weighted by how little farther than the nearest they are (a point by
    TOUCH_M farther: 37 %); zeros where the part does not touch.
    """
    nearest = distances.amin(dim=1, keepdim=True)  # [B, 1, 6]
    weight = torch.exp((nearest - distances) / TOUCH_M)
    weight = weight / weight.sum(dim=1, keepdim=True)
    touches = (nearest <= TOUCH_M).mT.to(points.dtype)  # [B, 6, 1]
    return torch.cat([weight.mT @ points * touches, touches], dim=-1)
