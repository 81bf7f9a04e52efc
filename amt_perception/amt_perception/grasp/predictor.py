"""From an object and an instruction to ranked grasps: the grasp model's whole way in one call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from amt_perception.grasp import ranking
from amt_perception.grasp.config import GraspConfig
from amt_perception.grasp.grasp_model import GraspModel
from amt_perception.grasp.interface import GraspContext, Grasps, Language
from amt_perception.grasp.language.qwen import QwenEncoder
from amt_perception.grasp.language.small import SmallLanguageEncoder
from amt_perception.grasp.object_input import ObjectCloud
from amt_perception.grasp.views import draw_views
from amt_perception.grasp.weights import load_grasp_checkpoint
from amt_perception.model.interface import HAND_PARTS
from amt_perception.model.precision import choose_device

STEPS = 20
"""Of the flow's integration."""
GUIDANCE = 1.0
"""1 follows the model as it is; more follows the instruction harder (classifier-free guidance)."""
DRAWN = 3
"""Grasps of the robot's hand that are drawn for each one that is asked for: some do not hold, which
shows when they are made to touch."""
TOUCHES = 0.5
"""A part touches when its sampled probability is above this."""


@dataclass(frozen=True, eq=False)
class GraspProposal:
    """One grasp as the model drew it, millimetres and degrees from touching. Object frame."""

    hand: str
    """allegro or mano."""
    rotation: np.ndarray
    """[3, 3] the robot's palm_link, or MANO's wrist, to the object's frame."""
    position: np.ndarray
    """[3] of palm_link's origin, or of the wrist joint (m)."""
    joints: np.ndarray
    """[16] of the Allegro hand in the project's order, or [15, 3] of MANO (rad)."""
    shape: np.ndarray
    """[10] of MANO; [0] for the Allegro hand."""
    score: float
    """0..1, see `ranking.score`; NaN for a model that does not sample contacts."""
    contact_probability: np.ndarray | None
    """[6] that each of HAND_PARTS touches; None for a model that does not sample contacts."""
    contact_places: np.ndarray | None
    """[6, 3] where it would (m)."""


class GraspPredictor:
    """Samples grasps of objects for instructions. The same seed gives the same grasps.

    Remembers the last object and instruction: more grasps of them cost only the flow, and another
    instruction for the same object costs no second look at its views.
    """

    def __init__(self, model: GraspModel, qwen: QwenEncoder | None = None) -> None:
        """model: in evaluation mode; qwen: the language encoder of a model that needs it."""
        self._model = model
        self._qwen = qwen
        self._last: tuple[ObjectCloud, str, GraspContext] | None = None
        self._seen: tuple[ObjectCloud, tuple[Tensor, ...]] | None = None

    @classmethod
    def load(cls, checkpoint: Path, device: str = "auto") -> GraspPredictor:
        """A trained model; device: auto, cpu or cuda.

        Raises AmtError for a checkpoint that cannot be used, missing weights of the language
        encoder, or a device that is not there.
        """
        place = choose_device(device)
        model = load_grasp_checkpoint(checkpoint, place)
        if model.config.language_encoder == "small":
            return cls(model)
        from amt_perception.grasp.language.weights import load_qwen

        return cls(model, load_qwen(checkpoint, place).eval())

    @property
    def config(self) -> GraspConfig:
        """Of the model."""
        return self._model.config

    def drawn(self, count: int) -> int:
        """How many grasps to sample where `count` are wanted."""
        return count if self.config.hand == "mano" else DRAWN * count

    def notes(self, cloud: ObjectCloud, instruction: str) -> list[str]:
        """What a person should know about the input: sentences, none for a good one."""
        encoder = self._model.language_encoder
        unknown = []
        if isinstance(encoder, SmallLanguageEncoder):
            unknown = encoder.unknown_words(instruction)
        words = [f"the model was never trained on the words: {', '.join(unknown)}"]
        return [*cloud.notes, *(words if unknown else [])]

    def contact_map(self, cloud: ObjectCloud, instruction: str) -> np.ndarray:
        """[1024, 6] probability of each point to be touched by each of HAND_PARTS.

        Raises AmtError for an empty instruction.
        """
        return self._probabilities(self._context(cloud, instruction))

    @torch.no_grad()
    def sample(
        self,
        cloud: ObjectCloud,
        instruction: str,
        count: int = 8,
        seed: int = 0,
        steps: int = STEPS,
        guidance: float = GUIDANCE,
    ) -> list[GraspProposal]:
        """`count` grasps, the best one first (`ranking`).

        Raises AmtError for an empty instruction and numbers that are not positive.
        """
        context = self._context(cloud, instruction)
        uninstructed = None
        if guidance != 1.0:
            uninstructed = self._model.context(*self._tensors(cloud), None)
        generator = torch.Generator().manual_seed(seed)
        grasps, places = self._model.sample(
            context, count, steps, guidance, generator, uninstructed
        )
        contact = None if places is None else places.cpu().double().numpy()
        return self._ranked(cloud, context, grasps.to("cpu"), contact)

    def _probabilities(self, context: GraspContext) -> np.ndarray:
        """[1024, 6] of contact; 0 for a part that the hand has not: nothing is learnt about it."""
        contact: np.ndarray = context.contact_logits[0].float().sigmoid().cpu().numpy()
        if self.config.hand == "allegro":
            contact[:, HAND_PARTS.index("pinky")] = 0.0
        return contact

    def _ranked(
        self,
        cloud: ObjectCloud,
        context: GraspContext,
        grasps: Grasps,
        contact: np.ndarray | None,
    ) -> list[GraspProposal]:
        """All grasps in the order of `ranking`, or as drawn where no contacts are sampled."""
        rotation, position = grasps.rotation.double().numpy(), grasps.position.double().numpy()
        joints, shape = grasps.joints.double().numpy(), grasps.shape.double().numpy()
        order, scores = list(range(len(position))), np.full(len(position), np.nan)
        if contact is not None:
            scores = ranking.score(
                contact[..., :3],
                contact[..., 3] > TOUCHES,
                cloud.points,
                cloud.normals,
                self._probabilities(context),
            )
            order = ranking.order(scores, rotation, position)
        return [
            GraspProposal(
                hand=self.config.hand,
                rotation=rotation[one],
                position=position[one],
                joints=joints[one],
                shape=shape[one],
                score=float(scores[one]),
                contact_probability=None if contact is None else contact[one, :, 3],
                contact_places=None if contact is None else contact[one, :, :3],
            )
            for one in order
        ]

    @torch.no_grad()
    def _context(self, cloud: ObjectCloud, instruction: str) -> GraspContext:
        if self._last is not None and self._last[0] is cloud and self._last[1] == instruction:
            return self._last[2]
        context = self._model.context(*self._tensors(cloud), self._language(cloud, instruction))
        self._last = (cloud, instruction, context)
        return context

    def _language(self, cloud: ObjectCloud, instruction: str) -> Language:
        if self._qwen is not None:
            if self._seen is None or self._seen[0] is not cloud:
                self._seen = (cloud, self._qwen.see(draw_views(cloud)))
            return self._qwen([instruction], [self._seen[1]])
        encoder = self._model.language_encoder
        assert isinstance(encoder, SmallLanguageEncoder)
        return encoder.encode([instruction])

    def _tensors(self, cloud: ObjectCloud) -> tuple[Tensor, Tensor]:
        """Points and normals [1, 1024, 3] on the model's device."""
        device = next(self._model.parameters()).device
        points, normals = (torch.from_numpy(one)[None] for one in (cloud.points, cloud.normals))
        return points.to(device), normals.to(device)
