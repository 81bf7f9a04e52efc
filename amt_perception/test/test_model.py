"""The model as a whole: sizes, gradients, mirrored hands, time, pinhole cameras."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.model.amt import Amt, freeze_spatial, with_temporal
from amt_perception.model.backbone import FROM_CHECKPOINT, PRETRAINED, RANDOM, Backbone
from amt_perception.model.config import (
    SIZES,
    TINY_BACKBONE,
    AmtConfig,
    BackboneConfig,
    StabiliserConfig,
    model_config,
)
from amt_perception.model.interface import CONFIDENT_DISTANCE_M, AmtInput, AmtOutput

from .model_inputs import make_inputs, make_model, tiny_model

torch.set_num_threads(1)

DESIGNED, FROZEN = 516_090_192, 153_187_328
VIT = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
FAMILIES = {
    "dinov2": BackboneConfig(
        "tiny-dinov2", "dinov2", VIT | {"patch_size": 14, "image_size": 518}, 1, (1, 3)
    ),
    "dinov3_vit": BackboneConfig(
        "tiny-dinov3",
        "dinov3_vit",
        VIT | {"patch_size": 16, "intermediate_size": 64, "num_register_tokens": 4},
        1,
        (1, 3),
    ),
    "vit_mae": BackboneConfig("tiny-mae", "vit_mae", VIT | {"intermediate_size": 64}, 1, (1, 3)),
    "swinv2": BackboneConfig(
        "tiny-swinv2",
        "swinv2",
        {"embed_dim": 16, "depths": [1, 1, 2, 1], "num_heads": [1, 1, 2, 2], "window_size": 7,
         "image_size": 224},
        1,
        (1, 2, 3, 4),
    ),
    "resnet": BackboneConfig(
        "tiny-resnet",
        "resnet",
        {"embedding_size": 16, "hidden_sizes": [16, 24, 32, 40], "depths": [1, 1, 1, 1],
         "layer_type": "basic"},
        1,
        (2, 3, 4),
    ),
}  # fmt: skip


def tensors(output: AmtOutput) -> dict[str, Tensor]:
    """Every tensor of an output, by name."""
    found: dict[str, Tensor] = {}
    for part in (output, output.objects, output.contact):
        for field in fields(part):
            value = getattr(part, field.name)
            if isinstance(value, Tensor):
                found[f"{type(part).__name__}.{field.name}"] = value
    return found


def test_large_is_the_designed_size() -> None:
    model = Amt(model_config("large"), generic_hand(Side.RIGHT), FROM_CHECKPOINT)
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    total = sum(count for count, _ in counts)
    assert abs(total / DESIGNED - 1.0) < 0.05
    assert sum(count for count, trained in counts if not trained) == FROZEN


@pytest.mark.parametrize("size", ["tiny", "small"])
@pytest.mark.parametrize(("hands", "batch"), [(1, 1), (3, 1), (1, 7)])
def test_sizes_run(size: str, hands: int, batch: int) -> None:
    config = model_config(size)
    model = tiny_model() if size == "tiny" else make_model(config)
    inputs = make_inputs(hands * batch, size=config.image_size)
    with torch.inference_mode():
        output = model(inputs)
    count = hands * batch
    assert output.joints.shape == (count, 21, 3)
    assert output.joint_steps.shape == (count, 1 + config.refinement_steps, 21, 3)
    assert output.vertices is not None and output.vertices.shape == (count, 778, 3)
    assert output.mano_pose is not None and output.mano_pose.shape == (count, 16, 3)
    assert output.objects.rotation_6d.shape == (count, 10, 6)
    assert output.objects.class_logits.shape == (count, 10, 22)
    assert output.contact.part_probability.shape == (count, 6)
    assert (output.contact.forces >= 0.0).all()
    assert ((output.joint_confidence >= 0.0) & (output.joint_confidence <= 1.0)).all()
    for name, tensor in tensors(output).items():
        assert torch.isfinite(tensor).all(), name


def scalar(output: AmtOutput) -> Tensor:
    """A sum that depends on every number of an output."""
    total = torch.zeros(())
    for number, tensor in enumerate(tensors(output).values()):
        weights = torch.sin(torch.arange(tensor.numel()) + number).reshape(tensor.shape)
        total = total + (tensor * weights).mean()
    return total


@pytest.mark.parametrize("camera", ["dense", "cross_attention"])
@pytest.mark.parametrize("family", list(FAMILIES))
def test_gradients_reach_what_is_trained(family: str, camera: str) -> None:
    config = replace(
        model_config("tiny"),
        backbone=FAMILIES[family],
        camera=camera,
        image_size=224,
        stabilisers=StabiliserConfig(drop_path=0.0),  # a dropped branch has no gradient
    )
    model = make_model(config).train()
    scalar(model(make_inputs(2, size=224))).backward()
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    assert any("embedd" in name for name in frozen)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.any(), name
        else:
            assert parameter.grad is None, name


@pytest.mark.parametrize("family", list(FAMILIES))
def test_backbones_keep_the_order_of_patches(family: str) -> None:
    """A change in one corner of the picture changes that corner's tokens most."""
    torch.manual_seed(0)
    backbone = Backbone(FAMILIES[family], 224, RANDOM).eval()
    image = torch.rand(1, 3, 224, 224)
    changed = image.clone()
    changed[..., :32, -32:] = 1.0 - changed[..., :32, -32:]
    with torch.inference_mode():
        before, after = (backbone(one).taps[0] for one in (image, changed))
    assert before.shape == (1, backbone.grid**2, backbone.tap_widths[0])
    difference = (before - after).abs().sum(-1).unflatten(-1, (backbone.grid, -1))[0]
    row, column = divmod(int(difference.argmax()), backbone.grid)
    assert row <= backbone.grid // 4 and column >= backbone.grid - 1 - backbone.grid // 4


