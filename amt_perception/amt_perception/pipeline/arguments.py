"""What is given as arguments, checked; the same for `ros2 launch` and for the runner without it."""

from __future__ import annotations

import math
import re
from pathlib import Path

import yaml

from amt_perception.calibration.camera_pose import camera_pose_numbers
from amt_perception.errors import AmtError
from amt_perception.pipeline.argument_lists import ARGUMENTS as ARGUMENTS
from amt_perception.pipeline.argument_lists import Argument

Values = dict[str, str]
"""Argument values by name, all text, as a launch file receives them."""

SIDE_WORD = "{hand}"
"""In tf_prefix, for two arms: becomes left or right."""


def is_true(text: str) -> bool:
    """Read a launch boolean."""
    return text.lower() == "true"


def numbers(text: str) -> list[float]:
    """Read numbers separated by spaces. Raises ValueError."""
    return [float(part) for part in text.split()]


def describe(argument: Argument) -> str:
    """Meaning, unit and range of an argument, as both ways of starting show it."""
    if argument.limits is None:
        return argument.description
    low, high = argument.limits
    return f"{argument.description}; {low:g} to {high:g}"


def complete(given: Values) -> Values:
    """All arguments, the given ones over the defaults.

    Raises AmtError for an unknown name, a value that is not among the choices, a number that is
    none or out of its range, a params_file that cannot be read, or values that do not go together.
    """
    by_name = {argument.name: argument for argument in ARGUMENTS}
    for name, value in given.items():
        if name not in by_name:
            raise AmtError(f"Unknown argument '{name}'; the pipeline has {', '.join(by_name)}.")
        choices = by_name[name].choices
        if choices and value not in choices:
            raise AmtError(f"{name} is '{value}'; choose one of {', '.join(choices)}.")
    values = {argument.name: argument.default for argument in ARGUMENTS} | given
    from amt_perception.pipeline.arms import camera_parent  # which needs this module's Values

    values["camera_pose"] = camera_pose_numbers(values["camera_pose"], camera_parent(values))
    for argument in ARGUMENTS:
        if argument.parts:
            _check_pose(argument, values[argument.name])
        elif argument.limits is not None:
            _check_number(argument, values[argument.name])
    _check_names(values)
    _check_two_arms(values)
    if values["params_file"]:
        _check_params_file(Path(values["params_file"]))
    return values


def _finite_numbers(text: str) -> list[float] | None:
    """The numbers in a text; None when something in it is not a finite number."""
    try:
        found = numbers(text)
    except ValueError:
        return None
    return found if all(map(math.isfinite, found)) else None


def _check_number(argument: Argument, text: str) -> None:
    """Raise AmtError unless it is one number of the argument's kind and range."""
    assert argument.limits is not None
    low, high = argument.limits
    found = _finite_numbers(text) or []
    good = len(found) == 1 and low <= found[0] <= high
    if not good or (argument.whole and not re.fullmatch(r"\d+", text)):
        kind = "a whole number" if argument.whole else "a number"
        raise AmtError(f"{argument.name} is '{text}'; it must be {kind} from {low:g} to {high:g}.")


def _check_pose(argument: Argument, text: str) -> None:
    """Raise AmtError unless it is empty or has all the numbers of a pose."""
    found, parts = _finite_numbers(text), argument.parts
    if found is None or len(found) not in (0, len(parts)):
        raise AmtError(
            f"{argument.name} is '{text}'; it must be {len(parts)} numbers: {' '.join(parts)}."
        )


def _check_names(values: Values) -> None:
    """Raise AmtError for what cannot become part of a name in ROS."""
    for name in ("namespace", "enclave"):
        if not re.fullmatch(r"(/?[A-Za-z_]\w*)*/?", values[name], re.ASCII):
            raise AmtError(
                f"{name} is '{values[name]}'; use letters, digits and _, begin with a letter."
            )
    if not re.fullmatch(r"([A-Za-z_][\w/]*)?", values["tf_prefix"].replace(SIDE_WORD, "hand")):
        raise AmtError(
            f"tf_prefix is '{values['tf_prefix']}'; use letters, digits and _, begin with a letter."
        )
    if not values["base_frame"]:
        raise AmtError("base_frame is empty; it must be the name of a frame, such as base_link.")


def _check_two_arms(values: Values) -> None:
    """Raise AmtError for what only one arm can have, or what two arms cannot share."""
    prefix = values["tf_prefix"]
    if values["hand"] != "both":
        if SIDE_WORD in prefix:
            raise AmtError(f"tf_prefix is '{prefix}'; {SIDE_WORD} in it needs hand:=both.")
        return
    if prefix and SIDE_WORD not in prefix:
        raise AmtError(
            f"tf_prefix is '{prefix}'; with hand:=both it needs the word {SIDE_WORD}, such as "
            f"{SIDE_WORD}_."
        )
    if values["object_mesh"]:
        raise AmtError("object_mesh needs one simulated robot; take hand:=right or hand:=left.")
    if values["use_composition"] == "all":
        raise AmtError("use_composition:=all is for one arm; with hand:=both take true or false.")


def _check_params_file(path: Path) -> None:
    """Find the mistakes that would end every node at once with a message from ROS's C parser."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AmtError(f"Cannot read the params_file {path} ({error.strerror}).") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        raise AmtError(f"The params_file {path} is not YAML{line}; correct it.") from error
    nodes = content.values() if isinstance(content, dict) else ()
    if not (nodes and all(isinstance(node, dict) for node in nodes)):
        raise AmtError(
            f"The params_file {path} is not of the form 'NODE: {{ros__parameters: ...}}'; see "
            "docs.ros.org for ROS 2 parameter files."
        )
