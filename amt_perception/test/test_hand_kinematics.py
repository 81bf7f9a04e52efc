"""Hand kinematics against the full skin of smplx, real MANO recordings and finite differences."""

from __future__ import annotations

import os
import timeit
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import BASES, MANO_PARENTS, MANO_TO_21, PARENTS, TIPS, WRIST, Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.mirror import mirror_model, mirror_pose

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
SIDES = pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])


def random_hand(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(16, 3)) * 0.6, rng.normal(size=10), rng.normal(size=3)


@SIDES
def test_equals_the_skinned_model(side: Side) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("smplx")
    from amt_perception.hand.model import HandModel

    data = generic_hand(side)
    model, kinematics = HandModel(data), HandKinematics(data)
    hands = [random_hand(seed) for seed in range(8)]
    batch = [torch.tensor(np.array(x), dtype=torch.float32) for x in zip(*hands, strict=True)]
    vertices, joints = model(*batch)
    assert vertices.shape == (8, 778, 3)
    expected = np.array([kinematics.joints21(*hand) for hand in hands])
    np.testing.assert_allclose(joints.numpy(), expected, atol=1e-6)


def test_order_of_the_21_joints() -> None:
    """In the flat pose each finger runs outwards from its base, thumb to pinky across the palm."""
    kinematics = HandKinematics(generic_hand(Side.RIGHT))
    joints = kinematics.joints21(np.zeros((16, 3)), np.zeros(10), np.zeros(3))
    reach = -(joints - joints[WRIST])[:, 0]
    for base, tip in zip(BASES, TIPS, strict=True):
        assert (np.diff(reach[base : tip + 1]) > 0).all()
    assert (np.diff(joints[list(BASES), 2]) < 0).sum() >= 3  # from +z (thumb) to -z (pinky)
    assert joints[TIPS[0], 2] > joints[TIPS[1], 2] > joints[TIPS[2], 2] > joints[TIPS[4], 2]


def test_wrist_is_translation_plus_rest_wrist() -> None:
    kinematics = HandKinematics(generic_hand(Side.RIGHT))
    pose, shape, translation = random_hand(1)
    wrist = kinematics.joints21(pose, shape, translation)[WRIST]
    np.testing.assert_allclose(wrist, translation + kinematics.rest(shape)[0][0], atol=1e-12)


def test_bones_keep_their_length() -> None:
    kinematics = HandKinematics(generic_hand(Side.LEFT))
    pose, shape, translation = random_hand(2)
    rest = np.vstack(kinematics.rest(shape))[MANO_TO_21]
    posed = kinematics.joints21(pose, shape, translation)
    parents = list(PARENTS[1:])
    np.testing.assert_allclose(
        np.linalg.norm(posed[1:] - posed[parents], axis=1),
        np.linalg.norm(rest[1:] - rest[parents], axis=1),
        atol=1e-12,
    )


@SIDES
def test_jacobian_equals_finite_differences(side: Side) -> None:
    kinematics = HandKinematics(generic_hand(side))
    pose, shape, translation = random_hand(3)
    joints, jacobian, rotations = kinematics.joints21_jacobian(pose, shape, translation)
    np.testing.assert_array_equal(joints, kinematics.joints21(pose, shape, translation))
    step = 1e-6
    for j in range(16):
        parent = rotations[MANO_PARENTS[j]] if j else np.eye(3)
        for axis in range(3):
            turn = Rotation.from_rotvec(step * np.eye(3)[axis]).as_matrix()
            moved = pose.copy()
            moved[j] = Rotation.from_matrix(parent.T @ turn @ rotations[j]).as_rotvec()
            slope = (kinematics.joints21(moved, shape, translation) - joints) / step
            np.testing.assert_allclose(jacobian[:, :, j, axis], slope, atol=1e-6)
    by_shape = kinematics.shape_jacobian(rotations)
    for k in range(10):
        moved = kinematics.joints21(pose, shape + step * np.eye(10)[k], translation)
        np.testing.assert_allclose(by_shape[..., k], (moved - joints) / step, atol=1e-8)


def test_mirrored_pose_gives_mirrored_joints() -> None:
    right, left = (HandKinematics(generic_hand(s)) for s in (Side.RIGHT, Side.LEFT))
    pose, shape, translation = random_hand(4)
    mirrored = left.joints21(mirror_pose(pose), shape, translation * (-1, 1, 1))
    expected = right.joints21(pose, shape, translation) * (-1, 1, 1)
    np.testing.assert_allclose(mirrored, expected, atol=1e-12)


def test_mirror_turns_pose_directions_too() -> None:
    """A model with pose correctives: the mirrored skin is the skin of the mirrored model."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("smplx")
    from dataclasses import replace

    from amt_perception.hand.model import HandModel

    rng = np.random.default_rng(5)
    right = replace(generic_hand(Side.RIGHT), posedirs=rng.normal(scale=1e-3, size=(778, 3, 135)))
    pose, shape, translation = random_hand(6)
    skins = []
    for data, turns, shift in (
        (right, pose, translation),
        (mirror_model(right), mirror_pose(pose), translation * (-1, 1, 1)),
    ):
        inputs = (torch.tensor(x[None], dtype=torch.float32) for x in (turns, shape, shift))
        skins.append(HandModel(data).vertices(*inputs)[0].numpy())
    np.testing.assert_allclose(skins[1], skins[0] * (-1, 1, 1), atol=2e-6)
    assert mirror_model(mirror_model(right)).fingerprint == right.fingerprint


def test_recorded_mano_poses_give_the_recorded_postures() -> None:
    """The true MANO hand's joints of a real grasp: our generic hand in the same pose agrees.

    Bone lengths differ between people, so directions are compared, bone by bone.
    """
    path = SHARED / "sequences" / "dexmv_mustard.npz"
    if not path.is_file():
        pytest.skip(f"shared test data is not here: {path}")
    recording = np.load(path)
    kinematics = HandKinematics(generic_hand(Side.RIGHT))
    parents = list(PARENTS[1:])
    angles, distances = [], []
    for mano, recorded in zip(recording["mano"], recording["joints"], strict=True):
        pose = mano[:48].reshape(16, 3).astype(float)
        joints = kinematics.joints21(pose, np.zeros(10), np.zeros(3))
        ours, theirs = (j[1:] - j[parents] for j in (joints, recorded))
        cosine = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1)
        angles.append(np.degrees(np.arccos(cosine / np.linalg.norm(theirs, axis=1))))
        distances.append(np.linalg.norm(joints - joints[0] - recorded + recorded[0], axis=1))
    assert np.mean(angles) < 3.5  # measured 2.4 degrees
    assert np.mean(distances) < 0.010  # measured 8.5 mm; that person's hand is smaller


def test_fast_enough_for_video() -> None:
    """Measured 0.05 and 0.07 ms; the limits leave room for a busy machine."""
    kinematics = HandKinematics(generic_hand(Side.RIGHT))
    hand = random_hand(7)
    for function, limit in ((kinematics.joints21, 0.5e-3), (kinematics.joints21_jacobian, 1e-3)):
        assert min(timeit.repeat(lambda f=function: f(*hand), number=50, repeat=10)) / 50 < limit
