"""The learning rate over the steps."""

import pytest
import torch

from amt_perception.errors import AmtError
from amt_training.trainer.schedule import ScheduleSettings, learning_rate


def rates(settings: ScheduleSettings, peak: float, steps: int) -> list[float]:
    return [learning_rate(settings, peak, step, steps, 10) for step in range(steps)]


def test_cosine_is_torchs_after_the_warm_up() -> None:
    settings = ScheduleSettings(warm_up_steps=20)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1e-4)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 180, eta_min=1e-6)
    found = rates(settings, 1e-4, 200)

    assert found[0] == pytest.approx(1e-4 / 20) and found[19] == found[20] == 1e-4
    for rate in found[20:]:
        assert rate == pytest.approx(reference.get_last_lr()[0], rel=1e-6)
        optimizer.step()
        reference.step()


def test_restarts_are_torchs() -> None:
    settings = ScheduleSettings(kind="restarts", warm_up_steps=0, first_period=2, period_factor=2)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1e-4)
    reference = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(
        optimizer, T_0=20, T_mult=2, eta_min=1e-6
    )
    found = rates(settings, 1e-4, 150)

    for rate in found:
        assert rate == pytest.approx(reference.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        reference.step()
    assert found[20] == found[60] == found[140] == 1e-4


def test_a_group_below_the_minimum_stays_where_it_is() -> None:
    settings = ScheduleSettings(warm_up_steps=0, minimum=1e-5)

    assert set(rates(settings, 1e-6, 10)) == {1e-6}


def test_constant() -> None:
    assert set(rates(ScheduleSettings("constant", warm_up_steps=0), 1e-4, 10)) == {1e-4}


@pytest.mark.parametrize(
    ("settings", "key"),
    [({"kind": "linear"}, "schedule.kind"), ({"first_period": 0}, "schedule.first_period")],
)
def test_impossible_settings_are_named(settings: dict, key: str) -> None:
    with pytest.raises(AmtError, match=key):
        ScheduleSettings(**settings)
