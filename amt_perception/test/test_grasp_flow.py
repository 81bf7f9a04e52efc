"""The sampler against the one case that is known in closed form, and what is learned from data.

From N(0, I) to N(m, S) the straight coupling of independent samples has the velocity
v(x, t) = m + (t S - (1 - t) I) C(t)^-1 (x - t m) with C(t) = (1 - t)^2 I + t^2 S, and its flow
takes each noise z to m + S^(1/2) z: S, C and their square roots share their axes.
"""

import pytest
import torch

from amt_perception.grasp.flow import between, guided, integrate

MEAN = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
ROOT = torch.tensor([[0.8, 0.3, 0.0], [0.3, 0.5, -0.1], [0.0, -0.1, 1.4]], dtype=torch.float64)
COVARIANCE = ROOT @ ROOT
EYE = torch.eye(3, dtype=torch.float64)


def velocity(state: torch.Tensor, time: float) -> torch.Tensor:
    spread = (1.0 - time) ** 2 * EYE + time**2 * COVARIANCE
    gain = (time * COVARIANCE - (1.0 - time) * EYE) @ torch.linalg.inv(spread)
    return MEAN + (state - time * MEAN) @ gain.mT


def noise(count: int) -> torch.Tensor:
    return torch.randn(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("method", "steps"), [("euler", 200), ("midpoint", 30)])
def test_samples_have_the_gaussians_mean_and_covariance(method: str, steps: int) -> None:
    samples = integrate(velocity, noise(20_000), steps, method)
    torch.testing.assert_close(samples.mean(dim=0), MEAN, rtol=0, atol=0.04)
    torch.testing.assert_close(samples.T.cov(), COVARIANCE, rtol=0, atol=0.08)


def worst(method: str, steps: int) -> float:
    start = noise(500)
    exact = MEAN + start @ ROOT
    return float((integrate(velocity, start, steps, method) - exact).abs().max())


def test_each_sample_is_carried_with_the_order_of_the_method() -> None:
    assert 1.7 < worst("euler", 50) / worst("euler", 100) < 2.3
    assert worst("midpoint", 50) / worst("midpoint", 100) > 3.4  # at least second order
    assert worst("midpoint", 20) < 0.1 * worst("euler", 20)


def test_the_documents_sampler_is_no_midpoint() -> None:
    """It stays of first order, so its error shrinks by two and not by four."""
    assert 1.6 < worst("half_step", 50) / worst("half_step", 100) < 2.4
    assert worst("half_step", 40) > 3.0 * worst("midpoint", 40)


def test_times_asked_for_are_those_of_the_method() -> None:
    asked: dict[str, list[float]] = {}
    for method in ("euler", "midpoint", "half_step"):
        times = asked[method] = []

        def note(state: torch.Tensor, time: float, times: list = times) -> torch.Tensor:
            times.append(time)
            return torch.ones_like(state)

        end = integrate(note, torch.zeros(1, 2), 4, method)
        torch.testing.assert_close(end, torch.ones(1, 2))
    assert asked["euler"] == [0.0, 0.25, 0.5, 0.75]
    assert asked["half_step"] == [0.125, 0.375, 0.625, 0.875]
    assert asked["midpoint"] == [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875]


def test_the_mean_of_straight_ways_through_a_place_is_the_velocity_there() -> None:
    """Regression of data - noise on the state at one time gives the closed form."""
    data = MEAN + noise(50_000) @ ROOT
    start = torch.randn(data.shape, dtype=data.dtype, generator=torch.Generator().manual_seed(2))
    state = between(start, data, torch.full((len(data),), 0.6))
    inputs = torch.cat([state, torch.ones_like(state[:, :1])], dim=1)
    fitted = torch.linalg.lstsq(inputs, data - start).solution
    probe = torch.tensor([[0.3, -1.0, 2.0]], dtype=data.dtype)
    found = torch.cat([probe, torch.ones(1, 1)], dim=1) @ fitted
    torch.testing.assert_close(found, velocity(probe, 0.6), rtol=0, atol=0.06)


def test_guidance_of_one_is_no_guidance() -> None:
    first, second = torch.randn(5, 3), torch.randn(5, 3)
    assert torch.equal(guided(first, second, 1.0), first)
    torch.testing.assert_close(guided(first, second, 0.0), second)
    torch.testing.assert_close(guided(first, second, 3.0), second + 3.0 * (first - second))
