"""The baseline: the first system of this line of work, which every table shows beside AMT.

Three encoders trained from scratch ("Video Manipulation Transformer"): hand and object each read
the raw RGB patches, contact reads what both have found. Without positional embeddings that system
saw a bag of patches and predicted the mean; it has them here. Places are regressed directly in the
camera frame, around one constant: the picture of a crop does not tell them, so depth fails when the
focal length changes, and what lies outside the training's places is not found. That is the point of
comparison for `camera.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from amt_perception.errors import AmtError
from amt_perception.model.config import YCB_CLASSES, Config, StabiliserConfig
from amt_perception.model.contact_branch import ContactBranch, ContactHead
from amt_perception.model.geometry import project, rotation_from_6d
from amt_perception.model.interface import AmtInput, AmtOutput, ObjectOutput
from amt_perception.model.layers import MLP, EncoderLayer
from amt_perception.model.mirror import mirror_input, mirror_output
from amt_perception.model.object_branch import QueryHead
from amt_perception.model.sigma_reparam import add_sigma_reparam
from amt_perception.model.stabilisers import FeatureNoise

JOINTS = 21
USUAL_PLACE_M = (0.0, 0.0, 0.7)
"""Where hands and objects are before anything is learned."""
PLACE_UNIT_M = 0.2
"""Unit of the network's numbers for the wrist's and objects' places."""
JOINT_UNIT_M = 0.1
"""Unit of the network's numbers for joints relative to the wrist."""


@dataclass(frozen=True)
class BaselineConfig(Config):
    """The baseline."""

    name: str = "baseline"
    stabilisers: StabiliserConfig = field(
        default_factory=lambda: StabiliserConfig(
            sigma_reparam=False, attention_temperature=False, feature_noise=0.0, mixup=0.0
        )
    )
    image_size: int = 224
    crop_scale: float = 2.0
    """Side of the crop over the longer side of the hand box, so that a held object is in view."""
    patch_size: int = 16
    width: int = 320
    heads: int = 5
    hand_layers: int = 8
    object_layers: int = 8
    contact_layers: int = 4
    object_queries: int = 10
    object_classes: tuple[str, ...] = YCB_CLASSES
    contact_points: int = 10


TINY_BASELINE = BaselineConfig(
    "tiny_baseline",
    image_size=112,
    width=64,
    heads=4,
    hand_layers=2,
    object_layers=2,
    contact_layers=1,
)
"""For tests."""


class BaselineModel(nn.Module):
    """Crops around hands to hands, objects and contacts; no mesh and no time.

    Raises AmtError for a picture that is not a whole number of patches wide.
    """

    def __init__(self, config: BaselineConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.hand_encoder = PatchEncoder(config, config.hand_layers, JOINTS)
        self.object_encoder = PatchEncoder(config, config.object_layers, config.object_queries)
        self.contact_encoder = ContactBranch(config, config.contact_layers, config.contact_points)
        self.wrist = nn.Linear(width, 3)
        self.joint = MLP(width, width, 3)
        self.log_sigma = nn.Linear(width, 1)
        nn.init.constant_(self.log_sigma.bias, -4.0)
        self.object_head = DirectObjectHead(width, len(config.object_classes))
        self.contact_head = ContactHead(width, config.contact_points)
        self.register_buffer("usual_place", torch.tensor(USUAL_PLACE_M), persistent=False)
        if config.stabilisers.sigma_reparam:
            add_sigma_reparam(self)

    def forward(self, inputs: AmtInput) -> AmtOutput:
        """Results for the last of the T frames; those before do not matter."""
        mirrored = mirror_input(inputs)
        image = mirrored.image[:, -1]
        hand, objects = self.hand_encoder(image), self.object_encoder(image)
        contact = self.contact_encoder(hand, objects)

        joints = JOINT_UNIT_M * self.joint(hand).float()
        wrist = self.usual_place + PLACE_UNIT_M * self.wrist(hand[:, 0]).float()
        joints = wrist[:, None] + joints - joints[:, :1]
        camera_axes = torch.eye(3, device=wrist.device).expand(len(wrist), 3, 3)
        output = AmtOutput(
            joint_steps=joints[:, None],
            joint_log_sigma=self.log_sigma(hand).float()[..., 0],
            keypoints=project(joints, mirrored.intrinsics[:, -1]),
            objects=self.object_head(objects, self.usual_place),
            contact=self.contact_head(contact, wrist, camera_axes),
        )
        return mirror_output(output, inputs.side, image.shape[-1])


class PatchEncoder(nn.Module):
    """A vision transformer (Dosovitskiy et al., ICLR 2021) with one learned token a question."""

    def __init__(self, config: BaselineConfig, layers: int, queries: int) -> None:
        super().__init__()
        if config.image_size % config.patch_size:
            raise AmtError(
                f"image_size {config.image_size} is not a multiple of patch_size "
                f"{config.patch_size}"
            )
        width, patch = config.width, config.patch_size
        self.patches = nn.Conv2d(3, width, kernel_size=patch, stride=patch)
        # As large as the patches' features: from a small start, places are learned late.
        self.position = nn.Parameter(0.5 * torch.randn((config.image_size // patch) ** 2, width))
        self.queries = nn.Parameter(torch.randn(queries, width))
        self.noise = FeatureNoise(config.stabilisers.feature_noise)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, image: Tensor) -> Tensor:
        """One token for each query [B, Q, C]. image: [B, 3, S, S], uint8 or float in 0..1."""
        if image.dtype == torch.uint8:
            image = image.float() / 255.0
        patches = self.noise(self.patches(2.0 * image - 1.0).flatten(2).mT + self.position)
        queries = self.queries.expand(len(image), -1, -1)
        tokens = torch.cat([queries, patches], dim=1)
        for layer in self.layers:
            tokens = layer(tokens)
        return self.norm(tokens[:, : len(self.queries)])


class DirectObjectHead(QueryHead):
    """Tokens to poses, straight in the camera frame."""

    def forward(self, tokens: Tensor, usual_place: Tensor) -> ObjectOutput:
        """tokens [B, Q, C]; usual_place [3] (m)."""
        place, six = self.pose_numbers(tokens)
        return self.output(tokens, usual_place + PLACE_UNIT_M * place, rotation_from_6d(six))
