"""The model's geometry: where physics decides the answer, the network has no say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.hand.model import HandModel
from amt_perception.model import geometry
from amt_perception.model.camera import View
from amt_perception.model.hand_layer import HandLayer
from amt_perception.model.multi_coordinate import vertex_features
from amt_perception.model.refinement import sample_at

torch.set_num_threads(1)


def camera(count: int, focal: float = 300.0, centre: float = 55.5) -> torch.Tensor:
    matrix = torch.tensor([[focal, 0.0, centre], [0.0, focal, centre], [0.0, 0.0, 1.0]])
    return matrix.expand(count, 3, 3)


def random_rotation(count: int, seed: int = 0) -> torch.Tensor:
    return torch.tensor(Rotation.random(count, rng=seed).as_matrix(), dtype=torch.float32)


@pytest.fixture
def hands() -> tuple[torch.Tensor, torch.Tensor]:
    """Poses [8, 16, 3, 3] and shapes [8, 10]."""
    generator = torch.Generator().manual_seed(0)
    vectors = 0.5 * torch.randn(8, 16, 3, generator=generator)
    matrices = Rotation.from_rotvec(vectors.reshape(-1, 3).numpy()).as_matrix()
    rotation = torch.tensor(matrices.reshape(8, 16, 3, 3), dtype=torch.float32)
    return rotation, torch.randn(8, 10, generator=generator)


def test_hand_layer_is_smplx(hands: tuple[torch.Tensor, torch.Tensor]) -> None:
    rotation, shape = hands
    data = generic_hand(Side.RIGHT)
    posed = HandLayer(data)(rotation, shape)
    vectors = Rotation.from_matrix(rotation.reshape(-1, 3, 3).numpy()).as_rotvec()
    pose = torch.tensor(vectors.reshape(8, 16, 3), dtype=torch.float32)
    vertices, joints = HandModel(data)(pose, shape, torch.zeros(8, 3))
    torch.testing.assert_close(posed.joints, joints - joints[:, :1], atol=2e-6, rtol=0)
    torch.testing.assert_close(posed.vertices, vertices - joints[:, :1], atol=2e-6, rtol=0)
    torch.testing.assert_close(posed.rest_wrist, joints[:, 0], atol=2e-6, rtol=0)


def test_frames_turn_with_the_hand(hands: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Features of the vertices in the 22 frames do not change when the whole hand moves."""
    rotation, shape = hands
    layer = HandLayer(generic_hand(Side.RIGHT))
    turn = random_rotation(8)
    turned = torch.cat([(turn @ rotation[:, 0])[:, None], rotation[:, 1:]], dim=1)
    here, there = layer(rotation, shape), layer(turned, shape).moved(torch.randn(8, 3))
    features = [
        vertex_features(h.vertices, h.frame_rotation, h.frame_origin) for h in (here, there)
    ]
    assert features[0].shape == (8, 778, 67)
    torch.testing.assert_close(*features, atol=2e-5, rtol=0)
    straight = torch.eye(3).expand(8, 22, 3, 3)
    ablated = [vertex_features(h.vertices, straight, h.frame_origin) for h in (here, there)]
    assert (ablated[0] - ablated[1]).abs().max() > 0.1


def test_rays_are_the_reverse_of_projection() -> None:
    points = torch.randn(4, 21, 3) * 0.1 + torch.tensor([0.0, 0.0, 0.5])
    matrix = camera(4).clone()
    matrix[:, 0, 1], matrix[:, 1, 0] = 20.0, -35.0  # a crop that is turned in its plane
    rays = geometry.viewing_rays(geometry.project(points, matrix), matrix)
    torch.testing.assert_close(rays, points[..., :2] / points[..., 2:], atol=1e-6, rtol=1e-5)


def test_look_at_takes_the_axis_to_the_ray() -> None:
    ray = torch.tensor([[0.3, -0.2], [0.0, 0.0], [-1.5, 2.0]])
    turn = geometry.look_at(ray)
    direction = torch.nn.functional.normalize(
        torch.nn.functional.pad(ray, (0, 1), value=1.0), dim=1
    )
    torch.testing.assert_close(turn[:, :, 2], direction, atol=1e-6, rtol=0)
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3).expand(3, 3, 3), atol=1e-6, rtol=0)
    angle = Rotation.from_matrix(turn[0].numpy()).magnitude()
    assert np.isclose(angle, np.arctan(np.hypot(0.3, 0.2)), atol=1e-6)


def solve(points: torch.Tensor, rays: torch.Tensor, prior: float, weight: float) -> torch.Tensor:
    count = len(points)
    return geometry.solve_translation(
        points,
        rays,
        torch.rand(count, 21) + 0.1,
        torch.full((count,), prior),
        torch.full((count,), weight),
    )


