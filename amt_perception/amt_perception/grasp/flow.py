"""Rectified flow: straight ways from noise at time 0 to data at time 1.

Liu, Gong and Liu, "Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified
Flow", ICLR 2023. Guidance without a classifier: Ho and Salimans, 2022.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]
"""Of states [..., D] at a time in 0..1: [..., D]."""


def between(noise: Tensor, data: Tensor, time: Tensor) -> Tensor:
    """[..., D] on the straight way from noise (time 0) to data (time 1); time [...].

    The velocity there is data - noise. A network that minimises the squared error to it, over
    standard normal noise and all times, carries such noise to the data.
    """
    return torch.lerp(noise, data, time[..., None].to(data.dtype))


def integrate(velocity: Velocity, noise: Tensor, steps: int, method: str = "euler") -> Tensor:
    """Data [..., D] from noise [..., D] in `steps` equal steps.

    euler: the velocity at the beginning of each step, time k / steps. midpoint: the velocity at
    the middle, at the state that half a step of Euler reaches (two evaluations, error of second
    order). half_step: the source document's, which asks for the velocity at time (k + 0.5) / steps
    but at the state of the beginning: its error stays of first order. A key of SAMPLERS.
    """
    step = 1.0 / steps
    state = noise
    for k in range(steps):
        time = k * step
        if method == "euler":
            direction = velocity(state, time)
        elif method == "half_step":
            direction = velocity(state, time + step / 2.0)
        else:
            halfway = state + velocity(state, time) * (step / 2.0)
            direction = velocity(halfway, time + step / 2.0)
        state = state + step * direction
    return state


def guided(instructed: Tensor, uninstructed: Tensor, guidance: float) -> Tensor:
    """The velocity with the instruction, driven further away from the one without it.

    guidance: 1 gives exactly the first, 0 the second, more than 1 follows the instruction more
    strictly and varies less.
    """
    return instructed + (guidance - 1.0) * (instructed - uninstructed)
