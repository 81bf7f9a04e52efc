"""The square picture of a hand that caches and streams keep, with room for augmentation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from amt_perception.camera.crop import crop_affine, crop_intrinsics, sample_crops
from amt_perception.errors import AmtError
from amt_training.data.labels import label_row
from amt_training.data.sample import (
    ExactTruth,
    HandDataset,
    HandSample,
    SampleError,
    UnlabelledError,
)


@dataclass(frozen=True)
class StoredCrop:
    """How the stored crops are cut.

    With the model's own image_size and crop_scale they are exactly the estimator's crops, for
    evaluation; training wants more around the hand, and nearly the model's resolution.
    """

    size: int = 280
    """Side (pixels)."""
    scale: float = 2.7
    """Side over the longer side of the hand's box: the model's 2.0, and its augmentation's 1.35."""

    def __post_init__(self) -> None:
        """Raises AmtError for a value that makes no picture."""
        if self.size < 1:
            raise AmtError(f"stored_crop.size is {self.size}; it must be at least 1 pixel")
        if not self.scale > 0.0:
            raise AmtError(f"stored_crop.scale is {self.scale}; it must be positive")

    @property
    def bytes(self) -> int:
        """Of one stored picture."""
        return 3 * self.size**2


def crop_sample(sample: HandSample, crop: StoredCrop) -> HandSample:
    """The same hand in the square around its box: picture, camera, box and the exact truth in
    pixels changed, nothing else.

    The picture is filtered as the estimator filters its own, to one grey level. Raises SampleError
    for a box or a picture that cannot be cropped.
    """
    box, image = np.asarray(sample.hand_box, dtype=float), sample.image
    if not np.isfinite(box).all() or min(box[2:]) <= 0.0:
        raise SampleError(f"{sample.key}: its hand box {box.tolist()} has no area")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise SampleError(f"{sample.key}: its picture is {image.shape} {image.dtype}, not RGB")
    affine = crop_affine(box, crop.size, crop.scale)
    corner = affine[:, :2] @ box[:2] + affine[:, 2]
    return replace(
        sample,
        image=_cut(np.ascontiguousarray(image), affine, crop.size),
        camera=crop_intrinsics(affine, sample.camera),
        hand_box=np.concatenate([corner, affine[:, :2] @ box[2:]]),
        exact=None if sample.exact is None else _cut_exact(sample.exact, affine, crop.size),
    )


def _cut(image: np.ndarray, affine: np.ndarray, size: int) -> np.ndarray:
    """[size, size, 3] of an image [H, W, 3]: `sample_crops`, in a fifth of its time on one core."""
    import cv2

    shrink = 1.0 / np.sqrt(np.linalg.det(affine[:, :2]))
    if shrink >= 2.0:
        picture = torch.from_numpy(image).permute(2, 0, 1)
        cut = sample_crops(picture[None], affine[None], size)[0]
        return cut.permute(1, 2, 0).contiguous().numpy()
    rgba = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)  # OpenCV warps four channels faster than three
    if shrink > 1.0 + 1e-9:  # four samples a pixel, and their mean
        finer = np.column_stack([2.0 * affine[:, :2], 2.0 * affine[:, 2] + 0.5])
        rgba = cv2.warpAffine(rgba, finer, (2 * size, 2 * size), flags=cv2.INTER_LINEAR)
        rgba = cv2.resize(rgba, (size, size), interpolation=cv2.INTER_AREA)
    else:
        rgba = cv2.warpAffine(rgba, affine, (size, size), flags=cv2.INTER_LINEAR)
    return cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB)


def _cut_exact(exact: ExactTruth, affine: np.ndarray, size: int) -> ExactTruth:
    """The same in the crop: depths and masks cannot be mixed, so each pixel takes the nearest."""
    import cv2

    def nearest(picture: np.ndarray, beyond: float) -> np.ndarray:
        return cv2.warpAffine(
            picture, affine, (size, size), flags=cv2.INTER_NEAREST, borderValue=beyond
        )

    return replace(
        exact,
        depth=nearest(exact.depth, np.inf),
        mask=nearest(exact.mask, 0),
        keypoints=exact.keypoints @ affine[:, :2].T + affine[:, 2],
    )


Crop = tuple[np.ndarray, dict[str, np.ndarray]]
"""A stored picture [P, P, 3] uint8, and the row for `stack_labels` in its pixels."""


@dataclass(frozen=True)
class Unreadable:
    """A sample that could not be read."""

    index: int
    message: str
    """What is wrong with it; empty where only a label is missing, see `Skipping`."""


@dataclass(frozen=True)
class CropReader:
    """Reads a data set's samples as stored crops; a job for worker processes."""

    dataset: HandDataset
    crop: StoredCrop

    def __call__(self, index: int) -> Crop | Unreadable:
        """The sample's crop."""
        try:
            cut = crop_sample(self.dataset.sample(index), self.crop)
        except UnlabelledError:
            return Unreadable(index, "")
        except SampleError as error:
            return Unreadable(index, str(error))
        return cut.image, label_row(cut, np.eye(2, 3))
