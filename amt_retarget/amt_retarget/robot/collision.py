"""Capsules around the robot's links, and the pairs of them that must keep apart.

The distance of two capsules is the distance of two line segments less both radii: a closed form
that is fast and smooth nearly everywhere (Ericson, "Real-Time Collision Detection", 2005, section
5.1.9). The capsules come from the collision shapes of the URDF:

- A fingertip, a cylinder with a dome, is a capsule already.
- A box of the hand gets capsules along its z axis, which runs along every link of the hand. They
  stand out over its faces a little so that its edges stick out of them by no more than STICK_OUT:
  boxes whose capsules touch overlap by a millimetre at most. The capsules' round ends reach beyond
  the box, to where the next link is anyway.
- A cylinder of the arm gets one capsule, which reaches beyond the flat ends.

Among themselves, where they meet all the time, the links of the hand show a fine cover; against the
arm, which they are never meant to touch, a coarse one of few capsules is enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.robot.description import urdf_path
from amt_retarget.robot.robot import Robot

if TYPE_CHECKING:
    import pinocchio

STICK_OUT = 0.0005
"""What the edges of a box stick out of its capsules (m)."""
FINE_INSET, FINE_SPACING = 0.008, 0.025
"""From the faces of a box to the outer capsules' axes, and most between two axes (m). A smaller
inset makes the cover closer (it stands out by 0.4 insets) but needs more capsules. The spacing
keeps a fingertip from dipping into the box between two of them."""
COARSE_INSET, COARSE_SPACING = 0.0205, 0.045
"""The same for the coarse cover: one capsule for a link of a finger, three for the palm."""
THIN_SHARE = 0.25
"""A box gets one row of capsules when the outer ones would be closer to its middle than this many
insets: two would hardly differ."""
CYLINDER_INSET = 1 / 3
"""From the flat ends of a cylinder to those of the capsule's axis, in radii: the capsule is 5 %
thicker than the cylinder and reaches 0.7 radii beyond its ends."""

ARM_CLEARANCE = 0.005
"""Between the arm and everything else (m): contact there is never wanted."""
TIP_CLEARANCE = -0.0005
"""Between two fingertips (m): they are soft, and this lets a pinch really close."""

ARM_LINKS = (
    "base_link_inertia",
    "shoulder_link",
    "upper_arm_link",
    "forearm_link",
    "wrist_1_link",
    "wrist_2_link",
    "wrist_3_link",
    "hand_adapter",
)
FIRST_TO_TOUCH = {
    "base_link_inertia": "forearm_link",
    "shoulder_link": "forearm_link",
    "upper_arm_link": "wrist_1_link",
    "forearm_link": "wrist_3_link",
}
"""The first link along the arm that can touch each of these; so can all after it, and the hand."""

KNUCKLES = tuple(f"{finger}_link_0" for finger in ("index", "middle", "ring"))
HAND_LINKS = (
    "palm_link",
    *KNUCKLES,
    *(f"{finger}_link_{i}" for finger in ("index", "middle", "ring") for i in (1, 2, 3)),
    *(f"thumb_link_{i}" for i in (0, 2, 3)),
)
"""Links of the hand that have capsules. What comes near the thumb's short link 1 meets those of its
neighbours first, and so does the arm near a knuckle."""

FIRST_ABOVE_TABLE = "forearm_link"
"""From here on the arm can touch its table. (The elbow is on both sides of its joint equally thick,
so the forearm's part speaks for the upper arm's.)"""


@dataclass(frozen=True)
class CollisionModel:
    """Capsules on the robot's links and the pairs of them that must keep apart.

    A capsule is a line segment with a radius, fixed in the frame of the joint that moves it
    (Pinocchio's oMi), or in base_link when nothing moves it.
    """

    links: tuple[str, ...]
    """[n] the link that each capsule covers, alone or with others."""
    joints: NDArray[np.int32]
    """[n] index in Robot.joint_names of the joint that moves the capsule; -1 for none."""
    starts: NDArray[np.float64]
    """[n, 3] one end of the segment (m)."""
    ends: NDArray[np.float64]
    """[n, 3] its other end (m)."""
    radii: NDArray[np.float64]
    """[n] m."""
    pairs: NDArray[np.int32]
    """[m, 2] capsules that must keep apart."""
    clearances: NDArray[np.float64]
    """[m] least distance between the surfaces of each pair (m); below 0 they may overlap."""
    table_capsules: NDArray[np.int32]
    """[k] capsules that must stay above the table."""


class _Capsule(NamedTuple):
    joint: int
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    radius: float


def collision_model(robot: Robot) -> CollisionModel:
    """The collision model of a robot, from the collision shapes of its URDF.

    Left out are the pairs of links that cannot touch within the joint limits, and those that
    overlap about the joint between them.

    Raises RetargetError when a link's shapes are not those that the module's description names.
    """
    import pinocchio

    path = str(urdf_path(robot.arm, robot.hand))
    shapes: dict[str, list[pinocchio.GeometryObject]] = {}
    for shape in pinocchio.buildGeomFromUrdf(
        robot.model, path, pinocchio.GeometryType.COLLISION
    ).geometryObjects:
        shapes.setdefault(robot.model.frames[shape.parentFrame].name, []).append(shape)

    capsules: list[_Capsule] = []
    links: list[str] = []

    def add(link: str, new: list[_Capsule]) -> list[int]:
        capsules.extend(new)
        links.extend([link] * len(new))
        return list(range(len(links) - len(new), len(links)))

    fine, coarse = {}, {}
    for link in ARM_LINKS:
        coarse[link] = add(link, [_cover_cylinder(robot, link, shape) for shape in shapes[link]])
    for link in HAND_LINKS:
        if _is_fingertip(link):
            fine[link] = coarse[link] = add(link, [_fingertip(robot, link, shapes[link])])
        else:
            box = shapes[link]
            fine[link] = add(link, _cover_box(robot, link, box, FINE_INSET, FINE_SPACING))
            if link not in KNUCKLES:
                coarse[link] = add(link, _cover_box(robot, link, box, COARSE_INSET, COARSE_SPACING))

    pairs: list[tuple[int, int]] = []
    clearances: list[float] = []
    for a, b in _hand_pairs():
        between = list(product(fine[a], fine[b]))
        pairs += between
        tips = _is_fingertip(a) and _is_fingertip(b)
        clearances += [TIP_CLEARANCE if tips else 0.0] * len(between)
    for a, b in _arm_pairs():
        between = list(product(coarse[a], coarse[b]))
        pairs += between
        clearances += [ARM_CLEARANCE] * len(between)
    above_table = ARM_LINKS[ARM_LINKS.index(FIRST_ABOVE_TABLE) :]
    table = [i for link in above_table for i in coarse[link]]
    table += [i for link in HAND_LINKS for i in fine[link]]
    return CollisionModel(
        links=tuple(links),
        joints=np.array([capsule.joint for capsule in capsules], dtype=np.int32),
        starts=np.array([capsule.start for capsule in capsules]),
        ends=np.array([capsule.end for capsule in capsules]),
        radii=np.array([capsule.radius for capsule in capsules]),
        pairs=np.array(pairs, dtype=np.int32),
        clearances=np.array(clearances),
        table_capsules=np.array(table, dtype=np.int32),
    )


def _hand_pairs() -> Iterator[tuple[str, str]]:
    """Links of the hand that can touch each other.

    The thumb's link 2 and the palm are not among them: beside its joint it is always close to the
    palm, and fully bent it touches the palm's edge, which is round on the real hand, by 1.6 mm.
    """
    for a, b in (("index", "middle"), ("middle", "ring")):
        for i, j in product((1, 2, 3), repeat=2):
            yield f"{a}_link_{i}", f"{b}_link_{j}"
    for i, j in product((2, 3), repeat=2):  # around a middle finger that is stretched
        yield f"index_link_{i}", f"ring_link_{j}"
    for finger in ("index", "middle", "ring"):
        yield from product(["thumb_link_3"], [f"{finger}_link_{i}" for i in range(4)])
        yield "thumb_link_2", f"{finger}_link_3"
        yield "palm_link", f"{finger}_link_3"
    for finger in ("index", "middle"):
        yield "thumb_link_2", f"{finger}_link_2"
        yield "thumb_link_0", f"{finger}_link_3"
    yield "palm_link", "thumb_link_3"
    yield "thumb_link_0", "thumb_link_3"


def _arm_pairs() -> Iterator[tuple[str, str]]:
    """Links of the arm with the later links of the arm, and of the hand, that can touch them."""
    for link, first in FIRST_TO_TOUCH.items():
        yield from product([link], ARM_LINKS[ARM_LINKS.index(first) :])
        yield from product([link], (other for other in HAND_LINKS if other not in KNUCKLES))


def _is_fingertip(link: str) -> bool:
    return link.endswith("_link_3")


def _fingertip(robot: Robot, link: str, shapes: Sequence[pinocchio.GeometryObject]) -> _Capsule:
    """The capsule of a cylinder from the joint to the centre of a sphere of the same radius."""
    if _kinds(shapes) != ["Cylinder", "Sphere"]:
        raise _unknown_shapes(link, "a cylinder and a sphere", shapes)
    cylinder, dome = shapes
    start = cylinder.placement.act(np.array([0.0, 0.0, -cylinder.geometry.halfLength]))
    return _Capsule(_joint(robot, dome), start, dome.placement.translation, dome.geometry.radius)


def _cover_box(
    robot: Robot,
    link: str,
    shapes: Sequence[pinocchio.GeometryObject],
    inset: float,
    spacing: float,
) -> list[_Capsule]:
    """Capsules along z over the whole length of a box, on a grid across it."""
    if _kinds(shapes) != ["Box"]:
        raise _unknown_shapes(link, "one box", shapes)
    (box,) = shapes
    half = box.geometry.halfSide
    x, y = (_across(width, inset, spacing) for width in half[:2])
    radius = float(np.hypot(half[0] - x[-1], half[1] - y[-1])) - STICK_OUT
    place = box.placement.act
    return [
        _Capsule(
            _joint(robot, box),
            place(np.array([*offset, -half[2]])),
            place(np.array([*offset, half[2]])),
            radius,
        )
        for offset in product(x, y)
    ]


def _across(half_width: float, inset: float, spacing: float) -> NDArray[np.float64]:
    """Places of the capsules' axes across a box, from its middle (m): one if it is thin enough."""
    outermost = half_width - inset
    if outermost < THIN_SHARE * inset:
        return np.zeros(1)
    return np.linspace(-outermost, outermost, 1 + int(np.ceil(2 * outermost / spacing)))


def _cover_cylinder(robot: Robot, link: str, shape: pinocchio.GeometryObject) -> _Capsule:
    if _kinds([shape]) != ["Cylinder"]:
        raise _unknown_shapes(link, "cylinders", [shape])
    radius = shape.geometry.radius
    inset = CYLINDER_INSET * radius
    half = np.array([0.0, 0.0, max(shape.geometry.halfLength - inset, 0.0)])
    place = shape.placement.act
    covering = float(np.hypot(radius, inset)) - STICK_OUT
    return _Capsule(_joint(robot, shape), place(-half), place(half), covering)


def _joint(robot: Robot, shape: pinocchio.GeometryObject) -> int:
    name = robot.model.names[shape.parentJoint]
    return robot.joint_names.index(name) if name in robot.joint_names else -1


def _kinds(shapes: Sequence[pinocchio.GeometryObject]) -> list[str]:
    return [type(shape.geometry).__name__ for shape in shapes]


def _unknown_shapes(
    link: str, expected: str, shapes: Sequence[pinocchio.GeometryObject]
) -> RetargetError:
    return RetargetError(
        f"{link} must have {expected} as <collision> in the URDF, not {', '.join(_kinds(shapes))}: "
        "correct the description."
    )
