"""Pose correctives of the generic hand: bent fingers stay round, and nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import MANO_TIP_VERTICES, TIPS, Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.limits import JointLimits
from amt_perception.hand.mirror import mirror_pose
from amt_perception.hand.model_data import HandModelData
from amt_perception.hand.skinning import hand_vertices, rest_vertices
from amt_perception.metrics.volume import Volume, enclosed_volume
from amt_perception.sample.mesh import open_edge
from amt_perception.sample.motion import FIST, PINCH, RELAXED

MEAN, ORIGIN = np.zeros(10), np.zeros(3)
RIGHT = generic_hand(Side.RIGHT)
PLAIN = replace(RIGHT, posedirs=np.zeros_like(RIGHT.posedirs))
LIMITS = JointLimits(RIGHT)
KINEMATICS = HandKinematics(RIGHT)
PIP_JOINTS = (2, 5, 8, 11)


def bent(joint: int, degrees: float) -> np.ndarray:
    """The flat hand with one joint bent."""
    angles = np.zeros((15, 3))
    angles[joint - 1, 0] = np.radians(degrees)
    return LIMITS.pose(angles, ORIGIN)


def volume(data: HandModelData, pose: np.ndarray, shape: np.ndarray = MEAN) -> Volume:
    loop = open_edge(data.faces)
    lid = [(loop[0], loop[i + 1], loop[i]) for i in range(1, len(loop) - 1)]
    vertices = hand_vertices(data, pose, shape, ORIGIN)
    return enclosed_volume(vertices, np.vstack([data.faces, lid]), 1e-3)


def knuckle_height(data: HandModelData, joint: int, degrees: float) -> float:
    """How far the skin is from a joint on the outside of its bend (m)."""
    pose = bent(joint, degrees)
    flexion, back = LIMITS.axes[joint - 1, :, 0], LIMITS.axes[joint - 1, :, 1]
    out = Rotation.from_rotvec(flexion * np.radians(degrees) / 2).apply(back)
    origin = KINEMATICS.joints16(pose, MEAN, ORIGIN)[joint]
    a, b, c = hand_vertices(data, pose, MEAN, ORIGIN)[data.faces].swapaxes(0, 1)
    # Moeller and Trumbore, "Fast, minimum storage ray-triangle intersection", 1997
    across = np.cross(out, c - a)
    det = np.einsum("fd,fd->f", b - a, across)
    u = np.einsum("fd,fd->f", origin - a, across) / det
    along = np.cross(origin - a, b - a)
    v = along @ out / det
    t = np.einsum("fd,fd->f", c - a, along) / det
    return float(t[(u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)].min())


def test_a_fist_keeps_its_volume() -> None:
    rest = volume(RIGHT, np.zeros((16, 3)))
    assert rest.doubled < 1e-9
    for posture, lost, kept in ((FIST, 0.09, 0.02), (PINCH, 0.03, 0.02), (RELAXED, 0.02, 0.01)):
        pose = LIMITS.pose(posture.angles(), ORIGIN)
        assert volume(PLAIN, pose).filled / rest.filled < 1 - lost
        corrected = volume(RIGHT, pose)
        assert 1 - kept < corrected.filled / rest.filled < 1 + kept
        assert corrected.doubled < 0.005 * rest.filled  # fingers pressed into the palm


@pytest.mark.parametrize("joint", PIP_JOINTS)
def test_knuckles_keep_their_height_in_a_bend(joint: int) -> None:
    rest = knuckle_height(RIGHT, joint, 0)
    assert knuckle_height(PLAIN, joint, 90) < 0.75 * rest
    assert 0.9 * rest < knuckle_height(RIGHT, joint, 90) < 1.1 * rest
    # The inside of the bend does not cut through itself.
    assert volume(RIGHT, bent(joint, 100)).doubled < 2e-8  # m^3: 0.02 ml


def test_fingertips_and_the_wrists_edge_have_none() -> None:
    tips = list(MANO_TIP_VERTICES)
    assert not RIGHT.posedirs[tips].any()
    assert not RIGHT.posedirs[open_edge(RIGHT.faces)].any()
    random = np.random.default_rng(0)
    for _ in range(10):
        angles = random.uniform(LIMITS.lower, LIMITS.upper)
        pose, shape = LIMITS.pose(angles, random.normal(size=3)), random.normal(size=10)
        np.testing.assert_allclose(
            hand_vertices(RIGHT, pose, shape, ORIGIN)[tips],
            KINEMATICS.joints21(pose, shape, ORIGIN)[list(TIPS)],
            atol=1e-12,
        )


def test_correctives_stay_near_their_joint_and_moderate() -> None:
    for joint in range(1, 16):
        shift = rest_vertices(RIGHT, bent(joint, 60), MEAN) - RIGHT.v_template
        length = np.linalg.norm(shift, axis=1)
        place = KINEMATICS.rest(MEAN)[0][joint]
        distance = np.linalg.norm(RIGHT.v_template - place, axis=1)
        assert not length[distance > 0.045].any()
        assert 0.0005 < length.max() < 0.012


def test_numpy_skinning_equals_the_model_in_torch() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("smplx", reason="smplx is not installed")
    from amt_perception.hand.model import HandModel

    random = np.random.default_rng(1)
    pose, shape, place = random.normal(0, 0.5, (16, 3)), random.normal(size=10), np.ones(3)
    for side in (Side.RIGHT, Side.LEFT):
        data = generic_hand(side)
        batch = [torch.tensor(x, dtype=torch.float32)[None] for x in (pose, shape, place)]
        expected = HandModel(data).vertices(*batch)[0].numpy()
        np.testing.assert_allclose(hand_vertices(data, pose, shape, place), expected, atol=2e-6)


def test_a_left_fist_is_the_mirror_image() -> None:
    pose = LIMITS.pose(FIST.angles(), np.array([0.3, -0.5, 0.2]))
    np.testing.assert_allclose(
        hand_vertices(generic_hand(Side.LEFT), mirror_pose(pose), MEAN, ORIGIN),
        hand_vertices(RIGHT, pose, MEAN, ORIGIN) * (-1, 1, 1),
        atol=1e-12,
    )


def test_every_shape_has_sound_skin() -> None:
    corners = RIGHT.v_template[RIGHT.faces]
    mean_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    random = np.random.default_rng(0)
    extremes = np.vstack([3 * np.eye(10), -3 * np.eye(10), random.uniform(-3, 3, (20, 10))])
    for number, shape in enumerate(extremes):
        corners = (RIGHT.v_template + RIGHT.shapedirs @ shape)[RIGHT.faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        cosine = np.einsum("fi,fi->f", normals, mean_normals)
        cosine /= np.linalg.norm(normals, axis=1) * np.linalg.norm(mean_normals, axis=1)
        assert cosine.min() > 0.5  # no face turns over
        if number < 20:
            assert volume(RIGHT, np.zeros((16, 3)), shape).doubled < 1e-8  # m^3: 0.01 ml
