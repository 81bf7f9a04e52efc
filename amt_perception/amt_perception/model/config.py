"""Every number that shapes the model, and the named sizes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol, TypeVar, get_type_hints

from amt_perception.errors import AmtError

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "fp32", "bf16", "fp8")
"""Where and with what numbers a model can be asked to compute; see `precision.py`."""

YCB_CLASSES = (
    "background",
    "002_master_chef_can", "003_cracker_box", "004_sugar_box", "005_tomato_soup_can",
    "006_mustard_bottle", "007_tuna_fish_can", "008_pudding_box", "009_gelatin_box",
    "010_potted_meat_can", "011_banana", "019_pitcher_base", "021_bleach_cleanser", "024_bowl",
    "025_mug", "035_power_drill", "036_wood_block", "037_scissors", "040_large_marker",
    "051_large_clamp", "052_extra_large_clamp", "061_foam_brick",
)  # fmt: skip
"""Object classes in DexYCB's order; class 0 is no object."""


_Config = TypeVar("_Config", bound="Config")


@dataclass(frozen=True)
class Config:
    """Numbers that shape a network; as plain values they go to JSON, Hydra and back."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and Hydra."""
        return asdict(self)

    @classmethod
    def from_dict(cls: type[_Config], values: dict[str, Any]) -> _Config:
        """The reverse of `to_dict`; what is missing keeps its default.

        Raises AmtError naming a key that is unknown.
        """
        unknown = set(values) - {one.name for one in fields(cls)}
        if unknown:
            raise AmtError(f"{cls.__name__} has no {', '.join(sorted(unknown))}")
        types = get_type_hints(cls)
        return cls(**{key: _restored(types[key], value) for key, value in values.items()})


def _restored(kind: Any, value: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, Config) and isinstance(value, dict):
        return kind.from_dict(value)
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True)
class BackboneConfig(Config):
    """A Hugging Face image backbone, given by its family and architecture."""

    name: str = "facebook/dinov2-large"
    """Where its pretrained weights are found: a name on the Hugging Face hub."""
    family: str = "dinov2"
    """dinov2, dinov3_vit, vit_mae, swinv2 or resnet: transformers' model type."""
    architecture: dict[str, Any] = field(default_factory=dict)
    """Arguments of transformers' configuration class."""
    frozen_layers: int = 12
    """The embeddings and so many first layers are not trained (SwinV2, ResNet: stages)."""
    taps: tuple[int, ...] = (6, 12, 18, 24)
    """Layers whose output is used, counted from 1 (SwinV2, ResNet: stages)."""


@dataclass(frozen=True)
class StabiliserConfig(Config):
    """What keeps training stable; all of it is off in evaluation."""

    sigma_reparam: bool = True
    """Spectral norm with a learned scale on the new parts' matrices (`sigma_reparam.py`)."""
    attention_temperature: bool = True
    """A learned temperature for each attention head of the new parts."""
    drop_path: float = 0.1
    """Probability that a sample skips a residual branch (stochastic depth)."""
    feature_noise: float = 0.02
    """Standard deviation of noise on image tokens, relative to theirs."""
    mixup: float = 0.2
    """Parameter alpha of MixUp's Beta distribution; 0 for none. Used by the trainer."""


class LayerConfig(Protocol):
    """What transformer layers ask of a configuration."""

    @property
    def width(self) -> int: ...

    @property
    def heads(self) -> int: ...

    @property
    def stabilisers(self) -> StabiliserConfig: ...


@dataclass(frozen=True)
class AmtConfig(Config):
    """The Advanced Manipulation Transformer."""

    name: str = "large"
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    stabilisers: StabiliserConfig = field(default_factory=StabiliserConfig)
    image_size: int = 224
    crop_scale: float = 2.0
    """Side of the crop over the longer side of the hand box, so that a held object is in view."""
    width: int = 1024
    heads: int = 16
    camera: str = "dense"
    """How intrinsics and box enter: dense (added to every token) or cross_attention."""
    hand_layers: int = 2
    """Decoder layers of the first hand estimate."""
    vertex_layers: int = 1
    """Decoder layers that read vertices and image after it."""
    multi_coordinate: str = "full"
    """Coordinates of the vertices in 22 frames: full, translation (no rotation, for ablation) or
    none (image only)."""
    vertex_widths: tuple[int, ...] = (128, 256, 512)
    """Of the hidden layers that each of the 778 vertices passes."""
    object_layers: int = 6
    object_queries: int = 10
    object_classes: tuple[str, ...] = YCB_CLASSES
    contact_layers: int = 1
    contact_points: int = 10
    fusion_layers: int = 2
    refinement_steps: int = 2
    refinement_width: int = 256
    temporal_layers: int = 0
    """Layers of the temporal encoder; 0 for a model of single frames (stage 1)."""
    frames: int = 7
    """Longest sequence that the temporal encoder sees."""


def _vit(hidden: int, layers: int, heads: int, **more: Any) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        **more,
    }


