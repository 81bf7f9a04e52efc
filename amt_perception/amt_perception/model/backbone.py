"""Image backbones of Hugging Face transformers behind one small interface."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from amt_perception.errors import AmtError
from amt_perception.model.config import BackboneConfig

PIXEL_MEAN, PIXEL_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet; what all four families were trained with."""
PRETRAINED, RANDOM, FROM_CHECKPOINT = "pretrained", "random", "from_checkpoint"
_LAYERS = {
    "dinov2": "encoder.layer", "dinov3_vit": "model.layer", "vit_mae": "layers",
    "swinv2": "encoder.layers", "resnet": "encoder.stages",
}  # fmt: skip
"""Where each family has its layers."""
_STRIDES = {"swinv2": 16, "resnet": 16}
"""The stages of these families have grids of their own; all are brought to this many pixels a
token."""

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_log = logging.getLogger(__name__)


@dataclass
class BackboneFeatures:
    """What a backbone says about a batch of pictures."""

    taps: list[Tensor]
    """Each [B, N, C_i]: the N = grid x grid patch tokens after one of the tapped layers."""
    summary: Tensor
    """[B, C] normalised class token, or the mean of the tokens where there is none."""


class Backbone(nn.Module):
    """DINOv2, DINOv3, MAE, SwinV2 or ResNet.

    weights: PRETRAINED (from the Hugging Face cache of this machine), a folder with a downloaded
    model, RANDOM (said in the log), or FROM_CHECKPOINT, when the caller loads a checkpoint of the
    whole model next: until then the parameters are NaN, so that a forgotten load cannot pass for
    a model. Raises AmtError when the weights are missing, incomplete or of another architecture.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: BackboneConfig, image_size: int, weights: str | Path) -> None:
        super().__init__()
        from transformers.initialization import no_init_weights

        self.config = config
        self.image_size = image_size
        # transformers' initial weights cost seconds, and only RANDOM keeps them.
        with nullcontext() if weights == RANDOM else no_init_weights():
            self.network = _network(config)
        if weights == FROM_CHECKPOINT:
            for parameter in self.network.parameters():
                nn.init.constant_(parameter, torch.nan)
        elif weights == RANDOM:
            _log.warning("The backbone %s starts from RANDOM weights, as asked.", config.name)
        else:
            _load_pretrained(self.network, config, weights)
        self.register_buffer("mean", torch.tensor(PIXEL_MEAN).reshape(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(PIXEL_STD).reshape(3, 1, 1), persistent=False)
        shape: Any = self.network.config
        if config.family == "swinv2":
            self.patch_size = _STRIDES[config.family]
            self.prefix_tokens = 0
            stages = len(shape.depths)
            self.tap_widths = [shape.embed_dim * 2 ** min(tap, stages - 1) for tap in config.taps]
            self.width = shape.embed_dim * 2 ** (stages - 1)
        elif config.family == "resnet":
            self.patch_size = _STRIDES[config.family]
            self.prefix_tokens = 0
            self.tap_widths = [shape.hidden_sizes[tap - 1] for tap in config.taps]
            self.width = shape.hidden_sizes[-1]
            network: Any = self.network
            network.to(memory_format=torch.channels_last)  # what fast convolutions want
        else:
            self.patch_size = int(shape.patch_size)
            self.prefix_tokens = 1 + getattr(shape, "num_register_tokens", 0)
            self.tap_widths = [shape.hidden_size] * len(config.taps)
            self.width = shape.hidden_size
        if image_size % self.patch_size:
            raise AmtError(
                f"image_size {image_size} is not a multiple of {config.name}'s patch of "
                f"{self.patch_size} pixels"
            )
        self.grid = image_size // self.patch_size
        self._freeze()

    def forward(self, image: Tensor) -> BackboneFeatures:
        """image: [B, 3, S, S], uint8 in 0..255 or float in 0..1."""
        if image.dtype == torch.uint8:
            image = image.float() / 255.0
        image = (image - self.mean) / self.std
        arguments: dict[str, Any] = {}
        if self.config.family == "vit_mae":
            # MAE shuffles its patches by this noise; ascending noise keeps their order.
            order = torch.arange(self.grid**2, device=image.device, dtype=torch.float32)
            arguments["noise"] = order.expand(image.shape[0], -1)
            arguments["interpolate_pos_encoding"] = True
        output = self.network(image, output_hidden_states=True, **arguments)
        if self.config.family == "swinv2":
            taps = [self._resampled(_map(output.hidden_states[tap])) for tap in self.config.taps]
            return BackboneFeatures(taps, output.last_hidden_state.mean(dim=1))
        if self.config.family == "resnet":
            taps = [self._resampled(output.hidden_states[tap]) for tap in self.config.taps]
            return BackboneFeatures(taps, output.last_hidden_state.mean(dim=(2, 3)))
        taps = [output.hidden_states[tap][:, self.prefix_tokens :] for tap in self.config.taps]
        return BackboneFeatures(taps, output.last_hidden_state[:, 0])

    def _resampled(self, features: Tensor) -> Tensor:
        """[B, N, C] tokens on this backbone's grid from a map [B, C, n, n]."""
        size = (self.grid, self.grid)
        if features.shape[-1] > self.grid:
            features = nn.functional.adaptive_avg_pool2d(features, size)
        elif features.shape[-1] < self.grid:
            features = nn.functional.interpolate(
                features, size, mode="bilinear", align_corners=False
            )
        return features.flatten(-2).transpose(1, 2)

    def _freeze(self) -> None:
        """Stop training the embeddings and the first layers."""
        embeddings: Any = self.network.get_submodule(
            "embedder" if self.config.family == "resnet" else "embeddings"
        )
        if getattr(embeddings, "mask_token", None) is not None:
            embeddings.mask_token.requires_grad_(False)  # only pretraining uses it
        if self.config.frozen_layers:
            embeddings.requires_grad_(False)
            for layer in _layers(self.network, self.config.family)[: self.config.frozen_layers]:
                layer.requires_grad_(False)