def test_translation_is_found() -> None:
    points = 0.05 * torch.randn(6, 21, 3)
    truth = torch.tensor([0.1, -0.05, 0.6]) + 0.05 * torch.randn(6, 3)
    moved = points + truth[:, None]
    found = solve(points, moved[..., :2] / moved[..., 2:], prior=1.0, weight=0.0)
    torch.testing.assert_close(found, truth, atol=2e-5, rtol=0)


def test_prior_decides_where_the_picture_cannot() -> None:
    """All joints on one ray: depth is not observable and the prior's is taken."""
    points, rays = torch.zeros(2, 21, 3), torch.full((2, 21, 2), 0.1)
    found = solve(points, rays, prior=0.7, weight=0.1)
    torch.testing.assert_close(found, torch.tensor([[0.07, 0.07, 0.7]]).expand(2, 3))


@pytest.mark.parametrize("weight", [0.0, 0.05, 10.0])
def test_depth_grows_with_the_focal_length(weight: float) -> None:
    """Same keypoints in the same box: the root's depth follows the pinhole's law.

    Exactly so for a flat hand; here the hand is flat and faces the camera.
    """
    points = 0.05 * torch.randn(1, 21, 3)
    points[..., 2] = 0.0
    keypoints = torch.rand(1, 21, 2) * 60 + 25
    depths = []
    for focal in (200.0, 400.0, 1000.0):
        matrix = camera(1, focal)
        box = torch.tensor([[25.0, 25.0, 60.0, 60.0]])
        torch.manual_seed(1)
        found = solve(
            points,
            geometry.viewing_rays(keypoints, matrix),
            float(geometry.box_depth(box, matrix)[0]),
            weight,
        )
        depths.append(float(found[0, 2]))
    assert np.isclose(depths[1] / depths[0], 2.0, rtol=1e-4)
    assert np.isclose(depths[2] / depths[0], 5.0, rtol=1e-4)


def test_camera_that_turns_turns_the_result() -> None:
    """The same points seen by a camera turned about its centre: the translation turns with it."""
    points = 0.05 * torch.randn(5, 21, 3)
    truth = torch.tensor([0.05, 0.02, 0.5]).expand(5, 3)
    turn = torch.tensor(Rotation.from_rotvec([0.2, -0.3, 0.4]).as_matrix(), dtype=torch.float32)
    moved = (points + truth[:, None]) @ turn.T
    found = solve(points @ turn.T, moved[..., :2] / moved[..., 2:], prior=1.0, weight=0.0)
    torch.testing.assert_close(found, truth @ turn.T, atol=2e-5, rtol=0)


def test_geometry_stays_in_float32_under_autocast() -> None:
    points = torch.tensor([[[0.2734, 0.1, 0.5]]])
    expected = geometry.project(points, camera(1, 600.0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = geometry.project(points, camera(1, 600.0))
        rotation = geometry.rotation_from_6d(torch.randn(50, 6))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    torch.testing.assert_close(
        rotation @ rotation.mT, torch.eye(3).expand(50, 3, 3), atol=1e-5, rtol=0
    )


def test_planted_feature_is_found_where_it_projects() -> None:
    """A bump planted in the feature map: sampling peaks at the pixel that the bump was put at."""
    size, cells = 112, 16
    place = torch.tensor([40.3, 71.8])
    centres = (torch.arange(cells) + 0.5) * size / cells - 0.5
    bump = torch.exp(
        -((centres - place[0]) ** 2)[None, :] / 200 - ((centres - place[1]) ** 2)[:, None] / 200
    )
    grid = torch.arange(30.0, 85.0, 0.25)
    pixels = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), dim=-1).flatten(0, 1)
    shown = torch.ones(1, len(pixels))
    sampled = sample_at(bump[None, None], pixels[None], shown, size)[0, :, 0]
    share = (sampled - 0.5 * sampled.max()).clamp_min(0.0)
    found = (share[:, None] * pixels).sum(0) / share.sum()
    assert (found - place).abs().max() < 0.5


def test_points_outside_the_picture_get_nothing() -> None:
    points = torch.tensor([[[0.0, 0.0, 0.5], [5.0, 0.0, 0.5], [0.0, 0.0, -0.5], [0.0, -0.12, 0.5]]])
    size = 112
    pixels = geometry.project(points, camera(1))
    shown = geometry.visible(points, pixels, size)
    assert shown.tolist() == [[1.0, 0.0, 0.0, 0.0]]
    sampled = sample_at(torch.ones(1, 3, 8, 8), pixels, shown, size)
    assert sampled[0, 0].tolist() == [1.0, 1.0, 1.0]
    assert not sampled[0, 1:].any()


def test_view_puts_the_box_into_the_crop() -> None:
    crop = torch.tensor([[[0.5, 0.0, -10.0], [0.0, 0.5, -20.0]]])
    view = View.of(camera(1), crop, torch.tensor([[100.0, 120.0, 80.0, 40.0]]), 112)
    assert view.box.tolist() == [[40.0, 40.0, 40.0, 20.0]]
    assert np.isclose(float(view.box_depth), 300.0 * geometry.HAND_LENGTH_M / 40.0)
