"""An object on the simulated robot's table: where it is put, that it stands, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.simulation.robot import SimulatedRobot
from amt_retarget.simulation.table_object import TableObject

UPRIGHT = [0.0, 0.0, 0.0, 1.0]


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A mesh file of a box of 6 x 6 x 16 cm that stands on its origin."""
    corners = [(x, y, z) for x in (-0.03, 0.03) for y in (-0.03, 0.03) for z in (0.0, 0.16)]
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    lines = ["v {} {} {}".format(*corner) for corner in corners]
    lines += ["f {} {} {} {}".format(*(i + 1 for i in quad)) for quad in quads]
    path = tmp_path / "box.obj"
    path.write_text("\n".join(lines))
    return path


def test_stands_where_it_is_put(box: Path) -> None:
    for pose, place in ((None, (0.5, 0.0, 0.0)), ([0.4, 0.2, 0.05, *UPRIGHT], (0.4, 0.2, 0.0))):
        robot = SimulatedRobot("ur5e", "right", TableObject.load(box, pose, 0.1))
        robot.step(0.5)
        np.testing.assert_allclose(robot.object_pose[:3, 3], place, atol=2e-3)
        np.testing.assert_allclose(robot.object_pose[:3, :3], np.eye(3), atol=1e-2)


@pytest.mark.parametrize(
    ("pose", "mass", "words"),
    [
        ([0.5, 0.0, -0.03, *UPRIGHT], 0.1, "3.0 cm inside the table: .* 0.000 m or more"),
        ([0.5, 0.0, 0.0], 0.1, "seven numbers"),
        ([0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 0.1, "seven numbers"),
        (None, 0.0, "mass"),
        (None, float("nan"), "mass"),
    ],
)
def test_what_cannot_be_simulated_is_refused(
    box: Path, pose: list[float] | None, mass: float, words: str
) -> None:
    with pytest.raises(RetargetError, match=words) as caught:
        TableObject.load(box, pose, mass)
    assert "\n" not in str(caught.value)
