"""Instructions as numbers, and both language encoders."""

import numpy as np
import pytest
import torch
import trimesh

from amt_perception.errors import AmtError
from amt_perception.grasp.config import GraspConfig
from amt_perception.grasp.grasp_model import GraspModel
from amt_perception.grasp.language.cache import VisionCache
from amt_perception.grasp.language.qwen import QwenEncoder
from amt_perception.grasp.language.small import SmallLanguageEncoder
from amt_perception.grasp.language.tokenizer import pieces_of, tokenize, words_of
from amt_perception.grasp.language.weights import load_qwen, save_qwen
from amt_perception.grasp.object_input import from_mesh
from amt_perception.grasp.predictor import GraspPredictor

SENTENCES = ["hold it by the handle", "lift the lid"]
SPECIAL = (
    "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
    "<|video_pad|>",
)  # fmt: skip


def test_words_are_those_that_a_person_hears():
    assert words_of("  Hold it, by THE mug's handle! ") == [
        "hold", "it", "by", "the", "mug", "s", "handle",
    ]  # fmt: skip
    assert words_of("Straße") == words_of("STRASSE")


@pytest.mark.parametrize("text", ["", "   ", "?!", "word " * 33, "a" * 41])
def test_no_words_or_too_many_are_refused(text):
    with pytest.raises(AmtError, match="instruction"):
        tokenize(["hold it", text])


def test_tokens_are_padded_and_do_not_depend_on_the_batch():
    token_ids, mask = tokenize(SENTENCES)
    assert mask.sum(dim=1).tolist() == [5, 3]
    alone, _ = tokenize(SENTENCES[1:])
    assert torch.equal(token_ids[1, :3, : alone.shape[2]], alone[0])
    assert not token_ids[1, 3:].any()


def test_word_forms_share_pieces():
    shared = set(pieces_of("handle")) & set(pieces_of("handles"))
    assert len(shared) >= 5
    assert pieces_of("handle")[0] != pieces_of("handles")[0]


def trained_encoder() -> SmallLanguageEncoder:
    """As after a few steps that met the words of SENTENCES."""
    torch.manual_seed(0)
    encoder = SmallLanguageEncoder(32)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=0.02)
    for _ in range(3):
        optimizer.zero_grad()
        encoder.encode(SENTENCES).tokens[..., 0].sum().backward()
        optimizer.step()
    return encoder.eval()


def test_padding_changes_nothing():
    encoder = trained_encoder()
    together, alone = encoder.encode(SENTENCES), encoder.encode(SENTENCES[1:])
    assert together.is_text.tolist() == together.mask.tolist()
    torch.testing.assert_close(together.tokens[1, :3], alone.tokens[0], rtol=0, atol=1e-6)


def test_unknown_words_are_known_as_such():
    encoder = trained_encoder()
    assert encoder.unknown_words("Lift the handle") == []
    assert encoder.unknown_words("Lift the spatula, hold it") == ["spatula"]


def test_an_unseen_form_of_a_word_means_nearly_the_same():
    encoder = trained_encoder()
    known, form, other = encoder.encode(["handle", "handles", "spatula"]).tokens[:, 0]
    assert (known - form).norm() < 0.5 * (known - other).norm()


def byte_tokenizer():
    """One token for each byte: a tokenizer that needs no download."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(list(SPECIAL))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def tiny_qwen(mode: str) -> QwenEncoder:
    """Qwen2.5-VL's own code with random weights; the same ones at every call."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLModel

    torch.manual_seed(0)
    tokenizer = byte_tokenizer()
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in SPECIAL}
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 48,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "bos_token_id": None, "eos_token_id": None,
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2],
                                "rope_theta": 1e6},
        },
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2,
            "out_hidden_size": 32, "fullatt_block_indexes": [1],
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )  # fmt: skip
    return QwenEncoder(Qwen2_5_VLModel(config), tokenizer, mode)


@pytest.fixture(scope="module")
def views() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 56, 56, 3), np.uint8)


def test_views_and_instruction_are_told_apart(views):
    encoder = tiny_qwen("frozen").eval()
    seen = encoder.see(views)
    language = encoder(SENTENCES, [seen, seen])
    after = len("\nassistant\n") + 2  # as bytes, and two marks
    assert (language.mask & ~language.is_text).sum(dim=1).tolist() == [6 * 4, 6 * 4]
    assert language.is_text.sum(dim=1).tolist() == [len(one) + after for one in SENTENCES]
    assert language.tokens.dtype == torch.float32 and not language.tokens.requires_grad
    alone = encoder(SENTENCES[1:], [seen])
    torch.testing.assert_close(
        language.tokens[1][language.is_text[1]], alone.tokens[0][alone.is_text[0]]
    )