def test_picture_may_be_bytes_or_floats() -> None:
    inputs = make_inputs(2)
    floats = replace(inputs, image=inputs.image.float() / 255.0)
    with torch.inference_mode():
        torch.testing.assert_close(tiny_model()(inputs).joints, tiny_model()(floats).joints)


def test_mirrored_picture_gives_the_mirrored_hand() -> None:
    """A scene and its mirror image in the plane x = 0, the side exchanged."""
    inputs = make_inputs(4)
    size, width = inputs.image.shape[-1], 640.0
    mirrored = replace(
        inputs,
        image=inputs.image.flip(-1),
        intrinsics=inputs.intrinsics.clone(),
        crop=inputs.crop.clone(),
        hand_box=inputs.hand_box.clone(),
        side=1 - inputs.side,
    )
    scale = inputs.crop[..., 0, 0]
    mirrored.intrinsics[..., 0, 2] = size - 1.0 - inputs.intrinsics[..., 0, 2]
    mirrored.hand_box[..., 0] = width - 1.0 - inputs.hand_box[..., 0] - inputs.hand_box[..., 2]
    mirrored.crop[..., 0, 2] = size - 1.0 - inputs.crop[..., 0, 2] - scale * (width - 1.0)
    with torch.inference_mode():
        here, there = tiny_model()(inputs), tiny_model()(mirrored)
    flip = torch.tensor([-1.0, 1.0, 1.0])
    pairs = {
        "joints": (here.joint_steps * flip, there.joint_steps),
        "vertices": (here.vertices * flip, there.vertices),
        "translation": (here.translation * flip, there.translation),
        "objects": (here.objects.position * flip, there.objects.position),
        "contacts": (here.contact.points * flip, there.contact.points),
        "pose": (here.mano_pose * torch.tensor([1.0, -1.0, -1.0]), there.mano_pose),
        "object rotation": (
            flip[:, None] * here.objects.rotation * flip,
            there.objects.rotation,
        ),
    }
    for name, (expected, found) in pairs.items():
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0, msg=name)
    torch.testing.assert_close(
        size - 1.0 - here.keypoints[..., 0], there.keypoints[..., 0], atol=1e-3, rtol=0
    )
    torch.testing.assert_close(here.keypoints[..., 1], there.keypoints[..., 1])


