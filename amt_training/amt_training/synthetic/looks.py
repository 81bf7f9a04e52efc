"""How a scene looks: skin, sleeves, the objects' surfaces, light and what is behind, by chance."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from amt_perception.sample.appearance import Colour, SkinColours
from amt_training.synthetic.backdrops import fractal_noise, random_backdrop
from amt_training.synthetic.settings import WorldSettings

SKIN_TONES = (
    (240, 203, 184), (228, 182, 158), (214, 164, 136), (196, 144, 114), (172, 120, 90),
    (146, 98, 71), (118, 77, 55), (94, 61, 45), (72, 48, 38),
)  # fmt: skip
"""sRGB of the backs of hands in good light, light to dark. By eye."""
PALM = (228.0, 172.0, 150.0)
"""Palms have little pigment, dark hands' too: they come near this colour."""
NAIL = (244.0, 206.0, 196.0)

CELL, CELLS = 64, (4, 2)
"""Pixels of a square cell of an object's texture, and cells across and down: one for each part."""
MOST_OBJECTS = 4
"""Objects that can be seen at the same time."""


@dataclass(frozen=True)
class Lamp:
    """A lamp so far away that its rays are parallel."""

    direction: Colour
    """Of its rays in the camera's frame, from above (y >= 0) and of any length."""
    colour: Colour
    """Brightness in red, green and blue, 0 to 1."""


@dataclass(frozen=True)
class ObjectLook:
    """The surface of an object."""

    texture: np.ndarray
    """[128, 256, 3] uint8 RGB: a cell for each part, CELLS of them, row by row."""
    gloss: float
    """0 for chalk, 1 for polish."""


@dataclass(frozen=True)
class Look:
    """Everything about appearance, the same through a sequence."""

    skin: SkinColours
    """Of both hands."""
    skin_gloss: float
    """0 for dry skin, 1 for wet."""
    sleeves: Colour | None
    """sRGB, 0 to 1; None for bare arms."""
    objects: tuple[ObjectLook, ...]
    """MOST_OBJECTS of them, for the objects in the moment's order."""
    lamps: tuple[Lamp, Lamp]
    """The first one throws the shadows, if any."""
    shadows: bool
    ambient: Colour
    """Brightness of the light from everywhere in red, green and blue, 0 to 1."""
    wall: float
    """How far behind the hands their shadow falls on the backdrop (m)."""
    backdrop: np.ndarray
    """[H, W, 3] uint8 RGB: what is behind everything."""


def random_look(random: np.random.Generator, settings: WorldSettings) -> Look:
    """A person, things and a room by chance."""
    covered = random.random() < settings.sleeves
    lamps, ambient = _light(random)
    return Look(
        skin=_skin(random),
        skin_gloss=float(random.beta(1.5, 3.0)),
        sleeves=_colour(random) if covered else None,
        objects=tuple(_object(random) for _ in range(MOST_OBJECTS)),
        lamps=lamps,
        shadows=bool(random.random() < 0.9),
        ambient=ambient,
        wall=float(np.exp(random.uniform(np.log(0.03), np.log(0.5)))),
        backdrop=random_backdrop(random, settings.width, settings.height),
    )


def _skin(random: np.random.Generator) -> SkinColours:
    """A tone between two neighbours of the scale; palms, creases and nails go with it."""
    place = random.uniform(0.0, len(SKIN_TONES) - 1.001)
    lighter, darker = np.array(SKIN_TONES[int(place) : int(place) + 2], dtype=float)
    back = lighter + (place % 1.0) * (darker - lighter)
    back *= random.uniform(0.97, 1.03, 3)
    darkness = place / len(SKIN_TONES)
    palm = back + random.uniform(0.3, 0.5 + 0.2 * darkness) * (PALM - back)
    crease = back * random.uniform(0.55, 0.75) * (1.0, 0.86, 0.84)
    nail = back + random.uniform(0.3, 0.6) * (NAIL - back)
    return SkinColours(*(_triple(np.clip(c, 8.0, 250.0)) for c in (back, palm, crease, nail)))