def test_kept_features_are_bit_identical_and_three_dimensional(views, tmp_path):
    encoder = tiny_qwen("frozen").eval()
    cache = VisionCache(encoder, tmp_path)
    fresh = cache.see(views)
    assert len(list(tmp_path.iterdir())) == 1
    encoder.see = None  # a second look would fail
    kept = cache.see(views)
    assert all(torch.equal(a, b) for a, b in zip(fresh, kept, strict=True))

    # The library's own way: pixels and text in one call.
    ids, _ = encoder._sequence(SENTENCES[0], [4] * 6)
    ids = torch.tensor([ids])
    inputs = encoder._images(list(views), return_tensors="pt")
    types = (ids == encoder.model.config.image_token_id).int()
    with torch.no_grad():
        plain = encoder.model(input_ids=ids, mm_token_type_ids=types, **inputs).last_hidden_state
        flat = encoder.model(input_ids=ids, **inputs).last_hidden_state
    ours = encoder(SENTENCES[:1], [kept])
    assert torch.equal(ours.tokens, plain)
    assert not torch.allclose(ours.tokens, flat, atol=1e-3)


def test_adapters_start_as_nothing_and_all_learn(views):
    frozen, lora = tiny_qwen("frozen").eval(), tiny_qwen("lora").eval()
    seen = lora.see(views)
    before = frozen(SENTENCES[:1], [seen]).tokens
    assert torch.equal(lora(SENTENCES[:1], [seen]).tokens, before)
    trained = lora.trained_state()
    assert len(trained) == 2 * 7 * 2 and all("language_model" in name for name in trained)
    with torch.no_grad():
        for name, parameter in lora.named_parameters():
            if name.endswith(".up"):
                parameter.normal_(std=0.1)
    lora.train()
    lora(SENTENCES[:1], [seen]).tokens.square().sum().backward()
    for name, parameter in lora.named_parameters():
        if name in trained:
            assert parameter.grad is not None and parameter.grad.any(), name
        else:
            assert parameter.grad is None, name


def test_trained_tensors_come_back(views, tmp_path, monkeypatch):
    lora = tiny_qwen("lora").eval()
    for parameter in lora.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    checkpoint = tmp_path / "grasp.safetensors"
    save_qwen(checkpoint, lora)
    monkeypatch.setattr(QwenEncoder, "load", lambda mode, device: tiny_qwen(mode).eval())
    back = load_qwen(checkpoint, "cpu")
    seen = lora.see(views)
    assert torch.equal(back(SENTENCES, [seen] * 2).tokens, lora(SENTENCES, [seen] * 2).tokens)
    with pytest.raises(AmtError, match="mode 'frozen' trains 0"):
        tiny_qwen("frozen").load_trained_state(lora.trained_state())


def test_a_model_with_qwen_looks_at_an_object_once():
    box = trimesh.creation.box((0.04, 0.06, 0.1))
    cloud = from_mesh("box", box.vertices, box.faces)
    config = GraspConfig(
        language_encoder="qwen", language_width=32, width=32, geometry_width=32, heads=4,
        fusion_layers=1, velocity_layers=1, centres=(64, 32), fusion_points=32,
        velocity_points=32,
    )  # fmt: skip
    encoder = tiny_qwen("lora").eval()
    predictor = GraspPredictor(GraspModel(config).eval(), encoder)
    hold = predictor.contact_map(cloud, "hold it")
    encoder.see = None  # a second look would fail
    lift = predictor.contact_map(cloud, "lift the lid")
    assert hold.shape == (1024, 6) and not np.array_equal(hold, lift)
    assert predictor.notes(cloud, "frobnicate") == []


def test_missing_weights_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(AmtError, match=r"weights of nobody/nothing .*'hf download"):
        QwenEncoder.load("frozen", name="nobody/nothing")
    with pytest.raises(AmtError, match=r"grasp\.language\.safetensors is missing"):
        load_qwen(tmp_path / "grasp.safetensors", "cpu")
    with pytest.raises(AmtError, match="no mode 'half'"):
        tiny_qwen("half")
    with pytest.raises(AmtError, match="vision tower is trained"):
        VisionCache(tiny_qwen("full"), tmp_path)
