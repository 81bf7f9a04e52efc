"""A whole evaluation of the tiny model on toy scenes: what it runs, counts, writes and refuses."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("mujoco", reason="mujoco is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.model.amt import Amt, with_temporal
from amt_perception.model.backbone import RANDOM
from amt_perception.model.baseline import TINY_BASELINE, BaselineModel
from amt_perception.model.config import model_config
from amt_perception.model.engine import Engine
from amt_training.data.dexycb import DexYcb
from amt_training.data.sample import HandSample
from amt_training.evaluation import inference
from amt_training.evaluation.anchors import SPLIT, anchor_table
from amt_training.evaluation.hands import ALIGNMENTS
from amt_training.evaluation.inference import EvaluationSettings, run_model
from amt_training.evaluation.predictions import Predictions, Truth
from amt_training.evaluation.report import Results, compare, page
from amt_training.evaluation.run import evaluate
from amt_training.evaluation.tables import Table

from .evaluation_scenes import SceneDataset
from .fixtures.dexycb import write_dexycb

SETTINGS = EvaluationSettings(batch_size=5, worst=2)
FILES = {"results.json", "README.md", "overview.png", "samples.png", "predictions.npz", "truth.npz"}


@pytest.fixture(scope="module")
def right_hand():
    return generic_hand(Side.RIGHT)


@pytest.fixture(scope="module")
def dataset() -> SceneDataset:
    return SceneDataset(12, broken=[3])


def tiny(config_change=lambda config: config) -> Amt:
    torch.manual_seed(0)
    config = config_change(model_config("tiny"))
    return Amt(config, generic_hand(Side.RIGHT), RANDOM).eval()


@pytest.fixture(scope="module")
def model() -> Amt:
    return tiny()


@pytest.fixture(scope="module")
def evaluated(model, dataset, right_hand, tmp_path_factory) -> tuple[Path, Results]:
    out = tmp_path_factory.mktemp("evaluation") / "run"
    results = evaluate(model, dataset, out, SETTINGS, "tiny", "toy scenes, seed 0", right_hand)
    return out, results


def test_everything_is_written_and_says_what_it_is_about(evaluated):
    out, results = evaluated
    assert {path.name for path in out.iterdir()} == FILES
    text = (out / "README.md").read_text()
    tables = [*results.hands, *results.objects, *results.contacts]
    assert len(tables) >= 15
    counted = "11 of 12 samples (1 unreadable, 0 without a detected hand, 0 without a labelled one)"
    assert text.count(f"toy scenes: {counted}") == len(tables) + 1
    assert text.count("boxes: truth · trained on: toy scenes, seed 0 · model: tiny") == (
        len(tables) + 1
    )
    assert "frame 3 is damaged" in text
    for table in results.hands[:5]:
        cells = table.to_markdown()
        assert "Procrustes, proper" in cells and "Procrustes, official" in cells
    assert "Published figures" not in text


def test_figures_follow_from_the_files(evaluated):
    out, results = evaluated
    predictions, truth = Predictions.load(out / "predictions.npz"), Truth.load(out / "truth.npz")
    assert truth.key.tolist() == [f"toy/{number:04d}" for number in range(12) if number != 3]
    error = np.sqrt(((predictions.joints - truth.joints) ** 2).sum(-1)).mean()
    found = results.value("Joints", "absolute", "MPJPE (mm)")
    assert found == pytest.approx(1e3 * error, rel=1e-6)
    assert Results.load(out / "results.json").value("Joints", "absolute", "MPJPE (mm)") == found
    values = json.loads((out / "results.json").read_text())
    assert values["origin"]["corrupt"] == ["frame 3 is damaged; download it again"]


def test_the_model_sees_the_crops_that_it_is_trained_on(model, dataset, evaluated):
    predictions = Predictions.load(evaluated[0] / "predictions.npz")
    scenes = dataset.scenes[torch.tensor([one for one in range(12) if one != 3])]
    inputs, _ = scenes.crops(model.config.image_size, model.config.crop_scale)
    with torch.no_grad():
        output = model(inputs)
    # Crops that are made together differ by a grey level here and there: up to 0.1 mm.
    np.testing.assert_allclose(predictions.joints, output.joints.numpy(), atol=5e-4)
    np.testing.assert_allclose(predictions.vertices, output.vertices.numpy(), atol=5e-4)
    truth = Truth.load(evaluated[0] / "truth.npz")
    np.testing.assert_allclose(truth.vertices, scenes.truth.vertices.numpy(), atol=1e-5)


def test_an_engine_the_baseline_and_workers_give_the_same_kind_of_run(model, dataset, right_hand):
    expected = run_model(model, dataset, SETTINGS, right_hand)
    engine = Engine(tiny(), "cpu", "fp32", "eager", threads=1)
    run = run_model(engine, dataset, replace(SETTINGS, workers=1), right_hand)
    assert run.truth.key.tolist() == expected.truth.key.tolist()
    np.testing.assert_allclose(run.predictions.joints, expected.predictions.joints, atol=1e-4)
    baseline = BaselineModel(TINY_BASELINE)
    run = run_model(baseline, dataset, replace(SETTINGS, mesh=False), right_hand)
    assert run.predictions.vertices is None and run.truth.vertices is None
    assert baseline.training  # as it was


def test_a_temporal_model_sees_the_frames_before(dataset, right_hand):
    model = tiny(lambda config: replace(with_temporal(config, 1), frames=3))
    windows = []
    forward = model.forward
    model.forward = lambda inputs: windows.append(inputs.image.shape[:2]) or forward(inputs)
    settings = replace(SETTINGS, batch_size=2)

    class OneHand(SceneDataset):
        """Six frames of a sequence, the fourth is damaged."""

        @property
        def entries(self):
            return [entry for entry in super().entries if entry.side == Side.RIGHT]

        def sample(self, index: int) -> HandSample:
            return super().sample(2 * index)

    hands = OneHand(14, broken=[6])
    run = run_model(model, hands, settings, right_hand)
    assert run.truth.frame.tolist() == [0, 1, 2, 4, 5, 6]
    assert windows == [(1, 1), (1, 2), (1, 3), (1, 1), (1, 2), (1, 3)]
    model.forward = forward
    inputs, _ = hands.scenes[torch.tensor([8, 10, 12])].crops(112, model.config.crop_scale)
    whole = inputs.each(lambda tensor: tensor.transpose(0, 1) if tensor.ndim > 1 else tensor[:1])
    with torch.no_grad():
        expected = model(whole).joints[0]
    np.testing.assert_allclose(run.predictions.joints[-1], expected.numpy(), atol=5e-4)
    engine = Engine(model, "cpu", "fp32", "eager", threads=1)
    again = run_model(engine, hands, settings, right_hand)
    np.testing.assert_allclose(again.predictions.joints, run.predictions.joints, atol=1e-4)


def test_undetected_hands_are_named_and_do_not_count(
    model, dataset, right_hand, monkeypatch, tmp_path
):
    class Detector:
        name = "half a detector"

        def __call__(self, sample: HandSample) -> np.ndarray | None:
            return None if int(sample.key[-1]) % 2 else sample.hand_box + 3.0

    monkeypatch.setattr(inference, "box_source", lambda _: Detector())
    run = run_model(model, dataset, SETTINGS, right_hand)
    assert len(run.truth) == 6
    assert run.missed == ["toy/0001", "toy/0005", "toy/0007", "toy/0009", "toy/0011"]


def test_wrists_alone_are_judged_where_no_more_is_known(model, right_hand, tmp_path):
    class Wrists(SceneDataset):
        """As HO3D's evaluation split is annotated."""

        def sample(self, index: int) -> HandSample:
            whole = super().sample(index)
            joints = np.full((21, 3), np.nan)
            joints[0] = whole.joints[0]
            return replace(whole, joints=joints, mano=None, objects=None, contact=None)

    results = evaluate(model, Wrists(4), tmp_path, SETTINGS, "tiny", "nothing", right_hand)
    assert [row[1] for row in results.hands[0].rows] == [4, 0, 0, 0]
    assert results.objects == results.contacts == ()
    assert not (tmp_path / "samples.png").exists()
    assert "samples.png" not in (tmp_path / "README.md").read_text()
    assert "Mesh" not in {table.title for table in results.hands}


