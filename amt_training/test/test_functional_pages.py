"""Pages of grasps in three dimensions: what is in the file, and where."""

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

pytest.importorskip("pinocchio", reason="pin is not installed")

from amt_perception.grasp.interface import Grasps
from amt_perception.model.interface import HAND_PARTS
from amt_training.functional.catalogue import FAMILIES
from amt_training.functional.figures import OBJECT_COLOUR, PART_COLOURS, hand_figure, object_mesh
from amt_training.functional.objects import Listed, drawn_object
from amt_training.functional.pages import ShownSample, scene_of, write_page


@pytest.fixture(scope="module")
def mug():
    return drawn_object(Listed(FAMILIES["mug"], 0), seed=0)


@pytest.fixture(scope="module")
def allegro():
    return hand_figure("allegro")


def strength_of(one, part):
    """The handle is touched by one part of the hand."""
    strength = np.zeros((len(one.points), 6))
    strength[one.point_part == one.part_names.index("handle"), HAND_PARTS.index(part)] = 1.0
    return strength


def grasps(count, joints=(16,), shape=0):
    torch.manual_seed(0)
    position = torch.tensor([[0.0, -0.12, 0.0]]) + 0.01 * torch.randn(count, 3)
    rotation = torch.eye(3).expand(count, 3, 3)
    return Grasps(rotation, position, 0.3 * torch.rand(count, *joints), torch.zeros(count, shape))


@pytest.fixture(scope="module")
def shown(mug):
    return ShownSample(
        mug, "hold </script> & the <handle>", grasps(1), strength_of(mug, "thumb"),
        grasps(2), strength_of(mug, "index"), "nearest of 8: 3 mm",
    )  # fmt: skip


def test_an_object_has_the_colour_of_the_part_that_touches_it(mug):
    mesh = object_mesh(mug, strength_of(mug, "thumb"))
    colours = mesh.visual.vertex_attributes["color"][:, :3]
    thumb = PART_COLOURS[HAND_PARTS.index("thumb")]
    handle = mesh.vertices[(colours == thumb).all(axis=1)]
    assert len(handle) > 50
    reach = np.linalg.norm(mug.points[mug.point_part == mug.part_names.index("handle")], axis=1)
    assert np.linalg.norm(handle, axis=1).max() < reach.max() + 0.005
    assert (colours == OBJECT_COLOUR).all(axis=1).mean() > 0.5


def test_hands_stand_where_their_grasps_are(allegro):
    two = grasps(2)
    moved = replace(two, position=two.position + torch.tensor([0.0, 0.0, 0.05]))
    for piece, other in zip(allegro.pieces(two), allegro.pieces(moved), strict=True):
        for k in range(2):
            step = other.poses[k] @ np.linalg.inv(piece.poses[k])
            np.testing.assert_allclose(step[:3, 3], [0.0, 0.0, 0.05], atol=1e-6)
    person = hand_figure("mano").pieces(grasps(2, (15, 3), 10))
    assert [list(piece.poses) for piece in person] == [[0], [1]]


def test_a_scene_shows_the_truth_first_and_nothing_overlaps(shown, allegro):
    scene = scene_of(shown, allegro)
    objects = [scene.graph[f"object {k}"] for k in range(3)]
    assert [name for _, name in objects] == ["true", "predicted", "predicted"]
    places = np.array([pose[:3, 3] for pose, _ in objects])
    assert (np.linalg.norm(np.diff(places, axis=0), axis=1) > 0.1).all()
    assert len(scene.geometry) == 2 + len(allegro.pieces(shown.truth))  # shared by all three


def test_a_page_is_one_file_that_asks_nobody(shown, allegro, tmp_path):
    path = tmp_path / "pages" / "00000100.html"
    write_page(path, "step 100", [shown, shown], allegro)
    text = path.read_text(encoding="utf-8")
    assert 700_000 < len(text) < 5_000_000
    assert "$" not in re.sub(r"<script>.*</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"(src|href)=[\"']?https?:", text)
    assert text.count("</script>") == 1  # the instruction does not end it
    (line,) = [line for line in text.splitlines() if line.startswith("const samples")]
    samples, end = json.JSONDecoder().raw_decode(line[len("const samples = ") :])
    assert [one["instruction"] for one in samples] == ["hold </script> & the <handle>"] * 2
    before, after = json.JSONDecoder().raw_decode(line[line.index("viewer = ") + 9 :])[0]
    assert "THREE" in before and "init()" in after and end > 10_000
    data = io.BytesIO(base64.b64decode(samples[0]["scene"]))
    scene = trimesh.load(data, file_type="glb")
    assert len(scene.graph.nodes_geometry) == 3 * (len(scene.geometry) - 2) + 3