def _light(random: np.random.Generator) -> tuple[tuple[Lamp, Lamp], Colour]:
    """Two lamps, the second one weaker, and light from the room; together about white."""
    warm = np.array((1.0, random.uniform(0.88, 1.0), random.uniform(0.74, 1.0)))
    cool = np.array((random.uniform(0.9, 1.0), random.uniform(0.95, 1.0), 1.0))
    main, fill = (warm, cool) if random.random() < 0.5 else (cool, warm)
    level, share = random.uniform(0.95, 1.25), random.uniform(0.35, 0.6)
    second = random.uniform(0.0, 0.3)
    lamps = (
        Lamp(_ray(random), _triple(level * share * main)),
        Lamp(_ray(random), _triple(level * (1.0 - share) * second * fill)),
    )
    return lamps, _triple(level * (1.0 - share) * (1.0 - second) * (fill + main) / 2.0)


def _ray(random: np.random.Generator) -> Colour:
    """From above, mostly from the camera's side."""
    return (random.uniform(-1.0, 1.0), random.uniform(0.0, 1.0), random.uniform(-0.2, 1.2))


def _object(random: np.random.Generator) -> ObjectLook:
    rows = [[_surface(random) for _ in range(CELLS[0])] for _ in range(CELLS[1])]
    texture = np.vstack([np.hstack(row) for row in rows])
    return ObjectLook(texture, float(random.beta(0.8, 1.5)))


def _surface(random: np.random.Generator) -> np.ndarray:
    """[CELL, CELL, 3] uint8 RGB: plain, striped, checked, labelled or stained."""
    colour, other = 255.0 * np.array(_colour(random)), 255.0 * np.array(_colour(random))
    across, down = np.meshgrid(np.arange(CELL) / CELL, np.arange(CELL) / CELL)
    kind = random.choice(("plain", "stripes", "checks", "label", "stains"),
                         p=(0.4, 0.15, 0.1, 0.2, 0.15))  # fmt: skip
    cell = np.full((CELL, CELL, 3), colour, dtype=np.float32)
    count = random.uniform(2.0, 9.0)
    if kind == "stripes":
        along = across if random.random() < 0.5 else down
        cell[(count * along) % 1.0 < random.uniform(0.2, 0.6)] = other
    elif kind == "checks":
        cell[((count * across).astype(int) + (count * down).astype(int)) % 2 == 0] = other
    elif kind == "label":
        _print_label(cell, other, random)
    elif kind == "stains":
        amount = np.clip(0.5 + fractal_noise(random, CELL, CELL, 1.0), 0.0, 1.0)[..., None]
        cell += amount * (other - cell)
    grain = fractal_noise(random, CELL, CELL, 0.3)[..., None]
    return np.clip(cell * (1.0 + random.uniform(0.0, 0.12) * grain), 0.0, 255.0).astype(np.uint8)


def _print_label(cell: np.ndarray, paper: np.ndarray, random: np.random.Generator) -> None:
    """Paper with lines of print on a cell."""
    top, bottom = random.integers(4, 20), random.integers(40, 62)
    left, right = random.integers(0, 10), random.integers(45, CELL)
    cv2.rectangle(cell, (int(left), int(top)), (int(right), int(bottom)), paper.tolist(), -1)
    ink = (255.0 * np.array(_colour(random))).tolist()
    for row in range(int(top) + 4, int(bottom) - 2, int(random.integers(4, 9))):
        end = int(random.integers(left + 10, right))
        cv2.line(cell, (int(left) + 3, row), (end, row), ink, int(random.integers(1, 3)))


def _colour(random: np.random.Generator) -> Colour:
    """sRGB, 0 to 1: as often grey as colourful, as things are."""
    value, hue = random.uniform(0.08, 0.95), random.uniform(-1.0, 1.0, 3)
    return _triple(np.clip(value + random.beta(1.0, 2.0) * 0.5 * hue, 0.03, 0.97))


def _triple(colour: np.ndarray) -> Colour:
    red, green, blue = np.asarray(colour, dtype=float).tolist()
    return red, green, blue
