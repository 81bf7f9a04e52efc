"""Transition refiner: the flow against the analytic result, what it learns of smooth motion."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import pytest

torch = pytest.importorskip("torch")
roma = pytest.importorskip("roma")

from torch import Tensor  # noqa: E402

from amt_perception.errors import AmtError  # noqa: E402
from amt_perception.model.transition import (  # noqa: E402
    TransitionConfig,
    TransitionRefiner,
    between_neighbours,
    follow,
    gaussian_velocity,
    pose_to_vector,
    vector_to_pose,
)

SMALL = TransitionConfig(width=64, heads=4, layers=1)
STEPS = 5


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@dataclass
class Motions:
    """Smooth hands that follow three synergies, and noisy estimates of them with gaps."""

    clean: Tensor
    noisy: Tensor
    valid: Tensor
    times: Tensor

    @property
    def estimates(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.noisy, self.valid, self.times

    @property
    def filled(self) -> Tensor:
        around = between_neighbours(*self.estimates)
        return torch.where(self.valid[..., None], self.noisy, around)


def motions(count: int, frames: int, seed: int | torch.Generator) -> Motions:
    random = generator(seed) if isinstance(seed, int) else seed
    times = torch.arange(frames) / 30.0 + torch.rand(count, 1, generator=random)

    def waves(channels: int, size: float) -> Tensor:
        shape = (count, 1, channels, 2)
        amplitude = size * torch.randn(shape, generator=random)
        phase = 2.0 * torch.pi * torch.rand(shape, generator=random)
        rate = 2.0 * torch.pi * (0.3 + 0.9 * torch.rand(shape, generator=random))
        return (amplitude * torch.sin(rate * times[..., None, None] + phase)).sum(-1)

    synergies = 0.3 * torch.randn(3, 16 * 3, generator=generator(77))
    rotation = roma.rotvec_to_rotmat((waves(3, 0.6) @ synergies).unflatten(-1, (16, 3)))
    translation = waves(3, 0.05) + torch.tensor([0.0, 0.0, 0.6])
    wrong = roma.rotvec_to_rotmat(0.1 * torch.randn(count, frames, 16, 3, generator=random))
    moved = translation + 0.01 * torch.randn(count, frames, 3, generator=random)
    valid = torch.rand(count, frames, generator=random) > 0.15
    valid[:, 0] |= ~valid.any(dim=1)
    noisy = pose_to_vector(rotation @ wrong, moved)
    noisy[~valid] = torch.nan  # nobody may look there
    return Motions(pose_to_vector(rotation, translation), noisy, valid, times)


def errors(vectors: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation (rad) [B, T] and translation (m) [B, T]."""
    (rotation, translation), (true_rotation, true_translation) = map(
        vector_to_pose, (vectors, clean)
    )
    angle = roma.rotmat_geodesic_distance(rotation, true_rotation).mean(dim=-1)
    return angle, (translation - true_translation).norm(dim=-1)


def jerks(vectors: Tensor) -> tuple[float, float]:
    """Root mean square third difference of rotations and translation."""
    jerk = vectors.diff(n=3, dim=1)
    return tuple(float(part.square().mean().sqrt()) for part in (jerk[..., :-3], jerk[..., -3:]))


@pytest.fixture(scope="module")
def trained() -> TransitionRefiner:
    torch.manual_seed(0)
    model = TransitionRefiner(SMALL)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    count, random = 600, generator(1)
    for step in range(count):
        optimiser.param_groups[0]["lr"] = 1e-2 * min(1.0, (step + 1) / 50, 1.01 - step / count)
        batch = motions(32, 8, random)
        loss = model.loss(batch.clean, *batch.estimates, random)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval()


@pytest.mark.parametrize(("frames", "seed"), [(8, 9), (7, 10)])
def test_refined_is_nearer_and_smoother(trained: TransitionRefiner, frames: int, seed: int) -> None:
    held_out = motions(256, frames, seed)
    refined = trained.refine(*held_out.estimates, STEPS, generator(3))
    before, after = errors(held_out.filled, held_out.clean), errors(refined, held_out.clean)
    assert after[0].mean() < 0.65 * before[0].mean()
    assert after[1].mean() < 0.95 * before[1].mean()
    for smooth, noisy in zip(jerks(refined), jerks(held_out.filled), strict=True):
        assert smooth < 0.7 * noisy
    gap = ~held_out.valid
    assert after[0][gap].mean() < 0.8 * before[0][gap].mean(), "better than a straight line"


def test_one_step_gives_the_mean_of_what_is_likely(trained: TransitionRefiner) -> None:
    held_out = motions(256, 8, 9)
    mean, drawn = (
        errors(trained.refine(*held_out.estimates, steps, generator(3)), held_out.clean)[1].mean()
        for steps in (1, 20)
    )
    assert mean < drawn


def test_pairs_of_frames(trained: TransitionRefiner) -> None:
    pairs = motions(256, 2, 11)
    refined = trained.refine(*pairs.estimates, STEPS, generator(3))
    before, after = errors(pairs.filled, pairs.clean), errors(refined, pairs.clean)
    assert after[0].mean() < before[0].mean()


