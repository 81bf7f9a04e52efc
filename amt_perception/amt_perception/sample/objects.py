"""Simple things to hold, drawn by MuJoCo: coloured so that a picture shows how each is turned."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import mujoco


class Part(NamedTuple):
    """A box or a cylinder (about z) of one colour."""

    kind: str
    """Name of MuJoCo's geometry: mjGEOM_BOX or mjGEOM_CYLINDER."""
    size: tuple[float, float, float]
    """Half the extents of a box, or a cylinder's radius, half its height and 0 (m)."""
    place: tuple[float, float, float]
    """The middle of the part in the object's frame (m)."""
    colour: tuple[float, float, float]
    """sRGB, 0 to 1."""


_RED, _YELLOW, _BLUE = (0.77, 0.2, 0.17), (0.93, 0.78, 0.24), (0.16, 0.43, 0.7)
_GREEN, _WHITE, _VIOLET = (0.24, 0.59, 0.33), (0.92, 0.91, 0.87), (0.47, 0.28, 0.55)
_BOX, _CYLINDER = "mjGEOM_BOX", "mjGEOM_CYLINDER"

# A face of the box or a label is a thin slab that stands out by a fraction of a millimetre.
OBJECTS: dict[str, tuple[Part, ...]] = {
    "box": (
        Part(_BOX, (0.0002, 0.045, 0.08), (0.03, 0.0, 0.0), _RED),
        Part(_BOX, (0.0002, 0.045, 0.08), (-0.03, 0.0, 0.0), _YELLOW),
        Part(_BOX, (0.03, 0.0002, 0.08), (0.0, 0.045, 0.0), _BLUE),
        Part(_BOX, (0.03, 0.0002, 0.08), (0.0, -0.045, 0.0), _GREEN),
        Part(_BOX, (0.03, 0.045, 0.0002), (0.0, 0.0, 0.08), _WHITE),
        Part(_BOX, (0.03, 0.045, 0.0002), (0.0, 0.0, -0.08), _VIOLET),
    ),
    "bottle": (
        Part(_CYLINDER, (0.032, 0.065, 0.0), (0.0, 0.0, -0.03), _YELLOW),
        Part(_CYLINDER, (0.022, 0.012, 0.0), (0.0, 0.0, 0.047), _YELLOW),
        Part(_CYLINDER, (0.014, 0.018, 0.0), (0.0, 0.0, 0.077), _RED),
        Part(_BOX, (0.008, 0.022, 0.03), (0.0248, 0.0, -0.03), _BLUE),
    ),
}
"""Parts of each object. Its origin is the middle of its extents, its z axis points up: the box is
60 x 90 x 160 mm, the bottle 64 mm across (with a label on +x) and 190 mm high."""


def add_objects(spec: mujoco.MjSpec, mujoco: ModuleType) -> None:
    """Add all OBJECTS to a scene, each as a body of its name that goes where it is told."""
    for name, parts in OBJECTS.items():
        body = spec.worldbody.add_body(name=name, mocap=True)
        for part in parts:
            body.add_geom(
                type=getattr(mujoco.mjtGeom, part.kind), size=part.size, pos=part.place,
                rgba=[*part.colour, 1.0], contype=0, conaffinity=0,
            )  # fmt: skip
