"""Square crops around hands: which part of an image the model sees, and exactly where.

Pixels have their centres at whole numbers, so an image of width W covers -0.5 to W - 0.5. An
affine map [2, 3] takes image pixels to crop pixels: crop = affine[:, :2] @ image + affine[:, 2].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def crop_affine(
    box: np.ndarray, size: int, crop_scale: float, rotation: float | np.ndarray = 0.0
) -> np.ndarray:
    """[..., 2, 3] affine map from image pixels to the pixels of a square crop around a box.

    box: [..., 4] x, y, width, height in image pixels. The crop's centre is the box's; its side is
    crop_scale times the box's longer side and becomes `size` pixels. rotation: [...] radians by
    which the picture turns in the crop, from x to y (clockwise as seen).
    """
    box = np.asarray(box, dtype=float)
    centre = box[..., :2] + 0.5 * box[..., 2:]
    scale = size / (crop_scale * box[..., 2:].max(axis=-1))
    cosine, sine = scale * np.cos(rotation), scale * np.sin(rotation)
    linear = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)
    offset = 0.5 * (size - 1) - (linear @ centre[..., None])[..., 0]
    return np.concatenate([linear, offset[..., None]], axis=-1)


def crop_intrinsics(affine: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """[..., 3, 3] camera matrix of a crop, from its affine map [..., 2, 3] and the image's own.

    A turned crop has a matrix with skew: project with the whole matrix, not with fx and fy alone.
    """
    affine, matrix = np.asarray(affine, dtype=float), np.asarray(matrix, dtype=float)
    last = np.broadcast_to([0.0, 0.0, 1.0], (*affine.shape[:-2], 1, 3))
    return np.concatenate([affine, last], axis=-2) @ matrix


def image_points(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """[..., N, 2] image pixels of points [..., N, 2] in crop pixels: `crop_affine` reversed."""
    linear, offset = affine[..., :2], affine[..., 2]
    moved = points - offset[..., None, :]
    return np.linalg.solve(linear, moved.swapaxes(-1, -2)).swapaxes(-1, -2)


def sample_crops(images: Tensor, affines: np.ndarray, size: int) -> Tensor:
    """[B, 3, size, size] uint8 crops of images [B, 3, H, W] uint8, on the images' device.

    affines: [B, 2, 3] from image to crop pixels, on the host. What lies outside an image is black.
    Bilinear. Where a crop is smaller than its part of the image, the image is first averaged over
    blocks of 2^n pixels and then sampled four times a crop pixel, so that nothing aliases. Raises
    ValueError for another shape or type.
    """
    import torch

    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != torch.uint8:
        raise ValueError(f"images must be [B, 3, H, W] uint8, not {images.shape} {images.dtype}")
    if affines.shape != (len(images), 2, 3):
        raise ValueError(f"{len(images)} images need as many [2, 3] maps, not {affines.shape}")
    shrink = 1.0 / np.sqrt(np.abs(np.linalg.det(affines[:, :, :2])))
    levels = np.maximum(np.floor(np.log2(shrink) + 1e-9), 0.0).astype(int)
    samples = np.where(shrink > 1.0 + 1e-9, 2, 1)
    kinds = sorted(set(zip(levels.tolist(), samples.tolist(), strict=True)))
    if len(kinds) == 1:
        return _sample(images, affines, size, 2 ** kinds[0][0], kinds[0][1])
    crops = torch.empty((len(images), 3, size, size), dtype=torch.uint8, device=images.device)
    for level, count in kinds:
        chosen = np.flatnonzero((levels == level) & (samples == count)).tolist()
        crops[chosen] = _sample(images[chosen], affines[chosen], size, 2**level, count)
    return crops


def _sample(images: Tensor, affines: np.ndarray, size: int, block: int, count: int) -> Tensor:
    """Crops that all need the same blocks and count x count samples a pixel."""
    import torch
    from torch.nn.functional import avg_pool2d, grid_sample, pad

    to_image = np.linalg.inv(crop_intrinsics(affines, np.eye(3)))  # [B, 3, 3]
    left, top, right, bottom = _part_seen(to_image, size, block, images.shape[-2:])
    part = images[:, :, top:bottom, left:right].float()
    part = pad(part, (0, -part.shape[-1] % block, 0, -part.shape[-2] % block))
    if block > 1:
        part = avg_pool2d(part, block)
    # From crop pixels to image pixels, block numbers, and grid_sample's -1..1 over the outer edges.
    middle = 0.5 * (block - 1)
    blocks = np.array([[1, 0, -left - middle], [0, 1, -top - middle], [0, 0, block]]) / block
    rows, columns = part.shape[-2:]
    ends = np.array([[2 / columns, 0, 1 / columns - 1], [0, 2 / rows, 1 / rows - 1], [0, 0, 1]])
    theta = torch.tensor((ends @ blocks @ to_image)[:, None, None, :2], dtype=torch.float32)
    to_x, to_y, offset = theta.to(images.device, non_blocking=True).unbind(-1)  # [B, 1, 1, 2]
    steps = (torch.arange(count * size, device=images.device)[:, None] + 0.5) / count - 0.5
    grid = to_x * steps + (to_y * steps[:, None] + offset)
    crops = grid_sample(part, grid, padding_mode="zeros", align_corners=False)
    if count > 1:
        crops = avg_pool2d(crops, count)
    return crops.round_().clamp_(0.0, 255.0).to(torch.uint8)


def _part_seen(
    to_image: np.ndarray, size: int, margin: int, shape: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the part of the image that the crops show, at least a pixel."""
    low, high = -0.5, size - 0.5
    corners = np.array([[low, high, low, high], [low, low, high, high], [1.0, 1.0, 1.0, 1.0]])
    points = (to_image @ corners)[:, :2]
    limits = np.array([shape[1], shape[0]])
    first = np.floor(points.min(axis=(0, 2))) - margin
    last = np.ceil(points.max(axis=(0, 2))) + margin + 1
    left, top = np.clip(first, 0, limits - 1).astype(int)
    right, bottom = np.maximum(np.clip(last, 0, limits).astype(int), (left + 1, top + 1))
    return int(left), int(top), int(right), int(bottom)
