"""Contacts of a hand with objects, found from their geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from amt_perception.model.interface import HAND_PARTS, INTERACTIONS
from amt_training.losses.targets import UNKNOWN, ContactTarget, ObjectTarget

TOUCHING_M = 0.005
"""A hand's surface this close to an object touches it."""
_SURFACE_REACH_M = 0.02
"""Surface points are about so far apart at most: nearer than this, the height over the nearest
one's tangent plane is the distance to the surface."""
PART_OF_JOINT = np.array(
    [HAND_PARTS.index("palm")]
    + [
        HAND_PARTS.index(name)
        for name in ("index", "middle", "pinky", "ring", "thumb")
        for _ in "123"
    ]
)
"""Index into HAND_PARTS of each of MANO's joints."""
_THUMB = HAND_PARTS.index("thumb")


def interaction_of(touches: Tensor) -> Tensor:
    """[B] index into INTERACTIONS of parts that touch [B, 6] bool.

    The thumb against another part is a grasp, anything else that touches a touch; what a hand that
    touches nothing is about to do is UNKNOWN.
    """
    count = touches.sum(dim=-1)
    grasps = touches[:, _THUMB] & (count > 1)
    kind = torch.where(count > 0, INTERACTIONS.index("touch"), UNKNOWN)
    return torch.where(grasps, INTERACTIONS.index("grasp"), kind)


def nearest_of_parts(distance: Tensor, part: Tensor) -> Tensor:
    """[B, 6] the vertex of each hand part that is nearest to, or deepest in, an object.

    distance: [B, 778] signed (m); part: [778] index into HAND_PARTS.
    """
    parts = torch.arange(len(HAND_PARTS), device=part.device)
    others = part != parts[:, None]
    return distance[:, None].masked_fill(others, torch.inf).argmin(dim=-1)


def surface_distance(vertices: Tensor, objects: ObjectTarget) -> Tensor:
    """[B, 778] signed distance (m) of vertices [B, 778, 3] to the nearest object.

    Negative inside. Infinite where nothing is near. objects: with surface points and normals.
    """
    assert objects.surface is not None and objects.surface_normals is not None
    count, many = objects.valid.shape
    seen = (vertices[:, None] - objects.position[:, :, None]) @ objects.rotation
    seen, surface = seen.flatten(0, 1), objects.surface.flatten(0, 1)
    gap, nearest = torch.cdist(seen, surface).min(dim=-1)  # [B * M, 778]
    index = nearest[..., None].expand(-1, -1, 3)
    normal = objects.surface_normals.flatten(0, 1).gather(1, index)
    height = ((seen - surface.gather(1, index)) * normal).sum(dim=-1)
    height = height.masked_fill(gap > _SURFACE_REACH_M, torch.inf).unflatten(0, (count, many))
    return height.masked_fill(~objects.valid[..., None], torch.inf).amin(dim=1)


def with_contacts(
    contact: ContactTarget, vertices: Tensor, known: Tensor, objects: ObjectTarget, part: Tensor
) -> ContactTarget:
    """The contacts, found from geometry in the samples where nobody annotated them.

    vertices: [B, 778, 3], known where `known` [B]; part: [778] index into HAND_PARTS.
    """
    find = known & objects.annotated & ~contact.points_annotated & ~contact.part_valid.any(dim=-1)
    if not find.any():
        return contact
    distance = surface_distance(vertices, objects)
    nearest = nearest_of_parts(distance, part)
    touches = distance.gather(1, nearest) < TOUCHING_M
    points = vertices.gather(1, nearest[..., None].expand(-1, -1, 3))
    chosen = find[:, None]
    return replace(
        contact,
        part=torch.where(chosen, touches, contact.part),
        part_valid=contact.part_valid | chosen,
        points_annotated=contact.points_annotated | find,
        points=torch.where(chosen[..., None], points, contact.points),
        point_valid=torch.where(chosen, touches, contact.point_valid),
        interaction=torch.where(find, interaction_of(touches), contact.interaction),
    )
