"""A NaN is traced to the module, the input or the term of the loss where it began."""

import copy
from dataclasses import replace
from itertools import count

import pytest
import torch
from torch import nn

from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.model.amt import Amt
from amt_perception.model.backbone import RANDOM
from amt_perception.model.config import model_config
from amt_training.losses.config import LossConfig
from amt_training.losses.total import AmtLoss, Loss
from amt_training.trainer.distributed import World
from amt_training.trainer.trainer import Trainer, TrainerSettings
from amt_training.watch.nan_tracing import trace_non_finite

from .watch_batch import make_batch

torch.set_num_threads(1)


class TinyTask(nn.Module):
    def __init__(self):
        super().__init__()
        hand = generic_hand(Side.RIGHT)
        self.model, self.loss = Amt(model_config("tiny"), hand, RANDOM), AmtLoss(LossConfig(), hand)

    def forward(self, batch, progress: float) -> Loss:
        inputs, target = batch
        return self.loss(self.model(inputs), target, inputs, progress)


@pytest.fixture(scope="module")
def batch():
    return make_batch(4)


@pytest.fixture(scope="module")
def task(batch):
    torch.manual_seed(0)
    task = TinyTask().train()
    task(batch, 0.5)  # transformers adds hooks of its own to the first pass
    return task


def traced(task, batch) -> str:
    def step() -> Loss:
        torch.manual_seed(1)
        return task(batch, 0.5)

    return trace_non_finite(task, step)


def known_in_part(batch):
    """The same with joints of the first sample that nobody knows."""
    inputs, target = batch
    joints, valid = target.joints.clone(), target.joints_valid.clone()
    joints[0], valid[0] = torch.nan, False
    return inputs, replace(target, joints=joints, joints_valid=valid)


class NanGradient(torch.autograd.Function):
    """The identity with a gradient of NaN."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * torch.nan


class Broken(nn.Module):
    """A module, and then something in its own code that breaks the gradient."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *tokens):
        return NanGradient.apply(self.inner(*tokens))


def hooks(task) -> int:
    return sum(len(one._forward_hooks) + len(one._forward_pre_hooks) for one in task.modules())


def test_nothing_to_find_and_nothing_left_behind(task, batch):
    before, hooked = copy.deepcopy(task.state_dict()), hooks(task)
    assert traced(task, batch) == ""
    assert all(one.grad is None for one in task.parameters())
    assert hooks(task) == hooked
    after = task.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("hand_branch.decoder.layers.0.mlp.0", "parametrizations.weight.original"),
        ("image_encoder.backbone.network.encoder.layer.2.norm1", "weight"),
        ("refinement.log_sigma", "bias"),
    ],
)
def test_nan_in_a_weight(task, batch, path, parameter):
    task = copy.deepcopy(task)
    module = task.model.get_submodule(path)
    with torch.no_grad():
        dict(module.named_parameters())[parameter].view(-1)[0] = torch.nan
    sentence = traced(task, batch)
    assert sentence.startswith(f"model.{path} (")
    assert sentence.endswith(f"its weight {parameter} is not finite")


def test_inf_in_an_input(task, batch):
    inputs, target = batch
    camera = inputs.intrinsics.clone()
    camera[2, 0, 0, 0] = torch.inf
    sentence = traced(task, (replace(inputs, intrinsics=camera), target))
    assert sentence == "the model's input inputs.intrinsics is not finite in sample 2 of the batch"


def test_gradient_alone(task, batch):
    task = copy.deepcopy(task)
    attention = task.model.contact_branch.get_submodule("decoder.layers.0.cross_attention")
    attention.out = Broken(attention.out)
    path = "model.contact_branch.decoder.layers.0.cross_attention.out (Broken)"
    assert traced(task, batch).startswith(f"{path} makes finite gradients not finite")


def test_gradient_in_the_code_of_a_module_between_its_parts(task, batch):
    task = copy.deepcopy(task)
    task.model.object_branch = Broken(task.model.object_branch)
    assert traced(task, batch).startswith("model.object_branch (Broken) makes")


def test_gradient_of_one_use_does_not_blame_another():
    class Breaks(nn.Module):
        def forward(self, x):
            return NanGradient.apply(x)

    class Fork(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.good, self.bad = nn.Linear(3, 3), nn.Linear(3, 3), Breaks()

        def forward(self, x):
            shared = self.first(x)
            return self.good(shared) + self.bad(shared)

    task = nn.Module()
    task.model = Fork()

    def step():
        total = task.model(torch.ones(2, 3)).sum()
        return total, {"sum": total}

    assert trace_non_finite(task, step).startswith("model.bad (Breaks) makes finite gradients")


def test_term_of_the_loss(task, batch, monkeypatch):
    monkeypatch.setattr(
        "amt_training.losses.total.sigma_loss", lambda log_sigma, *_: log_sigma.sum() * torch.inf
    )
    sentence = traced(task, batch)
    assert sentence.startswith("loss (AmtLoss) is the first whose outputs total, terms.sigma are")
    unknown = known_in_part(batch)
    assert traced(task, unknown) == "the loss's term sigma is not finite, the model's output is"


def test_term_whose_gradient_alone_is_bad(task, batch, monkeypatch):
    monkeypatch.setattr(
        "amt_training.losses.total.sigma_loss", lambda log_sigma, *_: (0.0 * log_sigma).sqrt().sum()
    )
    sentence = traced(task, batch)
    assert sentence.startswith("loss (AmtLoss) makes finite gradients not finite")
    assert sentence.endswith("those of the term sigma is not finite")


def test_unknown_truth_may_be_nan(task, batch):
    assert traced(task, known_in_part(batch)) == ""


class Root(nn.Module):
    """Its gradient at zero is not a number."""

    def forward(self, x):
        return x.square().sqrt()


class RootTask(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 4, bias=False), Root(), nn.Linear(4, 1))

    def parameter_groups(self):
        return {}

    def forward(self, batch, progress: float) -> Loss:
        total = self.model(batch).square().mean()
        return Loss(total, {"square": total})


class ZeroSource:
    """A sample of zeros in the fifth step."""

    steps_per_epoch = 100

    def batches(self, first_step: int):
        for step in count(first_step):
            values = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
            values[3] *= step != 4
            yield values


def test_training_names_it_though_losses_are_looked_at_later(tmp_path):
    """Between looks the weights must not be spoilt by the gradient that was not finite."""
    task = RootTask()
    settings = TrainerSettings(max_steps=20, log_every=10, evaluate_every=0)
    trainer = Trainer(settings, task, ZeroSource(), tmp_path, World(0, 1, torch.device("cpu")))
    with pytest.raises(AmtError) as error:
        trainer.run()
    assert str(error.value).startswith(
        "the training has stopped because the gradient is not finite at step 5 (model.1 (Root) "
        "makes finite gradients not finite, on the way back from its output to its inputs): "
    )
    assert all(one.isfinite().all() for one in task.parameters())


def test_compiled_model_is_traced_uncompiled():
    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x):
            return self.second(self.first(x).relu())

    for wrapped in (False, True):
        task = nn.Module()
        task.model = small = Small()
        if wrapped:
            task.model = torch.compile(small, backend="eager")
        else:
            small.compile(backend="eager")
        task.model(torch.ones(2, 3))
        with torch.no_grad():
            small.second.bias[0] = torch.nan

        def step(task=task):
            total = task.model(torch.ones(2, 3)).sum()
            return total, {"sum": total}

        sentence = trace_non_finite(task, step)
        assert sentence.startswith("model.second (Linear) is the first whose output is not finite")
