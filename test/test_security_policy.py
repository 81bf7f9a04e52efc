"""config/sros2_policy.xml allows each real node just what it does, and has the form of sros2."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from xml.etree import ElementTree

import pytest
import rclpy
from rclpy.node import Node

import amt_perception
from amt_perception.nodes.grasp_node import GraspNode
from amt_perception.nodes.perception_node import PerceptionNode
from amt_perception.nodes.video_node import VideoNode
from amt_perception.pipeline.arguments import complete
from amt_perception.pipeline.table import enclave_words, processes
from amt_retarget.nodes.mujoco_node import MujocoNode
from amt_retarget.nodes.retarget_node import RetargetNode
from amt_retarget.nodes.robot_state_node import RobotStateNode
from amt_retarget.robot.description import HANDS
from amt_retarget.robot.driver_profiles import ARM_INTERFACES, HAND_INTERFACES

POLICY = Path(amt_perception.__file__).parent / "config" / "sros2_policy.xml"
DEEDS = {
    "publish": "publisher",
    "subscribe": "subscriber",
    "reply": "service",
    "request": "client",
}
"""What a policy calls it, and what rclpy does."""
BOX = "o box\n" + "".join(
    f"v {x} {y} {z}\n" for x in (0, 0.05) for y in (0, 0.05) for z in (0, 0.05)
) + "".join(
    f"f {a} {b} {c}\n"
    for a, b, c in (
        (1, 2, 4), (1, 4, 3), (5, 7, 8), (5, 8, 6), (1, 5, 6), (1, 6, 2),
        (3, 4, 8), (3, 8, 7), (1, 3, 7), (1, 7, 5), (2, 6, 8), (2, 8, 4),
    )
)  # fmt: skip

INTERFACES = (
    *(f"command_interface:={arm}" for arm in ARM_INTERFACES),
    *(f"hand_interface:={one} hand:={hand}" for one in HAND_INTERFACES for hand in HANDS),
)
NODES: dict[str, tuple[Callable[[], Node], tuple[str, ...]]] = {
    "video_node": (VideoNode, ("video:=sample",)),
    "perception_node": (
        PerceptionNode,
        ("camera_pose:=[1.0,0.0,0.5,0.0,0.0,0.0]", "compressed:=true"),
    ),
    "grasp_node": (GraspNode, ("",)),
    "retarget_node": (RetargetNode, INTERFACES),
    "robot_state_node": (
        RobotStateNode,
        ("base_pose:=[0.0,0.6,0.0,0.0,0.0,0.0]", "hand_interface:=v5"),
    ),
    "mujoco_node": (MujocoNode, ("object_mesh:=BOX", *INTERFACES)),
}
"""Each node, and parameters with which it says and hears, taken together, all that it ever may."""

Deed = tuple[str, str]
"""A key of DEEDS, and the whole name of a topic or service, or a pattern of such."""


def profiles() -> dict[str, dict[str, set[Deed]]]:
    """What is allowed, by enclave and node."""
    allowed: dict[str, dict[str, set[Deed]]] = {}
    for enclave in ElementTree.parse(POLICY).iter("enclave"):
        nodes = allowed.setdefault(enclave.attrib["path"], {})
        for profile in enclave.iter("profile"):
            ns, node = profile.attrib["ns"], profile.attrib["node"]
            nodes[node] = {
                (deed, whole_name(expression.text or "", ns, node))
                for group in profile
                for deed, rule in group.attrib.items()
                if rule == "ALLOW"
                for expression in group
            }
    return allowed


def whole_name(name: str, ns: str, node: str) -> str:
    """As sros2's permissions.xsl resolves it."""
    ns = ns.rstrip("/")
    if name.startswith("~"):
        return f"{ns}/{node}{name[1:]}"
    return name if name.startswith("/") else f"{ns}/{name}"


