"""Transition refiner: smooth motion of a hand out of noisy estimates of single frames.

Rectified flow (Liu et al., "Flow straight and fast", ICLR 2023) over a sequence of hand poses: on
the straight line x_t = (1 - t) x0 + t x1 from noise x0 to a clean sequence x1 a network learns the
velocity x1 - x0; following it from fresh noise draws a clean sequence. The estimates, which may
come from any estimator, are the condition. Pairs of frames are the shortest sequence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from amt_perception.errors import AmtError
from amt_perception.model.config import Config, StabiliserConfig
from amt_perception.model.geometry import rotation_from_6d
from amt_perception.model.layers import MLP, EncoderLayer, zero_start
from amt_perception.model.sigma_reparam import add_sigma_reparam

JOINTS = 16
POSE_SIZE = 6 * JOINTS + 3
FRAME_SIZE = 3 * POSE_SIZE + 1
SPREAD = 0.3
"""Standard deviation, in units of the flow, that the network takes for granted around its mean."""
TRAVEL_M = 0.1
"""Unit of the way that a hand moves within a sequence."""
PERIODS_S = (0.02, 20.0)
"""Shortest and longest period of the waves that tell frames apart in time."""
FLOW_PERIODS = (0.5, 4.0)
"""The same for the flow's time, which goes from 0 to 1."""


@dataclass(frozen=True)
class TransitionConfig(Config):
    """The transition refiner."""

    width: int = 256
    heads: int = 8
    layers: int = 8
    rotation_scale: float = 0.2
    """Size of an estimate's error in an element of a rotation matrix: the unit of the flow."""
    translation_scale: float = 0.02
    """Size of an estimate's error in the translation (m): the unit of the flow."""
    stabilisers: StabiliserConfig = field(
        default_factory=lambda: StabiliserConfig(drop_path=0.0, feature_noise=0.0, mixup=0.0)
    )
    """There is no picture here: feature_noise and mixup have nothing to work on."""


def pose_to_vector(rotation: Tensor, translation: Tensor) -> Tensor:
    """[..., 99]: the first two columns of 16 rotations, then the translation.

    rotation: [..., 16, 3, 3], each joint's in its parent's frame in MANO's order, of a right hand.
    translation: [..., 3] (m), camera frame. Zhou et al., "On the continuity of rotation
    representations in neural networks", CVPR 2019.
    """
    columns = rotation[..., :2].transpose(-1, -2).flatten(-3)
    return torch.cat([columns, translation], dim=-1)


def vector_to_pose(vector: Tensor) -> tuple[Tensor, Tensor]:
    """Rotations [..., 16, 3, 3] and translation [..., 3] (m): the reverse of `pose_to_vector`.

    Any vector gives rotations (Gram-Schmidt, in float32).
    """
    return rotation_from_6d(vector[..., :-3].unflatten(-1, (JOINTS, 6))), vector[..., -3:]


