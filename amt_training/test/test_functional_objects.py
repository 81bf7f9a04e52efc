"""The functional set's objects and instructions: parts are where they should be, and named."""

import os
from pathlib import Path

import numpy as np
import pytest

from amt_perception.errors import AmtError
from amt_training.functional.catalogue import FAMILIES, SPLITS, families_of
from amt_training.functional.instructions import (
    HELD_OUT,
    INTENTS,
    TRAINED,
    all_instructions,
    draw_instruction,
    instructions_for,
)
from amt_training.functional.objects import (
    Listed,
    drawn_object,
    listed_objects,
    mesh_object,
    share_on_part,
)
from amt_training.synthetic.objects.surface import Surface

_FOLDER = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("AMT_SHARED_DATA", _FOLDER / "shared" / "data"))


def drawn(name, number=0, seed=0):
    return drawn_object(Listed(FAMILIES[name], number), seed)


@pytest.mark.parametrize("name", FAMILIES)
def test_points_lie_outside_on_the_surface_and_every_part_has_some(name):
    one = drawn(name, 1, seed=3)
    surface = Surface(one.vertices, one.faces)
    assert one.points.shape == one.normals.shape == (1024, 3) and one.points.dtype == np.float32
    assert np.abs(surface.distance(one.points)[0]).max() < 1e-5
    assert (surface.distance(one.points + 1e-4 * one.normals)[0] > -1e-6).all()
    assert one.part_names == FAMILIES[name].part_names
    assert np.bincount(one.point_part, minlength=len(one.part_names)).min() >= 5
    assert np.abs(one.vertices.min(axis=0) + one.vertices.max(axis=0)).max() < 1e-6
    assert 0.05 < np.ptp(one.points, axis=0).max() < 0.5


def test_the_same_numbers_give_the_same_object_and_others_another():
    first, again, other = (drawn("mug", *key) for key in ((0, 1), (0, 1), (1, 1)))
    assert np.array_equal(first.points, again.points)
    assert np.array_equal(first.point_part, again.point_part)
    assert first.name == "mug_00" and other.name == "mug_01"
    assert np.abs(np.ptp(first.points, axis=0) - np.ptp(other.points, axis=0)).max() > 0.001


def test_parts_are_where_a_person_would_look_for_them():
    mug = drawn("mug")
    where = {name: mug.points[mug.point_part == i] for i, name in enumerate(mug.part_names)}
    assert where["handle"][:, 0].min() > where["body"][:, 0].mean()
    assert where["rim"][:, 2].min() > where["body"][:, 2].max() - 0.001
    hammer = drawn("hammer")
    assert hammer.part_names == ("handle", "head")
    plate = drawn("plate")
    reach = np.linalg.norm(plate.points[:, :2], axis=1)
    rim = plate.point_part == plate.part_names.index("rim")
    assert reach[rim].min() >= reach[~rim].max() > 0.05


@pytest.mark.parametrize("number", range(6))
def test_a_flat_pan_has_a_body_below_its_rim(number):
    pan = drawn("pan", number)
    assert np.bincount(pan.point_part, minlength=3).min() > 40


def test_share_on_part_counts_contacts():
    mug = drawn("mug")
    handle = mug.point_part == mug.part_names.index("handle")
    contacts = np.vstack([mug.points[handle][:3], mug.points[~handle][:1]])
    assert share_on_part(mug, "handle", contacts) == 0.75
    assert share_on_part(mug, "handle", np.zeros((0, 3))) == 0.0
    with pytest.raises(AmtError, match="body, handle, rim, not 'lid'"):
        share_on_part(mug, "lid", contacts)


def test_held_out_families_have_parts_that_training_names():
    names = {split: [family.name for family in families_of(split)] for split in SPLITS}
    assert sum(map(len, names.values())) == len(FAMILIES)
    trained = {part for family in families_of("train") for part in family.part_names}
    for split in ("val", "test"):
        for family in families_of(split):
            assert set(family.part_names) <= trained, family.name
    assert {f.name for f in families_of("test") if f.hard} == {"hammer", "plate", "big_box"}
    listed = listed_objects(2)
    assert len({one.name for one in listed}) == len(listed) == 2 * len(FAMILIES)
    with pytest.raises(AmtError, match="'all'"):
        families_of("all")


def test_every_part_can_be_asked_for_and_is_named():
    for family in FAMILIES.values():
        intents = set()
        for part in family.part_names:
            for phrases in (TRAINED, HELD_OUT):
                found = instructions_for(family, part, phrases)
                assert {"hold", "lift"} <= set(found)
                assert not any("{" in text for texts in found.values() for text in texts)
                intents |= set(found)
        assert intents == set(INTENTS), family.name


def test_an_instruction_means_one_part():
    for family in FAMILIES.values():
        meaning = {}
        for part in family.part_names:
            for phrases in (TRAINED, HELD_OUT):
                for texts in instructions_for(family, part, phrases).values():
                    for text in texts:
                        assert meaning.setdefault(text, part) == part, text


def test_held_out_sentences_are_new_and_all_are_listed():
    def texts(phrases):
        return {
            text
            for family in FAMILIES.values()
            for part in family.part_names
            for some in instructions_for(family, part, phrases).values()
            for text in some
        }

    assert not texts(TRAINED) & texts(HELD_OUT)
    assert set(all_instructions()) == texts(TRAINED) | texts(HELD_OUT)
    assert "hold the mug by its handle" in all_instructions()


def test_handing_over_leaves_the_handle_free():
    handover = instructions_for(FAMILIES["hammer"], "head", TRAINED)["handover"]
    assert "hand over the hammer" in handover
    assert "handover" not in instructions_for(FAMILIES["hammer"], "handle", TRAINED)


def test_drawing_an_instruction_is_repeatable_and_varied():
    def some(seed):
        random = np.random.default_rng(seed)
        return [draw_instruction(FAMILIES["mug"], "handle", TRAINED, random) for _ in range(60)]

    assert some(1) == some(1) != some(2)
    assert {one.intent for one in some(1)} == {"use", "hold", "lift"}
    assert all(one.part == "handle" for one in some(1))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not at hand")
def test_a_persons_mesh_is_one_body():
    one = mesh_object(SHARED / "meshes" / "mug.obj")
    assert one.part_names == ("body",) and not one.point_part.any()
    assert share_on_part(one, "body", one.points[:5]) == 1.0
