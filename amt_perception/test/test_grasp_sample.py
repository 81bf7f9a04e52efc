"""The predictor, and the command that samples grasps, with a tiny model that knows nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from amt_perception.errors import AmtError
from amt_perception.grasp.config import GraspConfig
from amt_perception.grasp.grasp_model import GraspModel
from amt_perception.grasp.object_input import from_mesh
from amt_perception.grasp.predictor import GraspPredictor
from amt_perception.grasp.sample.__main__ import main
from amt_perception.grasp.weights import save_grasp_checkpoint

TINY = GraspConfig(
    name="tiny", width=32, geometry_width=32, heads=4, language_width=32, fusion_layers=1,
    velocity_layers=1, centres=(64, 32), fusion_points=32, velocity_points=32,
)  # fmt: skip
CYLINDER = trimesh.creation.cylinder(radius=0.03, height=0.12, sections=24)


def tiny_model(config: GraspConfig = TINY) -> GraspModel:
    """Random, but for one thing that training would do: its words are not all zero."""
    torch.manual_seed(0)
    model = GraspModel(config).eval()
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return model


@pytest.fixture(scope="module")
def cloud():
    return from_mesh("can", CYLINDER.vertices, CYLINDER.faces)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "grasp.safetensors"
    save_grasp_checkpoint(path, tiny_model(), {})
    return path


@pytest.fixture(scope="module")
def mesh_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("object") / "can.obj"
    moved = CYLINDER.copy().apply_translation([0.0, 0.0, 0.06])
    moved.export(path)
    return path


def numbers(proposals):
    return np.stack([np.concatenate([one.position, one.joints.ravel()]) for one in proposals])


def test_the_same_seed_gives_the_same_ranked_grasps(cloud, checkpoint):
    predictor = GraspPredictor.load(checkpoint, "cpu")
    first = predictor.sample(cloud, "hold it", count=4, seed=3, steps=2)
    predictor.sample(cloud, "lift it", count=1, seed=0, steps=2)
    again = predictor.sample(cloud, "hold it", count=4, seed=3, steps=2)
    other = predictor.sample(cloud, "hold it", count=4, seed=4, steps=2)
    np.testing.assert_array_equal(numbers(first), numbers(again))
    assert np.abs(numbers(first) - numbers(other)).max() > 1e-3
    best = first[0]
    assert best.score == max(one.score for one in first)
    assert best.rotation.shape == (3, 3) and best.joints.shape == (16,)
    assert best.contact_probability.shape == (6,) and best.contact_places.shape == (6, 3)
    np.testing.assert_allclose(best.rotation @ best.rotation.T, np.eye(3), atol=1e-5)


def test_the_instruction_and_guidance_count(cloud):
    predictor = GraspPredictor(tiny_model())
    plain = numbers(predictor.sample(cloud, "hold it", count=1, steps=2))
    told = numbers(predictor.sample(cloud, "lift the lid", count=1, steps=2))
    guided = numbers(predictor.sample(cloud, "hold it", count=1, steps=2, guidance=3.0))
    unguided = numbers(predictor.sample(cloud, "hold it", count=1, steps=2, guidance=1.0))
    assert not np.array_equal(plain, told)
    assert not np.array_equal(plain, guided)
    np.testing.assert_array_equal(plain, unguided)


def test_a_hand_without_little_finger_touches_nothing_with_it(cloud):
    contact = GraspPredictor(tiny_model()).contact_map(cloud, "hold it")
    assert contact.shape == (1024, 6)
    assert not contact[:, 5].any() and (contact[:, :5] > 0.0).all()


def test_a_model_without_contact_places_has_no_scores(cloud):
    predictor = GraspPredictor(tiny_model(replace(TINY, sample_contacts=False)))
    proposal = predictor.sample(cloud, "hold it", count=1, steps=2)[0]
    assert np.isnan(proposal.score) and proposal.contact_places is None


def test_unknown_words_are_noted_and_empty_instructions_refused(cloud):
    predictor = GraspPredictor(GraspModel(TINY).eval())
    notes = predictor.notes(replace(cloud, notes=("it is open",)), "frobnicate it")
    assert notes == [
        "it is open", "the model was never trained on the words: frobnicate, it"
    ]  # fmt: skip
    with pytest.raises(AmtError, match="instruction is empty"):
        predictor.sample(cloud, " ... ")


def test_the_command_prints_a_table_and_writes_pictures(checkpoint, mesh_file, tmp_path, capsys):
    pytest.importorskip("mujoco")
    arguments = ["--mesh", str(mesh_file), "--instruction", "hold it", "--num", "1"]
    arguments += ["--steps", "2", "--checkpoint", str(checkpoint), "--out", str(tmp_path)]
    assert main([*arguments, "--device", "cpu", "--trial"]) == 0
    shown = capsys.readouterr().out
    assert "can.obj: hold it" in shown and "of 1 held" in shown
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"grasps.png", "grasp_1.png", "grasp_1.npz"}
    with np.load(tmp_path / "grasp_1.npz") as saved:
        assert saved["joints"].shape == (16,) and len(saved["joint_names"]) == 16
    from PIL import Image

    with Image.open(tmp_path / "grasps.png") as sheet:
        assert np.asarray(sheet).std() > 20.0


def test_a_person_s_grasps_are_drawn_too(mesh_file, tmp_path, capsys):
    model = tiny_model(replace(TINY, hand="mano"))
    save_grasp_checkpoint(tmp_path / "mano.safetensors", model, {})
    arguments = ["--mesh", str(mesh_file), "--instruction", "hold it", "--num", "1", "--steps"]
    arguments += ["2", "--checkpoint", str(tmp_path / "mano.safetensors"), "--device", "cpu"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"grasps.png", "grasp_1.png"}
    assert "rank  score  touches" in capsys.readouterr().out
    assert main([*arguments, "--out", str(tmp_path / "tried"), "--trial"]) == 0
    assert "of 1 held" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--checkpoint": "nowhere.safetensors"}, "no checkpoint nowhere.safetensors"),
        ({"--mesh": "nowhere.obj"}, "no mesh nowhere.obj"),
        ({"--mesh": None}, "required: --mesh"),
        ({"--num": "0"}, "'0' is not a whole number"),
        ({"--instruction": "?"}, "instruction is empty"),
    ],
)
def test_mistakes_are_one_sentence(changed, message, checkpoint, mesh_file, tmp_path, capsys):
    given = {
        "--mesh": str(mesh_file), "--instruction": "hold it", "--num": "1",
        "--checkpoint": str(checkpoint), "--out": str(tmp_path / "out"),
    }  # fmt: skip
    given.update(changed)
    arguments = [text for pair in given.items() if pair[1] is not None for text in pair]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ") and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
