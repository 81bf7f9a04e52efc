"""The one table of arguments and nodes, and what the runner makes of it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from amt_perception.errors import AmtError
from amt_perception.pipeline import runner, table
from amt_perception.pipeline.arguments import ARGUMENTS, complete

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


def test_every_parameter_is_declared_by_its_node() -> None:
    values = complete({})
    for entry in table.NODES:
        if entry.executable == "composed_node":  # two of the others in one process
            continue
        source = ROOT / entry.package / entry.package / "nodes" / f"{entry.executable}.py"
        strings = {
            node.value
            for node in ast.walk(ast.parse(source.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        if "SelfStartingLifecycleNode" in source.read_text():
            strings.add("autostart")
        assert set(entry.parameters(values)) <= strings, entry.executable


def test_wrong_values_end_in_one_sentence() -> None:
    for given in (
        {"robot": "panda"},
        {"estimator": "magic"},
        {"nonsense": "1"},
        {"camera_pose": "1 2 3"},
        {"hand_length_m": "long"},
        {"object_pose": "0.5 0 0.1"},
        {"object_mass": ""},
    ):
        with pytest.raises(AmtError) as caught:
            complete(given)
        assert "\n" not in str(caught.value)


def test_conditions() -> None:
    names = [entry.executable for entry in table.entries(complete({"simulate": "false"}))]
    assert "mujoco_node" not in names
    names = [entry.executable for entry in table.entries(complete({"video": "none"}))]
    assert "video_node" not in names
    assert "grasp_node" not in names
    names = [entry.executable for entry in table.entries(complete({"grasp": "true"}))]
    assert "grasp_node" in names


def test_words() -> None:
    assert runner.parse(["video:=a:=b", "robot:=ur10e"]) == {"video": "a:=b", "robot": "ur10e"}
    with pytest.raises(AmtError, match="name:=value"):
        runner.parse(["--robot=ur10e"])
