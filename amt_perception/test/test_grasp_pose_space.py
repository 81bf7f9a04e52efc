"""Grasps to vectors and back."""

import math
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from amt_perception.errors import AmtError
from amt_perception.grasp.config import VARIANTS, GraspConfig, grasp_config
from amt_perception.grasp.pose_space import pose_space

from .grasp_inputs import TINY, make_grasps

SIZES = {("allegro", "scaled"): 25, ("mano", "scaled"): 64, ("allegro", "raw"): 22,
         ("mano", "raw"): 61}  # fmt: skip


@pytest.mark.parametrize(("hand", "space"), SIZES)
def test_grasps_come_back(hand: str, space: str) -> None:
    config = replace(TINY, hand=hand, pose_space=space)
    grasps, poses = make_grasps(50, config), pose_space(config)
    vectors = poses.encode(grasps)
    assert vectors.shape == (50, poses.size) and poses.size == SIZES[hand, space]
    back = poses.decode(vectors)
    for name in ("rotation", "position", "joints", "shape"):
        torch.testing.assert_close(
            getattr(back, name), getattr(grasps, name), rtol=0, atol=2e-5, msg=name
        )


@pytest.mark.parametrize(("hand", "space"), SIZES)
def test_any_vector_is_a_grasp(hand: str, space: str) -> None:
    config = replace(TINY, hand=hand, pose_space=space)
    grasps = pose_space(config).decode(3.0 * torch.randn(200, SIZES[hand, space]))
    product = grasps.rotation @ grasps.rotation.mT
    torch.testing.assert_close(product, torch.eye(3).expand(200, 3, 3), rtol=0, atol=1e-5)
    assert (torch.linalg.det(grasps.rotation) > 0.99).all()
    if hand == "allegro":
        assert (grasps.joints >= torch.tensor(config.allegro_lower)).all()
        assert (grasps.joints <= torch.tensor(config.allegro_upper)).all()


def test_scales_are_physical() -> None:
    """A joint at its limits is at -1 and 1; five centimetres are 1; columns come first in 6D.

    The position is that of the grip.
    """
    grasps = make_grasps(2)
    grasps.joints[0] = torch.tensor(TINY.allegro_lower)
    grasps.joints[1] = torch.tensor(TINY.allegro_upper)
    grasps.position[0] = torch.tensor([0.05, -0.1, 0.0])
    vectors = pose_space(TINY).encode(grasps)
    torch.testing.assert_close(vectors[:, 9:], torch.tensor([[-1.0], [1.0]]).expand(2, 16))
    grip = grasps.rotation[0] @ torch.tensor(TINY.allegro_grip)
    expected = torch.tensor([1.0, -2.0, 0.0]) + grip / 0.05
    torch.testing.assert_close(vectors[0, :3], expected)
    torch.testing.assert_close(vectors[0, 3:6], grasps.rotation[0, :, 0])
    torch.testing.assert_close(vectors[0, 6:9], grasps.rotation[0, :, 1])


def test_the_documents_order_is_pose_shape_translation() -> None:
    config = replace(TINY, hand="mano", pose_space="raw")
    grasps = make_grasps(3, config)
    vectors = pose_space(config).encode(grasps)
    torch.testing.assert_close(vectors[:, 3:48], grasps.joints.flatten(1))
    torch.testing.assert_close(vectors[:, 48:58], grasps.shape)
    torch.testing.assert_close(vectors[:, 58:], grasps.position)
    assert (vectors[:, :3].norm(dim=1) <= math.pi + 1e-4).all()


def test_the_table_of_limits_is_the_robots() -> None:
    urdf = Path(__file__).resolve().parents[2] / "urdf" / "ur5e_allegro_right.urdf"
    limits = {
        joint.get("name"): joint.find("limit") for joint in ElementTree.parse(urdf).iter("joint")
    }
    names = [f"{finger}_joint_{i}" for finger in ("index", "middle", "ring", "thumb")
             for i in range(4)]  # fmt: skip
    config = GraspConfig()
    assert [float(limits[one].get("lower")) for one in names] == list(config.allegro_lower)
    assert [float(limits[one].get("upper")) for one in names] == list(config.allegro_upper)


def test_configurations_are_plain_values_and_name_what_is_wrong() -> None:
    for config in VARIANTS.values():
        assert GraspConfig.from_dict(config.to_dict()) == config
    assert grasp_config("small") == GraspConfig()
    with pytest.raises(AmtError, match="no grasp model 'huge'; choose one of: small, base"):
        grasp_config("huge")
    with pytest.raises(AmtError, match="no hand 'shadow'; choose one of: allegro, mano"):
        GraspConfig(hand="shadow")
