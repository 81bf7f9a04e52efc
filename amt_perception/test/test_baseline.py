"""The baseline: same interface as AMT, places in the picture matter, its known failing is there."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("roma")

from amt_perception.errors import AmtError  # noqa: E402
from amt_perception.model.baseline import (  # noqa: E402
    TINY_BASELINE,
    BaselineConfig,
    BaselineModel,
    PatchEncoder,
)
from amt_perception.model.config import StabiliserConfig  # noqa: E402
from amt_perception.model.interface import RIGHT, AmtOutput  # noqa: E402

from .model_inputs import make_inputs  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tiny() -> BaselineModel:
    torch.manual_seed(0)
    return BaselineModel(TINY_BASELINE).eval()


def parts(output: AmtOutput) -> dict[str, torch.Tensor]:
    """Every tensor of an output, by name."""
    every = vars(output) | vars(output.objects) | vars(output.contact)
    return {name: value for name, value in every.items() if isinstance(value, torch.Tensor)}


def test_size() -> None:
    model = BaselineModel(BaselineConfig())
    assert 20e6 < sum(parameter.numel() for parameter in model.parameters()) < 30e6
    with torch.inference_mode():
        assert torch.isfinite(model.eval()(make_inputs(1, size=224)).joints).all()


@pytest.mark.parametrize("count", [1, 3, 7])
def test_fills_the_interface(tiny: BaselineModel, count: int) -> None:
    with torch.inference_mode():
        output = tiny(make_inputs(count))
    assert {name: tuple(value.shape) for name, value in parts(output).items()} == {
        "joint_steps": (count, 1, 21, 3),
        "joint_log_sigma": (count, 21),
        "keypoints": (count, 21, 2),
        "position": (count, 10, 3),
        "rotation": (count, 10, 3, 3),
        "confidence_logits": (count, 10),
        "class_logits": (count, 10, 22),
        "part_logits": (count, 6),
        "points": (count, 10, 3),
        "point_logits": (count, 10),
        "forces": (count, 10),
        "type_logits": (count, 10, 4),
        "interaction_logits": (count, 3),
    }
    assert all(bool(torch.isfinite(value).all()) for value in parts(output).values())
    assert output.vertices is None and output.mano_rotation is None
    rotation = output.objects.rotation
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).expand_as(rotation))
    assert bool((torch.linalg.det(rotation) > 0.99).all()), "mirrored back to proper rotations"


def test_keypoints_are_the_projected_joints(tiny: BaselineModel) -> None:
    inputs = make_inputs(4)
    with torch.inference_mode():
        output = tiny(inputs)
    pixels = output.joints @ inputs.intrinsics[:, 0].mT
    torch.testing.assert_close(output.keypoints, pixels[..., :2] / pixels[..., 2:])


def test_mirrored_picture_gives_the_mirrored_hand(tiny: BaselineModel) -> None:
    inputs = make_inputs(4)
    mirrored = replace(inputs, image=inputs.image.flip(-1), side=1 - inputs.side)
    with torch.inference_mode():
        here, there = tiny(inputs), tiny(mirrored)
    flip = torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(there.joints, here.joints * flip, atol=1e-5, rtol=0)
    torch.testing.assert_close(there.contact.points, here.contact.points * flip)
    torch.testing.assert_close(there.objects.position, here.objects.position * flip)


def test_picture_may_be_bytes_or_floats(tiny: BaselineModel) -> None:
    inputs = make_inputs(2)
    floats = replace(inputs, image=inputs.image.float() / 255.0)
    with torch.inference_mode():
        torch.testing.assert_close(tiny(inputs).joints, tiny(floats).joints)


def test_only_the_last_frame_matters(tiny: BaselineModel) -> None:
    inputs = make_inputs(2, frames=3)
    last = replace(
        inputs,
        **{
            name: getattr(inputs, name)[:, -1:]
            for name in ("image", "intrinsics", "crop", "hand_box")
        },
    )
    with torch.inference_mode():
        torch.testing.assert_close(tiny(inputs).joints, tiny(last).joints)


def test_depth_does_not_follow_the_focal_length(tiny: BaselineModel) -> None:
    """What AMT's camera conditioning is there for: the same picture, the same depth."""
    inputs = make_inputs(2)
    farther = replace(inputs, intrinsics=inputs.intrinsics.clone())
    farther.intrinsics[..., :2, :2] *= 2.0
    with torch.inference_mode():
        assert torch.equal(tiny(farther).joints, tiny(inputs).joints)


