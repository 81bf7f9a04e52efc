"""The robot description against independent figures: Denavit-Hartenberg, Menagerie, data sheets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_retarget.errors import RetargetError
from amt_retarget.robot import description
from amt_retarget.robot.description import ARMS, FINGERS, HANDS, urdf_path
from amt_retarget.robot.expand import expand
from amt_retarget.robot.robot import Robot

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
ROBOTS = list(product(ARMS, HANDS))

# d1, a2, a3, d4, d5, d6 in metres, from Universal Robots' page of DH parameters.
DH = {
    "ur5e": (0.1625, -0.425, -0.3922, 0.1333, 0.0997, 0.0996),
    "ur10e": (0.1807, -0.6127, -0.57155, 0.17415, 0.11985, 0.11655),
}
MENAGERIE_FINGERS = {"ff": "index", "mf": "middle", "rf": "ring", "th": "thumb"}
UR_FILES = ("default_kinematics", "joint_limits", "physical_parameters")
UR_LINKS = ("shoulder", "upper_arm", "forearm", "wrist_1", "wrist_2", "wrist_3")
MENAGERIE_LINKS = ("base", "proximal", "medial", "distal")


@pytest.fixture(scope="module", params=ROBOTS, ids="-".join)
def robot(request):
    return Robot.load(*request.param)


def random_positions(robot: Robot, count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(robot.lower, robot.upper, (count, 22))


def dh_forward(arm: str, q: np.ndarray) -> np.ndarray:
    """Pose [4, 4] of tool0 in UR's own base frame by standard Denavit-Hartenberg."""
    d1, a2, a3, d4, d5, d6 = DH[arm]
    rows = [
        (d1, 0, np.pi / 2),
        (0, a2, 0),
        (0, a3, 0),
        (d4, 0, np.pi / 2),
        (d5, 0, -np.pi / 2),
        (d6, 0, 0),
    ]
    pose = np.eye(4)
    for theta, (d, a, alpha) in zip(q, rows, strict=True):
        ct, st, ca, sa = np.cos(theta), np.sin(theta), np.cos(alpha), np.sin(alpha)
        pose = pose @ np.array(
            [
                [ct, -st * ca, st * sa, a * ct],
                [st, ct * ca, -ct * sa, a * st],
                [0, sa, ca, d],
                [0, 0, 0, 1],
            ]
        )
    return pose


def load_menagerie(name: str):
    """Menagerie's robot as (model, data) of MuJoCo, without the meshes, which are not here."""
    mujoco = pytest.importorskip("mujoco")
    path = SHARED / "robots" / "mjcf" / f"{name}.xml"
    if not path.is_file():
        pytest.skip(f"the shared test data is not here: {path}")
    root = ET.parse(path).getroot()
    for parent in root.iter():
        for child in list(parent):
            if child.tag == "mesh" or "visual" in child.get("class", ""):
                parent.remove(child)
    root.find("compiler").set("boundmass", "0.01")  # the masses came from the meshes
    root.find("compiler").set("boundinertia", "1e-6")
    model = mujoco.MjModel.from_xml_string(ET.tostring(root, encoding="unicode"))
    return model, mujoco.MjData(model)


def numbers(text: str) -> np.ndarray:
    return np.array(text.split(), dtype=float)


def ur5e_config(name: str) -> dict:
    """One of the files of Universal_Robots_ROS2_Description/config/ur5e."""
    yaml = pytest.importorskip("yaml")
    path = SHARED / "robots" / "ur5e_config" / f"{name}.yaml"
    if not path.is_file():
        pytest.skip(f"the shared test data is not here: {path}")

    class Loader(yaml.SafeLoader):
        """Knows the tag of ROS for angles in degrees."""

    Loader.add_constructor("!degrees", lambda _, node: np.radians(float(node.value)))
    return yaml.load(path.read_text(), Loader)


@pytest.mark.parametrize(("arm", "hand"), ROBOTS)
def test_committed_urdf_is_the_expanded_xacro(arm, hand):
    committed = ET.canonicalize(urdf_path(arm, hand).read_text(), strip_text=True)
    assert committed == ET.canonicalize(expand(arm, hand), strip_text=True)


