"""Small ClipCap checkpoints in the published layout, and the original network and decoding, written again from the
paper and the published description: the whole sequence at each step, one picture at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

WORDS = ["a", "red", "blue", "car", "cat", "dog", "on", "the", "grass", "is", "sky"]


def gpt2_config(**changes: Any) -> dict[str, Any]:
    sizes = {"vocab_size": 97, "n_positions": 48, "n_embd": 32, "n_layer": 2, "n_head": 4}
    return {**sizes, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "model_type": "gpt2", **changes}


def language_model(config: dict[str, Any], seed: int = 0, likely: int | None = None) -> GPT2LMHeadModel:
    """With weights large enough for opinions: freshly made ones think all words alike. `likely`: a favourite word."""
    torch.manual_seed(seed)
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    model = GPT2LMHeadModel(GPT2Config(**config, **ends)).eval()
    for name, value in model.named_parameters():
        torch.nn.init.normal_(value, 1.0 if "ln_" in name and name.endswith("weight") else 0.0, 0.1)
    if likely is not None:
        model.transformer.ln_f.bias.data += 5 * model.lm_head.weight.data[likely]
    return model


def mlp_weights(size: int, width: int, prefix: int, hidden: int | None = None) -> dict[str, Tensor]:
    hidden = hidden or width * prefix // 2
    return {
        "clip_project.model.0.weight": torch.randn(hidden, size) / size**0.5,
        "clip_project.model.0.bias": torch.randn(hidden) * 0.1,
        "clip_project.model.2.weight": torch.randn(width * prefix, hidden) / hidden**0.5,
        "clip_project.model.2.bias": torch.randn(width * prefix) * 0.1,
    }


def transformer_weights(size: int, width: int, prefix: int, clip_length: int, layers: int) -> dict[str, Tensor]:
    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape) / shape[-1] ** 0.5

    weights = {"clip_project.linear.weight": draw(clip_length * width, size)}
    weights |= {"clip_project.linear.bias": draw(clip_length * width), "clip_project.prefix_const": draw(prefix, width)}
    for layer in range(layers):
        shapes = {"attn.to_queries.weight": (width, width), "attn.to_keys_values.weight": (2 * width, width)}
        shapes |= {"attn.project.weight": (width, width), "attn.project.bias": (width,)}
        shapes |= {"mlp.fc1.weight": (2 * width, width), "mlp.fc1.bias": (2 * width,)}
        shapes |= {"mlp.fc2.weight": (width, 2 * width), "mlp.fc2.bias": (width,)}
        shapes |= {f"norm{n}.{part}": (width,) for n in (1, 2) for part in ("weight", "bias")}
        weights |= {f"clip_project.transformer.layers.{layer}.{name}": draw(*shape) for name, shape in shapes.items()}
    return weights


def checkpoint(model: GPT2LMHeadModel, mapper: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict as the original saved it, with the causal masks that old versions of transformers kept."""
    state = {f"gpt.{name}": value.clone() for name, value in model.state_dict().items()}
    for layer in range(model.config.n_layer):
        state[f"gpt.transformer.h.{layer}.attn.bias"] = torch.ones(1, 1, 48, 48, dtype=torch.uint8).tril()
        state[f"gpt.transformer.h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    return state | {name: value.clone() for name, value in mapper.items()}


def save(folder: Path, state: dict[str, Tensor], config: dict[str, Any], tokenizer: bool = False) -> tuple[Path, Path]:
    """`model.pt` and a folder of the GPT-2 it was built on."""
    source = folder / "gpt2"
    source.mkdir(parents=True, exist_ok=True)
    (source / "config.json").write_text(json.dumps(config))
    if tokenizer:
        gpt2_tokenizer().save_pretrained(source)
    torch.save(state, folder / "model.pt")
    return folder / "model.pt", source


def gpt2_tokenizer(**more: Any) -> GPT2Tokenizer:
    """GPT-2's tokenizer with the bytes and a few words, those in the middle of a sentence with their space."""
    vocabulary, merges = list(bytes_to_unicode().values()), []
    for word in WORDS:
        pieces = list(word)
        pairs = [("".join(pieces[:end]), pieces[end]) for end in range(1, len(pieces))]
        for pair in [*pairs, ("Ġ", word)]:
            if pair not in merges:
                merges.append(pair)
                vocabulary.append("".join(pair))
    vocabulary = [*dict.fromkeys(vocabulary), "<|endoftext|>"]
    return GPT2Tokenizer(vocab={piece: number for number, piece in enumerate(vocabulary)}, merges=merges, **more)


def original_prefix(state: dict[str, Tensor], vectors: Tensor, width: int) -> Tensor:
    """(N, d) -> (N, P, D) by either mapper."""
    w = {name.removeprefix("clip_project."): value for name, value in state.items() if name.startswith("clip_project.")}
    if "prefix_const" not in w:
        hidden = torch.tanh(vectors @ w["model.0.weight"].T + w["model.0.bias"])
        return (hidden @ w["model.2.weight"].T + w["model.2.bias"]).view(len(vectors), -1, width)
    x = (vectors @ w["linear.weight"].T + w["linear.bias"]).view(len(vectors), -1, width)
    count = x.shape[1]
    x = torch.cat([x, w["prefix_const"].expand(len(x), -1, -1)], 1)
    layers = 1 + max(int(name.split(".")[2]) for name in w if name.startswith("transformer"))
    for layer in range(layers):
        x = _original_layer({k.split(f".{layer}.", 1)[1]: v for k, v in w.items() if f"layers.{layer}." in k}, x, width)
    return x[:, count:]


def _original_layer(w: dict[str, Tensor], x: Tensor, width: int, heads: int = 8) -> Tensor:
    norm = torch.nn.functional.layer_norm
    h, size = norm(x, (width,), w["norm1.weight"], w["norm1.bias"]), width // heads
    q = (h @ w["attn.to_queries.weight"].T).view(*h.shape[:2], heads, size)
    k, v = (h @ w["attn.to_keys_values.weight"].T).view(*h.shape[:2], 2, heads, size).unbind(2)
    attention = (torch.einsum("nqhd,nkhd->nqkh", q, k) * size**-0.5).softmax(2)
    seen = torch.einsum("nqkh,nkhd->nqhd", attention, v).flatten(2)
    x = x + seen @ w["attn.project.weight"].T + w["attn.project.bias"]
    h = norm(x, (width,), w["norm2.weight"], w["norm2.bias"])
    return x + (h @ w["mlp.fc1.weight"].T + w["mlp.fc1.bias"]).relu() @ w["mlp.fc2.weight"].T + w["mlp.fc2.bias"]


@torch.no_grad()
def original_beams(model: GPT2LMHeadModel, prefix: Tensor, beams: int, length: int, stop: int) -> list[list[int]]:
    """The published beam search for one prefix (P, D): everything computed again at each step, nothing kept."""
    texts: list[list[int]] = [[]]
    totals, lengths, ended = [0.0], [0], [False]
    for _ in range(length):
        opinions = []
        for text in texts:
            words = model.transformer.wte(torch.tensor(text, dtype=torch.long))
            logits = model(inputs_embeds=torch.cat([prefix, words])[None]).logits[0, -1]
            opinions.append(logits.log_softmax(-1))
        options = []
        for number in range(len(texts)):
            if ended[number]:
                options.append((totals[number] / lengths[number], number, 0, totals[number]))
                continue
            for token, gain in enumerate(opinions[number].tolist()):
                total = totals[number] + gain
                options.append((total / (lengths[number] + 1), number, token, total))
        best = sorted(options, key=lambda option: -option[0])[:beams]
        texts, lengths, ended, totals = (
            [texts[number] + ([] if ended[number] else [token]) for _, number, token, _ in best],
            [lengths[number] + (not ended[number]) for _, number, _, _ in best],
            [ended[number] or token == stop for _, number, token, _ in best],
            [total for *_, total in best],
        )
        if all(ended):
            break
    order = sorted(range(len(texts)), key=lambda number: -totals[number] / lengths[number])
    return [texts[number] for number in order]