class TransitionRefiner(nn.Module):
    """Draws smooth sequences of poses given noisy ones.

    Sequences are [B, T, 99] as `pose_to_vector` gives them, with `valid` [B, T] bool and `times`
    [B, T] (s), increasing; float64 when they count from an epoch. The flow lives in the difference
    to the estimates, with gaps filled by straight lines, so a moved sequence gives the result moved
    by the same translation, and a later one the same result.

    The network predicts the mean of a narrow Gaussian, whose velocity is known in closed form: so
    it is asked for much the same at every place of the line. Beside each frame it is shown what the
    frames next to it say, and its last layer sees both once more, so that the transformer need not
    carry them.
    """

    scale: Tensor

    def __init__(self, config: TransitionConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        scale = torch.full((POSE_SIZE,), config.rotation_scale)
        scale[-3:] = config.translation_scale
        self.register_buffer("scale", scale, persistent=False)
        self.frames = nn.Linear(FRAME_SIZE, width)
        self.time = MLP(width, width, width)
        self.flow_time = MLP(width, width, width)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.mean = zero_start(nn.Linear(width + FRAME_SIZE, POSE_SIZE))
        if config.stabilisers.sigma_reparam:
            add_sigma_reparam(self.layers)

    def loss(
        self,
        clean: Tensor,
        noisy: Tensor,
        valid: Tensor,
        times: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Mean squared error of the velocity at a random place of each sample's line, a scalar.

        clean: [B, T, 99], the truth for every frame, also where `valid` is false. Rotations and
        translation count alike. Raises AmtError for a sequence without a valid frame.
        """
        estimate, condition = self._condition(noisy, valid, times)
        end = (clean - estimate) / self.scale
        start = torch.empty_like(end).normal_(generator=generator)
        flow_time = torch.empty_like(end[:, 0, 0]).uniform_(generator=generator)
        place = torch.lerp(start, end, flow_time[:, None, None])
        error = (self(place, flow_time, condition, times) - (end - start)).square()
        return error[..., :-3].mean() + error[..., -3:].mean()

    @torch.no_grad()
    def refine(
        self,
        noisy: Tensor,
        valid: Tensor,
        times: Tensor,
        steps: int = 5,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """A smooth sequence [B, T, 99] that fits the estimates and fills their gaps.

        One step gives the mean of what is likely, more steps give one likely sequence.
        generator: on the device of the tensors, for repeatable results.
        Raises AmtError for a sequence without a valid frame or fewer than one step.
        """
        if steps < 1:
            raise AmtError(f"{steps} steps cannot follow a flow; give at least one")
        estimate, condition = self._condition(noisy, valid, times)
        start = torch.empty_like(estimate).normal_(generator=generator)

        def velocity(place: Tensor, flow_time: Tensor) -> Tensor:
            return self(place, flow_time.expand(len(place)), condition, times)

        return estimate + self.scale * follow(velocity, start, steps)

    def forward(self, place: Tensor, flow_time: Tensor, condition: Tensor, times: Tensor) -> Tensor:
        """Velocity [B, T, 99] at the places [B, T, 99] at `flow_time` [B] in 0..1."""
        width = self.config.width
        frames = torch.cat([place, condition], dim=-1)
        tokens = self.frames(frames)
        tokens = tokens + self.time(waves(times - times[:, :1], width, *PERIODS_S))
        tokens = tokens + self.flow_time(waves(flow_time, width, *FLOW_PERIODS))[:, None]
        for layer in self.layers:
            tokens = layer(tokens)
        mean = self.mean(torch.cat([self.norm(tokens), frames], dim=-1))
        return gaussian_velocity(place, flow_time[:, None, None], mean.float(), SPREAD)

    def _condition(self, noisy: Tensor, valid: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """The estimates without gaps [B, T, 99], and what the network sees of them."""
        if not bool(valid.any(dim=1).all()):
            raise AmtError("a sequence has no valid frame; leave such sequences out")
        around = between_neighbours(noisy, valid, times)
        estimate = torch.where(valid[..., None], noisy, around)
        rotation, translation = estimate[..., :-3], estimate[..., -3:]
        centred = (translation - translation.mean(dim=1, keepdim=True)) / TRAVEL_M
        differs = (around - estimate) / self.scale
        seen = valid[..., None].to(estimate)
        return estimate, torch.cat([rotation, centred, differs, seen], dim=-1)


def gaussian_velocity(place: Tensor, flow_time: Tensor, mean: Tensor, sigma: float) -> Tensor:
    """Velocity of the flow from N(0, 1) to N(mean, sigma^2): the mean of x1 - x0 given x_t."""
    rest = 1.0 - flow_time
    pull = rest * (mean - place) + flow_time * sigma**2 * place
    return pull / (rest**2 + flow_time**2 * sigma**2)


def follow(velocity: Callable[[Tensor, Tensor], Tensor], start: Tensor, steps: int) -> Tensor:
    """Where the flow takes `start` from time 0 to 1, in equal Euler steps.

    velocity: of a place (like `start`) and a scalar time.
    """
    place = start
    for flow_time in torch.arange(steps, device=start.device) / steps:
        place = place + velocity(place, flow_time) / steps
    return place


def between_neighbours(values: Tensor, valid: Tensor, times: Tensor) -> Tensor:
    """What the nearest other valid frames say about each frame: straight lines in time [B, T, D].

    values: [B, T, D]; those of invalid frames do not matter. Before the first and after the last
    valid frame its value stays; a frame that alone is valid keeps its own.
    """
    count = valid.shape[1]
    index = torch.arange(count, device=valid.device).expand_as(valid)
    before = torch.where(valid, index, -1).cummax(dim=1).values.roll(1, dims=1)
    after = torch.where(valid, index, count).flip(1).cummin(dim=1).values.flip(1).roll(-1, dims=1)
    before[:, 0], after[:, -1] = -1, count
    before, after = (
        torch.where(before >= 0, before, torch.where(after < count, after, index)),
        torch.where(after < count, after, torch.where(before >= 0, before, index)),
    )
    span = times.gather(1, after) - times.gather(1, before)
    share = torch.where(span > 0, (times - times.gather(1, before)) / span, 0.0)

    def frame(chosen: Tensor) -> Tensor:
        return values.gather(1, chosen[..., None].expand_as(values))

    return torch.lerp(frame(before), frame(after), share[..., None].to(values))


def waves(value: Tensor, width: int, shortest: float, longest: float) -> Tensor:
    """Sines and cosines [..., width] of `value` with periods from `shortest` to `longest`."""
    ratio = torch.linspace(0.0, 1.0, width // 2, device=value.device)
    rate = 2.0 * torch.pi / (longest * (shortest / longest) ** ratio)
    angle = value.float()[..., None] * rate
    return torch.cat([angle.sin(), angle.cos()], dim=-1)
