"""The transition refiner: smooth motion from noisy poses of single frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from amt_perception.hand.joints import WRIST
from amt_perception.model.interface import LEFT, Tensors
from amt_perception.model.transition import (
    TransitionRefiner,
    between_neighbours,
    pose_to_vector,
    vector_to_pose,
)
from amt_training.data.labels import Labels
from amt_training.data.sampler import PermutationSampler
from amt_training.data.targets import rotation_matrices
from amt_training.losses.total import Loss


@dataclass(frozen=True)
class TransitionSettings:
    """Windows of poses, and how wrong the estimates are taken to be; each frame's by itself."""

    frames: int = 16
    """Of a window."""
    rate: float = 30.0
    """Frames a second."""

    rotation: float = 0.1
    """Standard deviation of each joint's rotation about each axis (rad)."""
    across: float = 0.005
    """Standard deviation of the wrist's place in x and y (m)."""
    depth: float = 0.02
    """Standard deviation of the wrist's depth (m)."""
    missing: float = 0.1
    """Share of frames without an estimate."""


@dataclass
class PoseWindows(Tensors):
    """B windows of T frames of right hands; vectors as `transition.pose_to_vector` gives them."""

    clean: Tensor
    """[B, T, 99] the truth."""
    noisy: Tensor
    """[B, T, 99] estimates; anything where there is none."""
    valid: Tensor
    """[B, T] bool: is there an estimate?"""
    times: Tensor
    """[B, T] (s)."""


class PoseWindowSource:
    """Batches of windows of poses with errors by chance, for the transition refiner.

    labels: of all samples, in camera frames; windows: [W, T] their indices, consecutive frames.
    Left hands are mirrored. Windows with a frame without a MANO pose
    are left out.
    """

    def __init__(
        self,
        labels: Labels,
        windows: Tensor,
        settings: TransitionSettings,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        rotation = rotation_matrices(labels.mano_pose)
        sign = torch.where(labels.side[:, None] == LEFT, -1.0, 1.0)
        reflection = torch.cat([sign, torch.ones_like(sign), torch.ones_like(sign)], dim=-1)
        mirror = reflection[:, None, :, None] * reflection[:, None, None, :]
        self._rotation = rotation * mirror
        self._wrist = labels.joints[:, WRIST] * reflection
        self._windows = windows[labels.mano_valid[windows].all(dim=1)]
        self._times = torch.arange(windows.shape[1]) / settings.rate
        self._settings = settings
        self._seed, self._rank = seed, rank
        self._sampler = PermutationSampler(len(self._windows), batch_size, seed, rank, world)
        self.steps_per_epoch = self._sampler.steps_per_epoch

    def batches(self, first_step: int) -> Iterator[PoseWindows]:
        """Batches without end for the steps from `first_step` on."""
        step = first_step
        while True:
            generator = generator_of(self._seed, step, self._rank)
            chosen = torch.from_numpy(self._sampler.indices(step))
            yield self._noised(self._windows[chosen], generator)
            step += 1

    def _noised(self, window: Tensor, generator: torch.Generator) -> PoseWindows:
        import roma

        rotation, wrist = self._rotation[window], self._wrist[window]  # [B, T, ...]
        errors = self._settings
        turn = errors.rotation * torch.randn(*rotation.shape[:-1], generator=generator)
        spread = torch.tensor([errors.across, errors.across, errors.depth])
        moved = wrist + spread * torch.randn(wrist.shape, generator=generator)
        valid = torch.rand(window.shape, generator=generator) >= errors.missing
        valid[:, -1] |= ~valid.any(dim=1)
        return PoseWindows(
            clean=pose_to_vector(rotation, wrist),
            noisy=pose_to_vector(rotation @ roma.rotvec_to_rotmat(turn), moved),
            valid=valid,
            times=self._times.expand(window.shape),
        )


def generator_of(*numbers: int) -> torch.Generator:
    """A generator whose numbers depend on these."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(seed)


class TransitionTask(nn.Module):
    """Trains the refiner."""

    def __init__(self, model: TransitionRefiner) -> None:
        super().__init__()
        self.model = model

    def parameter_groups(self) -> dict[str, list[nn.Module]]:
        """All of it is new."""
        return {"backbone": [], "decoders": []}

    def forward(self, batch: PoseWindows, progress: float) -> Loss:
        """The loss of a batch; it does not change with the progress."""
        flow = self.model.loss(batch.clean, batch.noisy, batch.valid, batch.times)
        return Loss(flow, {"flow": flow})

    @torch.no_grad()
    def validate(self, batches: Iterable[PoseWindows]) -> dict[str, float]:
        """Errors of refined windows, and of the estimates with gaps filled by straight lines."""
        sums: dict[str, list[Tensor]] = {}
        for batch in batches:
            around = between_neighbours(batch.noisy, batch.valid, batch.times)
            filled = torch.where(batch.valid[..., None], batch.noisy, around)
            generator = torch.Generator(batch.clean.device).manual_seed(0)
            refined = self.model.refine(batch.noisy, batch.valid, batch.times, generator=generator)
            for name, vectors in (("estimates", filled), ("refined", refined)):
                angle, place = pose_errors(vectors, batch.clean)
                sums.setdefault(f"{name}_degrees", []).append(angle.rad2deg().mean())
                sums.setdefault(f"{name}_mm", []).append(1e3 * place.mean())
        return {name: float(torch.stack(values).mean()) for name, values in sums.items()}


def pose_errors(vectors: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Of two [..., 99]: mean angle of the joints' rotations (rad) and distance (m), both [...]."""
    import roma

    (rotation, place), (true_rotation, true_place) = map(vector_to_pose, (vectors, truth))
    angle: Tensor = roma.rotmat_geodesic_distance(rotation, true_rotation).mean(dim=-1)
    return angle, (place - true_place).norm(dim=-1)