def test_left_hand_is_the_left_model_in_the_left_pose() -> None:
    """A left hand's vertices are those of the mirrored hand model at the pose that is given."""
    from amt_perception.hand.model import HandModel

    with torch.inference_mode():
        output = tiny_model()(make_inputs(2))
        assert output.mano_pose is not None and output.mano_shape is not None
        for row, side in enumerate((Side.LEFT, Side.RIGHT)):
            vertices, _ = HandModel(generic_hand(side))(
                output.mano_pose[row : row + 1],
                output.mano_shape[row : row + 1],
                output.translation[row : row + 1],
            )
            torch.testing.assert_close(vertices[0], output.vertices[row], atol=1e-5, rtol=0)


def test_focal_length_moves_the_hand_as_a_pinhole_does() -> None:
    """The same crop and box, twice the focal length: twice as far (to the hand's own depth)."""
    torch.manual_seed(0)
    model = Amt(model_config("tiny"), generic_hand(Side.RIGHT), RANDOM).eval()
    inputs = make_inputs(4)
    far = replace(inputs, intrinsics=inputs.intrinsics.clone())
    far.intrinsics[..., :2, :2] *= 2.0
    with torch.inference_mode():
        near_depth, far_depth = (model(one).joints[:, 0, 2] for one in (inputs, far))
    torch.testing.assert_close(far_depth / near_depth, torch.full((4,), 2.0), atol=0.1, rtol=0)


def test_moved_picture_changes_nothing() -> None:
    """Box, crop and principal point moved together in the image: the same crop, the same hand."""
    inputs = make_inputs(3)
    moved = replace(inputs, crop=inputs.crop.clone(), hand_box=inputs.hand_box.clone())
    shift = torch.tensor([37.0, -11.0])
    moved.hand_box[..., :2] += shift
    moved.crop[..., 2] -= inputs.crop[..., 0, :1] * shift
    with torch.inference_mode():
        here, there = (tiny_model()(one).joints for one in (inputs, moved))
    torch.testing.assert_close(here, there, atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def temporal() -> Amt:
    return make_model(with_temporal(model_config("tiny"), 1))


def frame(inputs: AmtInput, number: int) -> AmtInput:
    """One frame of a sequence."""
    return AmtInput(
        inputs.image[:, number : number + 1],
        inputs.intrinsics[:, number : number + 1],
        inputs.crop[:, number : number + 1],
        inputs.hand_box[:, number : number + 1],
        inputs.side,
    )


def test_cached_tokens_give_the_same_result(temporal: Amt) -> None:
    inputs = make_inputs(2, frames=7)
    with torch.inference_mode():
        whole = temporal(inputs)
        kept = [temporal.encode_frame(frame(inputs, number)) for number in range(7)]
        cached = temporal.decode(kept)
        shorter = temporal.decode(kept[3:])
    for name, value in tensors(whole).items():
        torch.testing.assert_close(tensors(cached)[name], value, atol=1e-5, rtol=1e-4, msg=name)
    assert (shorter.joints - cached.joints).abs().max() > 1e-5  # the frames before do count


def test_frames_beyond_the_window_are_forgotten(temporal: Amt) -> None:
    inputs = make_inputs(1, frames=9)
    with torch.inference_mode():
        kept = [temporal.encode_frame(frame(inputs, number)) for number in range(9)]
        torch.testing.assert_close(
            temporal.decode(kept).joints, temporal.decode(kept[2:]).joints, rtol=0, atol=0
        )


def test_temporal_encoder_starts_as_the_single_frame() -> None:
    torch.manual_seed(0)
    model = Amt(with_temporal(model_config("tiny"), 1), generic_hand(Side.RIGHT), RANDOM).eval()
    with torch.inference_mode():
        steps = model(make_inputs(2, frames=3)).joint_steps
    torch.testing.assert_close(steps[:, -1], steps[:, -2], atol=1e-6, rtol=0)


def test_stage_two_trains_the_temporal_encoder_only() -> None:
    model = make_model(with_temporal(model_config("tiny"), 1)).train()
    freeze_spatial(model)
    scalar(model(make_inputs(2, frames=3))).backward()
    for name, parameter in model.named_parameters():
        reached = parameter.grad is not None and bool(parameter.grad.any())
        assert reached == name.startswith("temporal."), name
    with pytest.raises(AmtError, match="has none"):
        freeze_spatial(tiny_model())


def test_given_vertices_are_looked_at() -> None:
    model, inputs = tiny_model(), make_inputs(2)
    with torch.inference_mode():
        rotation = torch.eye(3).expand(2, 16, 3, 3)
        given = model.hand_layer(rotation, torch.zeros(2, 10))
        assert (model(inputs, given).joints - model(inputs).joints).abs().max() > 1e-5


@pytest.mark.parametrize("multi_coordinate", ["translation", "none"])
def test_ablations_run(multi_coordinate: str) -> None:
    model = make_model(replace(model_config("tiny"), multi_coordinate=multi_coordinate))
    with torch.inference_mode():
        assert torch.isfinite(model(make_inputs(2)).joints).all()


def test_unloaded_model_says_nothing_that_looks_real() -> None:
    model = Amt(model_config("tiny"), generic_hand(Side.RIGHT), FROM_CHECKPOINT).eval()
    with torch.inference_mode():
        assert model(make_inputs(1)).joints.isnan().all()


@pytest.mark.parametrize("sigma", [0.002, 0.01, 0.03])
def test_confidence_is_the_probability_of_being_near(sigma: float) -> None:
    """Against errors drawn from the distribution that the model's sigma stands for."""
    errors = sigma * torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0))
    near = float((errors.norm(dim=-1) < CONFIDENT_DISTANCE_M).float().mean())
    with torch.inference_mode():
        output = tiny_model()(make_inputs(1))
    said = replace(output, joint_log_sigma=torch.full((1, 21), sigma).log()).joint_confidence
    torch.testing.assert_close(said, torch.full((1, 21), near), atol=0.005, rtol=0)


