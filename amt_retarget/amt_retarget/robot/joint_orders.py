"""The joint names and orders of other software, to and from the project's.

To whoever mixes them up, they are all lists of 16 or 6 numbers, so they are mapped by name and only
here:

| system            | names                        | order                                     |
|-------------------|------------------------------|-------------------------------------------|
| allegro_ros2      | ah_joint00 .. ah_joint33     | thumb, index, middle, ring                |
| allegro_urdf      | joint_0.0 .. joint_15.0      | as Pinocchio sorts them; right hand:      |
|                   |                              | index, thumb, middle, ring; left hand:    |
|                   |                              | ring, thumb, middle, index                |
| allegro_menagerie | ffj0 .. thj3                 | of the actuators: index, middle, ring,    |
|                   |                              | thumb (qpos of the left hand differs:     |
|                   |                              | ring, middle, index, thumb)               |
| ur_ros2           | the project's                | base to wrist                             |
| ur_menagerie      | the project's without _joint | base to wrist                             |

Sources: Wonik's allegro_hand_ros_v4 for ROS 2; Wonik's URDF as in dexsuite/dex-urdf; MuJoCo
Menagerie (wonik_allegro and universal_robots_ur5e); Universal_Robots_ROS2_Driver. Wonik's URDF
counts the fingers by place: first comes the one at +y of the palm, which is the index finger of a
right hand but the ring finger of a left one.
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

    def to_project(self, values: ArrayLike) -> NDArray[np.float64]:
        """Values [..., n] (positions, limits, ...) in this order -> [..., n] in the project's.

        Raises RetargetError for another number of values.
        """
        return self._checked(values)[..., np.argsort(self._places())]

    def from_project(self, values: ArrayLike) -> NDArray[np.float64]:
        """Values [..., n] in the project's order -> [..., n] in this order.

        Raises RetargetError for another number of values.
        """
        return self._checked(values)[..., np.argsort(np.argsort(self._places()))]

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
    return JointOrder(tuple(joints), tuple(joints.values()))


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
    return JointOrder(tuple(names), joints)


def project_names(hand: str) -> dict[str, str]:
    """Every known name of a joint -> the project's name; RetargetError for an unknown hand."""
    names = {joint: joint for joint in JOINT_NAMES}
    for joints in _systems(hand).values():
        names |= joints
    return names


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
    return {
        "allegro_ros2": {f"{row[f]}{i}": f"{f}_joint_{i}" for f in row for i in range(4)},
        "allegro_urdf": {
            f"joint_{first[f] + i}.0": f"{f}_joint_{i}" for f in by_text for i in range(4)
        },
        "allegro_menagerie": {f"{short[f]}{i}": f"{f}_joint_{i}" for f in short for i in range(4)},
        "ur_ros2": {joint: joint for joint in ARM_JOINT_NAMES},
        "ur_menagerie": {joint.removesuffix("_joint"): joint for joint in ARM_JOINT_NAMES},
    }


SYSTEMS = tuple(_systems("right"))
