"""The messages: documented, and in step with the library's own constants."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from amt_msgs.msg import HandPose, RetargetStatus

from amt_perception.estimators.interface import ScaleSource, TrackState
from amt_perception.hand.joints import JOINT_NAMES, Side
from amt_retarget.retarget.hand_frame import Side as RetargetSide
from amt_retarget.safety.state import Reason, State

MESSAGES = Path(__file__).resolve().parents[1] / "amt_msgs"
FILES = sorted([*MESSAGES.glob("msg/*.msg"), *MESSAGES.glob("srv/*.srv")])
SELF_EXPLAINING = {"hands", "objects", "contacts", "grasps"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_field_says_what_it_is(file: Path) -> None:
    for line in file.read_text().splitlines():
        code = line.partition("#")[0].split()
        if len(code) == 2 and "=" not in code[1] and code[1] not in SELF_EXPLAINING:
            assert "#" in line, f"{file.name}: {code[1]} has no comment"


def test_constants_equal_the_library() -> None:
    for side in Side:
        assert getattr(HandPose, f"SIDE_{side.name}") == side
    for side in RetargetSide:
        assert getattr(HandPose, f"SIDE_{side.name}") == side
    for state in TrackState:
        assert getattr(HandPose, f"STATE_{state.name}") == state
    for source in ScaleSource:
        assert getattr(HandPose, f"SCALE_{source.name}") == source
    for index, name in enumerate(JOINT_NAMES):
        assert getattr(HandPose, name.upper()) == index
    for state in State:
        assert getattr(RetargetStatus, f"STATE_{state.name}") == state
    for reason in Reason:
        assert getattr(RetargetStatus, f"REASON_{reason.name}") == reason


def test_wire_sizes() -> None:
    message = HandPose()
    assert len(message.joints) == 21
    assert len(message.keypoints_px) == 42
    assert len(message.mano_pose) == 48
    assert not message.vertices
    assert re.fullmatch(r"amt_msgs\.msg\._hand_pose", HandPose.__module__)
