"""Losses of the grasp model, against formulas written out and against the analytic minimum."""

import numpy as np
import pytest
import torch

from amt_perception.errors import AmtError
from amt_training.functional.losses import (
    GraspLossSettings,
    contact_loss,
    flow_loss,
    flow_times,
    on_the_way,
)

PARTS = torch.tensor([[True] * 5 + [False]] * 2)


@pytest.fixture
def targets():
    distance = np.random.default_rng(0).exponential(0.02, size=(2, 50, 6))
    return torch.from_numpy(np.exp(-distance / 0.01)).float()


def test_contact_loss_is_the_formula_written_out(targets):
    logits = torch.randn(2, 50, 6, generator=torch.Generator().manual_seed(0))
    loss, _ = contact_loss(logits, targets, PARTS, 0.1)
    total = weights = 0.0
    for b in range(2):
        for n in range(50):
            weight = 0.1 + 0.9 * float(targets[b, n, :5].max())
            for k in range(5):
                p, y = float(logits[b, n, k].sigmoid()), float(targets[b, n, k])
                total -= weight * (y * np.log(p) + (1 - y) * np.log(1 - p))
                weights += weight
    assert float(loss) == pytest.approx(total / weights, rel=1e-5)


def test_no_model_gets_below_the_targets_entropy(targets):
    right = torch.logit(targets.clamp(1e-6, 1 - 1e-6))
    _, excess = contact_loss(right, targets, PARTS, 0.1)
    assert float(excess) == pytest.approx(0.0, abs=1e-5)
    _, worse = contact_loss(right + 0.5, targets, PARTS, 0.1)
    assert float(worse) > 0.01


def test_a_part_that_the_hand_has_not_counts_for_nothing(targets):
    logits = torch.zeros(2, 50, 6, requires_grad=True)
    other = targets.clone()
    other[..., 5] = 1.0
    loss, _ = contact_loss(logits, targets, PARTS, 0.1)
    torch.testing.assert_close(contact_loss(logits, other, PARTS, 0.1)[0], loss)
    loss.backward()
    assert (logits.grad[..., 5] == 0).all() and (logits.grad[..., :5] != 0).all()


def test_states_lie_on_straight_lines_that_end_at_the_data():
    torch.manual_seed(0)
    ends, times = torch.randn(3, 5, 7), torch.rand(3, 5)
    state, velocity = on_the_way(ends, times)
    arrived = state + (1.0 - times)[..., None] * velocity
    torch.testing.assert_close(arrived, ends, rtol=1e-5, atol=1e-5)
    noise = state - times[..., None] * velocity
    assert noise.std() == pytest.approx(1.0, abs=0.2)
    assert float(flow_loss(velocity, velocity)) == 0.0


@pytest.mark.parametrize(("spread", "inner"), [("uniform", 0.5), ("logit_normal", 0.728)])
def test_times_are_spread_as_asked(spread, inner):
    torch.manual_seed(0)
    times = flow_times((200, 100), spread, torch.zeros(1))
    assert times.min() >= 0.0 and times.max() <= 1.0
    middle = ((times > 0.25) & (times < 0.75)).float().mean()
    assert float(middle) == pytest.approx(inner, abs=0.01)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"time": "late"}, "time is 'late'"), ({"draws": 0}, "draws is 0"), ({"far": 0.0}, "far")],
)
def test_settings_that_cannot_be_are_named(settings, words):
    with pytest.raises(AmtError, match=words):
        GraspLossSettings(**settings)
