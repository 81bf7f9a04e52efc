"""The one table of arguments and nodes, and what the runner makes of it."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_perception.errors import AmtError
from amt_perception.pipeline import arms, runner, table
from amt_perception.pipeline.arguments import ARGUMENTS, complete
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.ros.retarget_parameters import PARAMETERS

ROOT = Path(__file__).resolve().parents[1]


def test_every_argument_is_documented() -> None:
    text = runner.show_arguments()
    for argument in ARGUMENTS:
        assert argument.name in text
        assert len(argument.description) > 10


def test_every_argument_is_used() -> None:
    sources = [
        ROOT / "launch/pipeline.launch.py",
        *(ROOT / "amt_perception/amt_perception/pipeline").glob("*.py"),
    ]
    code = "\n".join(source.read_text() for source in sources).replace("'", '"')
    for argument in ARGUMENTS:
        assert f'values["{argument.name}"]' in code, f"{argument.name} is accepted and never used"


def strings_of(source: Path) -> set[str]:
    """All text constants in a module, and in the modules of the `ros` folders that it imports."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.ImportFrom) and node.module and ".ros." in node.module:
            names = node.module.split(".")
            found |= strings_of(ROOT.joinpath(names[0], *names).with_suffix(".py"))
    return found


@pytest.mark.parametrize("hand", ["left", "both"])
def test_every_parameter_is_declared_by_its_node(hand: str) -> None:
    given = {"hand": hand, "grasp": "true", "object_pose": "0 0 0 0 0 0 1"}
    for process in table.processes(complete(given)):
        source = ROOT / process.package / process.package / "nodes" / f"{process.executable}.py"
        declared = strings_of(source) | {"use_sim_time"}
        assert set(process.parameters) <= declared, process.executable


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"robot": "panda"}, "ur5e, ur10e"),
        ({"estimator": "magic"}, "mediapipe"),
        ({"nonsense": "1"}, "Unknown argument"),
        ({"camera_pose": "1 2 3"}, "x y z roll pitch yaw"),
        ({"camera_pose": "1 2 3 4 5 nan"}, "x y z roll pitch yaw"),
        ({"hand_length_m": "long"}, "0 to 0.4"),
        ({"hand_length_m": "19"}, "0 to 0.4"),
        ({"object_pose": "0.5 0 0.1"}, "qw"),
        ({"object_mass": ""}, "0.001 to 10"),
        ({"velocity_scale": "1.5"}, "0.01 to 1"),
        ({"velocity_scale": "0.5 0.5"}, "0.01 to 1"),
        ({"command_rate_hz": "1000"}, "100 to 500"),
        ({"input_timeout_s": "50"}, "0.02 to 0.5"),
        ({"image_queue": "1.5"}, "whole number"),
        ({"namespace": "my robot"}, "letters"),
        ({"base_frame": ""}, "base_link"),
        ({"tf_prefix": "left-"}, "letters"),
        ({"tf_prefix": "{hand}_"}, "hand:=both"),
        ({"tf_prefix": "left_", "hand": "both"}, "{hand}_"),
        ({"object_mesh": "mug.obj", "hand": "both"}, "one simulated robot"),
        ({"use_composition": "all", "hand": "both"}, "one arm"),
    ],
)
def test_wrong_values_end_in_one_sentence(given: dict[str, str], word: str) -> None:
    with pytest.raises(AmtError) as caught:
        complete(given)
    text = str(caught.value)
    assert word in text and "\n" not in text and len(text) < 1000


def test_ranges_are_those_of_the_nodes() -> None:
    for argument in ARGUMENTS:
        parameter = PARAMETERS.get(argument.name)
        if parameter is not None and parameter.low is not None:
            assert argument.limits == (parameter.low, parameter.high), argument.name
            assert float(argument.default) == parameter.default, argument.name
        elif parameter is not None and parameter.choices:
            assert set(argument.choices) >= set(parameter.choices), argument.name


def labels(given: dict[str, str]) -> list[str]:
    return [process.label for process in table.processes(complete(given))]


def test_conditions() -> None:
    real = labels({"simulate": "false"})
    assert real == ["retarget_node", "perception_node", "video_node"]
    assert "robot_state_node" in labels({"simulate": "false", "robot_state": "true"})
    assert "video_node" not in labels({"video": "none"})
    assert "grasp_node" not in labels({})
    assert "grasp_node" in labels({"grasp": "true"})


