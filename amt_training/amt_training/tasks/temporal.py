"""Stage 2: the temporal encoder, on windows of frames; everything before it stays as it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn

from amt_perception.errors import AmtError
from amt_perception.hand.model_data import HandModelData
from amt_perception.model.amt import Amt, add_temporal, freeze_spatial
from amt_perception.model.config import AmtConfig
from amt_perception.model.weights import load_checkpoint, read_info
from amt_training.data.targets import TargetBuilder
from amt_training.losses.targets import AmtTarget
from amt_training.losses.temporal import AttentionEntropy
from amt_training.losses.total import AmtLoss, Loss
from amt_training.tasks.single_frame import Batch
from amt_training.tasks.validation import mean_errors


class TemporalTask(nn.Module):
    """Trains a model's temporal encoder: pose, shape and place of the last frame, and its motion.

    Labels are those of all frames of all windows, [B, T, ...].
    """

    def __init__(self, model: Amt, loss: AmtLoss, targets: TargetBuilder) -> None:
        super().__init__()
        freeze_spatial(model)
        self.model = model
        self.loss = loss
        self.targets = targets
        assert model.temporal is not None
        self._entropy = AttentionEntropy(model.temporal)

    def parameter_groups(self) -> dict[str, list[nn.Module]]:
        """All that is trained is new."""
        return {"backbone": [], "decoders": []}

    def train(self, mode: bool = True) -> TemporalTask:
        """Training mode for the temporal encoder alone: the frozen parts are to give the tokens
        that they will give at run time, without noise and with fixed spectral norms."""
        super().train(mode)
        self.model.eval()
        assert self.model.temporal is not None
        self.model.temporal.train(mode)
        return self

    def forward(self, batch: Batch, progress: float) -> Loss:
        """The loss of the windows' last frames; progress: share of the training that is done."""
        inputs, labels = batch
        frames = inputs.image.shape[1]
        labels = labels.each(lambda tensor: tensor.flatten(0, 1))
        with torch.no_grad():
            tokens = self.model.encode_frame(inputs.flat()).by_frame(frames)
        with self._entropy:
            output = self.model.decode(tokens)
        earlier = self.model.decode(tokens[:-1])
        last = torch.arange(frames - 1, len(labels.side), frames, device=labels.side.device)
        targets = self.targets(labels)
        loss: Loss = self.loss(
            output, targets[last], inputs, progress,
            previous=(earlier, targets[last - 1]),
            attention_entropy=self._entropy.loss(self.loss.config.entropy_floor),
        )  # fmt: skip
        return loss

    def target(self, batch: Batch) -> AmtTarget:
        """The truth about the windows' last frames."""
        target: AmtTarget = self.targets(batch[1].each(lambda tensor: tensor[:, -1]))
        return target

    @torch.no_grad()
    def validate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Errors of the last frames of held-out windows; see `validation.mean_errors`."""
        return mean_errors((self.model(batch[0]), self.target(batch)) for batch in batches)


def stage_two_model(stage_one: Path, right_hand: HandModelData, layers: int) -> Amt:
    """The model of a stage-1 checkpoint with a new temporal encoder that changes nothing yet.

    Raises AmtError when there is no such checkpoint, or when it is of something else.
    """
    info = read_info(stage_one)
    if not isinstance(info.config, AmtConfig) or info.config.temporal_layers:
        what = "of stage 2 already" if isinstance(info.config, AmtConfig) else "of the baseline"
        raise AmtError(f"{stage_one} is {what}; stage 2 needs a checkpoint of stage 1")
    if info.folded:
        raise AmtError(
            f"{stage_one} is made for running (its spectral norms are folded); give the checkpoint "
            "that training wrote"
        )
    model = load_checkpoint(stage_one, right_hand)
    assert isinstance(model, Amt)  # its configuration says so
    add_temporal(model, layers)
    return model
