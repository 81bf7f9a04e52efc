"""Every number that shapes the grasp model, and its variants."""

from __future__ import annotations

from dataclasses import dataclass

from amt_perception.errors import AmtError
from amt_perception.model.config import Config

HANDS = ("allegro", "mano")
LANGUAGE_ENCODERS = ("small", "qwen")
POSE_SPACES = ("scaled", "raw")
SAMPLERS = ("euler", "midpoint", "half_step")
CONTACT_KERNELS = ("exponential", "gaussian")

LENGTH_UNIT_M = 0.05
"""Positions enter and leave the networks in this unit, half a hand-sized object. One millimetre is
then 0.02, about what one degree is of a 6D rotation or of a finger joint."""

_FINGER = ((-0.47, 0.47), (-0.196, 1.61), (-0.174, 1.709), (-0.227, 1.618))
_THUMB = ((0.263, 1.396), (-0.105, 1.163), (-0.189, 1.644), (-0.162, 1.719))
_ALLEGRO = (*_FINGER, *_FINGER, *_FINGER, *_THUMB)  # index, middle, ring, thumb
# Those of urdf/allegro.xacro, from Wonik's URDF of the hand; a test compares them.


@dataclass(frozen=True)
class GraspConfig(Config):
    """The functional grasp model. Its parts: `grasp_model.py`.

    Raises AmtError for a choice that there is not.
    """

    name: str = "small"
    hand: str = "allegro"
    """Whose grasps it draws: allegro (right hand, 16 joints) or mano."""
    side: str = "right"
    language_encoder: str = "small"
    """small (trained from scratch, needs no download) or qwen (Qwen2.5-VL)."""
    language_width: int = 128
    """C of `Language.tokens`: small 128, Qwen2.5-VL-3B 2048."""
    centres: tuple[int, int] = (512, 128)
    """Points that PointNet++'s two set abstractions keep."""
    radii: tuple[float, float] = (0.02, 0.05)
    """Of PointNet++'s two set abstractions (m)."""
    neighbours: tuple[int, int] = (32, 32)
    geometry_width: int = 128
    fusion_points: int = 256
    """Points that attend to one another and to the instruction; the others follow the nearest."""
    width: int = 256
    """F of the fused features."""
    fusion_layers: int = 4
    heads: int = 8
    contact_kernel: str = "exponential"
    """How the probability of contact falls with distance: exponential or gaussian."""
    contact_scale: float = 0.01
    """tau of that kernel (m)."""
    pose_space: str = "scaled"
    """Where the flow runs: scaled (6D wrist, joints by their limits, 5 cm) or raw (axis-angle,
    radians, metres), which is the source document's."""
    velocity_layers: int = 4
    """Blocks of the flow's network; each attends to the points and the six part tokens."""
    velocity_points: int = 128
    """Points that those blocks attend to."""
    sample_contacts: bool = True
    """Draw each hand part's place of contact together with the pose, so that contacts of different
    grasps are not averaged."""
    sampler: str = "euler"
    """euler, midpoint, or half_step, which is the source document's."""
    instruction_dropout: float = 0.1
    """Share of samples that are trained without an instruction, for classifier-free guidance."""
    own_frame: bool = True
    """Look at the object in a frame of its own (`frames.py`), not in its file's."""
    pooled: bool = False
    """The source document's design (`document.py`): one language vector, the mean over all tokens,
    is added to the points, and the flow sees the object as one pooled vector."""
    allegro_grip: tuple[float, float, float] = (0.075, 0.02, 0.02)
    """[3] in palm_link (m) where the right hand's contacts are on average. A grasp's position in
    the scaled space is that of this point, which is at the object however the palm is turned."""
    allegro_lower: tuple[float, ...] = tuple(lower for lower, _ in _ALLEGRO)
    """[16] in the project's order of joints (rad)."""
    allegro_upper: tuple[float, ...] = tuple(upper for _, upper in _ALLEGRO)

    def __post_init__(self) -> None:
        for key, choices in (
            ("hand", HANDS),
            ("language_encoder", LANGUAGE_ENCODERS),
            ("contact_kernel", CONTACT_KERNELS),
            ("pose_space", POSE_SPACES),
            ("sampler", SAMPLERS),
        ):
            if getattr(self, key) not in choices:
                raise AmtError(
                    f"the grasp model has no {key} '{getattr(self, key)}'; choose one of: "
                    f"{', '.join(choices)}"
                )


VARIANTS = {
    one.name: one
    for one in (
        GraspConfig("small"),
        GraspConfig(
            "base",
            geometry_width=256,
            neighbours=(32, 64),
            fusion_points=512,
            width=512,
            velocity_layers=6,
            velocity_points=256,
        ),
        GraspConfig(
            "document",
            hand="mano",
            language_encoder="qwen",
            language_width=2048,
            radii=(0.2, 0.4),
            geometry_width=256,
            fusion_points=1024,
            width=512,
            pose_space="raw",
            sample_contacts=False,
            sampler="half_step",
            instruction_dropout=0.0,
            own_frame=False,
            pooled=True,
        ),
    )
}
"""Named variants. `document` is the source document's own, to compare with."""


def grasp_config(name: str) -> GraspConfig:
    """A named variant. Raises AmtError for an unknown name."""
    if name not in VARIANTS:
        raise AmtError(f"there is no grasp model '{name}'; choose one of: {', '.join(VARIANTS)}")
    return VARIANTS[name]
