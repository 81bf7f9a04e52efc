"""The hand without its arm as a URDF of its own, as libraries for hands alone want it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from amt_retarget.robot.description import PALM_FRAME, read_urdf
from benchmarks.retargeting.robot_points import WRIST_IN_PALM_M

WRIST_LINK = "wrist"


def hand_urdf(arm: str, hand: str) -> str:
    """URDF text of `palm_link` and all that hangs on it, cut out of the robot's description.

    Added is the fixed link `wrist`, at the palm's wrist end with the palm's axes.
    """
    source = ET.fromstring(read_urdf(arm, hand))
    links = {link.attrib["name"]: link for link in source.findall("link")}
    joints: dict[str, list[ET.Element]] = {name: [] for name in links}
    for joint in source.findall("joint"):
        joints[_name(joint, "parent")].append(joint)

    robot = ET.Element("robot", name=f"allegro_{hand}")
    robot.extend(source.findall("material"))
    pending = [PALM_FRAME]
    while pending:
        name = pending.pop()
        robot.append(links[name])
        robot.extend(joints[name])
        pending += [_name(joint, "child") for joint in joints[name]]
    ET.SubElement(robot, "link", name=WRIST_LINK)
    wrist = ET.SubElement(robot, "joint", name=f"{WRIST_LINK}_joint", type="fixed")
    ET.SubElement(wrist, "parent", link=PALM_FRAME)
    ET.SubElement(wrist, "child", link=WRIST_LINK)
    ET.SubElement(wrist, "origin", rpy="0 0 0", xyz=" ".join(map(str, WRIST_IN_PALM_M)))
    return ET.tostring(robot, encoding="unicode")


def _name(joint: ET.Element, end: str) -> str:
    element = joint.find(end)
    assert element is not None, f"a joint without a {end}"
    return element.attrib["link"]
