"""A watched training: what is logged, drawn and warned of, and that watching changes nothing."""

import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.model.amt import Amt
from amt_perception.model.backbone import RANDOM
from amt_perception.model.config import model_config
from amt_perception.model.interface import LEFT
from amt_perception.model.layers import MLP, Attention
from amt_training.trainer.interfaces import StepReport
from amt_training.watch.collapse import CollapseSettings, CollapseWatch
from amt_training.watch.gradients import gradient_norms
from amt_training.watch.loggers import LoggerSettings, LogWatcher
from amt_training.watch.look import LookSettings, LookWatcher
from amt_training.watch.progress import ProgressBar

from .watch_batch import make_batch

torch.set_num_threads(1)
MAX_STEPS = 20


@dataclass
class Running:
    """What watchers ask of a trainer."""

    model: nn.Module
    folder: Path
    step: int = 0
    settings: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(max_steps=MAX_STEPS))
    world: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(device=torch.device("cpu"))
    )


def report(step: int, **changed) -> StepReport:
    values = {
        "step": step,
        "max_steps": MAX_STEPS,
        "progress": (step - 1) / MAX_STEPS,
        "loss": 10.0 / step,
        "terms": {"coarse": 1.0 / step, "sigma": -float(step)},
        "learning_rate": 1e-4,
        "gradient_norm": 2.0,
        "samples_per_second": 123.4,
        "seconds": 1.0,
    }
    return StepReport(**values | changed)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Amt(model_config("tiny"), generic_hand(Side.RIGHT), RANDOM).train()


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """What TensorBoard would show."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), purge_orphaned_data=True).Reload()
    return {
        tag: {event.step: event.value for event in events.Scalars(tag)}
        for tag in events.Tags()["scalars"]
    }


def test_tensorboard_has_everything_once_also_after_a_resume(tmp_path):
    network = nn.ModuleDict({"head": nn.Linear(2, 1), "still": nn.Linear(2, 1)})
    network["head"](torch.ones(1, 2)).sum().backward()
    for start, end in ((0, 14), (10, 20)):  # killed after step 14, the checkpoint was of step 10
        watcher = LogWatcher(LoggerSettings(), {})
        watcher.on_start(Running(network, tmp_path, start))
        for step in range(start + 1, end + 1):
            watcher.on_step(report(step, loss=start + step))
        watcher.on_evaluation(end, {"joints_mm": 5.0})
        watcher.on_end()
    shown = scalars(tmp_path / "tensorboard")
    assert shown["loss"] == {step: step + (10 if step > 10 else 0) for step in range(1, 21)}
    assert shown["terms/sigma"][20] == -20.0
    assert shown["evaluation/joints_mm"] == {20: 5.0}
    assert shown["gradient_norm/head"][1] == pytest.approx(3.0**0.5)
    assert shown["gradient_norm/before clipping"][1] == 2.0
    assert "gradient_norm/still" not in shown


def test_missing_package_is_one_sentence(monkeypatch):
    for settings, package in (
        (LoggerSettings(wandb="offline"), "wandb"),
        (LoggerSettings(aim="runs"), "aim"),
    ):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(AmtError, match=f"pip install {package}$"):
            LogWatcher(settings, {})
    with pytest.raises(AmtError, match=r"watch\.loggers\.wandb cannot be 'cloud'"):
        LoggerSettings(wandb="cloud")


@pytest.mark.parametrize("package", ["wandb", "aim"])
def test_other_loggers_take_numbers_and_pictures_and_go_on(tmp_path, package):
    pytest.importorskip(package)
    settings = LoggerSettings(
        tensorboard=False,
        wandb="offline" if package == "wandb" else "off",
        aim=str(tmp_path / "aim") if package == "aim" else None,
    )
    folder = tmp_path / "run"
    folder.mkdir()
    for start in (0, 1):  # killed after step 2, the checkpoint was of step 1
        watcher = LogWatcher(settings, {"seed": 3})
        watcher.on_start(Running(nn.Linear(1, 1), folder, start))
        for step in (start + 1, start + 2):
            watcher.on_step(report(step))
        watcher.picture(start + 2, "predictions", np.zeros((8, 8, 3), np.uint8))
        watcher.on_end()
    if package == "wandb":
        identity = (folder / "wandb_id").read_text()
        assert list(folder.glob(f"wandb/offline-run-*-{identity}/run-{identity}.wandb"))
    else:
        from aim import Run
        from aim.storage.context import Context

        run = Run(
            (folder / "aim_hash").read_text(), repo=settings.aim, system_tracking_interval=None
        )
        assert run["configuration"] == {"seed": 3}
        _, values = run.get_metric("loss", Context({})).values.sparse_numpy()
        assert sorted(values, reverse=True) == pytest.approx([10.0, 5.0, 10.0 / 3.0])
        run.close()


def test_gradient_norms_by_part(model):
    inputs, target = make_batch(2)
    output = model(inputs)
    (output.joints - target.joints).square().sum().backward()
    norms = gradient_norms(model)
    assert {"backbone", "image_encoder", "hand_branch", "refinement"} <= set(norms)
    assert "object_head" not in norms
    whole = torch.stack(
        [one.grad.norm() for one in model.parameters() if one.grad is not None]
    ).norm()
    assert sum(one**2 for one in norms.values()) ** 0.5 == pytest.approx(float(whole), rel=1e-5)
    assert gradient_norms(nn.parallel.DataParallel(model)) == norms  # `module.` before all names
    model.zero_grad()


def test_looking_draws_logs_and_leaves_no_trace(model, tmp_path):
    inputs, target = make_batch(3)
    log = LogWatcher(LoggerSettings(), {})
    look = LookWatcher(LookSettings(every=6, samples=3, columns=2), inputs, target, log)
    model.image_encoder.backbone.eval()  # a mode of its own
    modes = [module.training for module in model.modules()]
    state, numbers = {n: v.clone() for n, v in model.state_dict().items()}, torch.get_rng_state()
    running = Running(model, tmp_path)
    for watcher in (log, look):
        watcher.on_start(running)
    for step in (4, 8, 10, 12, MAX_STEPS):
        look.on_step(report(step))
    log.on_end()
    assert [module.training for module in model.modules()] == modes
    assert not all(modes)
    assert torch.equal(torch.get_rng_state(), numbers)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    pictures = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert pictures == [f"{step:08d}.png" for step in (0, 8, 12, 20)]
    sheet = cv2.imread(str(tmp_path / "pictures" / pictures[0]))
    assert sheet.shape[0] > 2 * 288 and sheet.std() > 20.0
    shown = scalars(tmp_path / "tensorboard")
    assert set(shown["collapse/spread"]) == {0, 8, 12, 20}
    assert 0.0 <= shown["collapse/spread"][0] <= 1.0
    layers = [tag for tag in shown if tag.startswith("collapse/entropy/")]
    assert "collapse/entropy/refinement.attention" in layers
    assert all(0.0 < shown[tag][0] <= 1.0 for tag in layers)
    assert any(tag.startswith("collapse/dead/image_encoder.backbone.network") for tag in shown)


def test_collapse_is_warned_of_once_by_name(caplog):
    torch.manual_seed(0)
    network = nn.ModuleDict(
        {"attention": Attention(16, 2, temperature=False), "mlp": MLP(16, 8, 3)}
    )
    watch = CollapseWatch(CollapseSettings(window=2), network)
    target = make_batch(6)[1]
    truth, side = target.joints, torch.arange(6) % 2
    same = truth[:1].repeat(6, 1, 1)
    same[side == LEFT, :, 0] *= -1.0  # the mirror image is no other pose
    tokens = torch.randn(6, 5, 16)

    def look(joints):
        with watch, torch.no_grad():
            network["mlp"](network["attention"](tokens, tokens))
        return watch.numbers(joints, target, side)

    with caplog.at_level(logging.WARNING):
        healthy = look(truth)
        assert healthy["spread"] == 1.0
        assert healthy["entropy/attention"] > 0.5
        assert healthy["dead/mlp.1"] < 0.5
        assert not caplog.messages

        with torch.no_grad():
            network["attention"].query.weight *= 100.0
            network["attention"].key.weight *= 100.0
            network["mlp"][0].bias[:6] = -1e4
        sick = look(same)
        assert sick["spread"] == pytest.approx(0.0, abs=1e-3)
        assert sick["entropy/attention"] < 0.05
        assert sick["dead/mlp.1"] == pytest.approx(6 / 8)
        assert not caplog.messages  # once is not enough
        for _ in range(3):
            look(same)
        assert len(caplog.messages) == 3
        assert "predicted poses have collapsed" in caplog.messages[0]
        assert "The attention of attention has collapsed" in caplog.messages[1]
        assert caplog.messages[2] == "75% of the units of mlp.1 are dead: they are never active."


def test_progress_goes_on_where_the_run_does(capfd, monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    bar = ProgressBar()
    bar.on_start(Running(nn.Linear(1, 1), tmp_path, step=10))
    bar.on_step(report(15))
    with caplog.at_level(logging.INFO):
        bar.on_evaluation(15, {"joints_mm": 12.34})
    bar.on_end()
    shown = capfd.readouterr().err
    assert "10/20" in shown and "15/20" in shown
    assert "loss 0.6667, 123.4 samples/s" in shown
    assert caplog.messages == ["step 15: joints_mm 12.34"]
