"""The joint names and orders of other software, to and from the project's.

To whoever mixes them up, they are all lists of 16 or 6 numbers, so they are mapped by name and only
here:

| system            | names                        | order                                     |
|-------------------|------------------------------|-------------------------------------------|
| allegro_ros2      | ah_joint00 .. ah_joint33     | thumb, index, middle, ring                |
| allegro_ros2_dual | ahr_joint00 .., ahl_joint00  | the same, of the right and the left hand  |
| allegro_v5        | joint_0_0 .. joint_15_0      | index, middle, ring, thumb                |
| allegro_urdf      | joint_0.0 .. joint_15.0      | as Pinocchio sorts them; right hand:      |
|                   |                              | index, thumb, middle, ring; left hand:    |
|                   |                              | ring, thumb, middle, index                |
| allegro_menagerie | ffj0 .. thj3                 | of the actuators: index, middle, ring,    |
|                   |                              | thumb (qpos of the left hand differs:     |
|                   |                              | ring, middle, index, thumb)               |
| ur_ros2           | the project's                | base to wrist                             |
| ur_menagerie      | the project's without _joint | base to wrist                             |

Sources: Wonik's allegro_hand_ros2 (V4, one hand and two) and allegro_hand_ros2_v5; Wonik's URDF as
in dexsuite/dex-urdf; MuJoCo Menagerie (wonik_allegro and universal_robots_ur5e);
Universal_Robots_ROS2_Driver. The URDF of dex-urdf counts the fingers by place: first comes the one
at +y of the palm, which is the index finger of a right hand but the ring finger of a left one.

The thumb of a left V5 also turns the other way round, and its second joint counts from half a turn
away: in its URDF (allegro_hand_description_left_A and _B) the axes at zero are opposite to those of
a left V4, and so are the ranges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.robot.description import (
    ARM_JOINT_NAMES,
    HAND_JOINT_NAMES,
    HANDS,
    JOINT_NAMES,
)


@dataclass(frozen=True)
class JointOrder:
    """Joints of the robot under the names and in the order of another system.

    On the project's side of a conversion stand the same joints in the order of
    description.JOINT_NAMES: the arm's 6, the hand's 16 or all 22.
    """

    names: tuple[str, ...]
    """[n] the other system's names."""
    joints: tuple[str, ...]
    """[n] the project's name of each."""
    signs: tuple[float, ...] | float = 1.0
    """[n], or one for all: a position there is sign * the project's + offset."""
    offsets: tuple[float, ...] | float = 0.0
    """[n], or one for all (rad)."""

    def to_project(self, values: ArrayLike) -> NDArray[np.float64]:
        """Positions [..., n] (rad) in this order -> [..., n] in the project's.

        Raises RetargetError for another number of values.
        """
        theirs = (self._checked(values) - self.offsets) * self.signs
        return theirs[..., np.argsort(self._places())]

    def from_project(self, values: ArrayLike) -> NDArray[np.float64]:
        """Positions [..., n] (rad) in the project's order -> [..., n] in this order.

        Raises RetargetError for another number of values.
        """
        ours = self._checked(values)[..., np.argsort(np.argsort(self._places()))]
        return ours * self.signs + self.offsets

    def _places(self) -> list[int]:
        return [JOINT_NAMES.index(joint) for joint in self.joints]

    def _checked(self, values: ArrayLike) -> NDArray[np.float64]:
        array = np.asarray(values, dtype=float)
        if array.ndim == 0 or array.shape[-1] != len(self.names):
            raise RetargetError(
                f"{len(self.names)} joints ({self.names[0]} to {self.names[-1]}) need one value "
                f"each, got an array of shape {array.shape}"
            )
        return array


def joint_order(system: str, hand: str) -> JointOrder:
    """The order of one of SYSTEMS, for the robot's "left" or "right" hand.

    Raises RetargetError for an unknown system or hand.
    """
    systems = _systems(hand)
    if system not in systems:
        raise RetargetError(f"unknown joint order {system!r}: choose one of {', '.join(systems)}")
    joints = systems[system]
    return _order(tuple(joints), tuple(joints.values()), hand)


