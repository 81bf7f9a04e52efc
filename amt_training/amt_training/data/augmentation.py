"""Augmentation of stored crops in which picture, camera, joints and poses change together.

A picture that is turned, scaled and shifted is what another camera sees. With A the map from the
stored crop's pixels to the new ones and K the stored crop's camera matrix, A K = K' R: R turns the
camera about its optical axis, K' is upper triangular with a positive diagonal. So everything in
the camera's frame is turned by R, K' is the new camera matrix, and every point is seen exactly
where the picture shows it. Nothing is approximated, whatever the aspect ratio or skew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from amt_perception.errors import AmtError
from amt_perception.model.geometry import NEAREST_DEPTH_M, project
from amt_perception.model.interface import AmtInput, Tensors
from amt_training.data.crops import StoredCrop
from amt_training.data.labels import Labels
from amt_training.data.warping import warp_pictures

_MIDDLE_GREY = 127.5


@dataclass(frozen=True)
class AugmentationSettings:
    """How far things are changed by chance; all uniformly, but for the noise on joints."""

    rotation_degrees: float = 7.12
    """The picture is turned by up to this, either way."""
    scale: tuple[float, float] = (0.76, 1.14)
    """Least and greatest size of the hand in the crop, 1 being what the box gives."""
    translation: float = 0.036
    """The hand is moved across the picture by up to this in x and y (m, at its own depth)."""
    colour: float = 0.168
    """Brightness, contrast and saturation change by up to this share, the hue by so many radians.
    """
    joint_noise: float = 0.0076
    """Standard deviation, along each axis, of the error of the joints from which the hand's box is
    made (m). What is to be learned keeps the true joints."""

    def __post_init__(self) -> None:
        """Raises AmtError for values that make no sense."""
        for name in ("rotation_degrees", "translation", "joint_noise"):
            if getattr(self, name) < 0.0:
                raise AmtError(f"augmentation.{name} is {getattr(self, name)}; 0 turns it off")
        if not 0.0 <= self.colour < 1.0:
            raise AmtError(f"augmentation.colour is {self.colour}; it must be in 0..1")
        if len(self.scale) != 2 or not 0.0 < self.scale[0] <= self.scale[1]:
            raise AmtError(
                f"augmentation.scale is {list(self.scale)}; give the least and the greatest"
            )


@dataclass
class Changes(Tensors):
    """What is done to B samples; all T frames of a sample are changed alike."""

    turn: Tensor
    """[B] of the picture, from x to y (rad)."""
    scale: Tensor
    """[B]."""
    shift: Tensor
    """[B, 2] of the hand in the camera's frame (m)."""
    colour: Tensor
    """[B, 3, 4] the new RGB from the old RGB and 1, in 0..255."""
    joint_error: Tensor
    """[B, T, 21, 3] of the joints from which the hand's box is made (m)."""


def draw_changes(
    settings: AugmentationSettings, count: int, frames: int, generator: torch.Generator
) -> Changes:
    """Changes of `count` samples of `frames` frames by chance; the generator is the CPU's."""
    chance = 2.0 * torch.rand(count, 8, generator=generator) - 1.0  # -1..1
    low, high = settings.scale
    return Changes(
        turn=math.radians(settings.rotation_degrees) * chance[:, 0],
        scale=0.5 * (low + high) + 0.5 * (high - low) * chance[:, 1],
        shift=settings.translation * chance[:, 2:4],
        colour=_colour(settings.colour * chance[:, 4:]),
        joint_error=settings.joint_noise
        * torch.randn(count, frames, 21, 3, generator=generator),
    )  # fmt: skip


def _colour(change: Tensor) -> Tensor:
    """[B, 3, 4] from the changes [B, 4] of brightness, contrast, saturation and hue.

    Hue and saturation turn and stretch a colour about the grey axis.
    """
    brightness, contrast, saturation = (1.0 + change[:, :3]).unbind(-1)
    grey = torch.full((3, 3), 1.0 / 3.0)
    across = torch.eye(3) - grey
    turn = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3.0)
    hue = change[:, 3, None, None]
    chroma = saturation[:, None, None] * (hue.cos() * across + hue.sin() * turn)
    factor = (brightness * contrast)[:, None, None]
    offset = _MIDDLE_GREY * brightness * (1.0 - contrast)
    return torch.cat([factor * (grey + chroma), offset[:, None, None].expand(-1, 3, 1)], dim=-1)


