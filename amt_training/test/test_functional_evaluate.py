"""Grasps of held-out objects, tried; and the report of it."""

import json

import pytest
import torch

pytest.importorskip("mujoco", reason="mujoco is not installed")

from amt_perception.errors import AmtError
from amt_perception.grasp.config import GraspConfig
from amt_perception.grasp.grasp_model import GraspModel
from amt_perception.grasp.weights import save_grasp_checkpoint
from amt_training.functional.catalogue import FAMILIES
from amt_training.functional.evaluate import Plan, evaluate
from amt_training.functional.evaluation_report import page, results_of
from amt_training.functional.metrics import Record, Trial
from amt_training.functional.objects import Listed, drawn_object
from amt_training.functional.trying import (
    METHODS,
    MODEL,
    SCRIPTED,
    instructed_parts,
    instruction_for,
    shuffled_instruction,
)

from .functional_grasps import write_set

TINY = GraspConfig(
    "tiny", language_width=16, centres=(32, 8), neighbours=(8, 4), geometry_width=16,
    fusion_points=16, width=32, fusion_layers=1, heads=4, velocity_layers=1, velocity_points=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    torch.manual_seed(0)
    save_grasp_checkpoint(folder / "ema.safetensors", GraspModel(TINY), {})
    data = write_set(folder / "data", [("tin", 0)])
    return Plan(folder / "ema.safetensors", data, seeds=1, grasps=1)


def test_every_method_is_tried_and_a_second_run_goes_on(plan, tmp_path):
    results = evaluate(plan, tmp_path)
    assert {path.name for path in tmp_path.iterdir() if path.name[0] != "."} == {
        "README.md", "results.json", "results.png", "plan.json", "records",
    }  # fmt: skip
    assert json.loads((tmp_path / "results.json").read_text()) == results
    for method in METHODS:
        figures = results["methods"]["all"][method]
        assert figures["objects"] == 1 and figures["grasps"] == 2, method
    scripted = results["methods"]["compact"][SCRIPTED]
    assert scripted["success"]["value"] == 1.0  # a tin is easy
    assert scripted["penetration_p95_mm"]["value"] < 2.0
    assert results["methods"]["hard"][MODEL]["success"]["value"] is None
    (file,) = (tmp_path / "records").iterdir()
    written = file.stat().st_mtime_ns
    assert evaluate(plan, tmp_path) == results and file.stat().st_mtime_ns == written
    with pytest.raises(AmtError, match="with other numbers"):
        evaluate(Plan(plan.checkpoint, plan.data, seeds=2, grasps=1), tmp_path)


def test_what_is_asked_for():
    one = drawn_object(Listed(FAMILIES["pan"], 0), seed=0)
    assert instructed_parts(one) == ["handle", "body"]
    asked = {instruction_for(one, "handle", seed) for seed in range(12)}
    shuffled = {shuffled_instruction(one, "handle", "test", seed) for seed in range(12)}
    assert len(asked) > 3 and len(shuffled) > 3 and not asked & shuffled
    assert instruction_for(one, "handle", 3) == instruction_for(one, "handle", 3)
    assert not any("handle" in text or "pan" in text.split() for text in shuffled)


def test_the_page_has_a_table_for_each_group():
    def record(method, name, hard, held, on_part):
        trials = tuple(Trial(one, on_part, 0.001, 4) for one in held)
        return Record(method, name, name, hard, "handle", False, "", 0, trials, 0.1, 0.2)

    records = [
        record(method, name, hard, held, 1.0 if method == MODEL else 0.5)
        for method, held in zip(METHODS, [(True, True), *[(True, False)] * 4], strict=True)
        for name, hard in (("pan", False), ("hammer", True))
    ]
    contacts = {"grasps": 3, "objects": 2, "f1": {"value": 0.9, "low": 0.8, "high": 0.95}}
    results = results_of(records, contacts, "ema.safetensors")
    text = page(results)
    assert "## Compact: 1 objects" in text and "## Hard: 1 objects" in text
    assert "| model | 2 | 100 % (100 to 100) |" in text
    assert "| hard, model - scripted | 50 % (50 to 50) |" in text
    assert "| functional, right - shuffled text | 100 % (100 to 100) |" in text
    assert "| f1 | 0.90 (0.80 to 0.95) |" in text
