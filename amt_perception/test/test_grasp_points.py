"""Point operations and PointNet++: against plain computations, and blind to the points' order."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from amt_perception.errors import AmtError
from amt_perception.grasp.point_operations import (
    ball_query,
    farthest_points,
    gather,
    interpolate,
)
from amt_perception.grasp.pointnet import PointNet

from .grasp_inputs import TINY, make_cloud

torch.set_num_threads(1)


def test_each_sample_is_the_farthest_from_those_before() -> None:
    points, _ = make_cloud(2)
    order = farthest_points(points, 40)
    for cloud, chosen in zip(points.numpy(), order.numpy(), strict=True):
        middle = (cloud.min(axis=0) + cloud.max(axis=0)) / 2.0
        expected = [int(np.linalg.norm(cloud - middle, axis=1).argmax())]
        while len(expected) < 40:
            to_sample = np.linalg.norm(cloud[:, None] - cloud[expected], axis=2).min(axis=1)
            expected.append(int(to_sample.argmax()))
        assert chosen.tolist() == expected
    assert torch.equal(farthest_points(points, 7), order[:, :7])


def test_too_small_clouds_are_refused() -> None:
    with pytest.raises(AmtError, match="at least 200 points, not 128"):
        farthest_points(make_cloud(1)[0], 200)


def test_a_ball_holds_the_nearest_points_within_its_radius() -> None:
    points, _ = make_cloud(1)
    centres = points[:, :9]
    found = ball_query(points, centres, radius=0.03, count=12)[0].numpy()
    tree = cKDTree(points[0].numpy())
    for centre, indices in zip(centres[0].numpy(), found, strict=True):
        distance, expected = tree.query(centre, 12)
        inside = distance <= 0.03
        assert inside.any() and not inside.all()
        assert indices[inside].tolist() == expected[inside].tolist()
        assert set(indices[~inside]) <= {expected[0]}  # the nearest fills the rest


def test_interpolation_takes_three_nearest_by_inverse_squares() -> None:
    points, _ = make_cloud(1)
    known, features = points[:, :20], torch.randn(1, 20, 5)
    got = interpolate(points, known, features)[0]
    distance, index = cKDTree(known[0].numpy()).query(points[0, 20:].numpy(), 3)
    weight = 1.0 / distance**2
    weight /= weight.sum(axis=1, keepdims=True)
    expected = (weight[..., None] * features[0].numpy()[index]).sum(axis=1)
    np.testing.assert_allclose(got[20:].numpy(), expected, rtol=2e-3, atol=1e-4)
    torch.testing.assert_close(got[:20], features[0], rtol=0, atol=1e-3)  # coincident


def test_permuting_the_points_permutes_the_features() -> None:
    torch.manual_seed(0)
    network = PointNet(TINY).eval()
    points, normals = make_cloud(2)
    shuffle = torch.randperm(points.shape[1])

    def run(points, normals):
        order = farthest_points(points, TINY.centres[0])
        return (*network(points, normals, order), gather(points, order))

    features, overall, sample = run(points, normals)
    moved, moved_overall, moved_sample = run(points[:, shuffle], normals[:, shuffle])
    assert torch.equal(moved_sample, sample)
    torch.testing.assert_close(moved, features[:, shuffle], rtol=0, atol=1e-5)
    torch.testing.assert_close(moved_overall, overall, rtol=0, atol=1e-5)
    assert features.std(dim=1).mean() > 0.05  # they do tell points apart


def test_an_object_does_not_depend_on_its_batch() -> None:
    torch.manual_seed(0)
    network = PointNet(TINY).train()
    points, normals = make_cloud(3)
    order = farthest_points(points, TINY.centres[0])
    together = network(points, normals, order)[0][1]
    alone = network(points[1:2], normals[1:2], order[1:2])[0][0]
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
