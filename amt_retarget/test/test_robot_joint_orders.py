"""Joint orders of other software against their own files, and what a wrong list of names gets."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.robot.description import ARM_JOINT_NAMES, HAND_JOINT_NAMES, HANDS, JOINT_NAMES
from amt_retarget.robot.joint_orders import SYSTEMS, joint_order, named_order, project_names
from amt_retarget.robot.robot import Robot

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)


def menagerie(mjcf: str) -> ET.Element:
    """One of Menagerie's robots."""
    path = SHARED / "robots" / "mjcf" / f"{mjcf}.xml"
    if not path.is_file():
        pytest.skip(f"the shared test data is not here: {path}")
    return ET.parse(path).getroot()


def test_orders_of_the_fingers():
    def fingers(system: str, hand: str) -> list[str]:
        return [joint[:-8] for joint in joint_order(system, hand).joints[::4]]

    for hand in HANDS:
        assert fingers("allegro_ros2", hand) == ["thumb", "index", "middle", "ring"]
        assert fingers("allegro_menagerie", hand) == ["index", "middle", "ring", "thumb"]
    assert fingers("allegro_urdf", "right") == ["index", "thumb", "middle", "ring"]
    assert fingers("allegro_urdf", "left") == ["ring", "thumb", "middle", "index"]


def test_each_order_counts_its_joints_from_the_base():
    for hand in HANDS:
        for system in SYSTEMS:
            joints = joint_order(system, hand).joints
            group = ARM_JOINT_NAMES if system.startswith("ur") else HAND_JOINT_NAMES
            assert sorted(joints) == sorted(group)
            if group is HAND_JOINT_NAMES:
                assert [int(joint[-1]) for joint in joints] == [0, 1, 2, 3] * 4


@pytest.mark.parametrize(
    ("mjcf", "system", "hand"),
    [
        ("right_hand", "allegro_menagerie", "right"),
        ("left_hand", "allegro_menagerie", "left"),
        ("ur5e", "ur_menagerie", "right"),
    ],
)
def test_menagerie_orders_are_those_of_its_actuators(mjcf, system, hand):
    root = menagerie(mjcf)
    actuated = [actuator.get("joint") for actuator in root.find("actuator")]
    assert tuple(actuated) == joint_order(system, hand).names
    # The joints themselves come in the order of the bodies, which is another one on the left hand.
    joints = [joint.get("name") for joint in root.find("worldbody").iter("joint")]
    values = np.arange(len(joints))
    same = joint_order(system, hand).to_project([joints.index(name) for name in actuated])
    np.testing.assert_array_equal(named_order(joints, hand).to_project(values), same)
    assert (joints == actuated) == (mjcf != "left_hand")


def test_there_and_back():
    values = np.arange(2 * 3 * 16.0).reshape(2, 3, 16)
    for hand in HANDS:
        for system in SYSTEMS:
            order = joint_order(system, hand)
            some = values[..., : len(order.names)]
            np.testing.assert_array_equal(order.to_project(order.from_project(some)), some)
            np.testing.assert_array_equal(order.from_project(order.to_project(some)), some)


def test_a_value_stays_with_its_joint():
    order = joint_order("allegro_ros2", "right")
    project = order.to_project(np.arange(16))
    assert project[HAND_JOINT_NAMES.index("thumb_joint_2")] == order.names.index("ah_joint02")
    assert project[HAND_JOINT_NAMES.index("index_joint_0")] == order.names.index("ah_joint10")
    there = order.from_project(Robot.load("ur5e", "right").lower[6:])
    assert there[0] == 0.263  # only the thumb's first joint cannot reach zero


def test_names_in_any_order_of_any_system():
    generator = np.random.default_rng(0)
    ros = joint_order("allegro_ros2", "left").names
    names = [*ARM_JOINT_NAMES, *ros]
    for _ in range(20):
        shuffled = list(generator.permutation(names))
        order = named_order(shuffled, "left")
        values = order.to_project([names.index(name) for name in shuffled])
        known = project_names("left")
        assert [known[names[int(value)]] for value in values] == list(JOINT_NAMES)
        np.testing.assert_array_equal(
            order.from_project(values), [names.index(name) for name in shuffled]
        )
    # The UR driver publishes its joints in another order than its controllers take.
    published = sorted(ARM_JOINT_NAMES)
    assert list(named_order(published, "right").to_project(range(6))) == [2, 1, 0, 3, 4, 5]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([*ARM_JOINT_NAMES, "gripper_joint"], "unknown joint 'gripper_joint'"),
        (ARM_JOINT_NAMES[:5], "no value for wrist_3_joint"),
        ([*ARM_JOINT_NAMES, "thumb_joint_0"], "no value for index_joint_0, index_joint_1"),
        ([*HAND_JOINT_NAMES, "ah_joint00"], "thumb_joint_0 is named more than once"),
        ([], "no value for shoulder_pan_joint"),
    ],
)
def test_wrong_names_are_named(names, message):
    with pytest.raises(RetargetError, match=message):
        named_order(names, "right")


def test_mistakes_are_named():
    with pytest.raises(RetargetError, match="allegro_ros2, allegro_ros2_dual"):
        joint_order("allegro", "right")
    with pytest.raises(RetargetError, match="left, right"):
        joint_order("allegro_ros2", "both")
    order = joint_order("allegro_ros2", "right")
    for wrong in (np.zeros(22), np.zeros((16, 2)), 0.0):
        with pytest.raises(RetargetError, match="16 joints"):
            order.to_project(wrong)
        with pytest.raises(RetargetError, match="16 joints"):
            order.from_project(wrong)