def check_resolution(crop: StoredCrop, size: int, crop_scale: float, least_scale: float) -> None:
    """Raises AmtError when the model's crops would skip pixels of the stored ones, or reach beyond
    them though nothing moved.

    least_scale: of the augmentation, 1 without.
    """
    least = least_scale * (size / crop_scale) / (crop.size / crop.scale)
    if least < 0.5:
        raise AmtError(
            f"stored_crop.size {crop.size} has {1.0 / least:.1f} times the resolution of the "
            f"model's crops of {size} pixels, which would alias; choose about "
            f"{math.ceil(size * crop.scale / crop_scale)}"
        )
    if crop.scale < crop_scale:
        raise AmtError(
            f"stored_crop.scale {crop.scale} is less than the model's crop_scale {crop_scale}: the "
            "stored crops do not show all that the model is to see"
        )


@torch.no_grad()
def augment(
    images: Tensor, labels: Labels, size: int, crop_scale: float, changes: Changes | None
) -> tuple[AmtInput, Labels]:
    """The model's crops of stored ones, and the truth in their turned camera's frame.

    images: [B, T, 3, P, P] uint8. labels: of the B * T frames, sample by sample, in pixels of the
    images. size and crop_scale: `AmtConfig.image_size` and `AmtConfig.crop_scale`. changes: None
    for evaluation: then the crops are those that the estimator cuts for the labels' boxes, and the
    hand_box is theirs. Otherwise the hand_box is that of the joints as a detector sees them where
    all 21 are known, else the labels' box. The input's map `crop` is the identity: its hand_box is
    in crop pixels, as everything of the labels is.
    """
    samples, frames = images.shape[:2]
    if changes is not None:  # every frame's own
        changes = changes.to(images.device)
        error = changes.joint_error.flatten(0, 1)
        changes = changes.each(lambda value: value.repeat_interleave(frames, dim=0))
        changes = replace(changes, joint_error=error)
    with torch.autocast(images.device.type, enabled=False):
        affine = _crop_map(labels, size, crop_scale, changes)
        new = _seen_by_the_new_camera(labels, affine)
        pictures = warp_pictures(
            images.flatten(0, 1), affine, size, None if changes is None else changes.colour
        )
    hand_box = new.hand_box if changes is None else _detected_box(new, changes.joint_error)
    inputs = AmtInput(
        image=pictures.unflatten(0, (samples, frames)),
        intrinsics=new.intrinsics.unflatten(0, (samples, frames)),
        crop=torch.eye(2, 3, device=images.device).expand(samples, frames, 2, 3),
        hand_box=hand_box.unflatten(0, (samples, frames)),
        side=labels.side.unflatten(0, (samples, frames))[:, -1],
    )
    return inputs, new


def _crop_map(labels: Labels, size: int, crop_scale: float, changes: Changes | None) -> Tensor:
    """[N, 2, 3] from the stored crops' pixels to the new ones'."""
    box = labels.hand_box
    centre = box[:, :2] + 0.5 * box[:, 2:]
    scale = size / (crop_scale * box[:, 2:].amax(dim=-1))
    turn = torch.zeros_like(scale)
    if changes is not None:
        scale, turn = scale * changes.scale, changes.turn
        moved = labels.intrinsics[:, :2, :2] @ changes.shift[:, :, None]
        centre = centre - moved[..., 0] * _inverse_depth(labels)[:, None]
    cosine, sine = scale * turn.cos(), scale * turn.sin()
    linear = torch.stack([cosine, -sine, sine, cosine], dim=-1).unflatten(-1, (2, 2))
    offset = 0.5 * (size - 1) - (linear @ centre[..., None])
    return torch.cat([linear, offset], dim=-1)


