"""Which data set, and where it is: the choices of `data=...`."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from amt_training.data.clips import ClipOptions
from amt_training.data.hot3d import Hot3dOptions
from amt_training.synthetic.settings import WorldSettings
from amt_training.toy.scenes import Variety

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class ToySettings:
    """Scenes of the generic hand and a box, drawn by chance: data for everybody."""

    kind: str = "toy"
    train: int = 512
    """Scenes to train on."""
    val: int = 64
    """Scenes to look at while training."""
    test: int = 64
    """Scenes to evaluate on."""
    frames: int = 1
    """Pictures of each scene; more than one make sequences."""
    variety: Variety = field(default_factory=Variety)


@dataclass(frozen=True)
class DexYcbSettings:
    """DexYCB (dex-ycb.github.io), in its own folders."""

    kind: str = "dexycb"
    root: str = MISSING
    """Holds 20200709-subject-01 and the others, calibration and models."""
    split: str = "s0"
    """s0, s1 (unseen subjects), s2 (unseen views) or s3 (unseen grasps)."""


@dataclass(frozen=True)
class Ho3dSettings:
    """HO3D, in its own folders. Its evaluation part has no joints: sequences of train are held out
    for validation."""

    kind: str = "ho3d"
    root: str = MISSING
    """Holds train, evaluation, train.txt and evaluation.txt."""
    version: str = "v3"
    """v2 or v3."""
    held_out: float = 0.05
    """Share of the sequences that is kept from training."""


@dataclass(frozen=True)
class InterHandSettings:
    """InterHand2.6M (5 or 30 frames/s), in its own folders."""

    kind: str = "interhand"
    root: str = MISSING
    """Holds images and annotations."""


@dataclass(frozen=True)
class Hot3dSettings:
    """HOT3D's clips, as tars. One participant's are held out for validation and test."""

    kind: str = "hot3d"
    root: str = MISSING
    """Holds train_aria and the others."""
    device: str = "aria"
    """aria or quest3."""
    options: Hot3dOptions = field(default_factory=Hot3dOptions)


@dataclass(frozen=True)
class OakInkSettings:
    """OakInk-Image, in its own folders."""

    kind: str = "oakink"
    root: str = MISSING
    """Holds image/anno and image/stream_release_v2."""
    split: str = "views"
    """What is unseen in the test: views, subjects, objects or hand_object."""


@dataclass(frozen=True)
class ClipsSettings:
    """WebDataset clips of the single-frame and temporal design."""

    kind: str = "clips"
    root: str = MISSING
    """Holds the tars."""
    options: ClipOptions = field(default_factory=ClipOptions)
    """What the clips do not say about themselves."""
    held_out: float = 0.05
    """Share of the clips that is kept from training."""


@dataclass(frozen=True)
class ShardsSettings:
    """What `python -m amt_training.convert` has written."""

    kind: str = "shards"
    root: str = MISSING
    """Holds a folder of shards for each part: train, val, test."""


@dataclass(frozen=True)
class FunctionalSettings:
    """Grasps of the Allegro hand, for task=functional_grasp."""

    kind: str = "functional"
    root: str = MISSING
    """What `python -m amt_training.functional generate` has written."""


@dataclass(frozen=True)
class OakInkShapeSettings:
    """OakInk-Shape, in its own folders: grasps of people, for task=functional_grasp."""

    kind: str = "oakink_shape"
    root: str = MISSING
    """Holds shape/."""
    split: str = "object"
    """What is unseen in the test: object (the official one) or source (of transferred grasps)."""


GRASP_DATA = ("functional", "oakink_shape")
"""Kinds of data for task=functional_grasp, and for no other."""
NARROW = Variety(turn=(0.4, 0.4, 0.3), facing=0.8, shape=0.0, place=(0.05, 0.05))
"""Hands of one shape, seen from the palm and the thumb's side: learned in minutes on a laptop."""
DATA_SETS = {
    "toy": ToySettings(),
    "toy_narrow": ToySettings(variety=NARROW),
    "synthetic": WorldSettings(),
    "dexycb": DexYcbSettings(),
    "ho3d": Ho3dSettings(),
    "interhand": InterHandSettings(),
    "hot3d": Hot3dSettings(),
    "oakink": OakInkSettings(),
    "clips": ClipsSettings(),
    "shards": ShardsSettings(),
    "functional": FunctionalSettings(),
    "oakink_shape": OakInkShapeSettings(),
}
"""By the name that `data=...` takes."""
