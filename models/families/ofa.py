"""OFA captioners (Wang et al. 2022), tiny to huge, from the authors' checkpoints with our own inference.

No library carries OFA any more. The network is written anew from the paper and from what the published code computes.
With weights made up, its logits are those of the authors' own code to within rounding, and a test holds it to them.
What could not be compared is all that needs the published weights: no checkpoint of theirs was at hand, so captions of
the real models, their scores and the sizes of the files below are not checked. The search is ours, too: the authors set
captions that have ended aside until there are as many as beams and end all others at the limit, ours let them compete
with those that still grow; where the network is unsure, the two may choose differently.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest, ModelUnavailable
from models.decoding.captioning import SearchingCaptioner, as_heat
from models.decoding.wording import Wording
from models.families.caption_contract import Caption, Decoding
from models.families.reading import readable
from models.sources import require
from models.spec import LoadContext, ModelSpec, hub_spec

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from models.ofa.network import Ofa, OfaContinuation

QUESTION = " what does the image describe?"  # what the authors ask for a caption, the space included
PUBLISHED = Decoding(beams=5, no_repeat=3, max_tokens=16)  # how the authors search
CODES = ("<code_", "<bin_")  # parts of pictures and places in them, which are no words


class OfaCaptioner(SearchingCaptioner):
    """An OFA that is asked what a picture describes. Works in the precision of its weights."""

    rows = 40

    def __init__(self, model: Ofa, tokenizer: Any, side: int, device: str = "cpu") -> None:
        """`tokenizer`: see `load_tokenizer`; `side`: pixels of the square that pictures are resized to."""
        import torch

        self.model, self.side, self.device = model.to(device), side, device
        config, known = model.config, tokenizer.get_vocab()
        self.model.words = min((known[word] for word in known if word.startswith(CODES)), default=len(known))
        question = [config.bos_token_id, *_encode(tokenizer, QUESTION), config.eos_token_id]
        self.question = torch.tensor(question, device=device)
        self.start: int = config.bos_token_id
        special = [known[word] for word in ("<s>", "<pad>", "</s>", "<unk>", "<mask>") if word in known]
        self.wording = Wording(
            # Captions of the training begin with a space, so the first word is written as those after it.
            encode=lambda text: _encode(tokenizer, f" {text.lstrip()}"),
            decode=lambda tokens: tokenizer.decode(tokens, skip_special_tokens=True),
            pieces=lambda: tokenizer.convert_ids_to_tokens(list(range(self.model.words))),
            stop=[config.eos_token_id],
            silent=special,
            forbidden=[token for token in special if token != config.eos_token_id],
        )

    def see(self, pictures: Sequence[Image]) -> tuple[Tensor, Tensor]:
        """RGB pictures of any sizes -> what the encoder makes of them, see `Ofa.see`."""
        import torch

        pixels = torch.stack([self.pixels(picture) for picture in pictures])
        return self.model.see(pixels.to(self.device, self.model.head.dtype), self.question)

    def pixels(self, picture: Image) -> Tensor:
        """An RGB picture, squashed into a square -> (3, side, side) float32 in [-1, 1]."""
        import numpy as np
        import torch
        from PIL.Image import Resampling

        square = picture.convert("RGB").resize((self.side, self.side), Resampling.BICUBIC)
        return torch.from_numpy(np.array(square)).permute(2, 0, 1) / 127.5 - 1

    def begin(
        self, pictures: Sequence[Image], opening: Sequence[int], decoding: Decoding, hypotheses: int
    ) -> OfaContinuation:
        """See `SearchingCaptioner.begin`."""
        import torch

        from models.ofa.network import OfaContinuation

        text = torch.tensor([self.start, *opening], device=self.device)
        return OfaContinuation(self.model, self.see(pictures), text, hypotheses, decoding.max_tokens)

    def check_length(self, tokens: int) -> None:
        """See `SearchingCaptioner.check_length`."""
        room = self.model.config.max_position_embeddings  # the start takes one, and the last token is not read
        if tokens > room:
            raise BadRequest(f"{tokens} tokens are asked for; this model writes at most {room}.")

    def heat(self, picture: Image, caption: Caption, word: int) -> Tensor | None:
        """See `Captioner.heat`: where the word looks among the picture's patches."""
        import torch

        tokens, places = self.asked(caption, word)
        if not places:
            return None
        with torch.inference_mode():
            text = torch.tensor([[self.start, *tokens[:-1]]], device=self.device)
            seen = self.see([picture])
            looks = self.model.looks(text, seen)[0, places].mean(0)
        rows = round((len(looks) - len(self.question)) ** 0.5)
        return as_heat(looks[: rows * rows].view(rows, rows))


def _encode(tokenizer: Any, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)


def load(context: LoadContext, side: int) -> OfaCaptioner:
    """A captioner from its folder, in the context's precision; `side`: see `OfaCaptioner`."""
    import torch

    from models.ofa.weights import load_network, load_tokenizer

    folder = require(context.spec, context.settings)
    context.report(0.05, "reading the checkpoint")
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[context.precision]
    with readable(context.spec), _about(context.spec):
        model = load_network(folder, dtype)
        tokenizer = load_tokenizer(folder, model.config)
    context.report(0.8, f"moving to {context.device}")
    captioner = OfaCaptioner(model, tokenizer, side, context.device)
    captioner.title = context.spec.title
    return captioner


@contextmanager
def _about(spec: ModelSpec) -> Iterator[None]:
    try:
        yield
    except ModelUnavailable as error:
        raise ModelUnavailable(f"{spec.title} {error}") from error


def _ofa(size: str, side: int, sizes_mb: tuple[float, float], note: str) -> ModelSpec:
    files = ("config.json", "vocab.json", "merges.txt", "*model.*")
    about = {"load": partial(load, side=side), "note": note, "files": files}
    name, title, source = f"ofa-{size}", f"OFA {size}", f"OFA-Sys/ofa-{size}"
    return hub_spec(name, title, source, "captioner", "Apache-2.0", sizes_mb, **about)


# Pixels are those of the pre-training, which the authors give beside each checkpoint.
SPECS = (
    _ofa("tiny", 256, (320, 130), "The smallest; one network for many questions, asked for a caption here."),
    _ofa("medium", 256, (680, 370), "Between tiny and base; sees 256 pixels, as tiny does."),
    _ofa("base", 384, (1160, 720), "Sees 384 pixels; its authors use 5 beams, no triple of words twice, 16 tokens."),
    _ofa("large", 480, (2450, 1880), "Sees 480 pixels; slow on a CPU."),
    _ofa("huge", 480, (4400, 3700), "The most knowledge of the five; wants a CUDA card."),
)
