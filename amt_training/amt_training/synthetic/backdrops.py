"""What is behind everything: walls, desks and clutter out of focus, quickly drawn by chance."""

from __future__ import annotations

import cv2
import numpy as np


def random_backdrop(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    """[height, width, 3] uint8 RGB: one or two surfaces, things on them, and the room's light."""
    small = width // 2, height // 2
    picture = _surface(random, *small)
    if random.random() < 0.6:  # a desk before a wall
        edge = _soft_edge(random, *small)
        picture += edge * (_surface(random, *small) - picture)
    light = 1.0 + random.uniform(0.0, 0.35) * fractal_noise(random, *small, 2.0)
    picture *= light[..., None]
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
    if random.random() < 0.75:
        picture = _clutter(random, picture)
    blur = random.choice((0.0, random.uniform(0.5, 6.0)))
    if blur:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    return np.clip(picture, 0.0, 255.0).astype(np.uint8)


def fractal_noise(random: np.random.Generator, width: int, height: int, slope: float) -> np.ndarray:
    """[height, width] float32 noise of mean about 0 and deviation 1.

    slope: how much weaker each octave is than the one before that is half as fine; 1 is as in
    pictures of nature (Field, J. Opt. Soc. Am. A 4(12), 1987), 2 as clouds, 0 as sand.
    """
    noise = np.zeros((height, width), dtype=np.float32)
    total, cells, weight = 0.0, 2, 1.0
    while cells <= width // 2 and weight > 0.02:
        weight = (2.0 / cells) ** slope
        rows = max(2, cells * height // width)
        octave = random.standard_normal((rows, cells), dtype=np.float32)
        noise += weight * cv2.resize(octave, (width, height), interpolation=cv2.INTER_LINEAR)
        total += weight**2
        cells *= 2
    return noise * np.float32(1.5 / np.sqrt(total))


def _surface(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    """[height, width, 3] float32 of one material."""
    colour = _material_colour(random)
    materials = (_painted, _stained, _wooden, _woven, _tiled)
    material = materials[random.integers(len(materials))]
    shade = np.clip(material(random, width, height), -0.3, 1.3).astype(np.float32)
    other = _material_colour(random) if random.random() < 0.3 else np.float32(0.75) * colour
    return colour + shade[..., None] * (other - colour)


def _painted(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    x, y = _grid(width, height)
    return 0.5 + random.normal(0.0, 0.4) * x + random.normal(0.0, 0.4) * y


def _stained(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    return 0.5 + 0.35 * fractal_noise(random, width, height, random.uniform(0.6, 1.6))


def _wooden(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Year rings cut lengthwise: noise drawn out along the grain, in waves."""
    x, y = _turned(random, width, height)
    warp = fractal_noise(random, width, height, 1.8)
    rings = np.sin(random.uniform(8.0, 40.0) * y + random.uniform(1.0, 4.0) * warp + x)
    fibres = cv2.blur(random.standard_normal((height, width), dtype=np.float32), (31, 1))
    return 0.5 + 0.25 * rings + 1.2 * fibres


def _woven(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    x, y = _turned(random, width, height)
    threads = random.uniform(60.0, 260.0)
    weave = np.sin(threads * x) * np.sin(threads * y)
    return 0.5 + 0.3 * weave + 0.25 * fractal_noise(random, width, height, 1.5)


def _tiled(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    x, y = _turned(random, width, height)
    size, joint = random.uniform(1.5, 9.0), random.uniform(0.02, 0.12)
    gap = ((size * x) % 1.0 < joint) | ((size * y) % 1.0 < joint)
    return np.where(gap, 1.0, 0.15 * fractal_noise(random, width, height, 1.0)).astype(np.float32)


def _clutter(random: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Things lying about: boxes, discs, sticks, papers, keyboards."""
    height, width = picture.shape[:2]
    for _ in range(int(random.integers(2, 30))):
        layer = picture if random.random() < 0.5 else picture.copy()
        centre = (random.uniform(-0.1, 1.1, 2) * (width, height)).astype(int)
        size = np.exp(random.uniform(np.log(6.0), np.log(0.3 * width), 2))
        colour = _material_colour(random).tolist()
        kind = random.integers(5)
        if kind == 0:
            angle = random.uniform(0.0, 180.0)
            cv2.ellipse(layer, (centre.tolist(), size.tolist(), angle), colour, -1, cv2.LINE_AA)
        elif kind == 1:
            end = (centre + random.normal(0.0, 0.3 * width, 2)).astype(int)
            cv2.line(layer, centre.tolist(), end.tolist(), colour, int(random.integers(1, 26)),
                     cv2.LINE_AA)  # fmt: skip
        elif kind == 2:
            _keys(layer, centre, size, colour, random)
        else:
            corners = cv2.boxPoints((centre.tolist(), size.tolist(), random.uniform(0.0, 90.0)))
            corners = corners + random.normal(0.0, 0.1, (4, 2)) * size.mean()
            cv2.fillPoly(layer, [corners.astype(np.int32)], colour, cv2.LINE_AA)
        if layer is not picture:
            picture = cv2.addWeighted(picture, 0.35, layer, 0.65, 0.0)
    return picture


def _keys(
    layer: np.ndarray, corner: np.ndarray, size: np.ndarray, colour: list[float],
    random: np.random.Generator,
) -> None:  # fmt: skip
    """Rows of keys, books on a shelf, or drawers."""
    step = np.maximum(size / random.integers(2, 9, 2), 4.0)
    for row in range(int(size[1] / step[1])):
        for column in range(int(size[0] / step[0])):
            start = (corner + step * (column, row)).astype(int)
            end = (start + 0.8 * step).astype(int)
            cv2.rectangle(layer, start.tolist(), end.tolist(), colour, -1)


def _soft_edge(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    """[height, width, 1] float32: 0 above a line across the picture, 1 below."""
    x, y = _grid(width, height)
    line = y - random.uniform(-0.6, 0.8) - random.normal(0.0, 0.15) * x
    return np.clip(0.5 + line * height / random.uniform(2.0, 30.0), 0.0, 1.0)[..., None]


def _material_colour(random: np.random.Generator) -> np.ndarray:
    """[3] float32, 0 to 255: greys, browns and some paint."""
    value = random.uniform(15.0, 245.0)
    warmth = random.normal(0.06, 0.12)
    tint = random.normal(0.0, random.choice((4.0, 25.0)), 3)
    colour = value * np.array((1.0 + warmth, 1.0, 1.0 - warmth)) + tint
    return np.clip(colour, 5.0, 250.0).astype(np.float32)


def _turned(random: np.random.Generator, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """The grid turned by any angle, a little in perspective."""
    x, y = _grid(width, height)
    angle, slant = random.uniform(0.0, np.pi), 1.0 / (1.0 + random.uniform(-0.4, 0.4) * y)
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return (cosine * x + sine * y) * slant, (cosine * y - sine * x) * slant


def _grid(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y of each pixel, -1 to 1 across the longer side, float32."""
    longer = max(width, height)
    x = (np.arange(width, dtype=np.float32) * 2.0 - width) / longer
    y = (np.arange(height, dtype=np.float32) * 2.0 - height) / longer
    shape = height, width
    return np.broadcast_to(x, shape), np.broadcast_to(y[:, None], shape)