def test_arm_agrees_with_denavit_hartenberg(robot):
    turn = np.diag([-1.0, -1.0, 1.0])  # base_link -> UR's base: pi about z
    for positions in random_positions(robot, 1000):
        expected = dh_forward(robot.arm, positions[:6])
        rotation, position = robot.frame_pose(positions, "tool0")
        np.testing.assert_allclose(turn @ position, expected[:3, 3], atol=1e-6)
        np.testing.assert_allclose(turn @ rotation, expected[:3, :3], atol=1e-6)


def test_ur5e_agrees_with_menageries_rounded_lengths():
    """Menagerie rounds UR's lengths to millimetres: 2.1 mm in the sum of all links."""
    mujoco = pytest.importorskip("mujoco")
    model, data = load_menagerie("ur5e")
    robot = Robot.load("ur5e", "right")
    offset = None
    for positions in random_positions(robot, 1000):
        for name, value in zip(robot.arm_joint_names, positions, strict=False):
            data.joint(name.removesuffix("_joint")).qpos = value
        mujoco.mj_kinematics(model, data)
        base, site = data.body("base"), data.site("attachment_site")
        turn = base.xmat.reshape(3, 3)  # the same axes as our base_link
        rotation, position = robot.frame_pose(positions, "tool0")
        assert np.linalg.norm(turn.T @ (site.xpos - base.xpos) - position) < 2.1e-3
        difference = rotation.T @ turn.T @ site.xmat.reshape(3, 3)
        offset = difference if offset is None else offset
        np.testing.assert_allclose(difference, offset, atol=1e-5)


@pytest.mark.parametrize("hand", HANDS)
def test_hand_agrees_with_menagerie(hand):
    import mujoco

    model, data = load_menagerie(f"{hand}_hand")
    robot = Robot.load("ur5e", hand)
    address = {
        f"{finger}_joint_{i}": model.joint(f"{short}j{i}").qposadr[0]
        for short, finger in MENAGERIE_FINGERS.items()
        for i in range(4)
    }
    for positions in random_positions(robot, 1000):
        for name, value in zip(robot.joint_names[6:], positions[6:], strict=True):
            data.qpos[address[name]] = value
        mujoco.mj_kinematics(model, data)
        palm = data.body("palm")
        palm_turn = palm.xmat.reshape(3, 3)
        palm_rotation, palm_position = robot.frame_pose(positions, "palm_link")
        for short, finger in MENAGERIE_FINGERS.items():
            for i, link in enumerate(MENAGERIE_LINKS):
                body = data.body(f"{short}_{link}")
                rotation, position = robot.frame_pose(positions, f"{finger}_link_{i}")
                np.testing.assert_allclose(
                    palm_rotation.T @ (position - palm_position),
                    palm_turn.T @ (body.xpos - palm.xpos),
                    atol=1e-4,
                )
                np.testing.assert_allclose(
                    palm_rotation.T @ rotation, palm_turn.T @ body.xmat.reshape(3, 3), atol=1e-4
                )


@pytest.mark.parametrize("hand", HANDS)
def test_hand_limits_are_menageries(hand):
    model, _ = load_menagerie(f"{hand}_hand")
    robot = Robot.load("ur5e", hand)
    for short, finger in MENAGERIE_FINGERS.items():
        for i in range(4):
            j = robot.joint_names.index(f"{finger}_joint_{i}")
            np.testing.assert_allclose(
                model.joint(f"{short}j{i}").range, [robot.lower[j], robot.upper[j]], atol=1e-9
            )


def test_arm_limits(robot):
    turn = np.radians(360)
    np.testing.assert_allclose(robot.upper[:6], [turn, turn, turn / 2, turn, turn, turn])
    np.testing.assert_allclose(robot.lower[:6], -robot.upper[:6])
    degrees = {"ur5e": [180] * 6, "ur10e": [120, 120, 180, 180, 180, 180]}[robot.arm]
    np.testing.assert_allclose(robot.velocity[:6], np.radians(degrees))
    torque = {"ur5e": [150] * 3 + [28] * 3, "ur10e": [330, 330, 150, 54, 54, 54]}[robot.arm]
    np.testing.assert_allclose(robot.effort[:6], torque)


