"""Stage 1, and the baseline: hands, objects and contacts from single frames."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from amt_perception.model.amt import Amt
from amt_perception.model.baseline import BaselineModel
from amt_perception.model.interface import AmtInput, AmtOutput
from amt_perception.model.stabilisers import mix_up
from amt_training.data.labels import Labels
from amt_training.data.targets import TargetBuilder
from amt_training.losses.total import AmtLoss, Loss
from amt_training.tasks.validation import mean_errors

Batch = tuple[AmtInput, Labels]


class SingleFrameTask(nn.Module):
    """Trains a model on pictures without a past."""

    def __init__(self, model: Amt | BaselineModel, loss: AmtLoss, targets: TargetBuilder) -> None:
        super().__init__()
        self.model = model
        self.loss = loss
        self.targets = targets

    def parameter_groups(self) -> dict[str, list[nn.Module]]:
        """The parts that learn at a rate of their own."""
        model = self.model
        if isinstance(model, BaselineModel):
            return {"backbone": [], "decoders": [model.contact_encoder]}
        decoders = [model.hand_branch, model.object_branch, model.contact_branch, model.fusion]
        return {
            "backbone": [model.image_encoder.backbone],
            "decoders": [*decoders, model.refinement],
        }

    def forward(self, batch: Batch, progress: float) -> Loss:
        """The loss of a batch; progress: share of the training that is done (0..1).

        MixUp lays a fainter second picture over each one. The second's hand counts for nothing: its
        place in space belongs to another camera. The first one's loss counts by its share.
        """
        inputs, labels = batch
        share: Tensor | None = None
        alpha = self.model.config.stabilisers.mixup
        if self.training and alpha > 0.0:
            image, share, _ = mix_up(inputs.image.float() / 255.0, alpha)
            inputs = AmtInput(image, inputs.intrinsics, inputs.crop, inputs.hand_box, inputs.side)
        output: AmtOutput = self.model(inputs)
        loss: Loss = self.loss(output, self.targets(labels), inputs, progress, sample_weight=share)
        return loss

    def last_labels(self, labels: Labels) -> Labels:
        """Of what the model is asked about: all of them."""
        return labels

    @torch.no_grad()
    def validate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Errors over held-out batches; see `validation.mean_errors`."""
        return mean_errors((self.model(inputs), self.targets(labels)) for inputs, labels in batches)
