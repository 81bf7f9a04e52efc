"""Made-up inputs: speed does not depend on what the pictures show."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from amt_perception.camera.crop import crop_affine, crop_intrinsics
from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.estimators.hand_box import HandBox
from amt_perception.hand.joints import Side
from amt_perception.model.interface import AmtInput
from amt_perception.model.packed import pack_numbers

CAMERA = Intrinsics(900.0, 900.0, 640.0, 360.0, 1280, 720)
BOX = HandBox(520.0, 240.0, 200.0, 180.0, Side.RIGHT)


def random_images(count: int, device: torch.device) -> list[Tensor]:
    """[720, 1280, 3] uint8 noise on the device."""
    generator = torch.Generator().manual_seed(0)
    shape = (count, CAMERA.height, CAMERA.width, 3)
    return list(torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).to(device))


def random_crops(count: int, size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """`PackedAmt`'s arguments: noise [count, 3, size, size], and the same box in every row."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)
    affine = crop_affine(BOX.array, size, 2.0)
    one = AmtInput(
        image=image[:1, None],
        intrinsics=torch.tensor(crop_intrinsics(affine, CAMERA.matrix))[None, None],
        crop=torch.tensor(affine)[None, None],
        hand_box=torch.tensor(np.array(BOX.array))[None, None],
        side=torch.tensor([1]),
    )
    return image, pack_numbers(one).expand(count, -1)