def test_ur5e_agrees_with_universal_robots_own_description():
    """Every joint's place, limits, masses, centres of mass and inertias, from UR's files."""
    joints, limits, physical = (ur5e_config(f) for f in UR_FILES)
    root = ET.fromstring(description.read_urdf("ur5e", "right"))
    elements = {
        element.get("name"): element for element in root if element.tag in ("joint", "link")
    }
    robot = Robot.load("ur5e", "right")
    for j, (name, link) in enumerate(zip(robot.arm_joint_names, UR_LINKS, strict=True)):
        place = joints["kinematics"][link]
        origin = elements[name].find("origin")
        expected = Rotation.from_euler("xyz", [place[k] for k in ("roll", "pitch", "yaw")])
        rotation = Rotation.from_euler("xyz", numbers(origin.get("rpy")))
        assert (rotation.inv() * expected).magnitude() < 1e-8
        xyz = numbers(origin.get("xyz"))
        np.testing.assert_allclose(xyz, [place[k] for k in "xyz"], atol=1e-9)

        limit = limits["joint_limits"][name]
        assert [
            robot.lower[j],
            robot.upper[j],
            robot.velocity[j],
            robot.effort[j],
        ] == pytest.approx(
            [limit[k] for k in ("min_position", "max_position", "max_velocity", "max_effort")]
        )

        figures = physical["inertia_parameters"]
        inertial = elements[f"{link}_link"].find("inertial")
        assert float(inertial.find("mass").get("value")) == figures[f"{link}_mass"]
        centre = numbers(inertial.find("origin").get("xyz"))
        expected_centre = figures["center_of_mass"][f"{link}_cog"]
        np.testing.assert_allclose(centre, [expected_centre[k] for k in "xyz"], atol=1e-9)
        tensor = figures["tensor"][link]  # along axes that are turned by a multiple of 90 degrees
        principal = sorted(float(inertial.find("inertia").get(k)) for k in ("ixx", "iyy", "izz"))
        expected_principal = sorted(tensor[k] for k in ("ixx", "iyy", "izz"))
        np.testing.assert_allclose(principal, expected_principal, atol=1e-6)


def test_joint_order():
    expected = [f"{finger}_joint_{i}" for finger in FINGERS for i in range(4)]
    assert Robot.joint_names[6:] == tuple(expected)
    assert Robot.joint_names[:6] == Robot.arm_joint_names
    assert Robot.joint_names[6:] == Robot.hand_joint_names


def test_joint_order_does_not_depend_on_pinocchios(robot):
    """Each joint moves its own link, whatever place Pinocchio keeps it in."""
    for j, name in enumerate(robot.joint_names[6:], start=6):
        parent = "palm_link" if name.endswith("_0") else f"{name[:-8]}_link_{int(name[-1]) - 1}"
        child = name.replace("joint", "link")
        moved = robot.home.copy()
        moved[j] += 0.1
        before, after = (
            robot.frame_pose(q, parent)[0].T @ robot.frame_pose(q, child)[0]
            for q in (robot.home, moved)
        )
        angle = np.arccos((np.trace(before.T @ after) - 1) / 2)
        assert angle == pytest.approx(0.1, abs=1e-6)


def test_jacobian_is_the_derivative_of_the_pose(robot):
    step = 1e-6
    for positions in random_positions(robot, 5):
        for frame in [robot.palm_frame, *robot.tip_frames.values()]:
            jacobian = robot.frame_jacobian(positions, frame)
            for j in range(22):
                delta = step * np.eye(22)[j]
                rotation_a, a = robot.frame_pose(positions - delta, frame)
                rotation_b, b = robot.frame_pose(positions + delta, frame)
                np.testing.assert_allclose(jacobian[:3, j], (b - a) / (2 * step), atol=1e-7)
                turn = Rotation.from_matrix(rotation_b @ rotation_a.T).as_rotvec()
                np.testing.assert_allclose(jacobian[3:, j], turn / (2 * step), atol=1e-7)


