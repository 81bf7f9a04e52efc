"""What the real drivers refuse, one rule after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from amt_retarget.simulation.driver_contracts import (
    Trajectory,
    refused_joint_state,
    refused_positions,
    refused_trajectory,
)

JOINTS = ("a_joint", "b_joint")
NOW = 100.0
GOOD = Trajectory(
    names=("b_joint", "a_joint"),
    start=NOW,
    times=[0.008, 0.1],
    positions=[[0.1, 0.2], [0.3, 0.4]],
    velocities=[[1.0, 1.0], [0.0, 0.0]],
    accelerations=[[], []],
    efforts=[[], []],
)


def test_a_good_trajectory_is_taken():
    assert refused_trajectory(GOOD, JOINTS, NOW + 0.09) is None
    # Without velocities, in any order of names, and from time zero on the spot.
    bare = replace(GOOD, names=JOINTS, velocities=[[], []], start=0.0)
    assert refused_trajectory(bare, JOINTS, NOW + 1e6) is None
    # The real one takes what is at rest in single precision.
    almost = replace(GOOD, velocities=[[1.0, 1.0], [1e-7, -1e-7]])
    assert refused_trajectory(almost, JOINTS, NOW) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"names": ("a_joint",)}, "1 joint names instead of the controller's 2"),
        ({"names": ("a_joint", "left_b_joint")}, "joint left_b_joint is not one"),
        ({"names": ("a_joint", "a_joint")}, "named more than once"),
        ({"times": []}, "has no points"),
        ({"velocities": [[0.0, 0.0], [0.0, 0.01]]}, "a_joint still moves at the last point"),
        ({"start": NOW - 0.2}, "ended 0.100 s ago"),
        ({"times": [0.1, 0.1]}, "times do not rise: 0.100000 s at point 1"),
        ({"times": [0.2, 0.1]}, "times do not rise"),
        ({"positions": [[0.1, 0.2], [0.3]]}, "1 positions for 2 joints at point 1"),
        ({"positions": [[], []]}, "0 positions for 2 joints at point 0"),
        ({"positions": [[0.1, np.nan], [0.3, 0.4]]}, "positions that are not finite at point 0"),
        ({"velocities": [[np.inf, 0.0], [0.0, 0.0]]}, "velocities that are not finite"),
        ({"velocities": [[1.0], [0.0, 0.0]]}, "1 velocities for 2 joints at point 0"),
        ({"accelerations": [[1.0], []]}, "1 accelerations for 2 joints"),
        ({"efforts": [[], [1.0, 1.0]]}, "efforts are only"),
    ],
)
def test_bad_trajectories_are_refused(change, reason):
    assert reason in refused_trajectory(replace(GOOD, **change), JOINTS, NOW)


def test_positions_without_names():
    assert refused_positions([1.0, 2.0], JOINTS) is None
    assert refused_positions([1.0], JOINTS) == "1 positions for 2 joints"
    assert refused_positions([1.0, np.inf], JOINTS) == "a position is not finite"
    assert refused_positions([], JOINTS) == "0 positions for 2 joints"


def test_joint_states_are_read_by_place():
    assert refused_joint_state([], [1.0, 2.0], JOINTS) is None
    assert refused_joint_state(JOINTS, [1.0, 2.0], JOINTS) is None
    assert "another order" in refused_joint_state(JOINTS[::-1], [1.0, 2.0], JOINTS)
    assert refused_joint_state(JOINTS, [1.0], JOINTS) == "1 positions for 2 joints"