def _map(tokens: Tensor) -> Tensor:
    """[B, C, n, n] from the tokens [B, n * n, C] of a square grid."""
    side = round(tokens.shape[1] ** 0.5)
    return tokens.transpose(1, 2).unflatten(-1, (side, side))


def _network(config: BackboneConfig) -> PreTrainedModel:
    """The architecture."""
    from transformers import AutoConfig, AutoModel

    if config.family not in _LAYERS:
        raise AmtError(
            f"there is no backbone family '{config.family}'; choose one of: {', '.join(_LAYERS)}"
        )
    shape = AutoConfig.for_model(config.family, **config.architecture)
    if config.family == "vit_mae":
        shape.mask_ratio = 0.0
    attention = "sdpa" if config.family in ("dinov2", "dinov3_vit", "vit_mae") else "eager"
    return AutoModel.from_config(shape, attn_implementation=attention)


def _layers(network: PreTrainedModel, family: str) -> nn.ModuleList:
    """The stack of transformer layers, or of SwinV2's and ResNet's stages."""
    layers = network.get_submodule(_LAYERS[family])
    assert isinstance(layers, nn.ModuleList)
    return layers


def _load_pretrained(network: PreTrainedModel, config: BackboneConfig, weights: str | Path) -> None:
    """Copy pretrained weights from a folder or the Hugging Face cache."""
    from transformers import AutoModel

    source = config.name if weights == PRETRAINED else str(weights)
    try:
        pretrained, report = AutoModel.from_pretrained(
            source, local_files_only=True, output_loading_info=True
        )
    except Exception as error:  # transformers raises many kinds; the user needs one sentence
        where = "the Hugging Face cache of this machine" if weights == PRETRAINED else f"{weights}"
        reason = str(error).strip().splitlines()[0]
        raise AmtError(
            f"the backbone {config.name} could not be loaded from {where} ({reason}): run "
            f"`hf download {config.name}` and give its folder, or ask for random weights"
        ) from error
    missing = sorted(key for key in report["missing_keys"] if "pooler" not in key)
    if missing:
        raise AmtError(
            f"{source} lacks {len(missing)} tensors of the backbone (first: {missing[0]}); "
            "download it anew"
        )
    theirs, ours = pretrained.state_dict(), network.state_dict()
    wrong = [key for key in ours if key not in theirs or theirs[key].shape != ours[key].shape]
    if wrong:
        raise AmtError(
            f"{source} is not the backbone of this configuration ({config.name}): "
            f"{len(wrong)} tensors differ, the first is {wrong[0]}"
        )
    network.load_state_dict({key: theirs[key] for key in ours})