def test_link_poses_are_the_urdfs_tree(robot):
    """Every joint of the URDF is one pose, and their product along the tree is the frame's pose."""
    joints = ET.fromstring(description.read_urdf(robot.arm, robot.hand)).findall("joint")
    tree = {(j.find("parent").get("link"), j.find("child").get("link")) for j in joints}
    positions = random_positions(robot, 1)[0]
    poses = robot.link_poses(positions)
    assert {(parent, link) for parent, link, _, _ in poses} == tree
    assert len(poses) == len(tree)
    steps = {link: (parent, rotation, position) for parent, link, rotation, position in poses}
    for frame in ["base", "tool0", robot.palm_frame, *robot.tip_frames.values()]:
        link, rotation, position = frame, np.eye(3), np.zeros(3)
        while link != "base_link":
            link, turn, shift = steps[link]
            rotation, position = turn @ rotation, turn @ position + shift
        expected_rotation, expected_position = robot.frame_pose(positions, frame)
        np.testing.assert_allclose(rotation, expected_rotation, atol=1e-9)
        np.testing.assert_allclose(position, expected_position, atol=1e-9)


def test_tip_frames_end_at_the_dome(robot):
    for finger, frame in robot.tip_frames.items():
        rotation, link = robot.frame_pose(robot.home, f"{finger}_link_3")
        _, tip = robot.frame_pose(robot.home, frame)
        length = 0.0543 if finger == "thumb" else 0.0387
        np.testing.assert_allclose(rotation.T @ (tip - link), [0, 0, length], atol=1e-9)


def test_home_shows_an_open_hand_within_limits(robot):
    assert np.all(robot.home > robot.lower)
    assert np.all(robot.home < robot.upper)
    rotation, position = robot.frame_pose(robot.home, robot.palm_frame)
    np.testing.assert_allclose(rotation, np.eye(3), atol=1e-9)
    assert position[0] > 0.4
    _, elbow = robot.frame_pose(robot.home, "forearm_link")
    _, wrist = robot.frame_pose(robot.home, "wrist_1_link")
    assert elbow[2] > wrist[2] > 0.2
    index, ring = (robot.frame_pose(robot.home, f"{f}_tip")[1][1] for f in ("index", "ring"))
    assert (index > ring) == (robot.hand == "right")


def test_masses_and_inertias(robot):
    hand = sum(
        robot.model.inertias[robot.model.getJointId(name)].mass for name in robot.hand_joint_names
    )
    assert hand + 0.4154 == pytest.approx(0.955, abs=1e-3)  # Wonik's description, palm included
    for name in robot.joint_names:
        inertia = robot.model.inertias[robot.model.getJointId(name)]
        principal = np.linalg.eigvalsh(inertia.inertia)
        assert inertia.mass > 0
        assert principal[0] > 0
        assert principal[2] < principal[0] + principal[1]


def test_urdf_is_found_when_installed(tmp_path):
    """As colcon and pip lay it out: <prefix>/lib/python3/site-packages and <prefix>/share."""
    package = Path(description.__file__).parents[1]
    site = tmp_path / "lib" / "python3" / "site-packages"
    shutil.copytree(package, site / "amt_retarget")
    share = tmp_path / "share" / "amt_retarget" / "urdf"
    shutil.copytree(description.urdf_folder(), share)
    code = "from amt_retarget.robot.description import urdf_path; print(urdf_path('ur5e', 'left'))"
    environment = os.environ | {"PYTHONPATH": str(site)}
    printed = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert Path(printed.strip()) == share / "ur5e_allegro_left.urdf"


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pinocchio", None)
    with pytest.raises(RetargetError, match="pip install pin"):
        Robot.load("ur5e", "right")


def test_mistakes_are_named():
    with pytest.raises(RetargetError, match="ur5e, ur10e"):
        Robot.load("ur3", "right")
    with pytest.raises(RetargetError, match="left, right"):
        Robot.load("ur5e", "both")
    robot = Robot.load("ur5e", "right")
    with pytest.raises(RetargetError, match=r"index_tip"):
        robot.frame_pose(robot.home, "little_tip")
    with pytest.raises(RetargetError, match=r"\(22,\)"):
        robot.frame_pose(robot.home[:6], "tool0")
