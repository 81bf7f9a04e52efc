"""More families of objects: with handles, lids, rims and blades that say how to take them. Metres.

They are not in `synthetic.objects.families.FAMILIES`, whose order is that of a trained model's
object classes.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.spatial.transform import Rotation

from amt_training.synthetic.objects.families import hollow
from amt_training.synthetic.objects.shapes import (
    HALF_TURNS,
    Z_AXIS,
    Shape,
    Solid,
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


def jar(random: Generator) -> Shape:
    """A wide jar with a screw lid."""
    radius, height, neck = random.uniform((0.028, 0.06, 0.8), (0.042, 0.11, 0.92))
    lid_height, rim = random.uniform((0.014, 0.001), (0.024, 0.003))
    body = [(0.0, 0.0), (radius, 0.0), (radius, 0.85 * height), (neck * radius, height),
            (0.0, height)]  # fmt: skip
    lid = neck * radius + rim
    high = height + lid_height
    parts = {
        "body": turned(rounded(body, 0.15 * radius)),
        "lid": turned(
            rounded([(0.0, height - 0.002), (lid, height - 0.002), (lid, high), (0.0, high)], 0.002)
        ),
    }
    return Shape(parts, symmetry_axis=Z_AXIS)


def tin(random: Generator) -> Shape:
    """A rectangular tea tin with a pushed-on lid."""
    wide, deep, height = random.uniform((0.055, 0.05, 0.07), (0.085, 0.075, 0.13))
    lid_height = random.uniform(0.018, 0.03)
    top = 0.5 * (height + lid_height) - 0.004
    parts = {
        "body": block((wide, deep, height), 0.004),
        "lid": block((wide + 0.003, deep + 0.003, lid_height), 0.004).moved(
            _AS_IS, (0.0, 0.0, top)
        ),
    }
    return Shape(parts, HALF_TURNS[[0, 3]])


def flask(random: Generator) -> Shape:
    """A slim insulated flask whose cap is as wide as its body."""
    radius, height = random.uniform((0.028, 0.15), (0.038, 0.21))
    cap_radius, cap_height = random.uniform((0.85, 0.035), (0.98, 0.055))
    cap_radius *= radius
    body = [(0.0, 0.0), (radius, 0.0), (radius, height), (0.0, height)]
    high = height + cap_height
    cap = [(0.0, height - 0.002), (cap_radius, height - 0.002), (cap_radius, high), (0.0, high)]
    parts = {"body": turned(rounded(body, 0.006)), "cap": turned(rounded(cap, 0.006))}
    return Shape(parts, symmetry_axis=Z_AXIS)


def mallet(random: Generator) -> Shape:
    """A mallet with a drum for a head; it stands on its handle."""
    length, thick, radius, half = random.uniform(
        (0.18, 0.010, 0.02, 0.035), (0.28, 0.015, 0.032, 0.055)
    )
    head = rounded([(0.0, -half), (radius, -half), (radius, half), (0.0, half)], 0.004)
    parts = {
        "handle": _grip((0.0, 0.0, 0.0), (0.0, 0.0, length), thick),
        "head": turned(head).moved(_TOWARDS_X, (0.0, 0.0, length)),
    }
    return Shape(parts)


def spatula(random: Generator) -> Shape:
    """A turner: a flat blade at the end of a handle."""
    length, thick = random.uniform((0.15, 0.007), (0.22, 0.011))
    long, wide, lift = random.uniform((0.06, 0.025, 0.0), (0.1, 0.04, 0.03))
    t = np.linspace(0.0, 1.0, 10)[:, None]
    blade = np.array([length - 0.01, 0.0, 0.0]) + t * (long, 0.0, 0.0) - t**2 * (0.0, 0.0, lift)
    half_widths = np.hstack([np.full_like(t, 0.0015), wide * (0.6 + 0.4 * t)])
    parts = {
        "handle": _grip((0.0, 0.0, 0.0), (length, 0.0, 0.0), thick),
        "blade": swept(blade, half_widths, _Y, 0.5),
    }
    return Shape(parts)


def spoon(random: Generator) -> Shape:
    """A cooking spoon with an oval head."""
    length, thick = random.uniform((0.16, 0.006), (0.24, 0.009))
    long, wide, deep = random.uniform((0.06, 0.022, 0.006), (0.085, 0.032, 0.011))
    t = np.linspace(-0.97, 0.97, 14)[:, None]
    head = np.array([length + 0.4 * long, 0.0, 0.0]) + 0.5 * long * t * (1.0, 0.0, 0.0)
    parts = {
        "handle": _grip((0.0, 0.0, 0.0), (length, 0.0, 0.0), thick),
        "head": swept(head, np.sqrt(1.0 - t**2) * [deep, wide], _Y),
    }
    return Shape(parts)


def knife(random: Generator) -> Shape:
    """A kitchen knife; its edge looks down."""
    length, thick = random.uniform((0.1, 0.009), (0.13, 0.012))
    long, deep = random.uniform((0.12, 0.016), (0.19, 0.024))
    t = np.linspace(0.0, 1.0, 12)[:, None]
    height = deep * np.sqrt(1.0 - 0.97 * t**2)
    blade = np.hstack([length - 0.01 + long * t, 0.0 * t, deep - height])
    half_widths = np.hstack([height, np.full_like(t, 0.0015)])
    parts = {
        "handle": _grip((0.0, 0.0, 0.0), (length, 0.0, 0.0), thick),
        "blade": swept(blade, half_widths, _Y, 0.5),
    }
    return Shape(parts)


def brush(random: Generator) -> Shape:
    """A scrubbing brush with a handle; its bristles look down."""
    length, thick = random.uniform((0.11, 0.008), (0.16, 0.012))
    long, wide, deep = random.uniform((0.06, 0.04, 0.025), (0.09, 0.06, 0.045))
    head = block((long, wide, deep), 0.004)
    parts = {
        "handle": _grip((0.0, 0.0, 0.0), (length, 0.0, 0.0), thick),
        "head": head.moved(_AS_IS, (length + 0.4 * long, 0.0, 0.25 * thick - 0.3 * deep)),
    }
    return Shape(parts)


def torch(random: Generator) -> Shape:
    """A hand lamp: a tube to hold and a wider head; it stands on its end."""
    radius, length, wider = random.uniform((0.014, 0.1, 1.35), (0.021, 0.16, 1.9))
    cone, rim = random.uniform((0.02, 0.012), (0.035, 0.025))
    head, low, high = wider * radius, length + cone, length + cone + rim
    tube = [(0.0, 0.0), (radius, 0.0), (radius, length), (0.0, length)]
    parts = {
        "handle": turned(rounded(tube, 0.003)),
        "head": turned(
            [(0.0, length - 0.002), (radius, length - 0.002), (head, low), (head, high),
             (head - 0.003, high), (head - 0.003, high - 0.004), (0.0, high - 0.004)]
        ),
    }  # fmt: skip
    return Shape(parts, symmetry_axis=Z_AXIS)


def hair_dryer(random: Generator) -> Shape:
    """A hair dryer: a barrel across the end of its handle."""
    radius, length, tilt = random.uniform((0.026, 0.13, 0.0), (0.036, 0.19, 0.02))
    nozzle = random.uniform(0.6, 0.85)
    barrel = rounded(
        [(0.0, -0.35 * length), (0.85 * radius, -0.35 * length), (radius, -0.2 * length),
         (radius, 0.25 * length), (nozzle * radius, 0.65 * length), (0.0, 0.65 * length)],
        0.006,
    )  # fmt: skip
    below, thick = random.uniform((0.1, 0.012), (0.13, 0.016))
    parts = {
        "body": turned(barrel).moved(_TOWARDS_X, (0.0, 0.0, 0.0)),
        "handle": _grip((-tilt, 0.0, -radius - below), (0.0, 0.0, -0.6 * radius), thick),
    }
    return Shape(parts)


def drill(random: Generator) -> Shape:
    """A cordless drill with a trigger under its body."""
    radius, length = random.uniform((0.026, 0.12), (0.033, 0.16))
    chuck, reach = random.uniform((0.5, 0.035), (0.65, 0.05))
    end, start = -0.6 * length, 0.4 * length
    body = rounded([(0.0, end), (radius, end), (radius, start), (0.0, start)], 0.008)
    head = [(0.0, start - 0.003), (chuck * radius, start - 0.003),
            (chuck * radius, start + 0.7 * reach), (0.25 * radius, start + reach),
            (0.0, start + reach)]  # fmt: skip
    below, thick = random.uniform((0.1, 0.015), (0.13, 0.019))
    parts = {
        "body": turned(body).moved(_TOWARDS_X, (0.0, 0.0, 0.0)),
        "handle": _grip((-0.015, 0.0, -radius - below), (0.0, 0.0, -0.6 * radius), thick),
        "trigger": block((0.02, 0.016, 0.03), 0.004).moved(
            _AS_IS, (thick, 0.0, -radius - 0.014)
        ),
        "head": turned(head).moved(_TOWARDS_X, (0.0, 0.0, 0.0)),
    }  # fmt: skip
    return Shape(parts)


def kettle(random: Generator) -> Shape:
    """A kettle whose handle stands over it like a bow, with a spout."""
    radius, height = random.uniform((0.05, 0.08), (0.068, 0.12))
    body = [(0.0, 0.0), (radius, 0.0), (radius, 0.35 * height), (0.55 * radius, height),
            (0.0, height)]  # fmt: skip
    reach, half_width = random.uniform((0.065, 0.006), (0.085, 0.009))
    across = 0.6 * radius
    arch = bow(np.array([0.0, -across, 0.0]), np.array([0.0, across, 0.0]), reach, 20)
    # The bow lies in the plane of x and y; it is to stand over the body, along the spout.
    arch = arch[:, [1, 2, 0]] + [0.0, 0.0, 0.75 * height]
    parts = {
        "body": turned(rounded(body, 0.2 * radius)),
        "handle": swept(arch, np.array([0.8 * half_width, half_width]), _Y),
        "spout": _spout(radius, height, random),
    }
    return Shape(parts)


def teapot(random: Generator) -> Shape:
    """A round teapot with a handle, a spout on the other side and a lid."""
    radius, height = random.uniform((0.048, 0.075), (0.062, 0.1))
    angle = np.linspace(-0.45 * np.pi, 0.38 * np.pi, 16)
    side = np.stack([radius * np.cos(angle), 0.5 * height * (1.0 + np.sin(angle))], axis=-1)
    body = np.vstack([(0.0, side[0, 1]), side, (0.0, side[-1, 1])])
    top, lid, knob = side[-1, 1], side[-1, 0] + 0.002, random.uniform(0.007, 0.01)
    cover = [(0.0, top - 0.002), (lid, top - 0.002), (lid, top + 0.003), (knob, top + 0.012),
             (knob, top + 0.012 + 2.0 * knob), (0.0, top + 0.012 + 2.0 * knob)]  # fmt: skip
    reach, half_width = random.uniform((0.032, 0.0045), (0.045, 0.007))
    handle = bow(
        np.array([0.75 * radius, 0.0, 0.2 * height]),
        np.array([0.75 * radius, 0.0, 0.8 * height]),
        reach + 0.25 * radius,
        20,
    )
    parts = {
        "body": turned(body),
        "handle": swept(handle, np.array([0.8 * half_width, half_width]), _Y),
        "spout": _spout(radius, height, random).moved(Rotation.from_euler("z", np.pi), np.zeros(3)),
        "lid": turned(rounded(cover, 0.003)),
    }
    return Shape(parts)


def pitcher(random: Generator) -> Shape:
    """A tall jug with a large handle."""
    radius, height, taper = random.uniform((0.045, 0.15, 0.8), (0.058, 0.2, 1.0))
    wall = random.uniform(0.003, 0.0045)
    low, high = random.uniform((0.15, 0.75), (0.3, 0.9)) * height

    def at(z: float) -> np.ndarray:
        return np.array([radius * (taper + (1.0 - taper) * z / height) - 0.6 * wall, 0.0, z])

    reach, half_width = random.uniform((0.04, 0.006), (0.055, 0.009))
    handle = bow(at(low), at(high), reach, 20)
    parts = {
        "body": turned(hollow(taper * radius, radius, height, wall)),
        "handle": swept(handle, np.array([0.8 * half_width, half_width]), _Y),
    }
    return Shape(parts)


def dish(random: Generator) -> Shape:
    """A saucer."""
    return _flat_dish(random, (0.055, 0.012), (0.08, 0.02))


def plate(random: Generator) -> Shape:
    """A dinner plate."""
    return _flat_dish(random, (0.09, 0.016), (0.125, 0.026))


def board(random: Generator) -> Shape:
    """A small chopping board with a handle."""
    long, wide, thick = random.uniform((0.13, 0.1, 0.01), (0.2, 0.14, 0.018))
    reach, half = random.uniform((0.08, 0.014), (0.11, 0.02))
    handle = line((0.45 * long, 0.0, 0.0), (0.5 * long + reach, 0.0, 0.0), 8)
    parts = {
        "body": block((long, wide, thick), 0.004),
        "handle": swept(handle, np.array([0.45 * thick, half]), _Y, 0.6),
    }
    return Shape(parts)


def book(random: Generator) -> Shape:
    """A closed book."""
    extents = random.uniform((0.018, 0.11, 0.16), (0.045, 0.16, 0.23))
    return Shape({"body": block(extents, 0.002)}, HALF_TURNS)


def big_box(random: Generator) -> Shape:
    """A carton of which a hand can span one side only."""
    extents = random.uniform((0.075, 0.12, 0.17), (0.1, 0.18, 0.25))
    return Shape({"body": block(extents, random.uniform(0.002, 0.005))}, HALF_TURNS)


def _grip(start: tuple[float, ...], end: tuple[float, ...], thick: float) -> Solid:
    """A rod with a waist in the plane y = 0, half as `thick` (m) again across it."""
    t = np.linspace(0.0, 1.0, 16)[:, None]
    waist = 1.0 - 0.15 * np.sin(np.pi * t)
    return swept(line(start, end, 16), waist * [thick, 1.25 * thick], _Y, 0.8)


def _spout(radius: float, height: float, random: Generator) -> Solid:
    """A tube that rises from the side of a pot along x."""
    reach, half_width = random.uniform((0.035, 0.008), (0.05, 0.011))
    t = np.linspace(0.0, 1.0, 12)[:, None]
    path = np.array([0.75 * radius, 0.0, 0.3 * height]) + t * (0.25 * radius + reach, 0.0, 0.0)
    path = path + t**1.5 * (0.0, 0.0, 0.6 * height)
    return swept(path, half_width * (1.3 - 0.5 * t) * [1.0, 1.0], _Y)


def _flat_dish(random: Generator, least: tuple[float, float], most: tuple[float, float]) -> Shape:
    """A plate of a radius and a height (m) between those given: a flat middle and a raised rim."""
    radius, height = random.uniform(least, most)
    wall, foot = random.uniform((0.003, 0.55), (0.005, 0.7))
    foot *= radius
    profile = [(0.0, 0.0), (foot, 0.0), (radius, height - wall), (radius, height),
               (radius - 0.25 * wall, height), (foot, wall), (0.0, wall)]  # fmt: skip
    return Shape({"body": turned(rounded(profile, 0.004))}, symmetry_axis=Z_AXIS)
