"""Tiny checkpoints with random weights in the very folder layouts that are published, made from the real classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.models.tiny_tokenizers import WORDS, clip_tokenizer, publish_tokenizer, save_t5_tokenizer


def hub_path(hub: Path, source: str) -> Path:
    return hub / source.replace("/", "--")


def save_stable_diffusion(folder: Path, variant: str | None = "fp16") -> Any:
    """Like stabilityai/sd-turbo: one text encoder, Euler with trailing timesteps."""
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline
    from transformers import CLIPTextModel

    tokenizer, count = clip_tokenizer()
    torch.manual_seed(0)
    pipeline = StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(_text_config(count)),
        tokenizer=tokenizer,
        unet=_unet(cross_attention_dim=16),
        scheduler=EulerDiscreteScheduler(timestep_spacing="trailing", **_betas()),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, variant=variant)
    publish_tokenizer(folder / "tokenizer")
    publish_names(folder)
    index = json.loads((folder / "model_index.json").read_text())
    index |= {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"]}  # listed, though never fetched
    index |= {"feature_extractor": ["transformers", "CLIPImageProcessor"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    return pipeline


def save_sdxl(folder: Path) -> Any:
    """Like stabilityai/sdxl-turbo: two text encoders, the second with a projection."""
    import torch
    from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionXLPipeline
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    tokenizer, count = clip_tokenizer()
    torch.manual_seed(0)
    pipeline = StableDiffusionXLPipeline(
        vae=_vae(force_upcast=True),
        text_encoder=CLIPTextModel(_text_config(count)),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(count, projection_dim=16)),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=_unet(
            cross_attention_dim=32,
            addition_embed_type="text_time",
            addition_time_embed_dim=4,
            projection_class_embeddings_input_dim=16 + 6 * 4,
            use_linear_projection=True,
        ),
        scheduler=EulerAncestralDiscreteScheduler(timestep_spacing="trailing", **_betas()),
        add_watermarker=False,
    )
    pipeline.save_pretrained(folder, variant="fp16")
    publish_tokenizer(folder / "tokenizer")
    publish_tokenizer(folder / "tokenizer_2")
    publish_names(folder)
    return pipeline


def save_ldm(folder: Path) -> Any:
    """Like CompVis/ldm-text2im-large-256: a BERT of its own, 32 pixels at the UNet's size."""
    import torch
    from diffusers import DDIMScheduler, LDMTextToImagePipeline
    from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertConfig, LDMBertModel
    from transformers import BertTokenizer

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS[1:]]
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    vocabulary += [*letters, *(f"##{letter}" for letter in letters)]
    tokens = folder / "tokenizer"
    tokens.mkdir(parents=True)
    (tokens / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    (tokens / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "model_max_length": 77}')
    torch.manual_seed(0)
    heads = {"encoder_layers": 2, "encoder_ffn_dim": 32, "encoder_attention_heads": 2, "head_dim": 8, "d_model": 16}
    pipeline = LDMTextToImagePipeline(
        vqvae=_vae(),
        bert=LDMBertModel(LDMBertConfig(vocab_size=len(vocabulary), **heads)).eval(),  # it has dropout
        tokenizer=BertTokenizer.from_pretrained(tokens),
        unet=_unet(cross_attention_dim=16),
        scheduler=DDIMScheduler(clip_sample=False, **_betas()),
    )
    pipeline.save_pretrained(folder)
    (tokens / "tokenizer.json").unlink()  # the published folder has a vocab.txt alone
    return pipeline


def save_open_clip(folder: Path, siglip: bool = False) -> None:
    """An open_clip folder; the SigLIP kind has a timm tower, squashes pictures, and brings its tokenizer."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    text: dict[str, Any] = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    if siglip:
        text |= {
            "context_length": 12,
            "vocab_size": save_t5_tokenizer(folder),
            "hf_tokenizer_name": "timm/ViT-B-16-SigLIP",
        }
        text |= {"tokenizer_kwargs": {"clean": "canonicalize"}, "no_causal_mask": True, "pool_type": "last"}
        vision = {"image_size": 160, "timm_model_name": "test_vit3", "timm_pool": "map", "timm_proj": "none"}
        vision |= {"timm_model_pretrained": False}
        model: dict[str, Any] = {"embed_dim": 96, "init_logit_bias": -10, "custom_text": True}
        picture = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    else:
        vision = {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8}
        model, picture = {"embed_dim": 16}, {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}
    model |= {"vision_cfg": vision, "text_cfg": text}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": picture}))
    torch.manual_seed(0)
    network = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / "open_clip_model.safetensors")


def publish_names(folder: Path) -> None:
    """Give the weights the names they have in the published files, which are older than today's classes."""
    import torch
    from safetensors.torch import load_file, save_file

    attention = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    for path in sorted(folder.glob("*/*.safetensors")):
        weights = load_file(path)
        if path.parent.name == "text_encoder":
            weights = {f"text_model.{name.removeprefix('text_model.')}": value for name, value in weights.items()}
            weights["text_model.embeddings.position_ids"] = torch.arange(77)[None]
        if path.parent.name == "vae":
            for new, old in attention.items():
                weights = {
                    name.replace(f"attentions.0.{new}.", f"attentions.0.{old}."): value
                    for name, value in weights.items()
                }
        save_file(weights, path, metadata={"format": "pt"})


def _betas() -> dict[str, Any]:
    return {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def _text_config(vocabulary: int, **more: Any) -> Any:
    from transformers import CLIPTextConfig

    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    ends = {"bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1, "pad_token_id": vocabulary - 1}
    return CLIPTextConfig(vocab_size=vocabulary, max_position_embeddings=77, **sizes, **ends, **more)


def _vae(**more: Any) -> Any:
    from diffusers import AutoencoderKL

    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    return AutoencoderKL(block_out_channels=(4, 4, 8, 8), norm_num_groups=2, latent_channels=4, **blocks, **more)


def _unet(**more: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        sample_size=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        norm_num_groups=4,
        **more,
    )
