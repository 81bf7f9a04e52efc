"""The whole grasp model, tiny: what it must not depend on, guidance, learning, checkpoints."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import roma
import torch
from safetensors.torch import load_file, save_file

from amt_perception.errors import AmtError
from amt_perception.grasp.config import VARIANTS, GraspConfig
from amt_perception.grasp.flow import between
from amt_perception.grasp.frames import file_frame, own_frame
from amt_perception.grasp.grasp_model import GraspModel
from amt_perception.grasp.interface import GraspContext, Language
from amt_perception.grasp.weights import (
    load_grasp_checkpoint,
    read_grasp_info,
    save_grasp_checkpoint,
)

from .grasp_inputs import TINY, make_cloud, make_grasps, make_language

torch.set_num_threads(1)

CONFIGS = {
    "allegro": TINY,
    "mano": replace(TINY, hand="mano", sample_contacts=False),
    "document": replace(
        TINY, hand="mano", pose_space="raw", sampler="half_step", sample_contacts=False,
        fusion_points=128, pooled=True,
    ),
}  # fmt: skip


def make_model(config: GraspConfig = TINY) -> GraspModel:
    """With random weights where the model starts with zeros, so that everything matters."""
    torch.manual_seed(3)
    model = GraspModel(config).eval()
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.fixture(scope="module", params=CONFIGS)
def model(request: pytest.FixtureRequest) -> GraspModel:
    return make_model(CONFIGS[request.param])


@torch.no_grad()
def read(model: GraspModel, language: Language | None, batch: int = 2) -> GraspContext:
    return model.context(*make_cloud(batch), language)


@torch.no_grad()
def velocities(model: GraspModel, context: GraspContext) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    batch = len(context.points)
    state = torch.randn(batch, 3, model.state_size, generator=generator)
    return model.velocity(state, torch.rand(batch, 3, generator=generator), context)


def close(first: torch.Tensor, second: torch.Tensor) -> None:
    torch.testing.assert_close(first, second, rtol=0, atol=2e-5)


def test_permuting_the_points_permutes_contacts_and_leaves_grasps(model: GraspModel) -> None:
    context = read(model, make_language(2))
    points, normals = make_cloud(2)
    shuffle = torch.randperm(points.shape[1])
    with torch.no_grad():
        moved = model.context(points[:, shuffle], normals[:, shuffle], make_language(2))
    close(moved.contact_logits, context.contact_logits[:, shuffle])
    close(moved.part_tokens, context.part_tokens)
    close(velocities(model, moved), velocities(model, context))


def test_padding_changes_nothing(model: GraspModel) -> None:
    language = make_language(2)
    language.mask[1, 3:] = False  # the second instruction is shorter
    context = read(model, language)
    longer = Language(
        torch.cat([language.tokens, 100.0 * torch.randn(2, 4, TINY.language_width)], dim=1),
        torch.cat([language.mask, torch.zeros(2, 4, dtype=torch.bool)], dim=1),
        torch.cat([language.is_text, torch.ones(2, 4, dtype=torch.bool)], dim=1),
    )
    padded = read(model, longer)
    close(padded.point_features, context.point_features)
    close(padded.language, context.language)
    close(velocities(model, padded), velocities(model, context))
    shorter = Language(language.tokens[1:, :3], language.mask[1:, :3], language.is_text[1:, :3])
    points, normals = make_cloud(2)
    with torch.no_grad():
        alone = model.context(points[1:], normals[1:], shorter)
    close(alone.point_features[0], context.point_features[1])


def test_instruction_and_object_matter(model: GraspModel) -> None:
    context = read(model, make_language(2))
    other = make_language(2)
    other.tokens += torch.randn(other.tokens.shape)
    said = read(model, other)
    assert (said.contact_logits - context.contact_logits).abs().max() > 1e-2
    found = velocities(model, context)
    assert (velocities(model, said) - found).abs().max() > 1e-3
    swapped = velocities(model, context.each(lambda tensor: tensor.flip(0)))
    assert (swapped - found).abs().max() > 1e-3


def test_grasps_of_an_object_are_drawn_each_on_its_own(model: GraspModel) -> None:
    """K grasps that share a context go where each would go alone."""
    context = read(model, make_language(2))
    state, time = torch.randn(2, 4, model.state_size), torch.rand(2, 4)
    with torch.no_grad():
        together = model.velocity(state, time, context)
        for k in range(4):
            close(model.velocity(state[:, k : k + 1], time[:, k : k + 1], context)[:, 0],
                  together[:, k])  # fmt: skip


def test_an_empty_instruction_is_none() -> None:
    model = make_model()
    language = make_language(2)
    language.mask[:] = False
    close(read(model, language).point_features, read(model, None).point_features)


def test_training_drops_the_share_of_instructions() -> None:
    model = make_model(replace(TINY, instruction_dropout=0.25))
    reader = model.instruction_reader.train()
    language = make_language(1)[torch.zeros(2000, dtype=torch.int64)]
    torch.manual_seed(0)
    with torch.no_grad():
        pooled, none = reader(language, 2000).pooled, reader(None, 1).pooled
        dropped = (pooled - none).abs().amax(dim=1) < 1e-5
        assert 0.21 < dropped.float().mean() < 0.29
        reader.eval()
        assert not ((reader(language, 2000).pooled - none).abs().amax(dim=1) < 1e-5).any()


def test_guidance_of_one_is_exactly_unguided_and_more_is_not() -> None:
    model = make_model()
    context, without = read(model, make_language(2)), read(model, None)

    def sample(**more) -> torch.Tensor:
        generator = torch.Generator().manual_seed(8)
        return model.sample(context, 3, steps=2, generator=generator, **more)[0].position

    plain = sample()
    assert torch.equal(sample(guidance=1.0, uninstructed=without), plain)
    assert (sample(guidance=3.0, uninstructed=without) - plain).abs().max() > 1e-5
    close(sample(guidance=3.0, uninstructed=context), plain)  # nothing to be driven away from
    with pytest.raises(AmtError, match="without an instruction"):
        sample(guidance=2.0)
    with pytest.raises(AmtError, match="at least one grasp"):
        model.sample(context, 0)


def test_samples_are_by_object_and_repeatable(model: GraspModel) -> None:
    context = read(model, make_language(2))
    grasps, places = model.sample(context, 3, 4, generator=torch.Generator().manual_seed(1))
    again, _ = model.sample(context, 3, 4, generator=torch.Generator().manual_seed(1))
    assert grasps.rotation.shape == (6, 3, 3) and torch.equal(grasps.joints, again.joints)
    if model.config.sample_contacts:
        assert places is not None and places.shape == (6, 6, 4)
        assert (places[..., 3] >= 0).all() and (places[..., 3] <= 1).all()
    else:
        assert places is None
    # The second object's grasps follow from its own noise and context.
    noise = torch.randn(2, 3, model.state_size, generator=torch.Generator().manual_seed(1))
    step = torch.zeros(2, 3) if model.config.sampler == "euler" else torch.full((2, 3), 0.5)
    with torch.no_grad():
        state = noise + model.velocity(noise, step, context)
    one_step, _ = model.sample(context, 3, 1, generator=torch.Generator().manual_seed(1))
    found, _ = model.from_flow_state(state, context.frame)
    close(found.position[3:], one_step.position[3:])


def test_flow_states_come_back() -> None:
    model, grasps = make_model(), make_grasps(5)
    places = torch.cat([0.1 * torch.randn(5, 6, 3), torch.randint(0, 2, (5, 6, 1)).float()], dim=-1)
    for batch, frame in ((5, own_frame(make_cloud(5)[0])), (1, file_frame(make_cloud(1)[0]))):
        state = model.flow_state(grasps, places, frame)
        assert state.shape == (batch, 5 // batch, model.state_size)
        assert model.state_size == 25 + 24
        back, found = model.from_flow_state(state, frame)
        for name in ("rotation", "position", "joints"):
            close(getattr(back, name), getattr(grasps, name))
        assert found is not None
        touches = places[..., 3:]
        close(found[..., 3:], touches)
        close(found[..., :3] * touches, places[..., :3] * touches)


def test_a_turned_object_gets_its_grasps_turned() -> None:
    """And moved: nothing about where an object lies in its file need be learned."""
    model = make_model()
    points, normals = make_cloud(2)
    turn = roma.random_rotmat(2, generator=torch.Generator().manual_seed(8))
    way = torch.tensor([0.1, -0.2, 0.3])
    drawn = []
    for places, directions in ((points, normals), (points @ turn.mT + way, normals @ turn.mT)):
        with torch.no_grad():
            context = model.context(places, directions, make_language(2))
        drawn.append(model.sample(context, 3, generator=torch.Generator().manual_seed(9)))
    (grasps, contacts), (turned, turned_contacts) = drawn
    by_grasp = turn.repeat_interleave(3, dim=0)
    close(turned.rotation, by_grasp @ grasps.rotation)
    close(turned.position, (by_grasp @ grasps.position[..., None])[..., 0] + way)
    close(turned.joints, grasps.joints)
    assert contacts is not None and turned_contacts is not None
    close(turned_contacts[..., :3], contacts[..., :3] @ by_grasp.mT + way)


def test_own_frames_are_right_handed_and_know_front_from_back() -> None:
    """A cone's points: whichever way it lies, its tip is at the same end of its own frame."""
    generator = torch.Generator().manual_seed(2)
    along = 0.2 * torch.rand(1, 400, generator=generator).sqrt()
    angle = 6.28 * torch.rand(1, 400, generator=generator)
    cone = torch.stack([along, 0.2 * along * angle.cos(), 0.2 * along * angle.sin()], dim=-1)
    for turn in roma.random_rotmat(5, generator=generator):
        frame = own_frame(cone @ turn.T)
        close(torch.linalg.det(frame.rotation), torch.ones(1))
        own = frame.points(cone @ turn.T)
        close(own.mean(dim=1), torch.zeros(1, 3))
        assert own[0, along[0].argmin(), 0] > 0.1  # the tip reaches further than the base
        close(frame.points_back(own), cone @ turn.T)