def deeds(name: str, folder: Path) -> set[Deed]:
    """What the real node says and hears, with all its variants."""
    make, variants = NODES[name]
    box = folder / "box.obj"
    box.write_text(BOX)
    found = set()
    for number, variant in enumerate((*variants, f"{variants[0]} use_sim_time:=true")):
        parameters = [part for word in variant.split() for part in ("-p", word)]
        parameters = [word.replace("BOX", str(box)) for word in parameters]
        # A name of its own: the graph may still know the last variant's node.
        own_name = f"{name}_{number}"
        rclpy.init(args=["--ros-args", "-r", f"__node:={own_name}", *parameters])
        node = make()
        try:
            for deed, kind in DEEDS.items():
                look_up = getattr(node, f"get_{kind}_names_and_types_by_node")
                for topic, _ in look_up(node.get_name(), node.get_namespace()):
                    found.add((deed, topic.replace(f"/{own_name}/", f"/{name}/")))
        finally:
            node.destroy_node()
            rclpy.shutdown()
    return found


@pytest.mark.parametrize("name", NODES)
def test_a_node_is_allowed_just_what_it_does(
    name: str, tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    done = deeds(name, tmp_path)
    allowed = [nodes[name] for nodes in profiles().values() if name in nodes]
    assert allowed, f"there is no profile of {name}"
    for rules in allowed:
        missing = {one for one in done if not any(permits(rule, one) for rule in rules)}
        idle = {rule for rule in rules if not any(permits(rule, one) for one in done)}
        assert not missing, f"the policy does not allow {name}: {sorted(missing)}"
        assert not idle, f"the policy allows {name} what it does not do: {sorted(idle)}"


def permits(rule: Deed, deed: Deed) -> bool:
    """Whether a rule is for it; DDS matches as fnmatch does."""
    return rule[0] == deed[0] and fnmatchcase(deed[1], rule[1])


def test_every_process_has_an_enclave() -> None:
    started = {}
    for composition in ("false", "all"):
        values = complete({"use_composition": composition, "grasp": "true", "enclave": "/amt"})
        for process in processes(values):
            option, path = enclave_words(process, values)
            assert option == "--enclave"
            started[path] = set(process.nodes)
    allowed = {path: set(nodes) for path, nodes in profiles().items()}
    assert allowed == started | {"/amt/operator": {"operator"}}


def test_the_operator_speaks_to_nodes_that_listen() -> None:
    everything = profiles()
    operator = everything.pop("/amt/operator")["operator"]
    others = {one for nodes in everything.values() for rules in nodes.values() for one in rules}
    opposite = {
        "publish": "subscribe",
        "subscribe": "publish",
        "request": "reply",
        "reply": "request",
    }
    common = {"/rosout", "/parameter_events", "/clock", "/operator/*"}
    talk = {(deed, name) for deed, name in operator if name not in common}
    assert {(opposite[deed], name) for deed, name in talk} <= others


def test_the_file_has_the_form_that_sros2_reads() -> None:
    builder = ElementTree.TreeBuilder(insert_comments=True)
    root = ElementTree.fromstring(POLICY.read_bytes(), ElementTree.XMLParser(target=builder))
    assert (root.tag, root.attrib) == ("policy", {"version": "0.2.0"})
    # A comment among the enclaves would be taken for an enclave without a path.
    assert [one.tag for one in root] == ["enclaves"]
    assert {one.tag for one in root[0]} == {"enclave"}
    for profile in root.iter("profile"):
        assert set(profile.attrib) == {"ns", "node"}
        for group in profile:
            assert group.tag in ("topics", "services")
            assert set(group.attrib.values()) == {"ALLOW"}
            verbs = {"topics": {"publish", "subscribe"}, "services": {"reply", "request"}}
            assert len(group.attrib) == 1
            assert set(group.attrib) <= verbs[group.tag]
            assert {one.tag for one in group} == {group.tag.removesuffix("s")}
