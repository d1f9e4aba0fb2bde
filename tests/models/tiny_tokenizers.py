"""Tokenizers with a vocabulary of a few words and single letters, of the kinds that the published models use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WORDS = ["a", "red", "car", "blue", "cat", "smiling", "in", "3d", "style", "penguin", "and", "the"]


def clip_tokenizer() -> tuple[Any, int]:
    """CLIP's tokenizer with a vocabulary of single letters and a few merges of whole words."""
    from transformers import CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    vocabulary = letters + [f"{letter}</w>" for letter in letters]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        while len(pieces) > 1:
            pair = (pieces[0], pieces[1])
            pieces = ["".join(pair), *pieces[2:]]
            if pair not in merges:
                merges.append(pair)
                vocabulary.append(pieces[0])
    vocabulary = [*dict.fromkeys(vocabulary), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(
        vocab={piece: k for k, piece in enumerate(vocabulary)}, merges=merges, model_max_length=77
    )
    return tokenizer, len(vocabulary)


def publish_tokenizer(folder: Path) -> None:
    """What the published CLIP tokenizer folders hold: vocabulary and merges, in place of one tokenizer.json."""
    pieces = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in pieces["merges"]]
    (folder / "vocab.json").write_text(json.dumps(pieces["vocab"]), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    (folder / "tokenizer.json").unlink()


def save_t5_tokenizer(folder: Path) -> int:
    """A unigram tokenizer of a few words, as `tokenizer.json` with its config; returns the size of its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(f"▁{word}", -3.0) for word in WORDS] + [
        (letter, -6.0) for letter in "abcdefghijklmnopqrstuvwxyz0123456789"
    ]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    named = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(named))
    return len(pieces)
