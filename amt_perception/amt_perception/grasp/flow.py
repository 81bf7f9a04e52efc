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


def flow_pair(
    data: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """What to learn from data [..., D]: states [..., D], times [...] and velocities [..., D].

    Each vector gets its own time, uniform in 0..1, and its own standard normal noise. A network
    that minimises the squared error to these velocities carries noise to data. generator: on the
    data's device.
    """
    time = torch.rand(data.shape[:-1], generator=generator, device=data.device)
    noise = torch.randn(data.shape, generator=generator, device=data.device)
    return between(noise, data, time), time, data - noise


def between(noise: Tensor, data: Tensor, time: Tensor) -> Tensor:
    """[..., D] on the straight way from noise (time 0) to data (time 1); time [...]."""
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
