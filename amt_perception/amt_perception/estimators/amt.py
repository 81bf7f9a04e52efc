"""The AMT model on images: hand boxes in, hands, objects and contacts in the camera frame out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from amt_perception.camera.crop import crop_affine, crop_intrinsics, sample_crops
from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError
from amt_perception.estimators.amt_results import frame_estimate
from amt_perception.estimators.hand_box import HandBox, check_boxes, check_image
from amt_perception.estimators.interface import FrameEstimate
from amt_perception.hand.joints import Side
from amt_perception.hand.mano_files import load_hand_model
from amt_perception.model.amt import Amt
from amt_perception.model.engine import Encoded, Engine
from amt_perception.model.interface import LEFT, RIGHT, AmtInput
from amt_perception.model.weights import load_checkpoint


class AmtEstimator:
    """Hands in known boxes, of one image or many at a time; keeps nothing between calls."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def load(
        cls,
        checkpoint: Path,
        mano_folder: Path | None = None,
        device: str = "auto",
        precision: str = "auto",
        backend: str = "auto",
        threads: int | None = None,
        allow_other_hand: bool = False,
    ) -> AmtEstimator:
        """From a checkpoint; see `model.weights.load_checkpoint` and `model.engine.Engine`.

        mano_folder: the user's MANO files, None for the generic hand. Raises AmtError when
        something is missing, does not fit together or cannot be had on this machine.
        """
        hand = load_hand_model(Side.RIGHT, mano_folder)
        model = load_checkpoint(checkpoint, hand, allow_other_hand=allow_other_hand)
        if not isinstance(model, Amt):
            raise AmtError(
                f"{checkpoint} is the baseline, which gives joints but no hand pose to act on: it "
                "is for comparison only; give the checkpoint of an AMT model"
            )
        return cls(Engine(model, device, precision, backend, threads))

    @overload
    def __call__(
        self, images: np.ndarray, cameras: Intrinsics, boxes: Sequence[HandBox]
    ) -> FrameEstimate: ...

    @overload
    def __call__(
        self,
        images: Sequence[np.ndarray],
        cameras: Sequence[Intrinsics],
        boxes: Sequence[Sequence[HandBox]],
    ) -> list[FrameEstimate]: ...

    def __call__(self, images: Any, cameras: Any, boxes: Any) -> Any:
        """Estimate one image, or a batch of images that need not belong together.

        images: [H, W, 3] uint8 RGB, undistorted, not mirrored. boxes: those of each image's hands;
        an image without boxes gives a result without hands. For a batch each is a list. A result's
        hands are in the order of the boxes, with that place as their track_id. Raises AmtError for
        input that no hand can be estimated from, before anything is computed, and when what the
        network gives is not finite.
        """
        if isinstance(cameras, Intrinsics):
            return self([images], [cameras], [boxes])[0]
        if len(images) == 0:
            raise AmtError("the batch is empty; give at least one image")
        if not len(images) == len(cameras) == len(boxes):
            raise AmtError(
                f"there are {len(images)} images, {len(cameras)} cameras and {len(boxes)} lists of "
                "boxes; give one of each for every image"
            )
        for image, camera, some in zip(images, cameras, boxes, strict=True):
            check_image(image, camera)
            check_boxes(some, camera)
        pictures = [self.upload(image) for image in images]
        return self.estimate_pictures(pictures, cameras, boxes)

    def estimate_pictures(
        self,
        pictures: Sequence[Tensor],
        cameras: Sequence[Intrinsics],
        boxes: Sequence[Sequence[HandBox]],
    ) -> list[FrameEstimate]:
        """The same for images that are on the device already (`upload`), unchecked."""
        if not any(boxes):
            return [frame_estimate(None, np.empty((0, 2, 3)), [], ()) for _ in boxes]
        output = self.engine.decode([self.encode(pictures, cameras, boxes)])
        check_finite(output)
        affines = self.crop_affines([box for some in boxes for box in some])
        results, start = [], 0
        for some in boxes:
            own = slice(start, start + len(some))
            sides = [box.side for box in some]
            classes = self.engine.config.object_classes
            results.append(frame_estimate(output[own], affines[own], sides, classes))
            start = own.stop
        return results

    def encode(
        self,
        pictures: Sequence[Tensor],
        cameras: Sequence[Intrinsics],
        boxes: Sequence[Sequence[HandBox]],
    ) -> Encoded:
        """The spatial pass over all boxes, one after the other, for `Engine.decode`; unchecked."""
        flat = [box for some in boxes for box in some]
        counts = [len(some) for some in boxes]
        affines = self.crop_affines(flat)
        matrices = np.repeat([camera.matrix for camera in cameras], counts, axis=0)
        chosen = [picture for picture, count in zip(pictures, counts, strict=True)
                  for _ in range(count)]  # fmt: skip
        inputs = AmtInput(
            image=_crops(chosen, affines, self.engine.config.image_size)[:, None],
            intrinsics=_host(crop_intrinsics(affines, matrices))[:, None],
            crop=_host(affines)[:, None],
            hand_box=_host(np.array([box.array for box in flat]))[:, None],
            side=torch.tensor([LEFT if box.side == Side.LEFT else RIGHT for box in flat]),
        )
        return self.engine.encode(inputs)

    def crop_affines(self, boxes: Sequence[HandBox]) -> np.ndarray:
        """[N, 2, 3] from image pixels to the pixels of the crops that the model sees."""
        config = self.engine.config
        arrays = np.array([box.array for box in boxes]).reshape(-1, 4)
        return crop_affine(arrays, config.image_size, config.crop_scale)

    def upload(self, image: np.ndarray) -> Tensor:
        """[H, W, 3] uint8 on the engine's device."""
        picture = torch.from_numpy(np.ascontiguousarray(image))
        if self.engine.device.type == "cpu":
            return picture
        return picture.pin_memory().to(self.engine.device, non_blocking=True)


def check_finite(output: Any) -> None:
    """Raises AmtError when a tensor of an output holds NaN or infinity."""
    for field in fields(output):
        value = getattr(output, field.name)
        if is_dataclass(value):
            check_finite(value)
        elif isinstance(value, Tensor) and not value.isfinite().all():
            raise AmtError(
                f"the network's {field.name} is not finite; check the checkpoint, or choose the "
                "precision fp32"
            )


def _crops(pictures: Sequence[Tensor], affines: np.ndarray, size: int) -> Tensor:
    """[N, 3, size, size] uint8 of pictures [H, W, 3], one for each map."""
    if len({picture.shape for picture in pictures}) == 1:
        return sample_crops(torch.stack(list(pictures)).permute(0, 3, 1, 2), affines, size)
    return torch.cat(
        [
            sample_crops(picture.permute(2, 0, 1)[None], affine[None], size)
            for picture, affine in zip(pictures, affines, strict=True)
        ]
    )


def _host(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))
