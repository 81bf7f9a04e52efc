"""The functional grasp model: from an object's points and an instruction to grasps of a hand.

    points, normals -> PointNet++ --------> fusion -> features of the points -> contact of six parts
    instruction -> language encoder ---------^              |                       |
                                                            v                       v
    noise ----------------------------------------> flow: points, part tokens, instruction
                                                     |
                                                     v   pose and contact places

One file a part: `pointnet.py`, `fusion.py`, `contact.py`, `velocity.py`, `flow.py` and
`pose_space.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from amt_perception.errors import AmtError
from amt_perception.grasp.config import LENGTH_UNIT_M, GraspConfig
from amt_perception.grasp.contact import ContactHead, ContactKernel, pool_by_contact, pool_by_part
from amt_perception.grasp.document import PooledVelocityNetwork
from amt_perception.grasp.flow import guided, integrate
from amt_perception.grasp.frames import ObjectFrame, file_frame, own_frame
from amt_perception.grasp.fusion import Fusion, InstructionReader
from amt_perception.grasp.interface import GraspContext, Grasps, Language
from amt_perception.grasp.point_operations import farthest_points
from amt_perception.grasp.pointnet import PointNet
from amt_perception.grasp.pose_space import pose_space
from amt_perception.grasp.velocity import CONTACT_NUMBERS, VelocityNetwork
from amt_perception.model.interface import HAND_PARTS


class GraspModel(nn.Module):
    """Draws grasps. `language_encoder` is the small one, trained with the rest, or None."""

    def __init__(self, config: GraspConfig) -> None:
        super().__init__()
        self.config = config
        self.kernel = ContactKernel(config.contact_kernel, config.contact_scale)
        self.space = pose_space(config)
        self.places_size = CONTACT_NUMBERS * len(HAND_PARTS) if config.sample_contacts else 0
        self.state_size = self.space.size + self.places_size
        """D, numbers of the flow's state."""
        self.language_encoder = _small_encoder(config)
        self.instruction_reader = InstructionReader(config)
        self.pointnet = PointNet(config)
        self.fusion = Fusion(config)
        self.contact_head = ContactHead(config.width)
        self.flow: VelocityNetwork | PooledVelocityNetwork
        if config.pooled:
            self.flow = PooledVelocityNetwork(config, self.state_size)
        else:
            self.flow = VelocityNetwork(config, self.space.size)

    def context(self, points: Tensor, normals: Tensor, language: Language | None) -> GraspContext:
        """What the model knows of B objects before any grasp is drawn.

        points: [B, N, 3] object frame (m). normals: [B, N, 3] unit vectors out of the object.
        language: features of B instructions, or None for none. In training, the share
        `instruction_dropout` of the samples loses its instruction.
        """
        frame = own_frame(points) if self.config.own_frame else file_frame(points)
        points, normals = frame.points(points), frame.directions(normals)
        order = farthest_points(points, max(self.config.centres[0], self.config.fusion_points))
        instruction = self.instruction_reader(language, len(points))
        geometry, overall = self.pointnet(points, normals, order)
        features = self.fusion(points, geometry, overall, instruction, order)
        logits = self.contact_head(features)
        return GraspContext(
            frame=frame,
            points=points,
            point_features=features,
            contact_logits=logits,
            part_tokens=pool_by_part(features, logits),
            pooled=pool_by_contact(features, logits),
            language=instruction.pooled,
        )

    def velocity(self, state: Tensor, time: Tensor, context: GraspContext) -> Tensor:
        """[B, K, D] where K states [B, K, D] of each object at times [B, K] in 0..1 are to go."""
        return self.flow(state, time, self.flow.read(context))

    def flow_state(self, grasps: Grasps, places: Tensor, frame: ObjectFrame) -> Tensor:
        """[B, K, D] of B * K grasps and their contact places [B * K, 6, 4], object frame.

        frame: the context's. See `contact.contact_places`; a model that does not sample contacts
        leaves the places out.
        """
        batch = len(frame.middle)
        state = self.space.encode(frame.grasps(grasps)).unflatten(0, (batch, -1))
        if not self.config.sample_contacts:
            return state
        where, touches = places.unflatten(0, (batch, -1)).split([3, 1], dim=-1)
        numbers = [frame.points(where) / LENGTH_UNIT_M * touches, 2.0 * touches - 1.0]
        return torch.cat([state, torch.cat(numbers, dim=-1).flatten(2)], dim=2)

    def from_flow_state(self, state: Tensor, frame: ObjectFrame) -> tuple[Grasps, Tensor | None]:
        """B * K grasps and contact places [B * K, 6, 4] from states [B, K, D], in float32.

        The reverse of `flow_state`; the fourth number of a place is between 0 (does not touch; the
        place means nothing) and 1. None where the model does not sample contacts.
        """
        pose, numbers = state.float().split([self.space.size, self.places_size], dim=2)
        grasps = frame.grasps_back(self.space.decode(pose.flatten(0, 1)))
        if not self.config.sample_contacts:
            return grasps, None
        numbers = numbers.unflatten(2, (len(HAND_PARTS), CONTACT_NUMBERS))
        where = frame.points_back(numbers[..., :3] * LENGTH_UNIT_M)
        touches = (numbers[..., 3:] + 1.0) / 2.0
        return grasps, torch.cat([where, touches.clamp(0.0, 1.0)], dim=-1).flatten(0, 1)

    @torch.no_grad()
    def sample(
        self,
        context: GraspContext,
        count: int,
        steps: int = 20,
        guidance: float = 1.0,
        generator: torch.Generator | None = None,
        uninstructed: GraspContext | None = None,
    ) -> tuple[Grasps, Tensor | None]:
        """`count` grasps of each of the B objects, the first object's first: B * count.

        Also their contact places [B * count, 6, 4] (see `from_flow_state`). guidance: see
        `flow.guided`; any but 1 needs `uninstructed`, the context of the same objects with None
        for the language. Raises AmtError where that is missing or the numbers are not positive.
        """
        if count < 1 or steps < 1:
            raise AmtError(f"give at least one grasp and one step, not {count} and {steps}")
        if guidance != 1.0 and uninstructed is None:
            raise AmtError("guidance compares with the object's context without an instruction: "
                           "give it, or guidance 1")  # fmt: skip
        batch, device = len(context.points), context.points.device
        noise = torch.randn(
            (batch, count, self.state_size),
            generator=generator,
            device=generator.device if generator is not None else device,
        ).to(device)
        read = self.flow.read(context)
        read_without = None
        if guidance != 1.0 and uninstructed is not None:
            read_without = self.flow.read(uninstructed)

        def velocity(state: Tensor, time: float) -> Tensor:
            times = state.new_full((batch, count), time)
            toward = self.flow(state, times, read)
            if read_without is None:
                return toward
            return guided(toward, self.flow(state, times, read_without), guidance)

        state = integrate(velocity, noise, steps, self.config.sampler)
        return self.from_flow_state(state, context.frame)

    def parameter_counts(self) -> dict[str, int]:
        """Parameters of each part, in the order of the way through the model."""
        return {
            name: sum(parameter.numel() for parameter in part.parameters())
            for name, part in self.named_children()
        }


def _small_encoder(config: GraspConfig) -> nn.Module | None:
    if config.language_encoder != "small":
        return None
    from amt_perception.grasp.language.small import SmallLanguageEncoder

    return SmallLanguageEncoder(width=config.language_width)
