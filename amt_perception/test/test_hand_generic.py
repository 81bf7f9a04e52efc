"""The generic hand: a valid MANO-format model with human measures that looks like a hand."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest

from amt_perception.errors import AmtError
from amt_perception.hand.generic import SHAPE_NAMES, generic_hand
from amt_perception.hand.joints import MANO_TIP_VERTICES, Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.limits import JointLimits
from amt_perception.hand.model_data import HandModelData


@pytest.fixture(scope="module")
def right() -> HandModelData:
    return generic_hand(Side.RIGHT)


def directed_edges(faces: np.ndarray) -> Counter:
    return Counter(
        (int(a), int(b)) for f in faces for a, b in ((f[0], f[1]), (f[1], f[2]), (f[2], f[0]))
    )


def test_mesh_is_one_consistent_sheet_open_at_the_wrist(right: HandModelData) -> None:
    edges = directed_edges(right.faces)
    assert max(edges.values()) == 1  # no edge twice in one direction: faces agree on outside
    boundary = {a: b for a, b in edges if (b, a) not in edges}
    assert len(boundary) == 16
    vertex, seen = next(iter(boundary)), set()
    while vertex not in seen:
        seen.add(vertex)
        vertex = boundary[vertex]
    assert len(seen) == 16  # one loop
    assert set(right.faces.ravel()) == set(range(778))
    wrist = HandKinematics(right).rest(np.zeros(10))[0][0]
    loop = right.v_template[sorted(seen)] - wrist
    assert np.ptp(loop[:, 0]) < 1e-9  # flat cut across the forearm
    assert loop[0, 0] > 0.01


def test_triangles_are_sound_and_face_outwards(right: HandModelData) -> None:
    corners = right.v_template[right.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (np.linalg.norm(normals, axis=1) / 2).min() > 1e-6  # square metres: none is a sliver
    lengths = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    assert (lengths.max(axis=1) / lengths.min(axis=1)).max() < 5
    volume = np.einsum("fi,fi->", corners[:, 0], normals) / 6
    assert 250e-6 < volume < 450e-6  # an adult hand is about 0.35 litres


def test_measures_are_those_of_an_adult_hand(right: HandModelData) -> None:
    joints, tips = HandKinematics(right).rest(np.zeros(10))
    # The wrist crease lies about 8 mm behind the wrist's centre of rotation.
    assert np.linalg.norm(tips[2] - joints[0]) + 0.008 == pytest.approx(0.189, abs=0.003)
    # Hand breadth: across the heads of the metacarpals of index and little finger.
    x, _, z = right.v_template[right.v_template[:, 2] < 0.035].T  # without the thumb
    edges = [
        reach(z[np.abs(x - joints[joint, 0] - 0.0075) < 0.006])
        for joint, reach in ((1, max), (7, min))
    ]
    assert edges[0] - edges[1] == pytest.approx(0.084, abs=0.004)
    # Buryanov and Kotiuk 2010, middle finger; its base joint is moved out by 7.5 mm
    bones = np.linalg.norm(np.diff([*joints[4:7], tips[2]], axis=0), axis=1)
    np.testing.assert_allclose(bones, [0.0446 - 0.0075, 0.0263, 0.0214], atol=2e-4)


def test_axes_are_manos(right: HandModelData) -> None:
    joints, tips = HandKinematics(right).rest(np.zeros(10))
    middle = joints[4] - joints[0]
    assert middle[0] < -0.08 and np.abs(middle[1:]).max() < 0.01
    assert tips[0, 2] - joints[0, 2] > 0.08
    # A positive turn about z bends a finger to the palm, where the ball of the thumb is.
    thenar = right.v_template[right.weights[:, 13].argmax()]
    assert thenar[1] < joints[4, 1]


def test_skin_follows_bones(right: HandModelData) -> None:
    np.testing.assert_allclose(right.weights.sum(axis=1), 1.0, atol=1e-12)
    assert right.weights.min() > -1e-12
    np.testing.assert_array_equal(
        right.weights[list(MANO_TIP_VERTICES)][:, [15, 3, 6, 12, 9]], np.eye(5)
    )
    np.testing.assert_allclose(right.J_regressor.sum(axis=1), 1.0, atol=1e-12)
    assert right.J_regressor.min() > -0.05
    # Every joint lies inside its finger: the skin around it is on all sides.
    joints = right.J_regressor @ right.v_template
    for j in range(16):
        support = right.v_template[np.abs(right.J_regressor[j]) > 1e-9] - joints[j]
        assert (support.min(axis=0) < 0).all() and (support.max(axis=0) > 0).all()


def test_shape_directions_do_what_they_say(right: HandModelData) -> None:
    kinematics = HandKinematics(right)

    def finger_lengths(shape: np.ndarray) -> np.ndarray:
        joints, tips = kinematics.rest(shape)
        return np.linalg.norm(tips - joints[[13, 1, 4, 10, 7]], axis=1)

    base = finger_lengths(np.zeros(10))
    growth = {name: finger_lengths(np.eye(10)[i]) / base - 1 for i, name in enumerate(SHAPE_NAMES)}
    np.testing.assert_allclose(growth["overall size"], 0.05, atol=1e-4)
    np.testing.assert_allclose(growth["length of the thumb"][1:], 0.0, atol=0.005)
    assert growth["length of the thumb"][0] > 0.04
    assert growth["length of the little finger"][4] > 0.04
    difference = growth["index longer than ring finger"]
    assert difference[1] > 0.015 and difference[3] < -0.015
    # Regressed joints of a changed shape still lie where its skeleton has them: no hand tears.
    rng = np.random.default_rng(0)
    for shape in rng.normal(size=(20, 10)).clip(-2, 2):
        assert (finger_lengths(shape) / base > 0.75).all()


def test_every_shape_axis_grows_what_it_names(right: HandModelData) -> None:
    kinematics = HandKinematics(right)
    x, z = right.v_template[:, 0], right.v_template[:, 2]
    joints, _ = kinematics.rest(np.zeros(10))
    middle_finger = np.abs(z - joints[5, 2]) < 0.012
    rows = {
        "wrist": x > joints[0, 0] + 0.01,
        "palm": (np.abs(x - 0.5 * (joints[0, 0] + joints[4, 0])) < 0.012) & (z < joints[1, 2]),
        "knuckles": (np.abs(x - joints[4, 0]) < 0.012) & (z < 0.035),
        "finger": (np.abs(x - 0.5 * (joints[5, 0] + joints[6, 0])) < 0.006) & middle_finger,
    }

    def measures(shape: np.ndarray) -> dict[str, float]:
        skin = right.v_template + right.shapedirs @ shape
        joints, tips = kinematics.rest(shape)
        return {
            "overall size": float(np.linalg.norm(tips[2] - joints[0])),
            "long fingers, short palm": float(
                np.linalg.norm(tips[2] - joints[4]) / np.linalg.norm(joints[4] - joints[0])
            ),
            "breadth of the palm": float(np.ptp(skin[rows["knuckles"], 2])),
            "thickness of the palm": float(np.ptp(skin[rows["palm"], 1])),
            "girth of the fingers": float(np.ptp(skin[rows["finger"], 1])),
            "length of the thumb": float(np.linalg.norm(tips[0] - joints[13])),
            "index longer than ring finger": float(
                np.linalg.norm(tips[1] - joints[1]) / np.linalg.norm(tips[3] - joints[10])
            ),
            "length of the little finger": float(np.linalg.norm(tips[4] - joints[7])),
            "long outer phalanges": float(
                np.linalg.norm(tips[2] - joints[5]) / np.linalg.norm(joints[5] - joints[4])
            ),
            "girth of the wrist": float(np.ptp(skin[rows["wrist"], 2])),
        }

    mean = measures(np.zeros(10))
    for name, axis in zip(SHAPE_NAMES, np.eye(10), strict=True):
        growth = [measures(amount * axis)[name] / mean[name] - 1 for amount in (-2, -1, 1, 2)]
        assert (np.diff(growth) > 0.015).all(), (name, growth)
        assert 0.02 < growth[2] < 0.10, (name, growth)


def test_mean_pose_and_components(right: HandModelData) -> None:
    np.testing.assert_allclose(
        right.hands_components @ right.hands_components.T, np.eye(45), atol=1e-12
    )
    limits, kinematics = JointLimits(right), HandKinematics(right)
    relaxed = np.vstack([np.zeros(3), right.hands_mean.reshape(15, 3)])
    assert not limits.excess(relaxed).any()
    # The first component closes the hand: more of it brings every fingertip nearer to the palm.
    closing = np.vstack([np.zeros(3), right.hands_components[0].reshape(15, 3)])
    joints = [
        kinematics.joints21(relaxed + k * closing, np.zeros(10), np.zeros(3)) for k in (0, 0.5, 1)
    ]
    reach = np.array([np.linalg.norm(j[[8, 12, 16, 20]] - j[0], axis=1) for j in joints])
    assert (np.diff(reach, axis=0) < -0.005).all()


def test_left_is_the_mirror_image(right: HandModelData) -> None:
    left = generic_hand(Side.LEFT)
    assert left.side == Side.LEFT
    np.testing.assert_array_equal(left.v_template, right.v_template * (-1, 1, 1))
    corners = left.v_template[left.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert np.einsum("fi,fi->", corners[:, 0], normals) > 0  # still facing outwards


def test_built_fast_and_the_same_every_time(right: HandModelData) -> None:
    start = time.perf_counter()
    again = generic_hand.__wrapped__(Side.RIGHT)
    assert time.perf_counter() - start < 3.0
    assert again.fingerprint == right.fingerprint
    assert generic_hand(Side.RIGHT) is right


def test_saved_model_is_read_back(right: HandModelData, tmp_path) -> None:
    path = tmp_path / "folder" / "hand.npz"
    right.save(path)
    again = HandModelData.load(path)
    assert again.fingerprint == right.fingerprint
    assert (again.side, again.source) == (right.side, right.source)
    assert [p.name for p in path.parent.iterdir()] == ["hand.npz"]
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(AmtError, match=r"hand\.npz"):
        HandModelData.load(path)


def test_wrong_arrays_are_refused(right: HandModelData) -> None:
    from dataclasses import replace

    with pytest.raises(AmtError, match=r"weights has shape \(778, 15\) instead of \(778, 16\)"):
        replace(right, weights=right.weights[:, :15])
    with pytest.raises(AmtError, match="v_template is not finite"):
        replace(right, v_template=right.v_template * np.nan)
    with pytest.raises(AmtError, match="another joint tree"):
        replace(right, parents=np.arange(16) - 1)
    with pytest.raises(ValueError, match="read-only"):
        right.v_template[0] = 0