def named_order(names: Sequence[str], hand: str) -> JointOrder:
    """The order of a list of names, as in a message or a file: the project's names or a system's.

    The list must hold every joint of the arm, of the hand, or of both, once. Raises RetargetError
    for a name that no system has, a joint that comes twice, and a list with joints missing.
    """
    known = project_names(hand)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise RetargetError(
            f"unknown joint {unknown[0]!r}: known are the project's names ({JOINT_NAMES[0]}, ...) "
            f"and those of {', '.join(SYSTEMS)}"
        )
    joints = tuple(known[name] for name in names)
    repeated = [joint for joint, count in Counter(joints).items() if count > 1]
    if repeated:
        raise RetargetError(f"joint {repeated[0]} is named more than once: name each joint once")
    groups = [group for group in (ARM_JOINT_NAMES, HAND_JOINT_NAMES) if set(group) & set(joints)]
    missing = [joint for group in groups or [JOINT_NAMES] for joint in group if joint not in joints]
    if missing:
        raise RetargetError(
            f"no value for {', '.join(missing)}: name all joints of the arm, of the hand or of both"
        )
    return _order(tuple(names), joints, hand)


def project_names(hand: str) -> dict[str, str]:
    """Every known name of a joint -> the project's name; RetargetError for an unknown hand."""
    names = {joint: joint for joint in JOINT_NAMES}
    for joints in _systems(hand).values():
        names |= joints
    return names


def sign_and_offset(name: str, hand: str) -> tuple[float, float]:
    """Sign and offset (rad) of another system's joint: its position = sign * ours + offset."""
    if hand == "left" and name in V5_THUMB:
        return -1.0, np.pi if name == V5_THUMB[1] else 0.0
    return 1.0, 0.0


V5_THUMB = tuple(f"joint_{place}_0" for place in range(12, 16))


def _order(names: tuple[str, ...], joints: tuple[str, ...], hand: str) -> JointOrder:
    signs, offsets = zip(*(sign_and_offset(name, hand) for name in names), strict=True)
    return JointOrder(names, joints, signs, offsets)


def _systems(hand: str) -> dict[str, dict[str, str]]:
    """For each system its names in its order -> the project's names."""
    if hand not in HANDS:
        raise RetargetError(f"unknown hand {hand!r}: choose one of {', '.join(HANDS)}")
    row = {"thumb": "ah_joint0", "index": "ah_joint1", "middle": "ah_joint2", "ring": "ah_joint3"}
    short = {"index": "ffj", "middle": "mfj", "ring": "rfj", "thumb": "thj"}
    by_place = ("index", "middle", "ring") if hand == "right" else ("ring", "middle", "index")
    first = {finger: 4 * place for place, finger in enumerate((*by_place, "thumb"))}
    # Pinocchio sorts the fingers by the names of their first joints, in which 12 comes before 4.
    by_text = sorted(first, key=lambda finger: str(first[finger]))
    v4 = {f"{row[f]}{i}": f"{f}_joint_{i}" for f in row for i in range(4)}
    return {
        "allegro_ros2": v4,
        "allegro_ros2_dual": {
            name.replace("ah_", f"ah{hand[0]}_"): joint for name, joint in v4.items()
        },
        "allegro_v5": {f"joint_{i}_0": joint for i, joint in enumerate(HAND_JOINT_NAMES)},
        "allegro_urdf": {
            f"joint_{first[f] + i}.0": f"{f}_joint_{i}" for f in by_text for i in range(4)
        },
        "allegro_menagerie": {f"{short[f]}{i}": f"{f}_joint_{i}" for f in short for i in range(4)},
        "ur_ros2": {joint: joint for joint in ARM_JOINT_NAMES},
        "ur_menagerie": {joint.removesuffix("_joint"): joint for joint in ARM_JOINT_NAMES},
    }


SYSTEMS = tuple(_systems("right"))