def test_what_cannot_be_evaluated_is_one_clear_error(model, right_hand, tmp_path, caplog):
    broken = SceneDataset(4, broken=range(4))
    with pytest.raises(AmtError, match=r"no sample that can be evaluated: 4 of 4 cannot be read"):
        run_model(model, broken, SETTINGS, right_hand)
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(AmtError, match="more than 2 samples cannot be read"),
    ):
        run_model(model, broken, replace(SETTINGS, corrupt_limit=2), right_hand)
    assert "frame 2 is damaged" in caplog.text
    with pytest.raises(AmtError, match="batch_size is 0"):
        run_model(model, broken, replace(SETTINGS, batch_size=0), right_hand)
    with pytest.raises(AmtError, match="no box source 'yolo'"):
        run_model(model, broken, replace(SETTINGS, box_source="yolo"), right_hand)


def test_a_network_that_is_not_finite_leaves_no_report(dataset, right_hand, tmp_path):
    model = tiny()
    with torch.no_grad():
        next(model.refinement.parameters()).fill_(float("nan"))
    out = tmp_path / "run"
    with pytest.raises(AmtError, match="not finite"):
        evaluate(model, dataset, out, SETTINGS, "tiny", "nothing", right_hand)
    assert not out.exists()


def test_runs_side_by_side(evaluated, tmp_path):
    out, results = evaluated
    other = replace(results, origin=replace(results.origin, box_source="MediaPipe", evaluated=9))
    other.save(tmp_path / "other.json")
    text = compare([out / "results.json", tmp_path / "other.json"], tmp_path / "both")
    assert "| tiny, truth |" in text and "| tiny, MediaPipe |" in text
    assert "do not belong together" in text
    for name in ALIGNMENTS[2:]:
        assert f"{name} (mm)" in text
    assert (tmp_path / "both" / "comparison.png").stat().st_size > 10_000
    assert (tmp_path / "both" / "README.md").read_text() == text
    same = compare([out / "results.json"] * 2, tmp_path / "same")
    assert "do not belong together" not in same
    with pytest.raises(AmtError, match=r"is not the results\.json of an evaluation"):
        (tmp_path / "none.json").write_text("{}")
        compare([tmp_path / "none.json"], tmp_path / "both")
    with pytest.raises(AmtError, match="Cannot read"):
        compare([tmp_path / "nowhere.json"], tmp_path / "both")