@pytest.mark.parametrize("name", list(SIZES))
def test_configuration_round_trip(name: str) -> None:
    config = model_config(name)
    assert AmtConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"camera": "none"}, "no camera embedding 'none'"),
        ({"multi_coordinate": "some"}, "no multi_coordinate 'some'"),
        ({"image_size": 113}, "not a multiple"),
        ({"backbone": replace(TINY_BACKBONE, family="resnext")}, "no backbone family 'resnext'"),
    ],
)
def test_impossible_configurations_are_refused(change: dict, message: str) -> None:
    with pytest.raises(AmtError, match=message):
        Amt(replace(model_config("tiny"), **change), generic_hand(Side.RIGHT), RANDOM)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(AmtError, match="no model 'huge'"):
        model_config("huge")
    with pytest.raises(AmtError, match="no colour"):
        AmtConfig.from_dict({"colour": 1})
    with pytest.raises(AmtError, match="right hand"):
        Amt(model_config("tiny"), generic_hand(Side.LEFT), RANDOM)
    with pytest.raises(AmtError, match="takes 1"):
        tiny_model()(make_inputs(1, frames=2))


def test_backbone_is_never_silently_random(
    tmp_path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    config = BackboneConfig("facebook/dinov2-small", "dinov2", FAMILIES["dinov2"].architecture)
    with pytest.raises(AmtError, match="hf download facebook/dinov2-small"):
        Backbone(config, 224, PRETRAINED)
    with pytest.raises(AmtError, match="could not be loaded"):
        Backbone(config, 224, tmp_path)
    Backbone(FAMILIES["dinov2"], 224, RANDOM)
    assert "RANDOM" in caplog.text


def test_pretrained_weights_arrive(tmp_path) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(1)
    source = Backbone(FAMILIES["dinov2"], 224, RANDOM)
    source.network.save_pretrained(tmp_path)
    loaded = Backbone(FAMILIES["dinov2"], 224, tmp_path)
    for name, value in source.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=0, atol=0)
    other = replace(FAMILIES["dinov2"], architecture=VIT | {"num_hidden_layers": 4})
    with pytest.raises(AmtError, match="not the backbone of this configuration"):
        Backbone(other, 224, tmp_path)
