"""Tiny BLIP, BLIP-2, GIT and Florence-2 with random weights in the layouts that are published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BartConfig,
    BertTokenizer,
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipTextConfig,
    BlipVisionConfig,
    CLIPImageProcessor,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    GitConfig,
    GitForCausalLM,
    OPTConfig,
    T5Config,
)

from tests.models.tiny_clipcap import gpt2_tokenizer

SIZE = 32
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "a", "red", "car", "blue", "dog", "on", "grass", "."]
BERT += [*"bcdefghijklmnopqrstuvwxyz", *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]
_SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}


def save_blip(folder: Path) -> Any:
    text = {**_SMALL, "encoder_hidden_size": 16, "vocab_size": len(BERT), "max_position_embeddings": 24}
    text |= {"bos_token_id": 5, "sep_token_id": 3, "pad_token_id": 0, "eos_token_id": 3}
    config = BlipConfig(
        text_config=BlipTextConfig(**text).to_dict(),
        vision_config=BlipVisionConfig(**_SMALL, image_size=SIZE, patch_size=8).to_dict(),
    )
    _bert_tokenizer().save_pretrained(folder)
    return _save(BlipForConditionalGeneration(config), folder, BlipImageProcessor(size=_square()))


def save_git(folder: Path) -> Any:
    vision = {**_SMALL, "image_size": SIZE, "patch_size": 8}
    ends = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    config = GitConfig(vision_config=vision, vocab_size=len(BERT), max_position_embeddings=24, **_SMALL, **ends)
    _bert_tokenizer().save_pretrained(folder)
    processor = CLIPImageProcessor(size={"shortest_edge": SIZE}, crop_size=_square())
    return _save(GitForCausalLM(config), folder, processor)


def save_blip2(folder: Path, t5: bool = False) -> Any:
    tokenizer = gpt2_tokenizer()
    ends = {"bos_token_id": 2, "eos_token_id": len(tokenizer) - 1, "pad_token_id": 1}
    if t5:
        sizes = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}
        text = T5Config(vocab_size=len(tokenizer), **sizes, **ends)
    else:
        sizes = {"hidden_size": 16, "ffn_dim": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
        sizes |= {"word_embed_proj_dim": 16, "max_position_embeddings": 40}
        text = OPTConfig(vocab_size=len(tokenizer), **sizes, **ends)
    config = Blip2Config(
        vision_config=Blip2VisionConfig(**_SMALL, image_size=SIZE, patch_size=8).to_dict(),
        qformer_config=Blip2QFormerConfig(**_SMALL, encoder_hidden_size=16, vocab_size=30).to_dict(),
        text_config=text.to_dict(),
        num_query_tokens=5,
        image_token_index=4,
    )
    tokenizer.save_pretrained(folder)
    return _save(Blip2ForConditionalGeneration(config), folder, BlipImageProcessor(size=_square()))


def save_florence(folder: Path) -> Any:
    tokenizer = gpt2_tokenizer(extra_special_tokens={"image_token": "<image>"})
    tokenizer.add_special_tokens({"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"})
    sizes = {"d_model": 16, "max_position_embeddings": 300, "encoder_layers": 2, "decoder_layers": 2}
    sizes |= {f"{side}_{what}": size for side in ("encoder", "decoder") for what, size in
              (("ffn_dim", 32), ("attention_heads", 2))}  # fmt: skip
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    ends |= {
        "forced_eos_token_id": None,
        "pad_token_id": tokenizer.pad_token_id,
        "decoder_start_token_id": tokenizer.eos_token_id,
    }
    vision = {"embed_dim": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "num_heads": [2] * 4, "num_groups": [2] * 4}
    config = Florence2Config(
        text_config=BartConfig(vocab_size=len(tokenizer), **sizes, **ends).to_dict(),
        vision_config={**vision, "window_size": 2, "projection_dim": 16, "model_type": "florence_vision"},
        image_token_id=tokenizer.image_token_id,
    )
    model = Florence2ForConditionalGeneration(config)
    model.generation_config.forced_bos_token_id = tokenizer.bos_token_id
    model.generation_config.decoder_start_token_id = tokenizer.eos_token_id
    pixels = CLIPImageProcessor(size=_square(64), do_center_crop=False, image_seq_length=2 * 2 + 1)
    Florence2Processor(pixels, tokenizer).save_pretrained(folder)
    return _save(model, folder, pixels)


def _save(model: Any, folder: Path, processor: Any) -> Any:
    """With weights large enough for opinions, and half of the published folders' files."""
    torch.manual_seed(7)
    for name, value in model.named_parameters():
        if value.ndim > 1:
            torch.nn.init.normal_(value, 0, 0.15 if "embed" in name or "shared" in name else 0.4)
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return model


def _bert_tokenizer() -> BertTokenizer:
    return BertTokenizer(vocab={word: number for number, word in enumerate(BERT)})


def _square(size: int = SIZE) -> dict[str, int]:
    return {"height": size, "width": size}
