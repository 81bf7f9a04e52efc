"""Capsules around the robot's links, and the pairs of them that must keep apart.

The distance of two capsules is the distance of two line segments less both radii: a closed form
that is fast and smooth nearly everywhere (Ericson, "Real-Time Collision Detection", 2005, section
5.1.9). The capsules come from the collision shapes of the URDF:

- A fingertip, a cylinder with a dome, is a capsule already.
- A box of the hand gets a capsule along its z axis, which runs along every link of the hand. It
  stands out over the faces so that the edges stick out of it by no more than STICK_OUT: boxes whose
  capsules touch overlap by a millimetre at most. Its round ends reach beyond the box, to where the
  next link is anyway.
- The palm is too wide for that. The fingers and the thumb, which meet it all the time, see a close
  cover of many capsules, and the arm, which never should, a coarse one of few.
- A cylinder of the arm gets one capsule, which reaches beyond the flat ends.
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

STICK_OUT = 0.0004
"""What the edges of a box stick out of its capsules (m)."""
PALM = "palm_link"
CLOSE_GRID, CLOSE_INSET = (2, 5), 0.008
"""Capsules across the palm's thickness and width, and how far inside its faces the outer axes lie
(m). A smaller inset makes the cover closer (it stands out by 0.4 insets) but needs more capsules:
into wider gaps between the axes a fingertip could dip by more than a millimetre."""
COARSE_GRID, COARSE_INSET = (1, 3), 0.020
"""The same for the cover that the arm sees."""
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
    PALM,
    *KNUCKLES,
    *(f"{finger}_link_{i}" for finger in ("index", "middle", "ring") for i in (1, 2, 3)),
    *(f"thumb_link_{i}" for i in (0, 2, 3)),
)
"""Links of the hand that have capsules. What comes near the thumb's short link 1 meets those of its
neighbours first, and so does the arm near a knuckle."""

THUMB_EDGE = "thumb_link_2"
"""The link whose edge beside its joint, on the inner side, touches the palm when fully bent."""
EDGE_RADIUS = 0.002

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

    facing_hand: dict[str, list[int]] = {}
    facing_arm: dict[str, list[int]] = {}
    for link in ARM_LINKS:
        facing_arm[link] = add(link, [_around_cylinder(robot, link, s) for s in shapes[link]])
    for link in HAND_LINKS:
        if _is_fingertip(link):
            facing_hand[link] = add(link, [_fingertip(robot, link, shapes[link])])
        elif link != PALM:
            facing_hand[link] = add(link, _around_box(robot, link, shapes[link]))
        else:
            close = _around_box(robot, link, shapes[link], CLOSE_GRID, CLOSE_INSET)
            coarse = _around_box(robot, link, shapes[link], COARSE_GRID, COARSE_INSET)
            facing_hand[link], facing_arm[link] = add(link, close), add(link, coarse)
        facing_arm.setdefault(link, facing_hand[link])

    pairs: list[tuple[int, int]] = []
    clearances: list[float] = []
    for a, b in _hand_pairs():
        between = list(product(facing_hand[a], facing_hand[b]))
        pairs += between
        tips = _is_fingertip(a) and _is_fingertip(b)
        clearances += [TIP_CLEARANCE if tips else 0.0] * len(between)
    edge = add(THUMB_EDGE, [_inner_edge(robot, THUMB_EDGE, shapes[THUMB_EDGE])])
    pairs += product(edge, facing_hand[PALM])
    clearances += [0.0] * len(facing_hand[PALM])
    for a, b in _arm_pairs():
        between = list(product(facing_arm[a], facing_arm[b]))
        pairs += between
        clearances += [ARM_CLEARANCE] * len(between)
    above_table = ARM_LINKS[ARM_LINKS.index(FIRST_ABOVE_TABLE) :]
    table = [i for link in above_table for i in facing_arm[link]]
    table += [i for link in HAND_LINKS for i in facing_hand[link]]
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
    palm, and only the edge there can touch it (THUMB_EDGE).
    """
    for a, b in (("index", "middle"), ("middle", "ring")):
        for i, j in product((1, 2, 3), repeat=2):
            yield f"{a}_link_{i}", f"{b}_link_{j}"
    for i, j in product((2, 3), repeat=2):  # around a middle finger that is stretched
        yield f"index_link_{i}", f"ring_link_{j}"
    for finger in ("index", "middle", "ring"):
        yield from product(["thumb_link_3"], [f"{finger}_link_{i}" for i in range(4)])
        yield "thumb_link_2", f"{finger}_link_3"
        yield PALM, f"{finger}_link_3"
    for finger in ("index", "middle"):
        yield "thumb_link_2", f"{finger}_link_2"
        yield "thumb_link_0", f"{finger}_link_3"
    yield PALM, "thumb_link_3"
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


def _around_box(
    robot: Robot,
    link: str,
    shapes: Sequence[pinocchio.GeometryObject],
    grid: tuple[int, int] = (1, 1),
    inset: float = 0.0,
) -> list[_Capsule]:
    """Capsules along z over the whole length of a box, on a grid across x and y."""
    if _kinds(shapes) != ["Box"]:
        raise _unknown_shapes(link, "one box", shapes)
    (box,) = shapes
    half = box.geometry.halfSide
    x, y = (
        np.linspace(inset - width, width - inset, count) if count > 1 else np.zeros(1)
        for width, count in zip(half[:2], grid, strict=True)
    )
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


def _inner_edge(robot: Robot, link: str, shapes: Sequence[pinocchio.GeometryObject]) -> _Capsule:
    """A thin capsule in the edge of a box along y, at its lower end in z and upper end in x."""
    if _kinds(shapes) != ["Box"]:
        raise _unknown_shapes(link, "one box", shapes)
    (box,) = shapes
    x, y, z = box.geometry.halfSide - EDGE_RADIUS
    place = box.placement.act
    start, end = place(np.array([x, -y, -z])), place(np.array([x, y, -z]))
    return _Capsule(_joint(robot, box), start, end, EDGE_RADIUS)


def _around_cylinder(robot: Robot, link: str, shape: pinocchio.GeometryObject) -> _Capsule:
    """The capsule along a cylinder, covering its rims."""
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
