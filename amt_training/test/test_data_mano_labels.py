"""MANO labels of all conventions against the independent smplx and HandLayer."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import MANO_TIP_VERTICES, MANO_TO_21, TIPS, Side
from amt_perception.hand.mirror import mirror_pose
from amt_perception.hand.skinning import hand_vertices
from amt_perception.model.hand_layer import HandLayer
from amt_training.data.mano_labels import (
    HO3D_TIPS,
    MANOPTH_TIPS,
    SMPLX_TIPS,
    LabelHand,
    ManoConvention,
    left_model,
)
from amt_training.data.sample import ManoLabel

RIGHT, LEFT = generic_hand(Side.RIGHT), generic_hand(Side.LEFT)
MICRON = 1e-6
MILLIMETRE = 1e-3
SIDES = (Side.RIGHT, Side.LEFT)
PCA = ManoConvention(True, 45, False, True, SMPLX_TIPS)
AXIS_ANGLE = ManoConvention(False, 45, False, True, SMPLX_TIPS)
FLAT = ManoConvention(False, 45, True, True, SMPLX_TIPS)


def hand_of(convention: ManoConvention) -> LabelHand:
    return LabelHand(convention, RIGHT, LEFT)


def a_label(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "orientation": random.normal(0.0, 1.0, 3),
        "hand_pose": random.normal(0.0, 0.3, 45),
        "shape": random.normal(0.0, 1.0, 10),
        "translation": random.uniform((-0.1, -0.1, 0.5), (0.1, 0.1, 0.8)),
    }


def joints_of_label(label: ManoLabel, side: Side, wrist: np.ndarray) -> np.ndarray:
    """The model's own way from a canonical label to joints: HandLayer, the right hand mirrored."""
    pose = mirror_pose(label.pose) if side == Side.LEFT else label.pose
    rotation = torch.tensor(Rotation.from_rotvec(pose).as_matrix())[None]
    joints = HandLayer(RIGHT)(rotation, torch.tensor(label.shape)[None]).joints[0].numpy()
    if side == Side.LEFT:
        joints = joints * (-1.0, 1.0, 1.0)
    return joints - joints[0] + wrist


def largest(difference: np.ndarray) -> float:
    return float(np.linalg.norm(difference, axis=-1).max())


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("convention", [PCA, AXIS_ANGLE, FLAT])
def test_label_gives_the_same_hand_through_the_network(convention, side):
    label, joints, vertices = hand_of(convention).canonical(side, **a_label())
    assert largest(joints_of_label(label, side, joints[0]) - joints) < MICRON
    assert np.array_equal(joints[list(TIPS)], vertices[list(MANO_TIP_VERTICES)])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("components", [15, 45])
def test_pose_components_mean_and_axis_angle_are_told_apart(components, side):
    data = RIGHT if side == Side.RIGHT else LEFT
    label = a_label()
    label["hand_pose"] = label["hand_pose"][:components]
    fingers = label["hand_pose"] @ data.hands_components[:components]
    pose = np.concatenate([label["orientation"], fingers + data.hands_mean]).reshape(16, 3)
    truth = hand_vertices(data, pose, label["shape"], label["translation"])

    right_one = replace(PCA, components=components)
    assert largest(hand_of(right_one).canonical(side, **label)[2] - truth) < MICRON
    without_mean = replace(right_one, flat_hand_mean=True)
    assert largest(hand_of(without_mean).canonical(side, **label)[2] - truth) > 10 * MILLIMETRE
    if components == 45:  # what smplx makes of num_pca_comps=45
        assert largest(hand_of(AXIS_ANGLE).canonical(side, **label)[2] - truth) > 10 * MILLIMETRE


@pytest.mark.parametrize(
    ("tips", "side"),
    [(tips, side) for tips in (MANOPTH_TIPS, HO3D_TIPS, SMPLX_TIPS) for side in tips],
)
def test_fingertips_are_the_vertices_of_the_convention(tips, side):
    _, joints, vertices = hand_of(replace(PCA, tips=tips)).canonical(side, **a_label())
    assert np.array_equal(joints[list(TIPS)], vertices[list(tips[side])])


def test_smplx_agrees():
    """The 16 joints and the vertices of smplx, from a file in MANO's own format."""
    smplx = pytest.importorskip("smplx")
    label = a_label()
    struct = SimpleNamespace(
        v_template=RIGHT.v_template,
        f=RIGHT.faces,
        shapedirs=RIGHT.shapedirs,
        posedirs=RIGHT.posedirs,
        weights=RIGHT.weights,
        J_regressor=RIGHT.J_regressor,
        kintree_table=np.stack([RIGHT.parents, np.arange(16)]),
        hands_components=RIGHT.hands_components,
        hands_mean=RIGHT.hands_mean,
    )
    layer = smplx.MANO(
        "unused", data_struct=struct, use_pca=False, flat_hand_mean=False, dtype=torch.float64
    )
    out = layer(
        global_orient=torch.tensor(label["orientation"])[None],
        hand_pose=torch.tensor(label["hand_pose"])[None],
        betas=torch.tensor(label["shape"])[None],
        transl=torch.tensor(label["translation"])[None],
    )
    _, joints, vertices = hand_of(AXIS_ANGLE).canonical(Side.RIGHT, **label)
    assert largest(out.vertices[0].detach().numpy() - vertices) < MICRON
    expected = np.concatenate([out.joints[0, :16].detach().numpy(), vertices[list(SMPLX_TIPS[2])]])
    assert largest(expected[MANO_TO_21] - joints) < MICRON


