"""Meshes and clouds as the grasp model sees them, good and bad ones."""

import os
import time
from pathlib import Path

import igl
import numpy as np
import pytest
import trimesh

from amt_perception.errors import AmtError
from amt_perception.grasp.object_input import from_mesh, from_points, load_object
from amt_perception.grasp.views import draw_views

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
MUG = SHARED / "meshes" / "mug.obj"
RANDOM = np.random.default_rng(0)
BALL = trimesh.creation.icosphere(subdivisions=3, radius=0.04)


def ball_points(count: int) -> np.ndarray:
    """Evenly on a sphere of 4 cm about (1, 2, 3)."""
    directions = RANDOM.normal(size=(count, 3))
    return 0.04 * directions / np.linalg.norm(directions, axis=1, keepdims=True) + (1.0, 2.0, 3.0)


@pytest.mark.skipif(not MUG.is_file(), reason="the shared meshes are not on this machine")
@pytest.mark.parametrize("name", ["mug", "cup_vhacd", "banana"])
def test_real_meshes_give_points_on_their_outside(name):
    cloud = load_object(MUG.with_name(f"{name}.obj"))
    again = load_object(MUG.with_name(f"{name}.obj"))
    np.testing.assert_array_equal(cloud.points, again.points)
    assert cloud.points.shape == cloud.normals.shape == (1024, 3)
    np.testing.assert_allclose(np.ptp(cloud.vertices, axis=0) / 2, cloud.vertices.max(axis=0))
    squared, _, _ = igl.point_mesh_squared_distance(
        cloud.points.astype(float), cloud.vertices, cloud.faces
    )
    assert np.sqrt(squared.max()) < 1e-6
    np.testing.assert_allclose(np.linalg.norm(cloud.normals, axis=1), 1.0, atol=1e-5)
    # What is farthest out along an axis looks that way.
    for axis in np.eye(3):
        assert (cloud.normals @ axis)[(cloud.points @ axis).argmax()] > 0.0
    assert bool(cloud.notes) == (name != "banana")


def test_points_inside_another_component_are_left_out():
    halves = trimesh.util.concatenate([BALL, BALL.copy().apply_translation([0.03, 0.0, 0.0])])
    cloud = from_mesh("two", halves.vertices, halves.faces)
    ends = cloud.points[:, :1] - np.array([[-0.015, 0.015]])
    across = (cloud.points[:, 1:] ** 2).sum(axis=1, keepdims=True)
    nearest = np.sqrt(ends**2 + across).min(axis=1)
    assert nearest.min() > 0.039


def test_a_mesh_inside_out_is_turned_and_an_open_one_taken():
    cloud = from_mesh("ball", BALL.vertices, BALL.faces[:, ::-1])
    assert ((cloud.points * cloud.normals).sum(axis=1) > 0.0).all()
    assert "turned" in " ".join(cloud.notes)
    mixed = BALL.faces.copy()
    mixed[::7] = mixed[::7, ::-1]
    cloud = from_mesh("ball", BALL.vertices, mixed[20:])
    assert ((cloud.points * cloud.normals).sum(axis=1) > 0.0).all()
    assert "not closed" in " ".join(cloud.notes)


def test_a_cloud_gets_outward_normals_and_keeps_its_place():
    cloud = from_points("ball", ball_points(3000))
    np.testing.assert_allclose(cloud.centre, [1.0, 2.0, 3.0], atol=1e-3)
    outwards = cloud.points / np.linalg.norm(cloud.points, axis=1, keepdims=True)
    assert (cloud.normals * outwards).sum(axis=1).min() > 0.98
    assert "no normals" in cloud.notes[0]
    own = -(ball_points(2000) - (1.0, 2.0, 3.0))
    given = from_points("ball", own, normals=3.0 * own)
    assert (given.normals * given.points).sum(axis=1).min() > 0.039 and not given.notes


def test_a_million_points_take_a_moment():
    start = time.process_time()
    cloud = from_points("ball", ball_points(1_000_000))
    assert time.process_time() - start < 5.0
    assert cloud.points.shape == (1024, 3) and len(cloud.surface_points) > 1500


def cube(size: float) -> str:
    return trimesh.creation.box((size, size, size)).export(file_type="obj")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("damaged.ply", "ply\nformat ascii 1.0\nnothing", "cannot be read as a mesh"),
        ("picture.txt", "no mesh at all", "cannot be read as a mesh"),
        ("empty.obj", "# nothing\n", "is empty|cannot be read"),
        ("nan.obj", "v 0 0 0\nv 0.1 0 0\nv 0 nan 0.1\nf 1 2 3\n", "not finite"),
        ("flat.obj", "v 0 0 0\nv .1 0 .1\nv 0 .1 .1\nv .1 .1 .2\nf 1 2 3\nf 2 4 3\n", "is flat"),
        ("metres.obj", cube(3.0), r"3 x 3 x 3 m .* metres"),
        ("millimetres.obj", cube(80.0), r"80 x 80 x 80 m .* by 0.001"),
        ("tiny.obj", cube(0.003), r"0.003 x 0.003 x 0.003 m .* by 1000"),
        ("tiny.obj", cube(0.003), r"0.003 x 0.003 x 0.003 m"),
        ("few.xyz", "0 0 0\n0 0 0.1\n0 0.1 0\n0.1 0 0\n", r"shape \(4, 3\).* at least 1024"),
    ],
)
def test_bad_files_have_one_clear_answer(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(AmtError, match=message) as caught:
        load_object(path)
    assert name in str(caught.value)


def test_a_missing_file_and_bad_normals_are_named(tmp_path):
    with pytest.raises(AmtError, match=r"no mesh .*nowhere.obj"):
        load_object(tmp_path / "nowhere.obj")
    points = ball_points(2000)
    with pytest.raises(AmtError, match="normals of the cloud ball"):
        from_points("ball", points, normals=np.zeros_like(points))
    with pytest.raises(AmtError, match="mesh ball has vertices"):
        from_mesh("ball", BALL.vertices[:5], BALL.faces)
    points[7] = np.nan
    with pytest.raises(AmtError, match="not finite"):
        from_points("ball", points)


def test_a_cloud_file_is_read(tmp_path):
    path = tmp_path / "ball.ply"
    trimesh.PointCloud(ball_points(2000)).export(path)
    cloud = load_object(path)
    assert cloud.vertices is None and cloud.name == "ball"
    np.testing.assert_allclose(np.linalg.norm(cloud.points, axis=1), 0.04, atol=1e-3)


def test_six_views_show_the_object_from_its_sides():
    box = trimesh.creation.box((0.04, 0.08, 0.16))
    views = draw_views(from_mesh("box", box.vertices, box.faces))
    assert views.shape == (6, 224, 224, 3)
    covered = (views < 250).any(axis=-1)
    sizes = [(mask.any(axis=0).sum(), mask.any(axis=1).sum()) for mask in covered]
    # From x: y across, z up; from y: x across, z up; from z: x across, y up.
    for (width, height), ratio in zip(sizes, [2, 2, 4, 4, 2, 2], strict=True):
        assert height / width == pytest.approx(ratio, rel=0.15)