_LARGE, _BASE, _SMALL = (1024, 24, 16), (768, 12, 12), (384, 12, 6)
_DINOV2 = {"patch_size": 14, "image_size": 518}
_DINOV3 = {"patch_size": 16, "image_size": 224, "num_register_tokens": 4}
_FOUR_OF_24, _FOUR_OF_12 = (6, 12, 18, 24), (3, 6, 9, 12)


def _swin(width: int, depths: list[int], heads: list[int]) -> dict[str, Any]:
    return {"embed_dim": width, "depths": depths, "num_heads": heads, "window_size": 7,
            "image_size": 224}  # fmt: skip


BACKBONES = {
    one.name: one
    for one in (
        BackboneConfig(
            "facebook/dinov2-large", "dinov2", _vit(*_LARGE, **_DINOV2), 12, _FOUR_OF_24
        ),
        BackboneConfig("facebook/dinov2-base", "dinov2", _vit(*_BASE, **_DINOV2), 6, _FOUR_OF_12),
        BackboneConfig("facebook/dinov2-small", "dinov2", _vit(*_SMALL, **_DINOV2), 6, _FOUR_OF_12),
        BackboneConfig(
            "facebook/dinov3-vitl16-pretrain-lvd1689m",
            "dinov3_vit",
            _vit(*_LARGE, intermediate_size=4096, **_DINOV3),
            12,
            _FOUR_OF_24,
        ),
        BackboneConfig(
            "facebook/dinov3-vitb16-pretrain-lvd1689m",
            "dinov3_vit",
            _vit(*_BASE, intermediate_size=3072, **_DINOV3),
            6,
            _FOUR_OF_12,
        ),
        BackboneConfig(
            "facebook/vit-mae-large",
            "vit_mae",
            _vit(*_LARGE, intermediate_size=4096),
            12,
            _FOUR_OF_24,
        ),
        BackboneConfig(
            "facebook/vit-mae-base", "vit_mae", _vit(*_BASE, intermediate_size=3072), 6, _FOUR_OF_12
        ),
        BackboneConfig(
            "microsoft/swinv2-base-patch4-window8-256",
            "swinv2",
            _swin(128, [2, 2, 18, 2], [4, 8, 16, 32]) | {"window_size": 8, "image_size": 256},
            2,
            (1, 2, 3, 4),
        ),
        BackboneConfig(
            "microsoft/swinv2-tiny-patch4-window8-256",
            "swinv2",
            _swin(96, [2, 2, 6, 2], [3, 6, 12, 24]) | {"window_size": 8, "image_size": 256},
            2,
            (1, 2, 3, 4),
        ),
    )
}
"""Backbones with known architectures, by their name on the hub. Others can be given in full."""


TINY_BACKBONE = BackboneConfig(
    name="tiny",
    family="dinov2",
    # 0.02, transformers' own, is for wide networks: this one would start almost linear.
    architecture=_vit(96, 4, 4, patch_size=14, image_size=112, initializer_range=0.1),
    frozen_layers=0,
    taps=(1, 2, 3, 4),
)
"""For tests: trained from scratch, there are no pretrained weights."""

COMPACT_BACKBONE = BackboneConfig(
    name="compact",
    family="resnet",
    architecture={"embedding_size": 48, "hidden_sizes": [48, 96, 192, 384],
                  "depths": [2, 2, 2, 2], "layer_type": "basic"},
    frozen_layers=0,
    taps=(2, 3, 4),
)  # fmt: skip
"""A small ResNet (He et al., CVPR 2016). Convolutions learn from scratch with far fewer pictures
than a vision transformer: no pretrained weights are needed."""

SIZES = {
    one.name: one
    for one in (
        AmtConfig("large", BACKBONES["facebook/dinov2-large"]),
        AmtConfig(
            "base",
            BACKBONES["facebook/dinov2-base"],
            width=768,
            heads=12,
            object_layers=4,
        ),
        AmtConfig(
            "small",
            BACKBONES["facebook/dinov2-small"],
            image_size=196,  # a quarter less work than 224, for two CPU cores
            width=256,
            heads=8,
            object_layers=3,
            refinement_width=128,
        ),
        AmtConfig(
            "compact",
            COMPACT_BACKBONE,
            image_size=128,
            crop_scale=1.6,
            width=192,
            heads=6,
            hand_layers=1,
            vertex_widths=(32, 64),
            object_layers=1,
            object_queries=5,
            fusion_layers=1,
            refinement_width=96,
        ),
        AmtConfig(
            "tiny",
            TINY_BACKBONE,
            image_size=112,
            width=96,
            heads=4,
            hand_layers=1,
            vertex_widths=(32, 64),
            object_layers=1,
            fusion_layers=1,
            refinement_width=48,
        ),
    )
}
"""Named sizes of the model."""


def model_config(name: str) -> AmtConfig:
    """A named size. Raises AmtError for an unknown name."""
    if name not in SIZES:
        raise AmtError(f"there is no model '{name}'; choose one of: {', '.join(SIZES)}")
    return SIZES[name]
