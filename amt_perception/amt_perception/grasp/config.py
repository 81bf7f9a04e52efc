"""Every number that shapes the grasp model, and its variants."""

from __future__ import annotations

from dataclasses import dataclass

from amt_perception.model.config import Config

HANDS = ("allegro", "mano")
LANGUAGE_ENCODERS = ("small", "qwen")


@dataclass(frozen=True)
class GraspConfig(Config):
    """The functional grasp model. Its parts: `grasp_model.py`."""

    name: str = "small"
    hand: str = "allegro"
    """Whose grasps it draws: allegro (right hand, 16 joints) or mano."""
    side: str = "right"
    language_encoder: str = "small"
    """small (trained from scratch, needs no download) or qwen (Qwen2.5-VL)."""
    language_width: int = 128
    """C of `Language.tokens`: small 128, Qwen2.5-VL-3B 2048."""
    radii: tuple[float, float] = (0.02, 0.05)
    """Of PointNet++'s two set abstractions (m)."""
    neighbours: tuple[int, int] = (32, 32)
    geometry_width: int = 128
    width: int = 256
    """F of the fused features."""
    fusion_layers: int = 4
    heads: int = 8
    velocity_layers: int = 4
    """Blocks of the flow's network; each attends to the points and the six part tokens."""
    sample_contacts: bool = True
    """Draw each hand part's place of contact together with the pose, so that contacts of different
    grasps are not averaged."""
    instruction_dropout: float = 0.1
    """Share of samples that are trained without an instruction, for classifier-free guidance."""
