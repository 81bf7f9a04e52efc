"""Anatomical axes and ranges of motion."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import MANO_JOINT_NAMES, TIPS, Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.limits import JointLimits
from amt_perception.hand.mirror import mirror_pose

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
SIDES = pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])


def bend(side: Side, joint: str, column: int, angle: float) -> np.ndarray:
    """Displacement [21, 3] of the flat hand's joints when one anatomical angle is set."""
    data = generic_hand(side)
    angles = np.zeros((15, 3))
    angles[MANO_JOINT_NAMES.index(joint) - 1, column] = angle
    pose = JointLimits(data).pose(angles, np.zeros(3))
    kinematics = HandKinematics(data)
    rest = kinematics.joints21(np.zeros((16, 3)), np.zeros(10), np.zeros(3))
    return kinematics.joints21(pose, np.zeros(10), np.zeros(3)) - rest


@SIDES
@pytest.mark.parametrize("finger", [1, 2, 3, 4])
def test_flexion_bends_to_the_palm_and_abduction_to_the_thumb(side: Side, finger: int) -> None:
    name = ("thumb", "index", "middle", "ring", "pinky")[finger]
    tip = TIPS[finger]
    for joint in ("mcp", "pip", "dip"):
        moved = bend(side, f"{name}_{joint}", 0, 0.5)
        assert moved[tip, 1] < -0.008  # the palm faces -y on both hands
        assert np.abs(np.delete(moved, range(tip - 3, tip + 1), axis=0)).max() == 0
    sideways = bend(side, f"{name}_mcp", 1, 0.3)[tip]
    assert sideways[2] > 0.01 and abs(sideways[1]) < 0.004  # the thumb is at +z on both hands


@SIDES
def test_thumb_flexion_brings_its_tip_over_the_palm(side: Side) -> None:
    forward = -1 if side == Side.RIGHT else 1
    moved = bend(side, "thumb_cmc", 0, 0.7)[TIPS[0]]
    assert moved[1] < -0.03
    assert moved[2] < 0
    assert forward * bend(side, "thumb_ip", 0, 0.1)[TIPS[0], 0] > 0


@SIDES
def test_angles_and_pose_are_inverse_within_the_ranges(side: Side) -> None:
    limits = JointLimits(generic_hand(side))
    rng = np.random.default_rng(0)
    for _ in range(20):
        angles = rng.uniform(limits.lower, limits.upper)
        wrist = rng.normal(size=3)
        pose = limits.pose(angles, wrist)
        np.testing.assert_allclose(limits.angles(pose), angles, atol=1e-9)
        np.testing.assert_array_equal(pose[0], wrist)
        np.testing.assert_array_equal(limits.clamp(pose), pose)
        assert not limits.excess(pose).any()


def test_mirrored_pose_has_equal_angles() -> None:
    right, left = (JointLimits(generic_hand(s)) for s in (Side.RIGHT, Side.LEFT))
    pose = np.random.default_rng(1).normal(scale=0.4, size=(16, 3))
    np.testing.assert_allclose(left.angles(mirror_pose(pose)), right.angles(pose), atol=1e-12)


def test_clamp_brings_only_the_outside_in() -> None:
    limits = JointLimits(generic_hand(Side.RIGHT))
    angles = np.zeros((15, 3))
    angles[1, 0] = np.radians(150)  # a broken index finger
    angles[4, 0] = np.radians(45)
    pose = limits.pose(angles, np.ones(3))
    clamped = limits.clamp(pose)
    assert limits.angles(clamped)[1, 0] == pytest.approx(limits.upper[1, 0])
    np.testing.assert_array_equal(np.delete(clamped, 2, axis=0), np.delete(pose, 2, axis=0))
    assert limits.excess(pose)[1, 0] == pytest.approx(np.radians(150) - limits.upper[1, 0])
    np.testing.assert_allclose(limits.clamp(clamped), clamped, atol=1e-12)


def test_real_grasp_is_nearly_untouched() -> None:
    path = SHARED / "sequences" / "dexmv_mustard.npz"
    if not path.is_file():
        pytest.skip(f"shared test data is not here: {path}")
    limits = JointLimits(generic_hand(Side.RIGHT))
    kinematics = HandKinematics(generic_hand(Side.RIGHT))
    poses = np.load(path)["mano"][:, :48].reshape(-1, 16, 3).astype(float)
    excess = np.degrees([limits.excess(pose) for pose in poses])
    assert np.abs(excess).mean() < 0.1
    assert np.abs(excess).max() < 5
    moved = [
        np.linalg.norm(
            kinematics.joints21(limits.clamp(pose), np.zeros(10), np.zeros(3))
            - kinematics.joints21(pose, np.zeros(10), np.zeros(3)),
            axis=1,
        )
        for pose in poses
    ]
    assert np.mean(moved) < 2e-4
