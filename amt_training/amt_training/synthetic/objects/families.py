"""Families of things that a person holds in one hand, every size drawn by chance. Metres."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator
from scipy.spatial.transform import Rotation

from amt_training.synthetic.objects.shapes import (
    HALF_TURNS,
    Z_AXIS,
    Shape,
    block,
    bow,
    line,
    rounded,
    swept,
    turned,
)

_Y = (0.0, 1.0, 0.0)
_AS_IS = Rotation.identity()
_TOWARDS_X = Rotation.from_rotvec([0.0, 0.5 * np.pi, 0.0])
"""Turns z to x."""


def box(random: Generator) -> Shape:
    """A carton, flat or thick."""
    extents = random.uniform((0.02, 0.05, 0.09), (0.08, 0.13, 0.22))
    return Shape({"body": block(extents, random.uniform(0.001, 0.006))}, HALF_TURNS)


def can(random: Generator) -> Shape:
    """A food can: both ends lie deeper than their rims."""
    radius, height = random.uniform((0.024, 0.06), (0.043, 0.15))
    rim, depth = random.uniform((0.0015, 0.002), (0.003, 0.004))
    inner = radius - rim
    body = [
        (0.0, depth), (inner, depth), (inner, 0.0), (radius, 0.0), (radius, 0.003),
        (radius - 0.001, 0.005), (radius - 0.001, height - 0.005), (radius, height - 0.003),
        (radius, height), (inner, height), (inner, height - depth), (0.0, height - depth),
    ]  # fmt: skip
    return Shape({"body": turned(body)}, HALF_TURNS[[0, 1]], Z_AXIS)


def bottle(random: Generator) -> Shape:
    """A round bottle with a shoulder, a neck and a screw cap."""
    radius, height, shoulder = random.uniform((0.02, 0.09, 0.015), (0.041, 0.18, 0.05))
    neck, neck_height, waist = random.uniform((0.009, 0.012, 0.85), (0.014, 0.04, 1.0))
    top = height + shoulder
    body = rounded(
        [
            (0.0, 0.003), (0.7 * radius, 0.0), (radius, 0.0), (radius, 0.3 * height),
            (waist * radius, 0.55 * height), (radius, 0.8 * height), (radius, height),
            (neck, top), (0.0, top),
        ],
        0.25 * radius,
    )  # fmt: skip
    cap_height, rim = random.uniform((0.01, 0.002), (0.022, 0.004))
    cap, low = neck + rim, top + neck_height - 0.5 * cap_height
    high = low + cap_height
    parts = {
        "body": turned(body),
        "neck": turned(
            [(0.0, top - 0.01), (neck, top - 0.01), (neck, low + 0.002), (0.0, low + 0.002)]
        ),
        "cap": turned(rounded([(0.0, low), (cap, low), (cap, high), (0.0, high)], 0.002)),
    }
    return Shape(parts, symmetry_axis=Z_AXIS)


def mug(random: Generator) -> Shape:
    """A hollow mug with a handle."""
    radius, height, taper = random.uniform((0.034, 0.075, 0.85), (0.045, 0.12, 1.0))
    wall = random.uniform(0.003, 0.005)
    low, high = random.uniform((0.12, 0.78), (0.25, 0.9)) * height

    def at(z: float) -> np.ndarray:
        """The middle of the wall where the handle begins."""
        return np.array([radius * (taper + (1.0 - taper) * z / height) - 0.6 * wall, 0.0, z])

    reach, half_width = random.uniform((0.028, 0.004), (0.042, 0.0065))
    handle = bow(at(low), at(high), reach, 20)
    parts = {
        "body": turned(hollow(taper * radius, radius, height, wall)),
        "handle": swept(handle, np.array([0.8 * half_width, half_width]), _Y),
    }
    return Shape(parts)


def bowl(random: Generator) -> Shape:
    """A small round bowl on a foot."""
    radius, height, wall = random.uniform((0.05, 0.035, 0.002), (0.08, 0.065, 0.004))
    foot = random.uniform(0.35, 0.55) * radius
    lift, angle = 0.004, np.linspace(0.0, 0.5 * np.pi, 9)
    round_out, up = np.sin(angle), 1.0 - np.cos(angle)
    outside = [foot + (radius - foot) * round_out, lift + (height - lift) * up]
    inside = [
        foot + (radius - foot - wall) * round_out[::-1],
        lift + wall + (height - lift - wall) * up[::-1],
    ]
    profile = np.vstack(
        [(0.0, 0.0), (foot, 0.0), np.transpose(outside), np.transpose(inside), (0.0, lift + wall)]
    )
    return Shape({"body": turned(profile)}, symmetry_axis=Z_AXIS)


def fruit(random: Generator) -> Shape:
    """A ball with a dent and a stem, somewhere between an apple and a lemon."""
    radius, stretch, dent = random.uniform((0.024, 0.85, 0.0), (0.042, 1.25, 0.2))
    angle = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 22)
    height = radius * stretch * (np.sin(angle) - dent * np.clip(np.sin(angle), 0.0, 1.0) ** 8)
    ball = np.stack([radius * np.cos(angle), height], axis=-1)
    ball[[0, -1], 0] = 0.0
    thick, length = random.uniform((0.0012, 0.006), (0.0025, 0.016))
    low, high = height[-1] - 0.004, height[-1] + length
    stem = [(0.0, low), (thick, low), (0.8 * thick, high), (0.0, high)]
    return Shape({"body": turned(ball), "stem": turned(stem)}, symmetry_axis=Z_AXIS)


def cup(random: Generator) -> Shape:
    """A hollow cup or glass without a handle, wider at the top."""
    radius, height, taper = random.uniform((0.032, 0.075, 0.6), (0.045, 0.14, 0.95))
    wall = random.uniform(0.0015, 0.004)
    return Shape(
        {"body": turned(hollow(taper * radius, radius, height, wall))}, symmetry_axis=Z_AXIS
    )


def pan(random: Generator) -> Shape:
    """A small pan with a long flat handle."""
    radius, height, taper = random.uniform((0.045, 0.025, 0.85), (0.085, 0.06, 0.97))
    wall, length, lift = random.uniform((0.003, 0.11, 0.0), (0.004, 0.18, 0.03))
    start = radius * (taper + 0.8 * (1.0 - taper)) - 0.5 * wall
    t = np.linspace(0.0, 1.0, 14)[:, None]
    handle = np.array([start, 0.0, 0.8 * height]) + t * (length, 0.0, 0.0) + t**2 * (0.0, 0.0, lift)
    half_widths = np.array([0.5, 1.0]) * random.uniform(0.007, 0.011) * (0.7 + 0.3 * t)
    parts = {
        "bowl": turned(hollow(taper * radius, radius, height, wall)),
        "handle": swept(handle, half_widths, _Y, 0.6),
    }
    return Shape(parts)


def hammer(random: Generator) -> Shape:
    """A hammer with a round face on one side and a wedge on the other; it stands on its handle."""
    length, thick, wide = random.uniform((0.2, 0.010, 0.012), (0.3, 0.013, 0.017))
    t = np.linspace(0.0, 1.0, 16)[:, None]
    grip = 1.0 - 0.25 * np.sin(0.5 * np.pi * t) + 0.1 * np.cos(4.0 * np.pi * t) * (1.0 - t)
    handle = swept(line((0.0, 0.0, 0.0), (0.0, 0.0, length), 16), grip * [wide, thick], _Y, 0.8)
    face, front, back = random.uniform((0.011, 0.045, 0.045), (0.016, 0.065, 0.07))
    neck = 0.75 * face
    height = length - 0.6 * face
    striking = rounded(
        [(0.0, -0.01), (neck, -0.01), (neck, 0.55 * front), (face, 0.65 * front), (face, front),
         (0.0, front)],
        0.002,
    )  # fmt: skip
    t = np.linspace(0.0, 1.0, 10)[:, None]
    wedge = np.hstack([-0.012 + (0.012 - back) * t, 0.0 * t, height - 0.2 * back * t**2])
    tapered = np.hstack([face * (1.0 - 0.85 * t), np.full_like(t, face)])
    parts = {
        "handle": handle,
        "head": block((0.03, 2.2 * face, 2.0 * face), 0.003).moved(_AS_IS, (0.0, 0.0, height)),
        "face": turned(striking).moved(_TOWARDS_X, (0.01, 0.0, height)),
        "wedge": swept(wedge, tapered, _Y, 0.5),
    }
    return Shape(parts)


def screwdriver(random: Generator) -> Shape:
    """A screwdriver with a bulging handle; it stands on that."""
    radius, length, waist = random.uniform((0.011, 0.08, 0.6), (0.018, 0.12, 0.8))
    shaft, reach = random.uniform((0.002, 0.06), (0.004, 0.15))
    handle = rounded(
        [(0.0, 0.0), (0.8 * radius, 0.0), (radius, 0.15 * length), (radius, 0.6 * length),
         (waist * radius, 0.8 * length), (0.8 * radius, 0.95 * length), (0.5 * radius, length),
         (0.0, length)],
        0.006,
    )  # fmt: skip
    end = length + reach
    metal = [(0.0, length - 0.01), (shaft, length - 0.01), (shaft, end - 0.006),
             (0.3 * shaft, end), (0.0, end)]  # fmt: skip
    return Shape({"handle": turned(handle), "shaft": turned(metal)}, symmetry_axis=Z_AXIS)


def marker(random: Generator) -> Shape:
    """A thick pen with its cap on."""
    radius, length, capped = random.uniform((0.005, 0.11, 0.28), (0.011, 0.15, 0.45))
    start = (1.0 - capped) * length
    rim = random.uniform(0.0006, 0.0015)
    body = rounded([(0.0, 0.0), (radius, 0.0), (radius, start + 0.01), (0.0, start + 0.01)], 0.001)
    cap = rounded(
        [(0.0, start), (radius + rim, start), (radius + rim, 0.97 * length), (0.7 * radius, length),
         (0.0, length)],
        0.002,
    )  # fmt: skip
    return Shape({"body": turned(body), "cap": turned(cap)}, symmetry_axis=Z_AXIS)


def banana(random: Generator) -> Shape:
    """A bent rod with a stem, as it lies on a table."""
    bend, turn, radius = random.uniform((0.07, 1.2, 0.014), (0.12, 2.2, 0.02))
    angle = turn * np.linspace(-0.5, 0.5, 24)
    path = bend * np.stack([np.sin(angle), 1.0 - np.cos(angle), 0.0 * angle], axis=-1)
    t = np.linspace(-0.985, 0.97, 24)[:, None]
    body = swept(path, radius * (1.0 - t**4) ** 0.6 * [1.0, 0.92], Z_AXIS, 0.9)
    along = np.array([np.cos(0.5 * turn), np.sin(0.5 * turn), 0.0])
    length = random.uniform(0.015, 0.03)
    stem = swept(
        line(path[-1] - 0.008 * along, path[-1] + length * along, 5),
        np.array([0.22, 0.22]) * radius,
        Z_AXIS,
        0.6,
    )
    return Shape({"body": body, "stem": stem})


def spray_bottle(random: Generator) -> Shape:
    """An oval bottle with a spray head and a trigger."""
    wide, deep, height = random.uniform((0.035, 0.022, 0.12), (0.048, 0.034, 0.18))
    t = np.linspace(0.0, 1.0, 22)[:, None]
    # Nearly straight, then a shoulder that becomes the neck.
    narrow = 1.0 / (1.0 + np.exp(18.0 * (t - 0.8)))
    neck = random.uniform(0.011, 0.015)
    half_widths = neck + narrow * ([wide, deep] - np.array(neck))
    half_widths *= np.clip(0.9 + 2.0 * t, 0.0, 1.0)
    path = line((0.0, 0.0, 0.0), (0.0, 0.0, height), 22)
    rise, reach, back = random.uniform((0.02, 0.04, 0.02), (0.035, 0.06, 0.03))
    top = height + rise
    head = block((reach + back, 0.024, 0.026), 0.006).moved(
        _AS_IS, (0.5 * (reach - back), 0.0, top)
    )
    nozzle = turned([(0.0, -0.005), (0.008, -0.005), (0.007, 0.01), (0.0, 0.01)])
    trigger = bow(np.array([0.6 * reach, 0.0, top - 0.008]),
                  np.array([0.55 * reach, 0.0, top - 0.055]), 0.009, 12)  # fmt: skip
    parts = {
        "body": swept(path, half_widths, _Y, 0.8),
        "neck": turned([(0.0, height - 0.01), (neck, height - 0.01), (neck, top), (0.0, top)]),
        "head": head,
        "nozzle": nozzle.moved(_TOWARDS_X, (reach, 0.0, top)),
        "trigger": swept(trigger, np.array([0.003, 0.007]), _Y, 0.7),
    }
    return Shape(parts)


def hollow(bottom: float, top: float, height: float, wall: float) -> np.ndarray:
    """The profile of a cup from its outer radii at bottom and top (m), for `turned`."""
    corners = [(0.0, 0.0), (bottom, 0.0), (top, height), (top - wall, height),
               (bottom - wall, wall), (0.0, wall)]  # fmt: skip
    return rounded(corners, 0.6 * wall)


FAMILIES: Mapping[str, Callable[[Generator], Shape]] = {
    family.__name__: family
    for family in (
        box, can, bottle, mug, bowl, fruit, cup, pan, hammer, screwdriver, marker, banana,
        spray_bottle,
    )
}  # fmt: skip
"""By name, in the order of OBJECT_CLASSES."""