def test_it_learns_one_grasp_for_each_instruction() -> None:
    """Two instructions, two grasps of one object: the flow tells them apart."""
    torch.manual_seed(0)
    model = GraspModel(replace(TINY, instruction_dropout=0.0)).train()
    points, normals = (tensor.repeat(2, 1, 1) for tensor in make_cloud(1))
    grasps, places = make_grasps(2), torch.zeros(2, 6, 4)
    data = model.flow_state(grasps, places, own_frame(points)).expand(-1, 32, -1)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.0)
    for _ in range(60):
        context = model.context(points, normals, make_language(2))
        noise, time = torch.randn_like(data), torch.rand(2, 32)
        state, target = between(noise, data, time), data - noise
        loss = (model.velocity(state, time, context) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    with torch.no_grad():
        context = model.context(points, normals, make_language(2))
    found, _ = model.sample(context, 16)
    own, other = (
        (found.position.view(2, 16, 3) - target[:, None]).norm(dim=-1)
        for target in (grasps.position, grasps.position.flip(0))
    )
    assert (own < other).float().mean() > 0.9


def test_every_parameter_learns(model: GraspModel) -> None:
    model.train()
    context = model.context(*make_cloud(2), make_language(2))
    state = torch.randn(2, 3, model.state_size)
    moved = model.velocity(state, torch.rand(2, 3), context)
    (moved.square().sum() + context.contact_logits.square().sum()).backward()
    still = {name for name, one in model.named_parameters() if one.grad is None}
    model.zero_grad(set_to_none=True)
    model.eval()
    assert not still


def test_bfloat16_stays_near_float32() -> None:
    model = make_model()
    with torch.autocast("cpu", torch.bfloat16):
        inside = velocities(model, read(model, make_language(2)))
    outside = velocities(model, read(model, make_language(2)))
    assert (inside - outside).norm() < 0.05 * outside.norm()


def test_checkpoints_come_back_exactly(model: GraspModel, tmp_path: Path) -> None:
    path = tmp_path / "new" / "grasp.safetensors"
    save_grasp_checkpoint(path, model, {"steps": 7})
    info = read_grasp_info(path)
    assert info.config == model.config and info.training == {"steps": 7}
    loaded = load_grasp_checkpoint(path)
    assert not loaded.training and [one.name for one in path.parent.iterdir()] == [path.name]
    language = make_language(2)
    assert torch.equal(
        velocities(loaded, read(loaded, language)), velocities(model, read(model, language))
    )


def test_the_small_language_encoder_is_in_the_checkpoint(tmp_path: Path) -> None:
    config = replace(TINY, language_encoder="small", language_width=16)
    model, path = make_model(config), tmp_path / "grasp.safetensors"
    save_grasp_checkpoint(path, model, {})
    loaded = load_grasp_checkpoint(path)
    words = ["hold the mug by its handle", "pour"]
    with torch.no_grad():
        first, second = (one.language_encoder.encode(words) for one in (model, loaded))
        assert torch.equal(first.tokens, second.tokens)
        close(read(loaded, second).contact_logits, read(model, first).contact_logits)


def test_checkpoints_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    path, model = tmp_path / "grasp.safetensors", make_model()
    with pytest.raises(AmtError, match="there is no checkpoint"):
        load_grasp_checkpoint(path)
    path.write_text("no tensors")
    with pytest.raises(AmtError, match="damaged or not a safetensors file"):
        load_grasp_checkpoint(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(AmtError, match="not a checkpoint of the grasp model"):
        load_grasp_checkpoint(path)
    save_grasp_checkpoint(path, model, {})
    other = json.dumps(replace(TINY, velocity_layers=3).to_dict())
    metadata = {"format": "amt", "model": "grasp", "format_version": "1", "config": other,
                "libraries": "{}", "training": "{}"}  # fmt: skip
    save_file(load_file(path), path, metadata)
    with pytest.raises(AmtError, match=r"does not fit.*tensors differ \(flow.layers.2"):
        load_grasp_checkpoint(path)
    save_file(load_file(path), path, metadata | {"format_version": "9"})
    with pytest.raises(AmtError, match="update amt_perception"):
        load_grasp_checkpoint(path)
    model.flow.pose_out.weight.data[0, 0] = torch.nan
    with pytest.raises(AmtError, match=r"flow\.pose_out\.weight is not finite"):
        save_grasp_checkpoint(path, model, {})


def test_the_documents_flow_has_the_parameters_that_were_counted() -> None:
    """1.83 million as drawn, not the 66 that its text says."""
    counts = GraspModel(VARIANTS["document"]).parameter_counts()
    assert counts["flow"] == 1_830_973
