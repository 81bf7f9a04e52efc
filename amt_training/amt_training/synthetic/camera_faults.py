"""What a real camera does to a picture, in the order in which light passes through it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_SRGB = np.arange(256, dtype=np.float64) / 255.0
_LINEAR = np.where(_SRGB <= 0.04045, _SRGB / 12.92, ((_SRGB + 0.055) / 1.055) ** 2.4)
"""Light of each of sRGB's 256 values, 0 to 1 (IEC 61966-2-1)."""


@dataclass(frozen=True)
class Faults:
    """Of one camera in one scene; the default is a camera without any."""

    defocus: float = 0.0
    """Standard deviation of the blur by lens and pixels, the same everywhere (pixels)."""
    motion: tuple[float, float] = (0.0, 0.0)
    """How far everything moves to the right and down during the exposure (pixels)."""
    vignetting: float = 0.0
    """Share of the light that the picture's corners lose."""
    exposure: float = 1.0
    """Factor on the light."""
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Factors on red, green and blue."""
    read_noise: float = 0.0
    """Standard deviation in the dark, as a share of full light."""
    shot_noise: float = 0.0
    """Standard deviation in full light that comes from the light itself; it goes with its root."""
    contrast: float = 1.0
    """Exponent of the tone curve on sRGB values; above 1 middle tones become darker."""
    jpeg_quality: int | None = None
    """1 to 100; None for a picture that was never compressed."""


def random_faults(random: np.random.Generator) -> Faults:
    """Mostly of a good camera in good light; sometimes of a bad one, or shaken, or in the dark."""
    shaken = random.exponential(9.0) if random.random() < 0.2 else random.exponential(0.7)
    angle = random.uniform(0.0, np.pi)
    dark = random.random() < 0.1
    noise = random.uniform(0.01, 0.03) if dark else random.exponential(0.003)
    warmth, tint = random.normal(0.0, (0.05, 0.015))
    return Faults(
        defocus=0.55 + (random.exponential(1.2) if random.random() < 0.2 else 0.0),
        motion=(float(shaken * np.cos(angle)), float(shaken * np.sin(angle))),
        vignetting=float(random.beta(1.0, 4.0) * 0.6),
        exposure=float(np.exp(random.normal(0.0, 0.2))),
        white_balance=(float(1.0 + warmth), float(1.0 + tint), float(1.0 - warmth)),
        read_noise=float(0.3 * noise),
        shot_noise=float(noise),
        contrast=float(np.exp(random.normal(0.0, 0.12))),
        jpeg_quality=int(random.integers(35, 75) if random.random() < 0.25 else
                         random.integers(75, 96)),
    )  # fmt: skip


def photograph(image: np.ndarray, faults: Faults, random: np.random.Generator) -> np.ndarray:
    """The picture [H, W, 3] uint8 RGB that the camera makes of a perfect one.

    random: draws the noise.
    """
    light = _LINEAR.astype(np.float32)[image]
    if faults.defocus > 0.0:
        light = cv2.GaussianBlur(light, (0, 0), faults.defocus)
    if np.hypot(*faults.motion) >= 1.0:
        light = cv2.filter2D(light, -1, _path(faults.motion))
    gain = faults.exposure * np.array(faults.white_balance, dtype=np.float32)
    light *= gain
    if faults.vignetting > 0.0:
        light *= _vignette(image.shape[0], image.shape[1], faults.vignetting)[..., None]
    if faults.read_noise > 0.0 or faults.shot_noise > 0.0:
        # Equal to the sum of both noises, which are independent.
        variance = faults.read_noise**2 + faults.shot_noise**2 * light
        light += np.sqrt(variance) * random.standard_normal(light.shape, dtype=np.float32)
    picture = _developed(light, faults.contrast)
    if faults.jpeg_quality is None:
        return picture
    _, file = cv2.imencode(
        ".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, faults.jpeg_quality]
    )
    compressed = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))
    return np.ascontiguousarray(compressed[..., ::-1])


def _developed(light: np.ndarray, contrast: float) -> np.ndarray:
    """uint8 sRGB of linear light, which is clipped at 0 and 1, by a table of 4096 steps."""
    steps = np.arange(4096) / 4095.0
    srgb = np.where(steps <= 0.0031308, 12.92 * steps, 1.055 * steps ** (1 / 2.4) - 0.055)
    table = np.round(255.0 * srgb**contrast).astype(np.uint8)
    return table[np.clip(light * 4095.0 + 0.5, 0.0, 4095.0).astype(np.uint16)]


def _path(motion: tuple[float, float]) -> np.ndarray:
    """[K, K] the way that a point of light takes during the exposure; its middle is the point."""
    half = int(np.ceil(0.5 * max(np.abs(motion)))) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), dtype=np.float32)
    # cv2.line takes fractions of pixels: 8 bits of them.
    ends = [np.round(256.0 * (half + sign * 0.5 * np.array(motion))) for sign in (-1, 1)]
    start, end = (point.astype(int).tolist() for point in ends)
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_AA, shift=8)
    return kernel / kernel.sum()


def _vignette(height: int, width: int, loss: float) -> np.ndarray:
    """[height, width] float32 light that is left: 1 in the middle, 1 - loss in the corners."""
    x = (np.arange(width, dtype=np.float32) - 0.5 * (width - 1)) / (0.5 * width)
    y = (np.arange(height, dtype=np.float32) - 0.5 * (height - 1)) / (0.5 * height)
    return 1.0 - np.float32(0.5 * loss) * (x**2 + y[:, None] ** 2)
