"""The RViz and Foxglove layouts: their topics are ours and carry data, in frames that tf knows."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
import yaml
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from visualization_msgs.msg import MarkerArray

import amt_perception
from amt_perception.pipeline.table import transport_environment
from amt_retarget.ros import topics
from amt_retarget.ros.transforms import TransformTree
from amt_retarget.safety.state import State

CONFIG = Path(amt_perception.__file__).parent / "config"
RVIZ_TYPES = {
    "rviz_default_plugins/Camera": "sensor_msgs/msg/Image",
    "rviz_default_plugins/Image": "sensor_msgs/msg/Image",
    "rviz_default_plugins/MarkerArray": "visualization_msgs/msg/MarkerArray",
    "rviz_default_plugins/RobotModel": "std_msgs/msg/String",
}
FIXED_FRAME = "base_link"
ASKED_ONLY = {"/amt/emergency_stop"}
"""Topics that nobody publishes on before the operator does."""
WAIT_S = 20.0


def rviz_topics() -> dict[str, str]:
    """Type by topic."""
    found = {}
    for display in rviz()["Visualization Manager"]["Displays"]:
        settings = display.get("Topic") or display.get("Description Topic")
        if settings:
            found[absolute(settings["Value"])] = RVIZ_TYPES[display["Class"]]
    return found


def rviz() -> dict[str, Any]:
    return yaml.safe_load((CONFIG / "amt.rviz").read_text())


def foxglove() -> dict[str, Any]:
    return json.loads((CONFIG / "foxglove.json").read_text())


def foxglove_paths() -> list[str]:
    """Message paths, /topic.field[index], of all panels that show single values."""
    found = []
    for panel in foxglove()["configById"].values():
        found += [series["value"] for series in panel.get("paths", ())]
        found += [panel[key] for key in ("path", "topicPath") if key in panel]
    return found


def foxglove_topics() -> dict[str, str]:
    """Type by topic; "" where the panel takes any."""
    found = {path.split(".")[0]: "" for path in foxglove_paths()}
    for name, panel in foxglove()["configById"].items():
        kind = name.split("!")[0]
        if kind == "3D":
            described = {"/robot_description": "std_msgs/msg/String"}
            found |= {
                topic: described.get(topic, "visualization_msgs/msg/MarkerArray")
                for topic in panel["topics"]
            }
        elif kind == "Image":
            found[panel["imageMode"]["imageTopic"]] = "sensor_msgs/msg/Image"
        elif kind == "Publish":
            found[panel["topicName"]] = panel["datatype"]
        elif kind == "DiagnosticSummary":
            found[panel["topicToRender"]] = "diagnostic_msgs/msg/DiagnosticArray"
    return found


def absolute(topic: str) -> str:
    return topic if topic.startswith("/") else f"/{topic}"


def our_names() -> set[str]:
    """All topics and services of topics.py, of nodes without a namespace."""
    return {absolute(value) for value in vars(topics).values() if isinstance(value, str)}


def message_class(kind: str) -> Any:
    """The class of a type such as std_msgs/msg/Bool."""
    package, _, name = kind.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


@dataclass
class Seen:
    """What came over DDS while the sample was played."""

    types: dict[str, str] = field(default_factory=dict)
    services: dict[str, list[str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    frames: dict[str, set[str]] = field(default_factory=dict)
    poses: dict[str, np.ndarray | None] = field(default_factory=dict)
    """Of those frames in FIXED_FRAME; None for one that tf does not join to it."""


class Viewer(Node):
    """Listens as RViz and Foxglove do."""

    def __init__(self, context: Context, wanted: set[str]) -> None:
        super().__init__("viewer", context=context)
        self.seen = Seen()
        self._transforms = TransformTree(self)
        self._wanted = wanted

    def look(self) -> bool:
        """Subscribe to what has appeared; whether all wanted topics have brought data."""
        for topic, kinds in self.get_topic_names_and_types():
            if topic in self._wanted and topic not in self.seen.types:
                self.seen.types[topic] = kinds[0]
                latched = topic in ("/robot_description", "/amt/retarget_status")
                best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
                self.create_subscription(
                    message_class(kinds[0]),
                    topic,
                    lambda message, topic=topic: self._take(topic, message),
                    topics.LATCHED_QOS if latched else best_effort,
                )
        self.seen.services = dict(self.get_service_names_and_types())
        frames = {frame for some in self.seen.frames.values() for frame in some}
        self.seen.poses = {one: self._transforms.lookup(FIXED_FRAME, one) for one in frames}
        complete = self._wanted <= set(self.seen.types)
        return complete and self._wanted - ASKED_ONLY <= set(self.seen.counts)

    def _take(self, topic: str, message: Any) -> None:
        self.seen.counts[topic] = self.seen.counts.get(topic, 0) + 1
        parts = message.markers if isinstance(message, MarkerArray) else [message]
        frames = {part.header.frame_id for part in parts if hasattr(part, "header")} - {""}
        self.seen.frames.setdefault(topic, set()).update(frames)


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    """The sample, played through the whole pipeline once for all tests of this file."""
    domain = 150 + os.getpid() % 50
    settings = transport_environment() | {
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_DOMAIN_ID": str(domain),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        pipeline = subprocess.Popen(
            [sys.executable, "-m", "amt_perception.pipeline", "video:=sample"]
        )
        context = Context()
        rclpy.init(context=context, domain_id=domain)
        viewer = Viewer(context, set(rviz_topics()) | set(foxglove_topics()))
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(viewer)
        try:
            deadline = time.monotonic() + WAIT_S
            while not viewer.look() and time.monotonic() < deadline:
                executor.spin_once(timeout_sec=0.02)
            yield viewer.seen
        finally:
            executor.shutdown()
            viewer.destroy_node()
            rclpy.shutdown(context=context)
            pipeline.terminate()
            pipeline.wait(15)


def test_every_topic_is_ours_has_its_type_and_carries_data(seen: Seen) -> None:
    for wanted in (rviz_topics(), foxglove_topics()):
        assert wanted
        assert set(wanted) <= our_names()
        assert set(wanted) <= set(seen.types), "nobody offers or takes these topics"
        assert {topic: kind for topic, kind in wanted.items() if kind} == {
            topic: seen.types[topic] for topic, kind in wanted.items() if kind
        }
        assert set(wanted) - ASKED_ONLY <= set(seen.counts), "these topics carried no data"


def test_all_that_is_drawn_lies_in_a_frame_of_the_robot(seen: Seen) -> None:
    assert rviz()["Visualization Manager"]["Global Options"]["Fixed Frame"] == FIXED_FRAME
    (scene,) = (p for name, p in foxglove()["configById"].items() if name.startswith("3D!"))
    assert scene["followTf"] == FIXED_FRAME
    for topic in ("/amt/markers", "/amt/overlay", "/image_raw"):
        assert seen.frames[topic] == {"camera_optical_frame"}
    assert seen.poses["camera_optical_frame"] is not None


def test_plotted_fields_exist(seen: Seen) -> None:
    for path in foxglove_paths():
        topic, name, index = re.fullmatch(r"([\w/]+)\.(\w+)(?:\[(\d+)\])?", path).groups()
        fields = message_class(seen.types[topic]).get_fields_and_field_types()
        assert name in fields, f"{path}: there is no such field"
        kind, length = re.fullmatch(r"([^\[]+)(?:\[(\d+)\])?", fields[name]).groups()
        many = length or kind.startswith("sequence")
        assert "/" not in kind and bool(index) == bool(many), f"{path} is no single value"
        assert not length or int(index) < int(length), path


def test_the_buttons_call_what_is_there(seen: Seen) -> None:
    buttons = {
        panel["buttonText"]: panel
        for name, panel in foxglove()["configById"].items()
        if name.startswith(("CallService!", "Publish!"))
    }
    for text, armed in (("Arm", True), ("Disarm", False)):
        assert buttons[text]["serviceName"] == absolute(topics.SET_ENABLED)
        assert json.loads(buttons[text]["requestPayload"]) == {"data": armed}
    for text, pressed in (("STOP", True), ("Release stop", False)):
        assert buttons[text]["topicName"] == absolute(topics.EMERGENCY_STOP)
        assert json.loads(buttons[text]["value"]) == {"data": pressed}
    assert seen.services[absolute(topics.SET_ENABLED)] == ["std_srvs/srv/SetBool"]


def test_the_state_panel_names_every_state() -> None:
    rules = foxglove()["configById"]["Indicator!state"]["rules"]
    assert {int(rule["rawValue"]): rule["label"] for rule in rules} == {
        int(state): state.name for state in State
    }


def test_the_layout_shows_every_panel_once() -> None:
    shown: list[str] = []

    def walk(part: Any) -> None:
        if isinstance(part, str):
            shown.append(part)
        else:
            assert part["direction"] in ("row", "column")
            assert 0 < part["splitPercentage"] < 100
            walk(part["first"])
            walk(part["second"])

    walk(foxglove()["layout"])
    assert sorted(shown) == sorted(foxglove()["configById"])


def test_the_layouts_are_installed(tmp_path: Path) -> None:
    package = CONFIG.parents[1]
    command = [sys.executable, "setup.py", "-q", "build_py", "-d", str(tmp_path)]
    subprocess.run(command, cwd=package, check=True, timeout=60)
    installed = {file.name for file in (tmp_path / "amt_perception" / "config").iterdir()}
    assert {"amt.rviz", "foxglove.json", "sros2_policy.xml", "fastdds.xml"} <= installed
