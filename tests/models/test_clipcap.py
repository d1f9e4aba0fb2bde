"""ClipCap against the original: recorded answers, and the same written again at other sizes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from common.errors import BadRequest, ModelUnavailable
from models.convert.clipcap import convert
from models.families.clipcap import ClipCap
from tests.models import tiny_clipcap

torch.manual_seed(0)
FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures"
MAPPERS = {
    "mlp": tiny_clipcap.mlp_weights(24, 32, 6),
    "mlp, wide": tiny_clipcap.mlp_weights(7, 32, 15, hidden=11),
    "transformer": tiny_clipcap.transformer_weights(20, 32, 5, 3, 2),
    "transformer, long": tiny_clipcap.transformer_weights(12, 32, 3, 12, 3),
}


def build(folder: Path, mapper: dict, seed: int = 0, **sizes) -> tuple[ClipCap, dict, object]:
    config = tiny_clipcap.gpt2_config(**sizes)
    model = tiny_clipcap.language_model(config, seed, likely=5)
    state = tiny_clipcap.checkpoint(model, mapper)
    path, gpt2 = tiny_clipcap.save(folder, state, config)
    convert(path, str(gpt2), "clip-vit-b-32", folder / "clipcap")
    return ClipCap.from_folder(folder / "clipcap"), state, model


@pytest.mark.parametrize("name", ["clipcap-mlp", "clipcap-transformer"])
def test_recorded_answers_of_the_original(tmp_path, name):
    fixture = FIXTURES / name
    if not fixture.is_dir():
        pytest.skip("the recorded answers are not beside this checkout")
    convert(fixture / "model.pt", str(fixture), "clip-vit-b-32", tmp_path / "clipcap")
    model = ClipCap.from_folder(tmp_path / "clipcap")
    arrays, wanted = np.load(fixture / "expected.npz"), json.loads((fixture / "expected.json").read_text())
    vectors = torch.from_numpy(arrays["clip_embedding"])
    torch.testing.assert_close(model.prefix(vectors), torch.from_numpy(arrays["prefix"]), atol=1e-4, rtol=0)
    torch.testing.assert_close(model.logits(vectors), torch.from_numpy(arrays["logits"]), atol=1e-4, rtol=0)
    length, stop = wanted["entry_length"], wanted["stop_token"]
    beams = model.generate(vectors, beams=wanted["beam_size"], max_tokens=length, stop_id=stop)
    assert [[" ".join(map(str, tokens)) for tokens, _ in found] for found in beams] == wanted["beam"]
    if "nucleus_0.8_argmax" in wanted:
        greedy = model.generate(vectors, beams=1, max_tokens=length, stop_id=stop)
        assert [" ".join(map(str, found[0][0])) for found in greedy] == wanted["nucleus_0.8_argmax"]


@pytest.mark.parametrize("kind", MAPPERS)
def test_prefix_logits_and_beams_are_the_originals_at_other_sizes(tmp_path, kind):
    model, state, gpt2 = build(tmp_path, MAPPERS[kind])
    vectors = torch.randn(4, model.plan.clip_size, generator=torch.Generator().manual_seed(1)) * 3
    prefix = tiny_clipcap.original_prefix(state, vectors, 32)
    torch.testing.assert_close(model.prefix(vectors), prefix, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model.logits(vectors), gpt2(inputs_embeds=prefix).logits, atol=1e-3, rtol=1e-4)
    # The stop token is likely everywhere: hypotheses end at several lengths and compete with longer ones.
    found = model.generate(vectors, beams=4, max_tokens=8, stop_id=5)
    wanted = [tiny_clipcap.original_beams(gpt2, each, 4, 8, 5) for each in prefix]
    assert [[tokens for tokens, _ in each] for each in found] == wanted
    assert len({len(tokens) for each in found for tokens, _ in each}) > 1  # or the case was not worth testing


def test_log_probability_is_that_of_the_whole_text(tmp_path):
    model, _, gpt2 = build(tmp_path, MAPPERS["mlp"])
    vectors = torch.randn(2, 24)
    prefix = model.prefix(vectors)
    for row, found in enumerate(model.generate(vectors, beams=3, max_tokens=6, stop_id=5)):
        scores = [total / len(tokens) for tokens, total in found]
        assert scores == sorted(scores, reverse=True)
        for tokens, total in found:
            text = torch.cat([prefix[row], gpt2.transformer.wte(torch.tensor(tokens))])[None]
            opinions = gpt2(inputs_embeds=text).logits[0].log_softmax(-1)
            places = range(len(prefix[row]) - 1, len(text[0]) - 1)
            assert total == pytest.approx(
                sum(opinions[p, t].item() for p, t in zip(places, tokens, strict=True)), abs=1e-3
            )


@pytest.mark.parametrize(
    "sizes",
    [
        {"n_inner": 50, "activation_function": "relu"},
        {"activation_function": "gelu", "scale_attn_by_inverse_layer_idx": True},
        {"activation_function": "silu", "scale_attn_weights": False, "layer_norm_epsilon": 1e-3},
    ],
)
def test_other_kinds_of_gpt2(tmp_path, sizes):
    model, state, gpt2 = build(tmp_path, MAPPERS["mlp"], **sizes)
    vectors = torch.randn(2, 24)
    prefix = tiny_clipcap.original_prefix(state, vectors, 32)
    torch.testing.assert_close(model.logits(vectors), gpt2(inputs_embeds=prefix).logits, atol=1e-3, rtol=1e-4)
    wanted = [tiny_clipcap.original_beams(gpt2, each, 3, 5, 1) for each in prefix]
    assert [[tokens for tokens, _ in found] for found in model.generate(vectors, 3, 5, 1)] == wanted


def test_an_output_layer_of_its_own_is_kept(tmp_path):
    config = tiny_clipcap.gpt2_config(tie_word_embeddings=False)
    gpt2 = tiny_clipcap.language_model(config)
    state = tiny_clipcap.checkpoint(gpt2, MAPPERS["mlp"])
    assert not torch.equal(state["gpt.lm_head.weight"], state["gpt.transformer.wte.weight"])
    path, folder = tiny_clipcap.save(tmp_path, state, config)
    convert(path, str(folder), "clip", tmp_path / "clipcap")
    model, vectors = ClipCap.from_folder(tmp_path / "clipcap"), torch.randn(1, 24)
    prefix = tiny_clipcap.original_prefix(state, vectors, 32)
    torch.testing.assert_close(model.logits(vectors), gpt2(inputs_embeds=prefix).logits, atol=1e-3, rtol=1e-4)


def test_half_precision_is_close(tmp_path):
    model, _, _ = build(tmp_path, MAPPERS["transformer"])
    half = ClipCap.from_folder(tmp_path / "clipcap", precision="bf16")
    vectors = torch.randn(3, 20)
    assert half.prefix(vectors).dtype == torch.bfloat16 and half.logits(vectors).dtype == torch.float32
    torch.testing.assert_close(half.prefix(vectors).float(), model.prefix(vectors), atol=0.1, rtol=0.1)
    assert len(half.generate(vectors, beams=2, max_tokens=4)[0]) == 2


def test_gradients_reach_the_clip_vector(tmp_path):
    model, _, _ = build(tmp_path, MAPPERS["transformer"])
    vectors = torch.randn(1, 20, requires_grad=True)
    model.logits(vectors, torch.tensor([[1, 2]]))[0, -1, 3].backward()
    assert vectors.grad.abs().sum() > 0


def test_wrong_questions_are_refused(tmp_path):
    model, _, _ = build(tmp_path, MAPPERS["mlp"])
    with pytest.raises(BadRequest, match=r"shape \(2, 9\); this ClipCap reads \(N, 24\)"):
        model.prefix(torch.zeros(2, 9))
    with pytest.raises(BadRequest, match="43 tokens are asked for; after its prefix this model has room for 42"):
        model.generate(torch.zeros(1, 24), max_tokens=43)
    with pytest.raises(BadRequest, match="beams is 0"):
        model.generate(torch.zeros(1, 24), beams=0)
    with pytest.raises(ModelUnavailable, match="holds no ClipCap"):
        ClipCap.from_folder(tmp_path)
    assert model.generate(torch.zeros(0, 24)) == []
