"""The node's parameters: what may be changed when, and whether the page says so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

rclpy = pytest.importorskip("rclpy", reason="rclpy is not installed")

from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from amt_retarget.ros.retarget_parameters import (  # noqa: E402
    PARAMETERS,
    Change,
    RetargetParameters,
)

PAGE = Path(__file__).parents[2] / "docs" / "interface.md"


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Node, RetargetParameters]]:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    context = rclpy.context.Context()
    rclpy.init(context=context, domain_id=99)
    node = Node("options", context=context)
    yield node, RetargetParameters(node)
    node.destroy_node()
    rclpy.shutdown(context=context)


def refusal(node: Node, name: str, value: object) -> str:
    result = node.set_parameters([Parameter(name, value=value)])[0]
    return "" if result.successful else result.reason


def test_all_may_be_changed_before_the_node_is_configured(options) -> None:
    node, _ = options
    for name, parameter in PARAMETERS.items():
        assert refusal(node, name, parameter.default) == ""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("velocity_scale", 1.5, "range"),
        ("velocity_scale", 0.0, "range"),
        ("realtime_priority", 100, "range"),
        ("velocity_scale", "fast", "type"),
        ("command_interface", "telepathy", "choose one of jtc, unscaled_jtc, forward"),
        ("position_mode", "sideways", "choose one of relative, absolute"),
        ("workspace_min", [2.0, 0.0, 0.0], "workspace_min must be below"),
        ("workspace_max", [1.0, 1.0], "workspace_min must be below"),
    ],
)
def test_wrong_values_are_refused_with_the_reason(options, name, value, words) -> None:
    node, options = options
    assert words in refusal(node, name, value)
    assert node.get_parameter(name).value == PARAMETERS[name].default


def test_what_may_be_changed_when(options) -> None:
    node, options = options
    options.configured = options.engaged = True
    for name, parameter in PARAMETERS.items():
        reason = refusal(node, name, parameter.default)
        if parameter.change == Change.LIVE:
            assert reason == "", name
        elif parameter.change == Change.AT_REST:
            assert "disarm the robot first" in reason, name
        else:
            assert "before the node is configured" in reason, name
    options.engaged = False
    assert refusal(node, "max_accel", 2.0) == ""


def test_the_speed_can_only_be_lowered_in_motion(options) -> None:
    node, options = options
    options.configured = options.engaged = True
    options.built_velocity_scale = 0.25
    assert refusal(node, "velocity_scale", 0.1) == ""
    assert refusal(node, "velocity_scale", 0.25) == ""
    assert "can only be lowered" in refusal(node, "velocity_scale", 0.3)


def test_every_parameter_has_a_description(options) -> None:
    node, _ = options
    for name in PARAMETERS:
        assert len(node.describe_parameter(name).description) > 10


def test_the_page_lists_all_parameters_with_their_defaults() -> None:
    section = PAGE.read_text().split("## retarget_node")[1].split("\n## ")[0]
    letters = {Change.LIVE: "L", Change.AT_REST: "R", Change.UNCONFIGURED: "C"}
    listed = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 6 and cells[3] in letters.values():
            for name in re.findall(r"`(\w+)`", cells[1]):
                listed[name] = (cells[2], cells[3])
    assert set(listed) == set(PARAMETERS)
    for name, (default, letter) in listed.items():
        parameter = PARAMETERS[name]
        assert letter == letters[parameter.change], name
        if isinstance(parameter.default, float):
            shown = re.findall(r"[\d.]+", default)
            assert parameter.default in map(float, shown), name
            assert parameter.low is None or abs(parameter.low) in map(float, shown), name
