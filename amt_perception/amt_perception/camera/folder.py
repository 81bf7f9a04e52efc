"""A folder of images as a video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from amt_perception.camera.sources import Frame, ImageSource
from amt_perception.errors import AmtError

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class FolderSource(ImageSource):
    """The images of a folder in natural order (frame2 before frame10), at a given rate.

    Other files are left out; every image must have the size of the first and be complete. EXIF
    rotation is honoured.
    """

    def __init__(self, path: Path, rate: float) -> None:
        """List the folder; raises AmtError when it cannot be read or has no image."""
        self.name = path.name or str(path)
        self.frame_rate = rate
        self._files = image_files(path)
        self.frame_count = len(self._files)
        self.height, self.width = read_image(self._files[0]).shape[:2]

    def __iter__(self) -> Iterator[Frame]:
        for index, file in enumerate(self._files):
            image = read_image(file)
            if image.shape[:2] != (self.height, self.width):
                raise AmtError(
                    f"{file} is {image.shape[1]}x{image.shape[0]} but the first image is "
                    f"{self.width}x{self.height}: all images of a folder must have one size."
                )
            yield Frame(image, index / self.frame_rate, index)


def image_files(folder: Path) -> list[Path]:
    """The images of a folder in natural order; AmtError when it cannot be read or has none."""
    try:
        files = [file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES]
    except OSError as error:
        raise AmtError(f"Cannot read the folder {folder}: {error.strerror}.") from error
    if not files:
        raise AmtError(f"{folder} has no images ({', '.join(SUFFIXES)}).")
    return sorted(files, key=_natural_key)


def _natural_key(path: Path) -> list[tuple[int, str]]:
    """Numbers in the name compare by value, everything else as text."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)]


def read_image(file: Path) -> np.ndarray:
    """[H, W, 3] uint8 RGB, upright. Raises AmtError when it cannot be read or is not complete."""
    # Pillow, because OpenCV fills the rest of a cut-off JPEG with grey.
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise AmtError("Reading images needs Pillow: pip install pillow") from error
    try:
        with Image.open(file) as image:
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except PermissionError as error:
        raise AmtError(f"No permission to read {file}: change its permissions.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise AmtError(f"{file} is damaged or not an image: replace or remove it.") from error
