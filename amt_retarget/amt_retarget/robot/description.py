"""Where the robot's URDF files are and which arms and hands they describe."""

from __future__ import annotations

import sys
from pathlib import Path

from amt_retarget.errors import RetargetError

ARMS = ("ur5e", "ur10e")
HANDS = ("left", "right")

FINGERS = ("index", "middle", "ring", "thumb")
"""The Allegro hand's fingers in the project's order; it has no little finger."""

ARM_JOINT_NAMES = (
    "shoulder_pan_joint",
    "shoulder_lift_joint",
    "elbow_joint",
    "wrist_1_joint",
    "wrist_2_joint",
    "wrist_3_joint",
)
HAND_JOINT_NAMES = tuple(f"{finger}_joint_{i}" for finger in FINGERS for i in range(4))
JOINT_NAMES = ARM_JOINT_NAMES + HAND_JOINT_NAMES
"""The project's order of the 22 joints: the arm from base to wrist, then the hand by finger."""

BASE_FRAME = "base_link"
PALM_FRAME = "palm_link"
TIP_FRAMES = {finger: f"{finger}_tip" for finger in FINGERS}


def check_names(arm: str, hand: str) -> None:
    """Raise RetargetError unless arm is one of ARMS and hand one of HANDS."""
    if arm not in ARMS:
        raise RetargetError(f"unknown arm {arm!r}: choose one of {', '.join(ARMS)}")
    if hand not in HANDS:
        raise RetargetError(f"unknown hand {hand!r}: choose one of {', '.join(HANDS)}")


def urdf_folder() -> Path:
    """Folder of the URDF and xacro files, in a checkout or in an installed package.

    Installed, it is <prefix>/share/amt_retarget/urdf, where <prefix> is a folder above this module
    (colcon) or Python's own prefix (pip).
    """
    here = Path(__file__).resolve()
    checkout = here.parents[3] / "urdf"
    prefixes = [*here.parents, Path(sys.prefix)]
    for folder in [checkout, *(prefix / "share" / "amt_retarget" / "urdf" for prefix in prefixes)]:
        if (folder / "robot.urdf.xacro").is_file():
            return folder
    raise RetargetError(
        f"the robot's urdf folder was found neither at {checkout} nor at "
        f"<prefix>/share/amt_retarget/urdf above {here.parent}: install amt_retarget again"
    )


def urdf_path(arm: str, hand: str) -> Path:
    """Path of the expanded URDF of this arm with this hand; RetargetError for an unknown name."""
    check_names(arm, hand)
    return urdf_folder() / f"{arm}_allegro_{hand}.urdf"


def read_urdf(arm: str, hand: str) -> str:
    """Text of that URDF, as /robot_description carries it."""
    return urdf_path(arm, hand).read_text(encoding="utf-8")
