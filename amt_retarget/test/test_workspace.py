"""Grasps that lead out of the workspace are refused before anything moves."""

import numpy as np
import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.grasp_plan import Phase, Way
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.retarget.workspace import check_workspace
from amt_retarget.robot.robot import Robot


@pytest.fixture
def robot() -> Robot:
    return Robot.load("ur5e", "right")


def turned(robot: Robot, angle: float) -> list[Way]:
    """A way from home about the vertical axis (rad)."""
    joints = np.tile(robot.home, (5, 1))
    joints[:, 0] += np.linspace(0.0, angle, 5)
    return [Way(Phase.APPROACH, joints, 0.0)]


def test_inside_is_allowed_and_outside_is_not(robot):
    settings = RetargetSettings(workspace_min=(-1.0, -0.3, 0.0), workspace_max=(1.0, 0.3, 2.0))
    check_workspace(turned(robot, 0.1), robot, settings)
    with pytest.raises(RetargetError, match="leave the workspace"):
        check_workspace(turned(robot, 1.2), robot, settings)


def test_a_palm_that_stands_outside_may_come_in_and_not_go_on(robot):
    settings = RetargetSettings(workspace_min=(-1.0, 0.3, 0.0), workspace_max=(1.0, 0.9, 2.0))
    check_workspace(turned(robot, 1.0), robot, settings)
    with pytest.raises(RetargetError, match="leave the workspace"):
        check_workspace(turned(robot, -0.5), robot, settings)
