"""Figures of contacts, grasps and trials, against cases worked out by hand."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_perception.metrics.grasp import (
    bootstrap_interval,
    class_accuracy,
    contact_decisions,
    contact_reliability,
    grasp_errors,
)
from amt_training.functional.metrics import Record, Trial, paired_difference, summary

ABSENT = np.nan


@pytest.fixture
def contacts():
    """Four points: the thumb touches two, the index one; there is no pinky."""
    distance = np.full((1, 4, 6), 0.05)
    distance[0, 0, 1] = distance[0, 1, 1] = 0.002
    distance[0, 2, 2] = 0.004
    distance[..., 5] = ABSENT
    return distance


def test_contacts_are_judged_by_the_predicted_distance(contacts):
    found = np.nan_to_num(contacts, nan=0.0)
    found[0, 1, 1], found[0, 3, 1] = 0.011, 0.009  # one missed, one too many
    decisions = contact_decisions(found, contacts)
    assert "pinky" not in decisions
    assert decisions["thumb"] == (1, 1, 1, 1)
    assert decisions["index"].f1 == 1.0
    accuracy = class_accuracy(found, contacts)
    assert accuracy["thumb"] == 0.5 and accuracy["index"] == 1.0 and accuracy["no_contact"] == 0.0
    assert np.isnan(accuracy["palm"]) and np.isnan(accuracy["pinky"])


def test_calibration_compares_probabilities_with_targets(contacts):
    truth = np.exp(-contacts / 0.01)
    right = np.nan_to_num(truth, nan=0.7)
    assert contact_reliability(right, truth).calibration_error < 1e-12
    less = contact_reliability(0.5 * right, truth, least=0.1)
    assert less.sizes.sum() == 3
    assert less.calibration_error == pytest.approx(0.5 * np.nanmean(truth[truth > 0.1]))


def test_errors_of_grasps_by_their_own_definition():
    turns = Rotation.from_rotvec([[0.0, 0.0, 0.3], [0.0, np.pi, 0.0], [0.0, 0.0, 0.0]]).as_matrix()
    here = np.array([[0.0, 0.03, 0.04], [0.0, 0.0, 0.0], [0.1, 0.0, 0.0]])
    joints = np.full((3, 16), 0.2)
    found = grasp_errors(turns, here, joints, np.eye(3), np.zeros(3), np.zeros(16))
    np.testing.assert_allclose(found.angle, [0.3, np.pi, 0.0], atol=1e-9)
    np.testing.assert_allclose(found.place, [0.05, 0.0, 0.1])
    np.testing.assert_allclose(found.joints, 0.2)
    assert found.nearest().place == pytest.approx(0.05)  # 80 mm, against 314 and 100
    vectors = np.tile([0.0, 0.4, 0.0], (3, 15, 1))
    bent = grasp_errors(turns, here, vectors, np.eye(3), np.zeros(3), np.zeros((15, 3)))
    np.testing.assert_allclose(bent.joints, 0.4)


def test_an_interval_is_as_wide_as_the_objects_differ():
    groups = np.repeat(np.arange(40), 25)
    by_object = bootstrap_interval((groups % 2).astype(float), groups)
    by_chance = bootstrap_interval((np.arange(1000) % 2).astype(float), groups)
    assert by_object.value == by_chance.value == 0.5
    spread = 2 * 1.96 * 0.5 / np.sqrt(40)  # of the mean of 40 independent coins
    assert by_object.high - by_object.low == pytest.approx(spread, rel=0.15)
    assert by_chance.high - by_chance.low < 0.05
    assert np.isnan(bootstrap_interval(np.array([]), np.array([])).value)


def record(method, name, held, on_part=1.0, only_part=False):
    trials = tuple(Trial(bool(one), on_part, 0.001 * k, k) for k, one in enumerate(held))
    return Record(
        method, name, "mug", False, "handle", only_part, "hold it", 0, trials, 0.4, 0.8
    )  # fmt: skip


def test_trials_add_up():
    records = [record("model", "a", (1, 0, 1, 1)), record("model", "b", (0, 1, 1, 1), 0.5)]
    figures = summary(records)
    assert figures["objects"] == 2 and figures["grasps"] == 8
    assert figures["success"]["value"] == 6 / 8
    assert figures["success_best"]["value"] == 0.5
    assert figures["functional"]["value"] == 3 / 8
    assert figures["penetration_median_mm"]["value"] == pytest.approx(1.5)
    assert figures["three_links_near"]["value"] == 0.25
    assert figures["draw_ms"]["value"] == pytest.approx(100.0)
    again = [Record.from_json(json.loads(json.dumps(one.to_json()))) for one in records]
    assert again == records


def test_where_a_grasp_touches_counts_where_there_is_a_choice():
    records = [record("model", "a", (1, 1), 0.0), record("model", "box", (1, 1), only_part=True)]
    figures = summary(records)
    assert figures["success"]["value"] == 1.0 and figures["functional"]["value"] == 0.0
    assert figures["objects_of_parts"] == 1


def test_methods_are_compared_on_what_both_tried():
    ours = [record("model", "a", (1, 0, 1, 1)), record("model", "b", (1, 1, 1, 1))]
    others = [record("scripted", "a", (0, 0, 0, 1)), record("scripted", "c", (1, 1, 1, 1))]
    assert paired_difference(ours, others, lambda one: one.held).value == 0.5