@pytest.mark.parametrize("side", SIDES)
def test_change_of_frame_moves_the_whole_hand(side):
    hand, label = hand_of(PCA), a_label()
    _, joints, vertices = hand.canonical(side, **label)
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_rotvec([0.7, -1.9, 0.4]).as_matrix()
    transform[:3, 3] = 0.3, -0.2, 0.9
    moved, moved_joints, moved_vertices = hand.canonical(side, **label, camera_from_label=transform)
    for before, after in ((joints, moved_joints), (vertices, moved_vertices)):
        assert largest(before @ transform[:3, :3].T + transform[:3, 3] - after) < MICRON
    assert largest(joints_of_label(moved, side, moved_joints[0]) - moved_joints) < MICRON
    short = hand.label(side, label["orientation"], label["hand_pose"], label["shape"], transform)
    assert np.array_equal(short.pose, moved.pose)
    assert np.array_equal(short.shape, moved.shape)


@pytest.mark.parametrize(
    "transform", [np.diag([1.0, 1.0, -1.0, 1.0]), np.diag([2.0, 2.0, 2.0, 1.0]), np.eye(3)]
)
def test_frames_that_are_not_rigid_are_refused(transform):
    with pytest.raises(AmtError, match="camera_from_label"):
        hand_of(PCA).canonical(Side.RIGHT, **a_label(), camera_from_label=transform)


@pytest.mark.parametrize("name", ["orientation", "hand_pose", "shape", "translation"])
def test_numbers_that_cannot_be_are_refused(name):
    label = a_label()
    with pytest.raises(AmtError, match=f"{name} .* has shape"):
        hand_of(PCA).canonical(Side.LEFT, **{**label, name: label[name][:2]})
    with pytest.raises(AmtError, match=f"{name} .* not finite"):
        hand_of(PCA).canonical(Side.LEFT, **{**label, name: label[name] * np.nan})


def test_left_model_is_told_and_given_either_way():
    raw = left_model(LEFT, RIGHT, fixed=False)
    # The test of smplx issue 48 on the official files.
    assert np.abs(raw.shapedirs[:, 0] - RIGHT.shapedirs[:, 0]).sum() < 1.0
    assert np.abs(LEFT.shapedirs[:, 0] - RIGHT.shapedirs[:, 0]).sum() > 1.0
    assert left_model(LEFT, RIGHT, fixed=True) is LEFT
    assert left_model(raw, RIGHT, fixed=False) is raw
    assert np.array_equal(left_model(raw, RIGHT, fixed=True).shapedirs, LEFT.shapedirs)


@pytest.mark.parametrize("given", [LEFT, left_model(LEFT, RIGHT, fixed=False)])
@pytest.mark.parametrize("fixed", [True, False])
def test_left_hands_come_from_the_model_that_was_labelled_with(given, fixed):
    label = a_label()
    convention = replace(PCA, left_fixed=fixed)
    _, _, vertices = LabelHand(convention, RIGHT, given).canonical(Side.LEFT, **label)
    own = left_model(LEFT, RIGHT, fixed)
    other = left_model(LEFT, RIGHT, not fixed)
    fingers = label["hand_pose"] @ LEFT.hands_components + LEFT.hands_mean
    pose = np.concatenate([label["orientation"], fingers]).reshape(16, 3)
    place = label["shape"], label["translation"]
    assert largest(hand_vertices(own, pose, *place) - vertices) < MICRON
    assert largest(hand_vertices(other, pose, *place) - vertices) > 10 * MILLIMETRE


def test_shape_of_an_uncorrected_left_hand_is_fitted_to_the_corrected_one():
    hand = hand_of(replace(PCA, left_fixed=False))
    fitted, taken = [], []
    for seed in range(100):
        label = a_label(seed)
        canonical, joints, _ = hand.canonical(Side.LEFT, **label)
        fitted.append(joints_of_label(canonical, Side.LEFT, joints[0]) - joints)
        as_it_is = ManoLabel(canonical.pose, label["shape"])
        taken.append(joints_of_label(as_it_is, Side.LEFT, joints[0]) - joints)
    error = [np.linalg.norm(one, axis=-1).mean() for one in (fitted, taken)]
    assert error[0] < 2.0 * MILLIMETRE
    assert error[1] > 4.0 * error[0]


def test_right_shape_is_never_touched():
    hand = hand_of(replace(PCA, left_fixed=False))
    label = a_label()
    assert np.array_equal(hand.canonical(Side.RIGHT, **label)[0].shape, label["shape"])