def test_position_in_the_picture_matters() -> None:
    """Without positional embeddings the patches are a bag: the first system's collapse."""
    torch.manual_seed(0)
    encoder = PatchEncoder(TINY_BASELINE, 2, 3).eval()
    image = torch.rand(2, 3, 112, 112)
    patches = image.unfold(2, 16, 16).unfold(3, 16, 16).flatten(2, 3)  # [B, 3, 49, 16, 16]
    shuffled = patches[:, :, torch.randperm(49)].unflatten(2, (7, 7))
    shuffled = shuffled.permute(0, 1, 2, 4, 3, 5).reshape(image.shape)
    with torch.inference_mode():
        assert not torch.allclose(encoder(shuffled), encoder(image), atol=1e-4)
        encoder.position.zero_()
        torch.testing.assert_close(encoder(shuffled), encoder(image), atol=1e-5, rtol=0)


def test_gradients_reach_every_parameter() -> None:
    torch.manual_seed(0)
    stabilisers = StabiliserConfig(drop_path=0.0)  # a dropped branch has no gradient
    model = BaselineModel(replace(TINY_BASELINE, stabilisers=stabilisers)).train()
    total = torch.zeros(())
    for value in parts(model(make_inputs(4))).values():
        weights = torch.randn(value.shape, generator=torch.Generator().manual_seed(1))
        total = total + (weights * value).mean()
    total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


@pytest.mark.parametrize("positions", [True, False])
def test_learns_places_by_heart(positions: bool) -> None:
    """Eight pictures with one white patch: only its place says where the joints are.

    Without positional embeddings the model predicts the mean of all, as the first system did.
    """
    torch.manual_seed(0)
    cells = torch.randperm(49)[:8]
    row, column = cells // 7, cells % 7
    image = torch.zeros(8, 7, 7)
    image[torch.arange(8), row, column] = 1.0
    image = image.repeat_interleave(16, 1).repeat_interleave(16, 2)
    inputs = replace(
        make_inputs(8),
        image=image[:, None, None].expand(-1, -1, 3, -1, -1),
        side=torch.full((8,), RIGHT),
    )
    wrist = torch.stack([column / 30.0 - 0.1, row / 30.0 - 0.1, torch.full((8,), 0.6)], dim=-1)
    truth = wrist[:, None] + 0.05 * torch.randn(1, 21, 3)

    stabilisers = replace(TINY_BASELINE.stabilisers, drop_path=0.0)
    config = replace(TINY_BASELINE, hand_layers=1, object_layers=1, stabilisers=stabilisers)
    model = BaselineModel(config).train()
    if not positions:
        torch.nn.init.zeros_(model.hand_encoder.position.requires_grad_(False))
    optimiser = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95))
    for step in range(250):
        optimiser.param_groups[0]["lr"] = 1e-3 * min(step / 20, 1.0 - step / 250)
        loss = (model(inputs).joints - truth).square().sum(-1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.inference_mode():
        error = (model.eval()(inputs).joints - truth).norm(dim=-1).mean()
    spread = (truth - truth.mean(dim=0)).norm(dim=-1).mean()
    assert error < 0.1 * spread if positions else error > 0.95 * spread


def test_patches_that_do_not_fit() -> None:
    with pytest.raises(AmtError, match="not a multiple of patch_size"):
        BaselineModel(replace(TINY_BASELINE, image_size=100))


def test_plain_values() -> None:
    assert BaselineConfig.from_dict(TINY_BASELINE.to_dict()) == TINY_BASELINE
    with pytest.raises(AmtError, match="BaselineConfig has no depth"):
        BaselineConfig.from_dict({"depth": 3})
