"""The drivers' topics, names and orders, against the lists that their own files give."""

from __future__ import annotations

import numpy as np
import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.robot.description import ARM_JOINT_NAMES, HANDS, JOINT_NAMES
from amt_retarget.robot.driver_profiles import (
    ARM_INTERFACES,
    HAND_INTERFACES,
    MessageKind,
    ReportedJoints,
    arm_profile,
    hand_profile,
)
from amt_retarget.robot.joint_orders import joint_order
from amt_retarget.robot.robot import Robot

# Where the joints of dex-urdf, counted by their names, stand in the order of Wonik's V4 driver.
URDF_TO_V4 = {
    "right": [*range(12, 16), *range(4), *range(4, 8), *range(8, 12)],
    "left": [*range(12, 16), *range(8, 12), *range(4, 8), *range(4)],
}


@pytest.mark.parametrize("hand", HANDS)
def test_v4_order_from_the_urdf(hand):
    joint = joint_order("allegro_urdf", hand)
    place = dict(
        zip(joint.joints, (int(name[6:-2]) for name in joint.names), strict=True)
    )  # joint_12.0 -> 12
    for interface in ("v4", "v4_dual"):
        order = hand_profile(interface, hand).order
        assert [place[name] for name in order.joints] == URDF_TO_V4[hand]


@pytest.mark.parametrize("hand", HANDS)
def test_names_and_topics_of_the_hands(hand):
    letter = hand[0]
    expected = {
        "v4": ("allegro_hand_position_controller/commands", "ah_joint00", "ah_joint33"),
        "v4_dual": (
            f"allegro_hand_position_controller_{letter}/commands",
            f"ah{letter}_joint00",
            f"ah{letter}_joint33",
        ),
        "v5": ("allegroHand/joint_cmd", "joint_0_0", "joint_15_0"),
        "joint_cmd": ("allegroHand/joint_cmd", "joint_0.0", "joint_15.0"),
    }
    fingers = {"v4": ["thumb", "index", "middle", "ring"]}
    fingers["v4_dual"] = fingers["v4"]
    for interface in HAND_INTERFACES:
        profile = hand_profile(interface, hand)
        names = profile.order.names
        assert (profile.topic, names[0], names[-1]) == expected[interface]
        assert len(set(names)) == len(set(profile.order.joints)) == 16
        # By place: the drivers with joint_cmd have the finger next to the thumb first, always.
        wanted = fingers.get(interface, ["index", "middle", "ring", "thumb"])
        assert profile.order.joints == tuple(f"{f}_joint_{i}" for f in wanted for i in range(4))
        assert [JOINT_NAMES[place] for place in profile.columns] == list(profile.order.joints)


def test_the_arms_interfaces():
    for interface in ARM_INTERFACES:
        profile = arm_profile(interface, "left_")
        assert profile.order.joints == ARM_JOINT_NAMES
        assert profile.order.names == tuple(f"left_{joint}" for joint in ARM_JOINT_NAMES)
        assert (profile.kind is MessageKind.POSITIONS) == (interface == "forward")
    assert arm_profile("jtc").topic.startswith("scaled_joint_trajectory_controller/")
    assert arm_profile("unscaled_jtc").topic.startswith("joint_trajectory_controller/")


def test_thumb_of_a_left_v5_stays_in_its_own_ranges():
    """Its URDF's ranges (type A), into which those of our left hand must fall."""
    ranges = [(-1.78, 0.5), (1.0, 3.25), (-1.85, 0.2), (-1.80, 0.2)]
    robot = Robot.load("ur5e", "left")
    for values in (robot.lower[6:], robot.upper[6:]):
        order = hand_profile("v5", "left").order
        for value, (low, high) in zip(order.from_project(values)[12:], ranges, strict=True):
            assert low <= value <= high
        np.testing.assert_allclose(order.to_project(order.from_project(values)), values)
        same = hand_profile("v5", "right").order.from_project(values)
        np.testing.assert_array_equal(same, values)


@pytest.mark.parametrize("hand", HANDS)
@pytest.mark.parametrize("interface", HAND_INTERFACES)
def test_what_a_driver_reports_is_what_it_was_told(interface, hand):
    wanted = np.random.default_rng(0).uniform(-1.0, 1.0, len(JOINT_NAMES))
    reported = ReportedJoints.of(hand, interface, "left_")
    positions = np.full(len(JOINT_NAMES), np.nan)
    for profile in (arm_profile("jtc", "left_"), hand_profile(interface, hand)):
        order = profile.order
        told = wanted[profile.columns] * order.signs + np.asarray(order.offsets)
        for name, value in zip(order.names, told, strict=True):
            positions[reported.places[name]] = reported.position(name, value)
    np.testing.assert_allclose(positions, wanted)
    # Of another robot on the same topic: not ours.
    other = "ahl_joint00" if hand == "right" else "ahr_joint00"
    for name in ("shoulder_pan_joint", other, "gripper_joint"):
        assert name not in reported.places


def test_wrong_names_end_in_the_choices():
    with pytest.raises(RetargetError, match="'jct': choose one of jtc, unscaled_jtc, forward"):
        arm_profile("jct")
    with pytest.raises(RetargetError, match="'v6': choose one of v4, v4_dual, v5, joint_cmd"):
        hand_profile("v6", "right")
    with pytest.raises(RetargetError, match="unknown hand 'both'"):
        hand_profile("v4", "both")
