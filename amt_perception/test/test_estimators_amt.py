"""AmtEstimator: boxes in, results out; one or many images; what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from amt_perception.camera.intrinsics import Intrinsics  # noqa: E402
from amt_perception.errors import AmtError  # noqa: E402
from amt_perception.estimators.amt import AmtEstimator  # noqa: E402
from amt_perception.estimators.amt_results import frame_estimate  # noqa: E402
from amt_perception.estimators.hand_box import HandBox  # noqa: E402
from amt_perception.estimators.interface import HandPart, Interaction  # noqa: E402
from amt_perception.hand.joints import TIPS, Side  # noqa: E402
from amt_perception.model.engine import Engine  # noqa: E402
from amt_perception.model.interface import AmtOutput, ContactOutput, ObjectOutput  # noqa: E402

from .model_inputs import make_model  # noqa: E402

torch.set_num_threads(1)

CAMERA = Intrinsics(500.0, 500.0, 160.0, 120.0, 320, 240)
WIDE = Intrinsics(300.0, 300.0, 200.0, 100.0, 400, 200)
BOXES = [
    HandBox(60.0, 50.0, 90.0, 80.0, Side.RIGHT),
    HandBox(190.0, 90.0, 70.0, 100.0, Side.LEFT),
    HandBox(-20.0, 150.0, 80.0, 80.0, Side.LEFT),
]


@pytest.fixture(scope="module")
def estimator() -> AmtEstimator:
    return AmtEstimator(Engine(make_model(), "cpu", "fp32", "eager"))


def picture(camera: Intrinsics = CAMERA, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return np.resize(
        np.kron(noise, np.ones((30, 30, 1), np.uint8)), (camera.height, camera.width, 3)
    )


@pytest.mark.parametrize("count", [0, 1, 3])
def test_each_box_gives_its_hand(estimator: AmtEstimator, count: int) -> None:
    result = estimator(picture(), CAMERA, BOXES[:count])
    assert [hand.side for hand in result.hands] == [box.side for box in BOXES[:count]]
    assert result.objects is not None and result.contacts is not None
    for box, hand in zip(BOXES, result.hands, strict=False):
        assert hand.joints.shape == (21, 3) and hand.vertices.shape == (778, 3)
        assert hand.wrist_rotation @ hand.wrist_rotation.T == pytest.approx(np.eye(3), abs=1e-5)
        # The network places the hand where it sees it, so projection and keypoints agree.
        seen = hand.keypoints_px.mean(axis=0)
        assert np.linalg.norm(seen - (box.x + box.width / 2, box.y + box.height / 2)) < 100
        assert np.linalg.norm(CAMERA.project(hand.joints).mean(axis=0) - seen) < 20
        assert 0.0 < hand.confidence < 1.0


def test_a_batch_is_its_images_one_by_one(estimator: AmtEstimator) -> None:
    images = [picture(), picture(WIDE, 1), picture(CAMERA, 2), picture(CAMERA, 3)]
    cameras = [CAMERA, WIDE, CAMERA, CAMERA]
    boxes = [BOXES[:2], BOXES[1:2], [], BOXES]
    together = estimator(images, cameras, boxes)
    assert [len(result.hands) for result in together] == [2, 1, 0, 3]
    for image, camera, some, result in zip(images, cameras, boxes, together, strict=True):
        alone = estimator(image, camera, some)
        for one, other in zip(alone.hands, result.hands, strict=True):
            assert other.joints == pytest.approx(one.joints, abs=1e-3)
            assert other.keypoints_px == pytest.approx(one.keypoints_px, abs=0.1)


def test_the_mirrored_image_gives_the_mirrored_hand(estimator: AmtEstimator) -> None:
    box = BOXES[0]
    mirrored = HandBox(
        CAMERA.width - 1 - box.x - box.width, box.y, box.width, box.height, Side.LEFT
    )
    camera = replace(CAMERA, cx=CAMERA.width - 1 - CAMERA.cx)
    (hand,) = estimator(picture(), CAMERA, [box]).hands
    image = np.ascontiguousarray(picture()[:, ::-1])
    (other,) = estimator(image, camera, [mirrored]).hands
    assert other.joints * (-1, 1, 1) == pytest.approx(hand.joints, abs=2e-3)


def test_a_turned_scale_of_the_image_changes_nothing(estimator: AmtEstimator) -> None:
    """The crop's own intrinsics make results independent of the image's resolution."""
    camera = Intrinsics(1000.0, 1000.0, 320.5, 240.5, 640, 480)
    image = np.kron(picture(), np.ones((2, 2, 1), np.uint8))
    box = BOXES[0]
    twice = HandBox(2 * box.x + 0.5, 2 * box.y + 0.5, 2 * box.width, 2 * box.height, box.side)
    (hand,) = estimator(picture(), CAMERA, [box]).hands
    (same,) = estimator(image, camera, [twice]).hands
    assert same.joints == pytest.approx(hand.joints, abs=3e-3)


NAN = float("nan")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": picture().astype(float)}, "uint8"),
        ({"images": picture()[..., 0]}, r"\[height, width, 3\]"),
        ({"images": picture(WIDE)}, "intrinsics are for 320 x 240"),
        ({"cameras": replace(CAMERA, fx=NAN)}, "finite"),
        ({"cameras": replace(CAMERA, fy=0.0)}, "positive"),
        ({"boxes": [replace(BOXES[0], x=NAN)]}, "not finite"),
        ({"boxes": [replace(BOXES[0], width=0.0)]}, "no area"),
        ({"boxes": [replace(BOXES[0], x=320.0)]}, "outside the image"),
        ({"boxes": [replace(BOXES[0], y=-80.5)]}, "outside the image"),
        ({"boxes": [replace(BOXES[0], side=Side.UNKNOWN)]}, "LEFT or RIGHT"),
        ({"images": [], "cameras": [], "boxes": []}, "empty"),
        ({"images": [picture()], "cameras": [CAMERA], "boxes": []}, "one of each"),
    ],
)
def test_what_no_hand_can_be_estimated_from(estimator: AmtEstimator, change, message) -> None:
    good = {"images": picture(), "cameras": CAMERA, "boxes": BOXES}
    with pytest.raises(AmtError, match=message):
        estimator(**(good | change))


def test_results_that_are_not_finite_are_refused() -> None:
    model = make_model()
    model.object_head.confidence.bias.data.fill_(NAN)
    broken = AmtEstimator(Engine(model, "cpu", "fp32", "eager"))
    with pytest.raises(AmtError, match="confidence_logits is not finite"):
        broken(picture(), CAMERA, BOXES)


def output(hands: int) -> AmtOutput:
    """Hands whose thumb and index tips touch a mug, which both crops show."""
    joints = torch.rand(hands, 21, 3, generator=torch.Generator().manual_seed(0)) * 0.1
    joints[..., 2] += 0.5
    logits = torch.full((hands, 2, 3), -9.0)
    logits[:, 0, 2] = 9.0
    logits[:, 1, 0] = 9.0
    return AmtOutput(
        joint_steps=joints[:, None],
        joint_log_sigma=torch.full((hands, 21), -5.0),
        keypoints=torch.rand(hands, 21, 2),
        objects=ObjectOutput(
            position=torch.tensor([[0.0, 0.0, 0.5], [0.3, 0.0, 0.5]]).repeat(hands, 1, 1),
            rotation=torch.eye(3).repeat(hands, 2, 1, 1),
            confidence_logits=torch.full((hands, 2), 9.0),
            class_logits=logits,
        ),
        contact=ContactOutput(
            part_logits=torch.tensor([-9.0, 9, 9, -9, -9, -9]).repeat(hands, 1),
            points=torch.stack([joints[:, TIPS[0]] + 1e-3, joints[:, TIPS[2]]], dim=1),
            point_logits=torch.full((hands, 2), 9.0),
            forces=torch.full((hands, 2), 3.0),
            type_logits=torch.zeros(hands, 2, 4),
            interaction_logits=torch.tensor([9.0, 0, 0]).repeat(hands, 1),
        ),
        mano_rotation=torch.eye(3).repeat(hands, 16, 1, 1),
        mano_shape=torch.zeros(hands, 10),
        translation=torch.zeros(hands, 3),
        vertices=torch.zeros(hands, 778, 3),
    )


def test_objects_seen_by_both_hands_are_one_and_contacts_name_it() -> None:
    affines = np.repeat(np.eye(2, 3)[None], 2, axis=0)
    frame = frame_estimate(output(2), affines, [Side.LEFT, Side.RIGHT], ("none", "cup", "mug"))
    (mug,) = frame.objects
    assert (mug.class_name, mug.track_id) == ("mug", "0") and mug.confidence > 0.99
    assert [(one.side, one.part) for one in frame.contacts] == [
        (side, part)
        for side in (Side.LEFT, Side.RIGHT)
        for part in (HandPart.THUMB, HandPart.INDEX)
    ]
    assert {one.object_track_id for one in frame.contacts} == {"0"}
    thumb, index = frame.contacts[:2]
    assert thumb.position == pytest.approx(frame.hands[0].joints[TIPS[0]] + 1e-3, abs=1e-5)
    assert thumb.force == pytest.approx(3.0)
    assert index.position == pytest.approx(frame.hands[0].joints[TIPS[1]]) and np.isnan(index.force)
    assert frame.interaction == Interaction.GRASP and frame.interaction_score > 0.9


def test_no_contact_is_no_interaction() -> None:
    quiet = output(1)
    quiet.contact.part_logits[:] = -9.0
    frame = frame_estimate(quiet, np.eye(2, 3)[None], [Side.LEFT], ("none", "cup", "mug"))
    assert frame.contacts == [] and frame.interaction == Interaction.NONE
    assert frame.interaction_score > 0.99
