"""Making the functional set: grasps that hold and touch what they should, and runs that go on."""

import json

import cv2
import numpy as np
import pytest

from amt_retarget.robot.robot import Robot
from amt_retarget.simulation.grasp_trial import GraspTrial, TrialObject
from amt_training.functional import generate as command
from amt_training.functional.__main__ import main
from amt_training.functional.catalogue import FAMILIES
from amt_training.functional.dataset import FunctionalGrasps
from amt_training.functional.finding import GraspFinder, find_grasps, outer_surface
from amt_training.functional.objects import Listed, drawn_object, share_on_part
from amt_training.functional.sheet import SIZE
from amt_training.functional.storage import read_grasps

QUICK = [Listed(FAMILIES["box"], 0), Listed(FAMILIES["banana"], 0)]
"""Objects of one part that most grasps hold."""


@pytest.fixture(scope="module")
def robot():
    return Robot.load("ur5e", "right")


@pytest.fixture(scope="module")
def box():
    return drawn_object(QUICK[0], seed=0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A set of one object, and then of two; and the first file as it was before."""
    folder = tmp_path_factory.mktemp("made")
    words = ["generate", "--out", str(folder), "--grasps", "1", "--processes", "0", "--objects"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "listed_objects", lambda count: QUICK[:count])
        main([*words, "1"])
        first = (folder / "train" / "box_00.safetensors").read_bytes()
        main([*words, "2"])
    return folder, first


def test_found_grasps_hold_and_touch_their_part(robot, box):
    finder = GraspFinder(robot, box)
    found = finder.find("body", 1, 40, np.random.default_rng(0))
    assert len(found.kept) == 1 <= found.held <= found.tries <= 40
    trial = GraspTrial(robot, TrialObject.from_mesh(box.vertices.astype(float), box.faces))
    for each in found.kept:
        again = trial.run(each.grasp)
        assert again.held and again.moved == pytest.approx(each.trial.moved, abs=1e-6)
        assert share_on_part(box, "body", again.contact_points) == each.on_part >= 0.8
        assert each.grasp.penetration <= 0.002 and each.grasp.approach_penetration <= 0.003
        distances = finder.distances(each.grasp)
        assert distances.shape == (1024, 6) and (distances[:, 5] == 1.0).all()
        assert distances[:, 1].min() < 0.006, "the thumb is at the object"
        assert (distances[:, 2:5].min(axis=0) < 0.006).any(), "and another finger"


def test_no_grasp_is_found_where_none_can_be(robot, box):
    found = GraspFinder(robot, box).find("body", 5, 0, np.random.default_rng(0))
    assert (found.kept, found.tries, found.held) == ([], 0, 0)


def test_the_surface_has_no_samples_inside():
    mug = drawn_object(Listed(FAMILIES["mug"], 0), seed=0)
    surface = outer_surface(mug)
    # The ends of the handle are sunk in the wall.
    whole = type(surface).from_mesh(mug.vertices, mug.faces)
    assert 0.5 * len(whole.points) < len(surface.points) < len(whole.points)


def test_a_set_is_made_and_goes_on(made):
    folder, first = made
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.safetensors"))
    assert files == ["train/box_00.safetensors", "val/banana_00.safetensors"]
    assert (folder / "train" / "box_00.safetensors").read_bytes() == first
    assert json.loads((folder / "set.json").read_text())["hand"] == "allegro"
    assert cv2.imread(str(folder / "grasps.png")).shape == (SIZE, 2 * SIZE, 3)
    for split, noun in (("train", "box"), ("val", "banana")):
        grasps = FunctionalGrasps(folder, split, "allegro")
        assert len(grasps) == 1 and grasps[0].object.family == noun and grasps[0].part == "body"


def test_the_table_counts_what_was_tried(made):
    table = command.yield_table(made[0])
    stored = read_grasps(made[0] / "train" / "box_00.safetensors")
    row = next(line for line in table.splitlines() if "box" in line).split()
    assert row == ["train", "box", "body", "1", str(stored.tries[0]), row[5], "1"]
    assert float(row[5].rstrip("%")) == pytest.approx(100 / stored.tries[0], abs=0.5)


def test_the_same_seed_makes_the_same_file(made, robot, box):
    stored = read_grasps(made[0] / "train" / "box_00.safetensors")
    again = find_grasps(robot, box, 1, 12, seed=0)
    assert np.array_equal(stored.joints, again.joints) and np.array_equal(stored.tries, again.tries)
    assert np.array_equal(stored.distances, again.distances)


def test_mistakes_are_one_sentence(made):
    folder = str(made[0])
    with pytest.raises(SystemExit, match="choose a new folder"):
        main(["generate", "--out", folder, "--grasps", "3"])
    with pytest.raises(SystemExit, match="'0' is not a whole number from 1"):
        main(["generate", "--out", folder, "--objects", "0"])
    with pytest.raises(SystemExit, match="--help"):
        main(["generate", "--colour", "red"])
