"""CoCa captioners (Yu et al. 2022) from open_clip's weights, with our own generation.

open_clip's own needs a class that transformers 5 no longer has, encodes each picture once per beam, and computes the
whole sentence and all of the picture's keys anew at each token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest, ModelUnavailable
from models.decoding.captioning import SearchingCaptioner, as_heat, onto_picture
from models.decoding.wording import Wording
from models.families.caption_contract import Caption, Decoding
from models.families.reading import readable
from models.sources import require
from models.spec import LoadContext, ModelSpec, hub_spec

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from models.decoding.coca import CocaContinuation


class CocaCaptioner(SearchingCaptioner):
    """An open_clip `CoCa` that captions. Works in the precision of its weights."""

    def __init__(self, model: Any, preprocess: Any, tokenizer: Any, device: str = "cpu") -> None:
        """`preprocess`: picture -> pixels (3, H, W); `tokenizer`: open_clip's own for CLIP."""
        from models.decoding.coca import CocaDecoder

        self.model = model.eval().requires_grad_(False).to(device)
        self.decoder = CocaDecoder(self.model)
        self.preprocess, self.device = preprocess, device
        self.start: int = tokenizer.sot_token_id
        end: int = tokenizer.eot_token_id
        self.wording = Wording(
            encode=tokenizer.encode,
            decode=tokenizer.decode,
            pieces=lambda: [tokenizer.decoder[token] for token in range(len(tokenizer.decoder))],
            stop=[end],
            silent=[end, self.start],
            forbidden=[model.pad_id, self.start],  # padding was never a target of the training
        )

    def see(self, pictures: Sequence[Image]) -> Tensor:
        """RGB pictures of any sizes -> their tokens (N, S, W)."""
        import torch

        pixels = torch.stack([self.preprocess(picture) for picture in pictures])
        return self.model.visual(pixels.to(self.device, self.decoder.head.dtype))[1]

    def begin(
        self, pictures: Sequence[Image], opening: Sequence[int], decoding: Decoding, hypotheses: int
    ) -> CocaContinuation:
        """See `SearchingCaptioner.begin`."""
        import torch

        text = torch.tensor([self.start, *opening], device=self.device)
        return self.decoder.begin(self.see(pictures), text, hypotheses, decoding.max_tokens)

    def check_length(self, tokens: int) -> None:
        """See `SearchingCaptioner.check_length`."""
        if tokens > self.decoder.positions:  # the start takes one, and the last token is not read
            raise BadRequest(f"{tokens} tokens are asked for; this model writes at most {self.decoder.positions}.")

    def heat(self, picture: Image, caption: Caption, word: int) -> Tensor | None:
        """See `Captioner.heat`: where the word looks among the picture's tokens, and these among the patches."""
        import torch

        tokens, places = self.asked(caption, word)
        visual, patches = self.model.visual, []
        if not places or getattr(visual, "attn_pool", None) is None:
            return None
        handle = visual.attn_pool.register_forward_pre_hook(lambda _, given: patches.append(given[0]))
        try:
            with torch.inference_mode():
                seen = self.see([picture])
                looks = self.decoder.looks(seen, torch.tensor([[self.start, *tokens[:-1]]], device=self.device))
                pooled = _pooler_looks(visual.attn_pool, patches[0])  # (queries, patches)
        finally:
            handle.remove()
        height, width = visual.grid_size
        # The first query makes CLIP's vector, the first patch is the class token: neither is asked about.
        heat = looks[0, places].mean(0) @ pooled[-seen.shape[1] :, -height * width :]
        return onto_picture(as_heat(heat.view(height, width)), picture.size, True)


def _pooler_looks(pooler: Any, patches: Tensor) -> Tensor:
    """Where each query of an attentional pooler looks, (Q, L), for patches (1, L, C)."""
    keys = pooler.ln_k(patches)
    queries = pooler.ln_q(pooler.query)[None]
    return pooler.attn(queries, keys, keys, need_weights=True)[1][0].float()


def load(context: LoadContext) -> CocaCaptioner:
    """A captioner from its folder, all of it in the context's precision."""
    import open_clip

    name = f"local-dir:{require(context.spec, context.settings)}"
    precision = "fp32" if context.precision == "fp32" else f"pure_{context.precision}"
    context.report(0.05, "reading the checkpoint")
    with readable(context.spec):
        model, preprocess = open_clip.create_model_from_pretrained(name, precision=precision)
        tokenizer = open_clip.get_tokenizer(name)
    if not isinstance(model, open_clip.CoCa):
        raise ModelUnavailable(f"{context.spec.title} holds a {type(model).__name__}, which cannot write captions.")
    context.report(0.8, f"moving to {context.device}")
    captioner = CocaCaptioner(model, preprocess, tokenizer, context.device)
    captioner.title = context.spec.title
    return captioner


def _hub(name: str, title: str, source: str, size_mb: float, note: str) -> ModelSpec:
    about = {"load": load, "note": note, "files": ("open_clip_config.json", "open_clip_*model.*")}
    # In memory as in the file, which is fp32; in half precision half of it.
    return hub_spec(name, title, source, "captioner", "MIT", (size_mb, size_mb), **about)


SPECS = (
    _hub(
        "coca-vit-l-14-coco", "CoCa ViT-L/14 (COCO)", "laion/mscoco_finetuned_CoCa-ViT-L-14-laion2B-s13B-b90k", 2560,
        "Fine-tuned on COCO captions; short, true sentences.",
    ),
    _hub(
        "coca-vit-l-14", "CoCa ViT-L/14 (LAION-2B)", "laion/CoCa-ViT-L-14-laion2B-s13B-b90k", 2560,
        "Trained on the web's own captions: more names and styles, less order.",
    ),
    _hub(
        "coca-vit-b-32-coco", "CoCa ViT-B/32 (COCO)", "laion/mscoco_finetuned_CoCa-ViT-B-32-laion2B-s13B-b90k", 1010,
        "Small and quick; sees less detail.",
    ),
)  # fmt: skip
