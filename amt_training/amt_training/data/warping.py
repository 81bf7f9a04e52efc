"""Stored crops to the model's crops: an affine map and a colour change of uint8 pictures.

Two implementations of one function, bilinear with black outside: OpenCV on a CPU, where it takes a
fifth of the time, and grid_sample elsewhere. A test compares them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample


def warp_pictures(images: Tensor, affine: Tensor, size: int, colour: Tensor | None) -> Tensor:
    """[N, 3, size, size] uint8 of images [N, 3, P, P] uint8, on their device.

    affine: [N, 2, 3] from their pixels to the result's; a turn, scale and shift. A result with half
    the resolution or less would show aliasing. colour: [N, 3, 4] the new RGB from the old RGB and
    1, in 0..255. The memory is laid out pixel by pixel on a CPU, fastest where the images' is too.
    """
    if images.device.type == "cpu":
        return _warp_with_opencv(images, affine, size, colour)
    return warp_with_grid_sample(images, affine, size, colour)


def warp_with_grid_sample(
    images: Tensor, affine: Tensor, size: int, colour: Tensor | None
) -> Tensor:
    """`warp_pictures` in torch's operations, which torch.compile fuses into one."""
    side = images.shape[-1]
    pictures = images.float()
    if colour is not None:
        flat = pictures.flatten(2)
        flat = torch.baddbmm(colour[:, :, 3:], colour[:, :, :3], flat)
        pictures = flat.clamp(0.0, 255.0).unflatten(2, (side, side))
    # The reverse of a turn and scale is its transpose over the scale squared.
    linear = affine[:, :, :2]
    back = linear.mT / linear[:, :, :1].square().sum(dim=1, keepdim=True)
    steps = torch.arange(size, device=images.device, dtype=torch.float32)
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    pixels = torch.stack([columns, rows], dim=-1).flatten(0, 1)
    source = (pixels - affine[:, None, :, 2]) @ back.mT  # [N, S * S, 2] pixels of the images
    grid = ((2.0 * source + 1.0) / side - 1.0).unflatten(1, (size, size))
    crops = grid_sample(pictures, grid, padding_mode="zeros", align_corners=False)
    return crops.round().clamp(0.0, 255.0).to(torch.uint8)


def _warp_with_opencv(images: Tensor, affine: Tensor, size: int, colour: Tensor | None) -> Tensor:
    """`warp_pictures` in as many threads as torch has."""
    sources = images.permute(0, 2, 3, 1).numpy()
    maps = affine.double().numpy()
    colours = None if colour is None else colour.numpy()
    results = np.empty((len(images), size, size, 3), np.uint8)

    def warp(chosen: range) -> None:
        for number in chosen:
            change = None if colours is None else colours[number]
            _warp_one(sources[number], maps[number], change, results[number])

    count = torch.get_num_threads()
    if count == 1:
        warp(range(len(images)))
    else:
        shares = [range(first, len(images), count) for first in range(count)]
        list(_threads(count).map(warp, shares))
    return torch.from_numpy(results).permute(0, 3, 1, 2)


def _warp_one(
    source: np.ndarray, affine: np.ndarray, colour: np.ndarray | None, result: np.ndarray
) -> None:
    import cv2

    picture = np.ascontiguousarray(source)
    if colour is not None:
        picture = cv2.transform(picture, colour)
    # OpenCV warps four channels in half the time of three.
    picture = cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA)
    picture = cv2.warpAffine(picture, affine, result.shape[:2], flags=cv2.INTER_LINEAR)
    cv2.cvtColor(picture, cv2.COLOR_RGBA2RGB, dst=result)


@lru_cache(maxsize=1)
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="warp")
