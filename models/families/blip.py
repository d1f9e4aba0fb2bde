"""BLIP, BLIP-2, GIT and Florence-2 captioners: networks of transformers, words chosen by our searches.

A further checkpoint of one of these classes is one more `ModelSpec`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest, ModelUnavailable
from models.decoding.captioning import SearchingCaptioner, as_heat, gradient_heat, onto_picture
from models.decoding.wording import Wording
from models.families.blip2_networks import network_of
from models.families.blip_continuation import HubContinuation
from models.families.blip_networks import Network
from models.families.caption_contract import DETAILS, EVERYWHERE, Caption, Decoding
from models.families.reading import readable
from models.sources import require
from models.spec import LoadContext, ModelSpec, hub_spec

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

TASKS = {"caption": "<CAPTION>", "detailed": "<DETAILED_CAPTION>", "more": "<MORE_DETAILED_CAPTION>"}
CLASSES = {
    "blip": "BlipForConditionalGeneration",
    "blip-2": "Blip2ForConditionalGeneration",
    "git": "GitForCausalLM",
    "florence2": "Florence2ForConditionalGeneration",
}


class HubCaptioner(SearchingCaptioner):
    """A captioning model of transformers. Works in the precision of its weights."""

    def __init__(self, network: Network, processor: Any, wording: Wording, device: str = "cpu") -> None:
        """`processor`: the image processor that was published with it."""
        self.network, self.processor, self.wording = network, processor, wording
        self.network.model.eval().requires_grad_(False).to(device)
        self.device = device
        self.cropped = bool(getattr(processor, "do_center_crop", False))
        self.rows = 40  # keys of the picture are kept once per beam here
        if hasattr(network, "prompts"):
            self.supports = EVERYWHERE | {"detail"}

    def see(self, pictures: Sequence[Image]) -> Tensor:
        """RGB pictures of any sizes -> what the network sees of them."""
        pixels = self.processor(images=list(pictures), return_tensors="pt")["pixel_values"]
        return self.network.see(pixels.to(self.device, self.network.model.dtype))

    def begin(
        self, pictures: Sequence[Image], opening: Sequence[int], decoding: Decoding, hypotheses: int
    ) -> HubContinuation:
        """See `SearchingCaptioner.begin`."""
        return HubContinuation(self.network, self.see(pictures), opening, decoding.detail, hypotheses)

    def check_length(self, tokens: int) -> None:
        """See `SearchingCaptioner.check_length`."""
        room = self.network.positions
        if room is not None and tokens + len(self.network.start) - 1 > room:  # the last token is not read
            most = room - len(self.network.start) + 1
            raise BadRequest(f"{tokens} tokens are asked for; this model writes at most {most}.")

    def heat(self, picture: Image, caption: Caption, word: int) -> Tensor | None:
        """See `Captioner.heat`: by the gradient of the word's log-probability at what the network sees."""
        import torch

        tokens, places = self.asked(caption, word)
        if not places:
            return None
        start, text = list(self.network.start), torch.tensor([[*self.network.start, *tokens]], device=self.device)
        with torch.no_grad():
            seen = self.see([picture])
        with torch.enable_grad():
            seen = seen.clone().requires_grad_()
            logits = self.network.begin(seen, text[:, :-1], caption.detail, None)[0, len(start) - 1 :].float()
            score = logits.log_softmax(-1)[places, text[0, len(start) :][places]].sum()
            (gradient,) = torch.autograd.grad(score, seen)
        rows, columns = self.network.grid(seen)
        parts = [each.detach().flatten(2).mT if each.ndim == 4 else each.detach() for each in (seen, gradient)]
        heat = gradient_heat(*parts)[0, -rows * columns :].view(rows, columns)
        return onto_picture(as_heat(heat), picture.size, self.cropped)