@pytest.mark.parametrize(
    ("given", "nodes"),
    [
        ({"use_composition": "true"}, ("perception_node", "video_node")),
        ({"use_composition": "all"}, ("retarget_node", "perception_node", "video_node")),
        ({"use_composition": "all", "video": "none"}, ("retarget_node", "perception_node")),
    ],
)
def test_composition(given: dict[str, str], nodes: tuple[str, ...]) -> None:
    last = table.processes(complete(given))[-1]
    assert last.executable == "composed_node"
    assert last.nodes == last.words == nodes
    alone = [process.executable for process in table.processes(complete(given))[:-1]]
    assert not set(nodes) & set(alone)


def test_a_real_robot_must_be_enabled_first() -> None:
    for given, required in (
        ({"simulate": "false"}, True),
        ({"simulate": "true"}, False),
        ({"simulate": "true", "require_enable": "true"}, True),
    ):
        nodes = {p.executable: p.parameters for p in table.processes(complete(given))}
        assert nodes["retarget_node"]["require_enable"] is required


def test_two_arms_share_one_perception_and_no_name() -> None:
    values = complete({"hand": "both", "namespace": "cell", "tf_prefix": "{hand}_"})
    found = {process.label: process.parameters for process in table.processes(values)}
    assert len(found) == len(table.processes(values)) == 8
    left, right = found["cell/left/retarget_node"], found["cell/right/retarget_node"]
    assert (left["hand"], right["hand"]) == ("left", "right")
    assert left["hands_topic"] == right["hands_topic"] == "/cell/amt/hands"
    assert (left["base_frame"], right["tf_prefix"]) == ("left_base_link", "right_")
    perception = found["cell/perception_node"]
    assert perception["camera_parent"] == "world"
    bases = [found[f"cell/{side}/robot_state_node"]["base_pose"] for side in ("left", "right")]
    assert bases[0][1] - bases[1][1] == 1.2


def test_two_arms_have_workspaces_apart() -> None:
    poses = {"base_pose_left": "0.2 0.6 0 0 0 0.3", "base_pose_right": "0 -0.6 0 0 0 3.0"}
    for given in ({}, {"base_pose_right": "0 -0.6 0 0 0 3.14159265"}, poses):
        boxes = []
        for arm in arms.arms(complete({"hand": "both", **given})):
            turn = Rotation.from_euler("xyz", arm.base_pose[3:])
            corners = np.array(list(itertools.product(*zip(*arm.workspace, strict=True))))
            assert (np.ptp(corners, axis=0) > 0.25).all()
            boxes.append(turn.apply(corners) + arm.base_pose[:3])
        left, right = boxes
        assert left[:, 1].min() > right[:, 1].max()
    with pytest.raises(AmtError, match="too near"):
        arms.arms(complete({"hand": "both", "base_pose_left": "0 -0.55 0 0 0 1"}))
    defaults = RetargetSettings()
    whole = tuple(map(tuple, arms.WHOLE_WORKSPACE))
    assert whole == (defaults.workspace_min, defaults.workspace_max)


def test_base_frame_gets_its_prefix_once() -> None:
    for base in ("base_link", "left_base_link"):
        values = complete({"tf_prefix": "left_", "base_frame": base})
        nodes = {process.executable: process.parameters for process in table.processes(values)}
        assert nodes["retarget_node"]["base_frame"] == "left_base_link"
        assert nodes["perception_node"]["camera_parent"] == "left_base_link"


def test_record_names_every_arm() -> None:
    one = table.record_command(complete({"record": "bag"}))
    assert "/amt/hands" in one and "/joint_states" in one
    two = table.record_command(complete({"record": "bag", "hand": "both", "namespace": "/cell/"}))
    assert {"/cell/amt/hands", "/cell/left/joint_states", "/cell/right/amt/joint_command"} < {*two}


def test_nodes_hear_this_machine_only_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in table.DISCOVERY_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    assert table.transport_environment()["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    for name in table.DISCOVERY_SETTINGS:
        with monkeypatch.context() as user:
            user.setenv(name, "192.168.1.5")
            assert "ROS_AUTOMATIC_DISCOVERY_RANGE" not in table.transport_environment()


def test_words() -> None:
    assert runner.parse(["video:=a:=b", "robot:=ur10e"]) == {"video": "a:=b", "robot": "ur10e"}
    with pytest.raises(AmtError, match="name:=value"):
        runner.parse(["--robot=ur10e"])
