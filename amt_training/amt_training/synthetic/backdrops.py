"""What is behind everything: walls, desks and clutter out of focus, quickly drawn by chance."""

from __future__ import annotations

import cv2
import numpy as np

WOOD = np.array((1.0, 0.78, 0.56))

Patch = tuple[np.ndarray, np.ndarray]
"""Corners [N, 2] of a polygon (pixels) and its colour [3], 0 to 255."""


def random_backdrop(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    """[height, width, 3] uint8 RGB: one or two surfaces, things on them, and the room's light."""
    small = width // 2, height // 2
    picture = _surface(random, *small)
    if random.random() < 0.5:  # a desk before a wall
        edge = _soft_edge(random, *small)
        picture += edge * (_surface(random, *small) - picture)
    light = 1.0 + random.uniform(0.0, 0.3) * fractal_noise(random, *small, 2.0)
    picture *= light[..., None]
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
    if random.random() < 0.75:
        _lay_things(random, picture)
    blur = random.choice((0.0, random.uniform(0.5, 5.0)))
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
    materials = (_painted, _stained, _wooden, _woven, _tiled)
    material = materials[random.integers(len(materials))]
    colour = _material_colour(random)
    if material is _wooden:
        colour = (random.uniform(60.0, 225.0) * WOOD).astype(np.float32)
    shade = np.clip(material(random, width, height), -0.3, 1.3).astype(np.float32)
    other = np.float32(random.uniform(0.6, 0.95)) * colour
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


def _lay_things(random: np.random.Generator, picture: np.ndarray) -> None:
    """Papers, boxes, plates, tools, keyboards and cables, with the shadows that they throw."""
    height, width = picture.shape[:2]
    kinds = (_paper, _paper, _plate, _tool, _keys, _cable)
    things = [
        kinds[random.integers(len(kinds))](random, _place(random, width, height), 0.45 * width)
        for _ in range(int(random.integers(1, 16)))
    ]
    shadow = np.ones((height // 4, width // 4), dtype=np.float32)
    offset = random.normal(0.0, 6.0, 2)
    for thing in things:
        _fill(shadow, 0.25 * (thing[0][0] + offset), random.uniform(0.4, 0.8))
    shadow = cv2.GaussianBlur(shadow, (0, 0), random.uniform(0.7, 2.5))
    picture *= cv2.resize(shadow, (width, height))[..., None]
    for thing in things:
        for corners, colour in thing:
            _fill(picture, corners, colour)


def _place(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    return random.uniform((-0.05, -0.05), (1.05, 1.05)) * (width, height)


def _fill(picture: np.ndarray, corners: np.ndarray, colour: np.ndarray | float) -> None:
    # cv2.fillPoly takes fractions of pixels: 4 bits of them.
    points = np.round(16.0 * corners).astype(np.int32)
    cv2.fillPoly(picture, [points], np.atleast_1d(colour).tolist(), cv2.LINE_AA, shift=4)


def _paper(random: np.random.Generator, place: np.ndarray, largest: float) -> list[Patch]:
    """A sheet, book or carton, mostly printed."""
    frame = _frame(random, place, np.exp(random.uniform(np.log(0.1 * largest), np.log(largest), 2)))
    colour = _material_colour(random)
    patches = [_patch(frame, (-1.0, -1.0, 1.0, 1.0), colour)]
    ink = _material_colour(random)
    kind = random.integers(3)
    if kind == 1:  # text
        rows = np.linspace(-0.8, 0.8, int(random.integers(3, 16)))
        thick = 0.3 * (rows[1] - rows[0])
        for row in rows:
            patches.append(_patch(frame, (-0.8, row, random.uniform(-0.2, 0.8), row + thick), ink))
    elif kind == 2:  # a picture
        left, top = random.uniform(-0.9, 0.0, 2)
        patches.append(_patch(frame, (left, top, *random.uniform(0.1, 0.95, 2)), ink))
    return patches


def _plate(random: np.random.Generator, place: np.ndarray, largest: float) -> list[Patch]:
    """A plate, a lid or a mug's rim: rings."""
    angle = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)
    radius = np.exp(random.uniform(np.log(0.04 * largest), np.log(0.5 * largest)))
    ring = radius * np.column_stack([np.cos(angle), random.uniform(0.5, 1.0) * np.sin(angle)])
    sizes = (1.0, *sorted(random.uniform(0.2, 0.95, random.integers(0, 3)), reverse=True))
    return [(place + size * ring, _material_colour(random)) for size in sizes]


def _tool(random: np.random.Generator, place: np.ndarray, largest: float) -> list[Patch]:
    """A pen, ruler or screwdriver: a rod in two colours."""
    length = random.uniform(0.15, 1.0) * largest
    frame = _frame(random, place, np.array([length, random.uniform(0.015, 0.09) * length]))
    colour, handle = _material_colour(random), random.uniform(-0.9, 0.8)
    return [
        _patch(frame, (-1.0, -1.0, handle, 1.0), colour),
        _patch(frame, (handle, -0.7, 1.0, 0.7), _material_colour(random)),
        _patch(frame, (-1.0, -0.4, handle, 0.0), 0.5 * (colour + 255.0)),
    ]


def _keys(random: np.random.Generator, place: np.ndarray, largest: float) -> list[Patch]:
    """A keyboard, a shelf of books, a set of drawers."""
    frame = _frame(random, place, random.uniform(0.2, 1.0, 2) * (largest, 0.5 * largest))
    patches = [_patch(frame, (-1.0, -1.0, 1.0, 1.0), _material_colour(random))]
    across, down = random.integers(2, 11), random.integers(1, 6)
    colour = _material_colour(random)
    for row in np.arange(down):
        for column in np.arange(across):
            left, top = 2.0 * column / across - 0.97, 2.0 * row / down - 0.95
            key = (left, top, left + 1.7 / across, top + 1.6 / down)
            patches.append(_patch(frame, key, colour * random.uniform(0.9, 1.0)))
    return patches


def _cable(random: np.random.Generator, place: np.ndarray, largest: float) -> list[Patch]:
    """A bent line of one thickness."""
    t = np.linspace(0.0, 1.0, 30)[:, None]
    bend, end = random.normal(0.0, largest, (2, 2))
    path = place + 2.0 * t * (1.0 - t) * bend + t**2 * end
    along = np.gradient(path, axis=0)
    across = along[:, ::-1] * (1.0, -1.0) / np.linalg.norm(along, axis=1, keepdims=True)
    across *= random.uniform(0.8, 5.0)
    return [(np.vstack([path + across, (path - across)[::-1]]), _material_colour(random))]


def _frame(random: np.random.Generator, place: np.ndarray, size: np.ndarray) -> np.ndarray:
    """[3, 2] middle and both half sides of a rectangle in any direction, a little oblique."""
    turn = random.uniform(0.0, np.pi)
    skewed = turn + 0.5 * np.pi + random.normal(0.0, 0.15)
    directions = np.array([(np.cos(turn), np.sin(turn)), (np.cos(skewed), np.sin(skewed))])
    return np.vstack([place, 0.5 * size[:, None] * directions])


def _patch(
    frame: np.ndarray, edges: tuple[float, float, float, float], colour: np.ndarray
) -> Patch:
    """The part of a frame between left, top, right and bottom, -1 to 1."""
    left, top, right, bottom = edges
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    return frame[0] + corners @ frame[1:], colour


def _soft_edge(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    """[height, width, 1] float32: 0 above a line across the picture, 1 below."""
    x, y = _grid(width, height)
    line = y - random.uniform(-0.6, 0.8) - random.normal(0.0, 0.15) * x
    return np.clip(0.5 + line * height / random.uniform(2.0, 30.0), 0.0, 1.0)[..., None]


def _material_colour(random: np.random.Generator) -> np.ndarray:
    """[3] float32, 0 to 255: mostly greys and browns, some paint."""
    value = random.uniform(15.0, 245.0)
    if random.random() < 0.15:
        colour = value + random.normal(0.0, 45.0, 3)
    else:
        warmth = random.normal(0.08, 0.12)
        colour = value * np.array((1.0 + warmth, 1.0, 1.0 - warmth)) + random.normal(0.0, 4.0, 3)
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
