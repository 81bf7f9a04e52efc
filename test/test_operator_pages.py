"""What an operator reads says all that the software may say, and names only what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from amt_perception.pipeline.arguments import ARGUMENTS, complete
from amt_retarget.robot.driver_profiles import ARM_INTERFACES, HAND_INTERFACES
from amt_retarget.ros import topics
from amt_retarget.ros.retarget_parameters import PARAMETERS
from amt_retarget.safety.state import Reason, State

DOCS = Path(__file__).parents[1] / "docs"
ENCLAVES = {"amt/composed_node", "amt/operator", "amt/retarget_node", "amt/left"}
"""Of which security.md speaks; they look like topics."""
PAGES = ("first_motion.md", "safety.md", "security.md")


def first_column(page: str, head: str) -> list[str]:
    """First cells of the table whose head begins with this word."""
    lines = iter((DOCS / page).read_text().splitlines())
    for line in lines:
        if line.startswith(f"| {head} |"):
            break
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(line.split("|")[1].strip(" `"))
    return rows[1:]


def commands(page: str) -> list[str]:
    """Indented lines, continued ones joined."""
    text = (DOCS / page).read_text().replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def test_every_reason_and_state_has_a_row() -> None:
    assert sorted(first_column("first_motion.md", "reason")) == sorted(r.name for r in Reason)
    assert sorted(first_column("first_motion.md", "state")) == sorted(s.name for s in State)


def test_every_interface_has_a_row() -> None:
    assert first_column("first_motion.md", "`command_interface`") == list(ARM_INTERFACES)
    page = (DOCS / "first_motion.md").read_text()
    assert all(f"| `{one}` |" in page for one in HAND_INTERFACES)


def test_the_launch_lines_are_accepted(tmp_path: Path) -> None:
    names = {argument.name for argument in ARGUMENTS}
    given = [line for line in commands("first_motion.md") if "pipeline.launch.py" in line]
    assert len(given) >= 2
    (tmp_path / "lab.yaml").write_text(lab_file())
    for line in given:
        words = dict(re.findall(r'(\w+):=("[^"]*"|\S+)', line))
        assert set(words) <= names
        values = {name: value.strip('"') for name, value in words.items()}
        if "params_file" in values:
            values["params_file"] = str(tmp_path / "lab.yaml")
        complete(values)


def test_the_parameter_file_is_right() -> None:
    parameters = yaml.safe_load(lab_file())["retarget_node"]["ros__parameters"]
    for name, value in parameters.items():
        parameter = PARAMETERS[name]
        assert type(value) is type(parameter.default)
        assert parameter.low is None or parameter.low <= value <= parameter.high


def lab_file() -> str:
    page = (DOCS / "first_motion.md").read_text().splitlines()
    begin = page.index("    retarget_node:")
    end = next(index for index in range(begin, len(page)) if not page[index])
    return "\n".join(line[4:] for line in page[begin:end])


@pytest.mark.parametrize("page", PAGES)
def test_links_and_topics_exist(page: str) -> None:
    text = (DOCS / page).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (DOCS / target).exists(), f"{page} points to {target}"
    for name in re.findall(r"/?(amt/[a-z_]+)", text):
        is_enclave = name in ENCLAVES
        assert is_enclave or name in vars(topics).values(), f"{page}: {name}"