def test_published_figures_stand_only_beside_their_own_split(evaluated):
    results = evaluated[1]
    published = anchor_table(SPLIT)
    assert published is not None
    text = page(results, published, with_samples=False)
    assert "DexYCB s0 test" in text and "[S]" in text and "HandOccNet" in text
    assert "samples.png" not in text
    for split in ("DexYCB s1 test", "toy scenes"):
        assert anchor_table(split) is None


def test_tables_come_back_and_refuse_crooked_rows():
    table = Table("T", ("name", "count", "value"), (("a|b", 1234, float("nan")),), "note")
    again = Table.from_json(json.loads(json.dumps(table.to_json(), allow_nan=False)))
    assert again.rows[0][:2] == ("a|b", 1234) and np.isnan(again.rows[0][2])
    assert table.to_markdown().splitlines()[-1] == r"| a\|b | 1,234 | - |"
    with pytest.raises(ValueError, match="row of 1 cells"):
        Table("T", ("name", "count"), (("a",),))
    with pytest.raises(KeyError, match="no row 'z'"):
        table.value("z", "count")


def test_dexycb_gets_its_own_format_of_results(model, tmp_path):
    write_dexycb(tmp_path / "dexycb")
    hands = generic_hand(Side.RIGHT), generic_hand(Side.LEFT)
    dataset = DexYcb(tmp_path / "dexycb", "s0", "test", *hands)
    evaluate(model, dataset, tmp_path / "out", replace(SETTINGS, worst=0), "tiny", "none", hands[0])
    rows = np.loadtxt(tmp_path / "out" / "dexycb_hpe.txt", delimiter=",")
    with np.load(tmp_path / "out" / "predictions.npz") as predictions:
        joints = 1e3 * predictions["joints"].reshape(-1, 63)
    with np.load(tmp_path / "out" / "truth.npz") as truth:
        numbers = dataset.official_numbers[truth["index"]]
    assert len(rows) == 4 and len(dataset.entries) > 4, "the others have no pictures"
    assert np.array_equal(rows[:, 0], numbers)
    assert np.allclose(rows[:, 1:], joints, atol=1e-3)