def _inverse_depth(labels: Labels) -> Tensor:
    """[N] of the known joints' mean (1/m); 0 where no joint is known, so that nothing is moved."""
    known = labels.joints_valid.float()
    total = (known * labels.joints[..., 2]).sum(dim=-1)
    count = known.sum(dim=-1)
    mean = total / count.clamp_min(1.0)
    return torch.where(count > 0, 1.0 / mean.clamp_min(NEAREST_DEPTH_M), torch.zeros_like(mean))


def _seen_by_the_new_camera(labels: Labels, affine: Tensor) -> Labels:
    """The labels of pictures that were mapped by affine [N, 2, 3], a turn, scale and shift."""
    import roma

    intrinsics, roll = _new_camera(labels.intrinsics, affine)
    whole = torch.zeros_like(labels.object_pose[:, :1])  # [N, 1, 4, 4]
    whole[..., :3, :3], whole[..., 3, 3] = roll[:, None], 1.0
    turn = torch.zeros_like(labels.mano_pose[:, 0])
    turn[:, 2] = torch.atan2(roll[:, 1, 0], roll[:, 0, 0])
    root = roma.rotvec_composition((turn, labels.mano_pose[:, 0]))
    pose = torch.cat([root[:, None], labels.mano_pose[:, 1:]], dim=1)
    return replace(
        labels,
        intrinsics=intrinsics,
        hand_box=_box_around_corners(labels.hand_box, affine),
        joints=labels.joints @ roll.mT,
        mano_pose=torch.where(labels.mano_valid[:, None, None], pose, labels.mano_pose),
        object_pose=torch.where(
            labels.object_class[:, :, None, None] > 0, whole @ labels.object_pose,
            labels.object_pose,
        ),
        contact_points=labels.contact_points @ roll.mT,
    )  # fmt: skip


def _new_camera(intrinsics: Tensor, affine: Tensor) -> tuple[Tensor, Tensor]:
    """K' [N, 3, 3] and the roll R [N, 3, 3] with K' R = A K: an RQ decomposition by hand."""
    block = affine[:, :, :2] @ intrinsics[:, :2, :2]
    lower = torch.hypot(block[:, 1, 0], block[:, 1, 1])
    sine, cosine = block[:, 1, 0] / lower, block[:, 1, 1] / lower
    roll = torch.zeros_like(intrinsics)
    roll[:, 0, 0], roll[:, 0, 1] = cosine, -sine
    roll[:, 1, 0], roll[:, 1, 1], roll[:, 2, 2] = sine, cosine, 1.0
    new = torch.zeros_like(intrinsics)
    new[:, 0, 0] = block[:, 0, 0] * cosine - block[:, 0, 1] * sine
    new[:, 0, 1] = block[:, 0, 0] * sine + block[:, 0, 1] * cosine
    new[:, 1, 1], new[:, 2, 2] = lower, 1.0
    centre = intrinsics[:, :2, 2:]
    new[:, :2, 2] = (affine[:, :, :2] @ centre)[..., 0] + affine[:, :, 2]
    return new, roll


def _detected_box(labels: Labels, joint_error: Tensor) -> Tensor:
    """[N, 4] around all joints with their errors, or the labels' own where one is not known."""
    seen = labels.joints + joint_error
    usable = labels.joints_valid & (seen[..., 2] > NEAREST_DEPTH_M)
    pixels = project(seen, labels.intrinsics)
    low, high = pixels.amin(dim=1), pixels.amax(dim=1)
    box = torch.cat([low, high - low], dim=-1)
    return torch.where(usable.all(dim=1, keepdim=True), box, labels.hand_box)


def _box_around_corners(box: Tensor, affine: Tensor) -> Tensor:
    """[N, 4] upright box around the mapped corners of boxes [N, 4]."""
    middle = box[:, :2] + 0.5 * box[:, 2:]
    extent = (affine[:, :, :2].abs() @ box[:, 2:, None])[..., 0]
    centre = (affine[:, :, :2] @ middle[..., None])[..., 0] + affine[:, :, 2]
    return torch.cat([centre - 0.5 * extent, extent], dim=-1)