def test_same_seed_same_motion(trained: TransitionRefiner) -> None:
    estimates = motions(4, 8, 5).estimates
    first, again, other = (trained.refine(*estimates, STEPS, generator(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)


def test_moved_and_later_sequences(trained: TransitionRefiner) -> None:
    noisy, valid, times = motions(16, 8, 6).estimates
    moved = noisy.clone()
    offset = torch.tensor([0.3, -0.2, 0.5])
    moved[..., -3:] += offset
    here = trained.refine(noisy, valid, times, STEPS, generator(1))
    there = trained.refine(moved, valid, times + 0.5, STEPS, generator(1))
    torch.testing.assert_close(there[..., -3:], here[..., -3:] + offset, atol=1e-4, rtol=0)
    torch.testing.assert_close(there[..., :-3], here[..., :-3], atol=1e-3, rtol=0)


def test_euler_flow_of_a_gaussian() -> None:
    """The flow from N(0, 1) to N(m, s^2) takes x to m + s x, with an error of first order."""
    start, mean, sigma = torch.randn(10_000, generator=generator(0)).double(), 1.5, 0.4

    def velocity(place: Tensor, flow_time: Tensor) -> Tensor:
        return gaussian_velocity(place, flow_time.double(), torch.tensor(mean), sigma)

    coarse, fine = (
        (follow(velocity, start, steps) - (mean + sigma * start)).abs().mean()
        for steps in (50, 100)
    )
    assert fine < 0.01
    assert coarse / fine == pytest.approx(2.0, rel=0.1)


def test_gaussian_velocity_is_the_conditional_mean() -> None:
    """Of x1 - x0 given x_t: least squares over samples finds the same line."""
    random, mean, sigma, flow_time = generator(0), 1.5, 0.4, 0.7
    start = torch.randn(200_000, generator=random).double()
    end = mean + sigma * torch.randn(200_000, generator=random).double()
    place = (1.0 - flow_time) * start + flow_time * end
    design = torch.stack([place, torch.ones_like(place)], dim=1)
    slope, offset = torch.linalg.lstsq(design, (end - start)[:, None]).solution[:, 0]
    at = torch.tensor([0.0, 1.0]).double()
    found = gaussian_velocity(at, torch.tensor(flow_time).double(), torch.tensor(mean), sigma)
    torch.testing.assert_close(found, offset + slope * at, atol=0.02, rtol=0)


def test_lines_between_neighbours() -> None:
    times = torch.tensor([[0.0, 1.0, 2.0, 4.0, 5.0, 6.0]])
    valid = torch.tensor([[False, True, False, True, True, False]])
    values = torch.tensor([[torch.nan, 10.0, torch.nan, 40.0, 70.0, torch.nan]])[..., None]
    around = between_neighbours(values, valid, times)[0, :, 0]
    assert around.tolist() == pytest.approx([10.0, 40.0, 20.0, 55.0, 40.0, 70.0])
    alone = torch.tensor([[False, False, True, False, False, False]])
    values = torch.where(alone[..., None], 3.0, torch.nan)
    assert between_neighbours(values, alone, times)[0, :, 0].tolist() == [3.0] * 6


def test_poses_to_vectors_and_back() -> None:
    rotation = roma.random_rotmat((5, 7, 16))
    translation = torch.randn(5, 7, 3)
    vector = pose_to_vector(rotation, translation)
    assert vector.shape == (5, 7, 99)
    assert torch.equal(vector[..., 3:6], rotation[..., 0, :, 1]), "the wrist's second column"
    back, place = vector_to_pose(vector)
    torch.testing.assert_close(back, rotation, atol=1e-5, rtol=0)
    assert torch.equal(place, translation)
    back, _ = vector_to_pose(vector + 0.2 * torch.randn_like(vector))
    torch.testing.assert_close(back @ back.mT, torch.eye(3).expand_as(back), atol=1e-5, rtol=0)
    assert (torch.linalg.det(back) > 0.99).all()


def test_gradients_reach_every_parameter(trained: TransitionRefiner) -> None:
    batch = motions(4, 8, 1)
    trained.zero_grad()
    trained.loss(batch.clean, *batch.estimates, generator(0)).backward()
    missing = [
        name
        for name, parameter in trained.named_parameters()
        if parameter.grad is None or not bool(parameter.grad.abs().sum() > 0.0)
    ]
    assert not [name for name in missing if "key.bias" not in name], "a key's bias cancels out"
    trained.zero_grad()


def test_a_sequence_that_nobody_saw() -> None:
    batch = motions(3, 4, 2)
    batch.valid[1] = False
    with pytest.raises(AmtError, match="no valid frame"):
        TransitionRefiner(SMALL).refine(*batch.estimates)


def test_no_steps() -> None:
    with pytest.raises(AmtError, match="at least one"):
        TransitionRefiner(SMALL).refine(*motions(1, 2, 0).estimates, steps=0)


def test_size_and_plain_values() -> None:
    config = TransitionConfig()
    assert TransitionConfig.from_dict(config.to_dict()) == config
    assert {one.name for one in fields(config)} == set(config.to_dict())
    assert TransitionConfig.from_dict({"layers": 3}) == replace(config, layers=3)
    count = sum(parameter.numel() for parameter in TransitionRefiner(config).parameters())
    assert 5e6 < count < 10e6
