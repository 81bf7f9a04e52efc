"""Objects: closed shapes with the symmetries that they claim, exact distances, meshes of people."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

pytest.importorskip("igl", reason="libigl is not installed")
pytest.importorskip("trimesh", reason="trimesh is not installed")

import trimesh

from amt_perception.errors import AmtError
from amt_training.synthetic.objects.families import FAMILIES
from amt_training.synthetic.objects.library import OBJECT_CLASSES, PARTS, ObjectLibrary, read_mesh
from amt_training.synthetic.objects.shapes import assembled, block
from amt_training.synthetic.objects.surface import Surface
from amt_training.synthetic.settings import WorldSettings

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
SMALL = WorldSettings(objects=(len(FAMILIES), 2, 2))


@pytest.fixture(scope="module")
def library():
    return ObjectLibrary("train", SMALL)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_part_is_closed_and_faces_outwards(family):
    for seed in range(8):
        shape = FAMILIES[family](np.random.default_rng(seed))
        for name, solid in shape.parts.items():
            mesh = trimesh.Trimesh(solid.vertices, solid.faces, process=False)
            assert mesh.is_watertight and mesh.is_winding_consistent, (seed, name)
            assert mesh.volume > 0.0, (seed, name)
        one = assembled("one", family, shape)
        assert 200 <= len(one.faces) <= 3000
        assert np.abs(one.vertices.min(axis=0) + one.vertices.max(axis=0)).max() < 1e-9
        longest = np.ptp(one.vertices, axis=0).max()
        assert 0.03 < longest < 0.35, "a hand can hold it"
        assert set(one.part_of_face) == set(range(len(one.part_names)))


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_hang_together(family):
    for seed in range(4):
        parts = [*FAMILIES[family](np.random.default_rng(seed)).parts.values()]
        joined, waiting = [parts.pop(0)], parts
        while waiting:
            near = [
                part
                for part in waiting
                if any(
                    Surface(*part).inside(one.vertices).any()
                    or Surface(*one).inside(part.vertices).any()
                    for one in joined
                )
            ]
            assert near, f"{len(waiting)} parts float beside the others"
            joined += near
            waiting = [part for part in waiting if all(part is not one for one in near)]


def test_symmetries_leave_the_surface_where_it_is(library):
    kinds = set()
    for number, one in library.objects.items():
        surface, points = library.surface(number), library.models[number].points[:300]
        assert np.array_equal(one.symmetry_rotations[0], np.eye(3))
        turns = one.symmetry_rotations
        if one.symmetry_axis.any():
            spin = Rotation.from_rotvec(np.outer([0.4, 1.3, 3.0], one.symmetry_axis)).as_matrix()
            turns = (turns[:, None] @ spin).reshape(-1, 3, 3)
        for turn in turns:
            distance, _ = surface.distance(points @ turn.T)
            # A turned solid has corners, and its flats lie this much deeper.
            assert np.abs(distance).max() < 0.0004, one.name
        # Any other turn is seen.
        other = Rotation.from_rotvec([0.5, 0.0, 0.0]).apply(points)
        assert np.abs(surface.distance(other)[0]).max() > 0.001, one.name
        kinds.add((len(one.symmetry_rotations), bool(one.symmetry_axis.any())))
    assert kinds == {(1, False), (4, False), (2, True), (1, True)}


def test_a_mug_is_hollow(library):
    number = 1 + list(FAMILIES).index("mug")
    mug = library.objects[number]
    handle = mug.vertices[mug.faces[mug.part_of_face == mug.part_names.index("handle")]]
    body = mug.vertices[mug.faces[mug.part_of_face == mug.part_names.index("body")]].reshape(-1, 3)
    axis = 0.5 * (body.min(axis=0) + body.max(axis=0))
    distance, _ = library.surface(number).distance(axis[None])
    assert distance[0] > 0.02, "the coffee is not inside the mug's wall"
    middle = handle[:, 0].mean(axis=0)
    gap = 0.5 * (middle + axis + (np.ptp(body[:, 0]) / 2, 0.0, 0.0))
    assert library.surface(number).distance(gap[None])[0][0] > 0.0, "a finger fits in"


def test_distance_is_exact_for_a_box():
    half, radius = np.array([0.03, 0.05, 0.1]), 1e-9
    surface = Surface(*block(2.0 * half, radius))
    points = np.random.default_rng(0).uniform(-0.15, 0.15, (2000, 3))
    distance, nearest = surface.distance(points)
    outside = np.abs(points) - half
    expected = np.linalg.norm(outside.clip(0.0), axis=1) + outside.max(axis=1).clip(max=0.0)
    assert 50 < (expected < 0.0).sum() < 1000
    np.testing.assert_allclose(distance, expected, atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(nearest - points, axis=1), np.abs(distance))


def test_distance_agrees_with_another_library(library):
    random = np.random.default_rng(1)
    for number in list(library.objects)[:6]:
        one = library.objects[number]
        points = 1.2 * random.choice(one.vertices, 200) + random.normal(0.0, 0.01, (200, 3))
        distance, nearest = library.surface(number).distance(points)
        mesh = trimesh.Trimesh(one.vertices, one.faces, process=False)
        dense, _ = trimesh.sample.sample_surface(mesh, 60_000, seed=0)
        other, _ = KDTree(dense).query(points)
        assert (np.abs(distance) <= other + 1e-9).all()
        assert np.abs(np.abs(distance) - other).max() < 0.002
        assert np.median(np.abs(np.abs(distance) - other)) < 2e-4
        assert KDTree(dense).query(nearest)[0].max() < 0.003


def test_families_take_turns_and_parts_differ():
    settings = WorldSettings(objects=(2 * len(FAMILIES), len(FAMILIES), 3))
    libraries = [ObjectLibrary(part, settings) for part in PARTS]
    assert [len(one.objects) for one in libraries] == list(settings.objects)
    first = libraries[0].objects
    assert [one.family for one in first.values()] == 2 * list(FAMILIES)
    assert sorted(first) == list(range(1, len(first) + 1))
    assert len({one.name for one in first.values()}) == len(first)
    shapes = [one.vertices for library in libraries for one in library.objects.values()]
    for place, shape in enumerate(shapes):
        for other in shapes[:place]:
            assert shape.shape != other.shape or np.abs(shape - other).max() > 1e-4
    again = ObjectLibrary("train", settings).objects
    assert all(np.array_equal(first[n].vertices, again[n].vertices) for n in first)


def test_models_are_what_a_network_learns(library):
    assert OBJECT_CLASSES[0] == "background" and OBJECT_CLASSES[-1] == "other"
    for number, model in library.models.items():
        one = library.all_objects[number]
        assert model.object_class is not None
        assert OBJECT_CLASSES[model.object_class] == one.family
        assert model.points.shape == model.normals.shape == (512, 3)
        surface = library.surface(number)
        assert np.abs(surface.distance(model.points)[0]).max() < 1e-6
        outside, _ = surface.distance(model.points + 1e-4 * model.normals)
        inside, _ = surface.distance(model.points - 1e-5 * model.normals)
        assert (outside > 0.0).all() and (inside < 0.0).all(), "no point inside another part"
        assert np.array_equal(model.symmetry_axis, one.symmetry_axis)


def test_goes_to_another_process(library):
    library.surface(1)
    data = pickle.dumps(library)
    assert len(data) < 1000
    other = pickle.loads(data)
    for number, one in library.objects.items():
        assert np.array_equal(other.objects[number].vertices, one.vertices)
    surface = library.surface(1)
    points = np.random.default_rng(0).normal(0.0, 0.05, (50, 3))
    copied = pickle.loads(pickle.dumps(surface))
    assert np.array_equal(copied.distance(points)[0], surface.distance(points)[0])


def test_a_persons_mesh_joins_every_part(tmp_path):
    path = tmp_path / "brick.stl"
    trimesh.creation.box((0.1, 0.05, 0.04)).apply_translation((1.0, 2.0, 3.0)).export(path)
    settings = WorldSettings(objects=(1, 0, 0), meshes=(str(path),))
    for part, number in (("train", 2), ("val", 2), ("test", 2)):
        library = ObjectLibrary(part, settings)
        brick = library.objects[number]
        assert (brick.name, brick.family, brick.part_names) == ("brick", "other", ("body",))
        assert np.abs(brick.vertices.max(axis=0) - (0.05, 0.025, 0.02)).max() < 1e-6
        assert OBJECT_CLASSES[library.models[number].object_class] == "other"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not at hand")
@pytest.mark.parametrize("name", ["mug.obj", "banana.obj", "ycb_006_mustard_bottle.obj"])
def test_real_meshes(name):
    library = ObjectLibrary(
        "val", WorldSettings(objects=(0, 0, 0), meshes=(str(SHARED / "meshes" / name),))
    )
    model, one = library.models[1], library.objects[1]
    assert np.abs(one.vertices.min(axis=0) + one.vertices.max(axis=0)).max() < 1e-9
    assert np.abs(library.surface(1).distance(model.points)[0]).max() < 1e-6


def with_mesh(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


CUBE = trimesh.creation.box((0.05, 0.05, 0.05))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("broken.ply", "ply\nformat ascii 1.0\nnothing", "cannot be read as a mesh"),
        ("picture.txt", "no mesh at all", "cannot be read as a mesh"),
        ("points.obj", "v 0 0 0\nv 0.1 0 0\nv 0 0.1 0\n", "no triangles|cannot be read as a mesh"),
        ("nan.obj", "v 0 0 0\nv 0.1 0 0\nv 0 nan 0.1\nf 1 2 3\n", "not finite"),
        ("flat.obj", "v 0 0 0\nv 0.1 0 0\nv 0 0.1 0\nf 1 2 3\n", "is flat"),
        (
            "big.obj",
            CUBE.copy().apply_scale(1000.0).export(file_type="obj"),
            "50 x 50 x 50 m.*0.001",
        ),
        ("tiny.obj", CUBE.copy().apply_scale(0.01).export(file_type="obj"), "metres"),
        (
            "inverted.obj",
            trimesh.Trimesh(CUBE.vertices, CUBE.faces[:, ::-1]).export(file_type="obj"),
            "inside out",
        ),
    ],
)
def test_meshes_that_cannot_be_used_are_named(tmp_path, name, text, message):
    with pytest.raises(AmtError, match=message) as caught:
        read_mesh(with_mesh(tmp_path, name, text))
    assert name in str(caught.value)


def test_a_missing_mesh_is_named():
    with pytest.raises(AmtError, match=r"no mesh nowhere/cup.obj"):
        ObjectLibrary("test", WorldSettings(meshes=("nowhere/cup.obj",)))
