"""How a picture of a hand looks: skin, sleeve, light and what is behind; fixed or by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amt_perception.sample.appearance import SLEEVE

SKIN_TONES = (
    (1.0, 1.0, 1.0), (1.08, 1.08, 1.06), (1.02, 0.95, 0.88), (0.88, 0.80, 0.72),
    (0.72, 0.62, 0.54), (0.56, 0.46, 0.39), (0.42, 0.33, 0.28), (0.31, 0.24, 0.20),
)  # fmt: skip
"""From average over light to dark, as factors on the colours of the skin's texture. By eye."""

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """Colours and light of one picture; the default is the built-in clip's."""

    skin: Colour = SKIN_TONES[0]
    """Factors on red, green and blue of the skin's texture."""
    sleeve: Colour | None = (SLEEVE[0] / 255, SLEEVE[1] / 255, SLEEVE[2] / 255)
    """sRGB, 0 to 1 but not black, which no light shows; None for a bare forearm."""
    lamp: float = 0.6
    """Brightness of the lamp, which throws the shadows."""
    lamp_direction: Colour = (-0.45, 0.75, 0.9)
    """Of the lamp's rays, in the camera frame: from above, right of the camera."""
    ambient: float = 0.45
    """Brightness of the light from everywhere."""


def random_look(random: np.random.Generator) -> Look:
    """A person's skin and sleeve in the light of some room."""
    tone = np.array(SKIN_TONES[random.integers(len(SKIN_TONES))]) * random.uniform(0.94, 1.04)
    sleeve = None if random.random() < 0.4 else tuple(random.uniform(0.05, 0.9, 3).tolist())
    ray = (random.uniform(-0.9, 0.9), random.uniform(-0.2, 1.0), random.uniform(0.5, 1.2))
    return Look(tuple(tone.tolist()), sleeve, random.uniform(0.35, 0.75), ray,
                random.uniform(0.3, 0.5))  # fmt: skip


def random_backdrop(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    """[height, width, 3] uint8 RGB: soft light on a wall, blurred things in front, and noise."""
    x, y = np.meshgrid(np.linspace(-1.0, 1.0, width), np.linspace(-1.0, 1.0, height))
    wall = random.uniform(40.0, 235.0) + random.normal(0.0, 18.0, 3)
    slope = random.normal(0.0, 22.0, 2)
    picture = wall + (slope[0] * x + slope[1] * y)[..., None]
    for _ in range(random.integers(0, 9)):
        colour = random.uniform(20.0, 235.0) + random.normal(0.0, 30.0, 3)
        centre, half = random.uniform(-1.1, 1.1, 2), random.uniform(0.08, 0.7, 2)
        turn, softness = random.uniform(-0.4, 0.4), random.uniform(0.01, 0.12)
        across = np.cos(turn) * (x - centre[0]) + np.sin(turn) * (y - centre[1])
        down = np.cos(turn) * (y - centre[1]) - np.sin(turn) * (x - centre[0])
        outside = np.maximum(np.abs(across) - half[0], np.abs(down) - half[1])
        cover = 1.0 / (1.0 + np.exp(np.clip(outside / softness, -50.0, 50.0)))
        picture += (colour - picture) * cover[..., None]
    picture += random.normal(0.0, random.uniform(0.5, 4.0), picture.shape)
    return np.clip(picture, 0.0, 255.0).astype(np.uint8)