def load(context: LoadContext) -> HubCaptioner:
    """A captioner from its folder, in the context's precision; `config.json` there says of which class it is."""
    import torch
    import transformers

    folder = require(context.spec, context.settings)
    context.report(0.05, "reading the checkpoint")
    with readable(context.spec):
        kind = transformers.PretrainedConfig.get_config_dict(folder, local_files_only=True)[0].get("model_type")
        if kind not in CLASSES:
            raise ModelUnavailable(f"{context.spec.title} holds a {kind}; this app knows {', '.join(CLASSES)}.")
        model = getattr(transformers, CLASSES[kind]).from_pretrained(
            folder,
            dtype={"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[context.precision],
            local_files_only=True,
        )
        processor = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        network = network_of(model, lambda: _prompts(folder))
    context.report(0.8, f"moving to {context.device}")
    captioner = HubCaptioner(network, processor, _wording(model, tokenizer), context.device)
    captioner.title = context.spec.title
    return captioner


def _prompts(folder: Path) -> dict[str, list[int]]:
    """What Florence-2's own processor makes of each task, the picture's places included."""
    from PIL import Image
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    blank = Image.new("RGB", (32, 32))
    return {detail: processor(text=task, images=blank)["input_ids"][0] for detail, task in TASKS.items()}


def _wording(model: Any, tokenizer: Any) -> Wording:
    ends, vocabulary = _end(model), model.config.get_text_config(decoder=True).vocab_size
    return Wording(
        encode=lambda text: tokenizer.encode(text, add_special_tokens=False),
        decode=lambda tokens: tokenizer.decode(tokens, skip_special_tokens=True),
        pieces=lambda: tokenizer.convert_ids_to_tokens(list(range(vocabulary))),
        stop=ends,
        silent=[*ends, *tokenizer.all_special_ids],
    )


def _end(model: Any) -> list[int]:
    """The tokens that end a text, which the published configs keep in different places."""
    text = model.config.get_text_config(decoder=True)
    if type(model).__name__ == "BlipForConditionalGeneration":
        return [text.sep_token_id]
    said = model.generation_config.eos_token_id
    end = text.eos_token_id if said is None else said
    return list(end) if isinstance(end, list | tuple) else [end]


def _hub(
    name: str,
    title: str,
    source: str,
    licence: str,
    sizes_mb: tuple[float, float],
    note: str,
    **controls: tuple[str, ...],
) -> ModelSpec:
    files = ("config.json", "*config.json", "preprocessor_config.json", "*token*", "*model*")
    about = {"load": load, "controls": controls, "note": note, "files": files}
    return hub_spec(name, title, source, "captioner", licence, sizes_mb, **about)


_BLIP, _BLIP2 = "BSD-3-Clause", "MIT; its language model OPT for research only"
SPECS = (
    _hub(
        "blip-base", "BLIP base", "Salesforce/blip-image-captioning-base", _BLIP, (990, 990),
        "The classic of 2022; short sentences, fine on a CPU.",
    ),
    _hub(
        "blip-large", "BLIP large", "Salesforce/blip-image-captioning-large", _BLIP, (1880, 1880),
        "More detail than the base model, and the captioner of CLIP Interrogator.",
    ),
    _hub(
        "blip2-opt-2.7b", "BLIP-2 OPT 2.7B", "Salesforce/blip2-opt-2.7b", _BLIP2, (15000, 7600),
        "A frozen language model reads what 32 queries saw; memory in half precision.",
    ),
    _hub(
        "blip2-opt-2.7b-coco", "BLIP-2 OPT 2.7B (COCO)", "Salesforce/blip2-opt-2.7b-coco", _BLIP2, (15000, 7600),
        "The same, fine-tuned on COCO captions.",
    ),
    _hub(
        "blip2-flan-t5-xl", "BLIP-2 Flan-T5 XL", "Salesforce/blip2-flan-t5-xl", "MIT", (15800, 8000),
        "With a language model that follows openings well; memory in half precision.",
    ),
    _hub(
        "git-base-coco", "GIT base (COCO)", "microsoft/git-base-coco", "MIT", (710, 710),
        "One small network for picture and words.",
    ),
    _hub(
        "git-large-coco", "GIT large (COCO)", "microsoft/git-large-coco", "MIT", (1580, 1580),
        "Sharper than the base model; sees 224 pixels.",
    ),
    _hub(
        "florence-2-base", "Florence-2 base", "florence-community/Florence-2-base-ft", "MIT", (1080, 930),
        "Three lengths: a caption, a detailed one, a paragraph.", detail=DETAILS,
    ),
    _hub(
        "florence-2-large", "Florence-2 large", "florence-community/Florence-2-large-ft", "MIT", (3300, 3100),
        "As the base model, with more knowledge.", detail=DETAILS,
    ),
)  # fmt: skip
