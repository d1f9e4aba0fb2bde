"""ClipCap captioners: the starter pack's own, and converted checkpoints, which are found in their folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.settings import Settings
from models.decoding.captioning import SearchingCaptioner, as_heat, onto_picture
from models.decoding.wording import Wording
from models.families.caption_contract import Caption, Decoding
from models.families.clipcap_eye import clip_vectors, patch_heat
from models.families.clipcap_model import CONFIG, ClipCap, read_config
from models.families.clipcap_names import Names
from models.families.reading import readable
from models.sources import require
from models.spec import LoadContext, ModelSpec

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from models.decoding.gpt2 import Gpt2Continuation

WEIGHTS, TOKENIZER = "*.safetensors", "*token*"  # tokenizer.json, or the older tokenizer_config.json and vocab.json
FILES = (CONFIG, WEIGHTS, TOKENIZER)


class ClipCapCaptioner(SearchingCaptioner):
    """A ClipCap with the ranker that sees for it and the tokenizer that speaks for it.

    Where its config has "reranking", that ranker has the last word: of a beam search of at least so many "beams", the
    captions come in the order of log-probability + "weight" times their cosine with the picture. A small language
    model has the right noun among its beams more often than at their head.
    """

    def __init__(
        self, model: ClipCap, ranker: Any, wording: Wording, parts: ExitStack | None = None, names: Names | None = None
    ) -> None:
        """`parts`: closed with this captioner; it holds the ranker, which others use too. `names`: those it is told."""
        self.model, self.ranker, self.wording, self.names = model, ranker, wording, names
        self.normalise: bool = model.config["normalise"]
        self.features: bool | str = model.config.get("features", False)
        self.reranking: dict[str, float] | None = model.config.get("reranking")
        self.device = model.device
        self._parts = parts or ExitStack()

    def close(self) -> None:
        """Let go of the ranker."""
        self._parts.close()

    def caption(self, pictures: Sequence[Image], decoding: Decoding) -> Iterator[list[str] | list[list[Caption]]]:
        """See `Captioner.caption`; a single beam is not reranked, nor is any method but beam search."""
        if not self.reranking or decoding.method != "beam" or decoding.beams == 1:
            yield from super().caption(pictures, decoding)
            return
        self.check(decoding)
        beams = max(decoding.beams, int(self.reranking["beams"]))
        for said in super().caption(pictures, replace(decoding, beams=beams, count=beams)):
            if said and isinstance(said[0], list):
                vectors = self.ranker.encode_images(list(pictures))
                yield [self._reranked(*each)[: decoding.count] for each in zip(vectors, said, strict=True)]
            else:
                yield said

    def _reranked(self, vector: Tensor, captions: list[Caption]) -> list[Caption]:
        """The captions of one picture, whose unit vector is (D,)."""
        cosines = (self.ranker.encode_texts([each.text for each in captions]) @ vector).tolist()
        values = [c.log_probability + self.reranking["weight"] * s for c, s in zip(captions, cosines, strict=True)]
        order = sorted(range(len(captions)), key=lambda k: -values[k])
        return [captions[k] for k in order]

    def begin(
        self, pictures: Sequence[Image], opening: Sequence[int], decoding: Decoding, hypotheses: int
    ) -> Gpt2Continuation:
        """See `SearchingCaptioner.begin`."""
        import torch

        vectors, units = clip_vectors(self.ranker, pictures, self.normalise, self.features)
        prefix = self.model.prefix(vectors, self._told(units))
        if opening:
            words = self.model.language.embed(torch.tensor(opening, device=prefix.device))
            prefix = torch.cat([prefix, words.expand(len(prefix), -1, -1)], 1)
        return self.model.language.begin(prefix, hypotheses, decoding.max_tokens)

    def _told(self, units: Tensor) -> Tensor | None:
        return None if self.names is None else self.names.nearest(units)

    def check_length(self, tokens: int) -> None:
        """See `SearchingCaptioner.check_length`."""
        self.model.check_length(tokens)

    def heat(self, picture: Image, caption: Caption, word: int) -> Tensor | None:
        """See `Captioner.heat`: by the gradient of the word's log-probability at CLIP's last map."""
        import torch

        tokens, places = self.asked(caption, word)
        if not places:
            return None
        text = torch.tensor([tokens], device=self.model.device)
        first, told = self.model.plan.prefix + self.model.told - 1, self._told(self.ranker.encode_images([picture]))

        def score(vector: Tensor) -> Tensor:
            logits = self.model.logits(vector, text[:, :-1], told)[0, first:]
            return logits.log_softmax(-1)[places, text[0, places]].sum()

        heat = patch_heat(self.ranker, picture, self.normalise, score, self.features)
        return (
            None
            if heat is None
            else onto_picture(as_heat(heat), picture.size, not getattr(self.ranker, "squash", True))
        )


def read_wording(folder: Path, stop: Sequence[int], vocabulary: int) -> Wording:
    """GPT-2's tokenizer from its files in `folder`; `stop` are the tokens that end a caption, `vocabulary` is how many
    tokens the language model knows."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    return Wording(
        encode=lambda text: tokenizer.encode(text, add_special_tokens=False),
        decode=lambda tokens: tokenizer.decode(tokens, skip_special_tokens=True),
        pieces=lambda: tokenizer.convert_ids_to_tokens(list(range(vocabulary))),
        stop=[*stop, *end],
        silent=end,
    )


def read_names(folder: Path, model: ClipCap, wording: Wording) -> Names | None:
    """The names that the captioner in `folder` is told, None where it was trained without any; its CLIP, which lies
    beside it, has them."""
    told = model.config.get("names")
    return Names.read(folder.parent / model.config["clip"], wording.encode, told) if told else None


def load(context: LoadContext) -> ClipCapCaptioner:
    """The captioner of the context's spec; shares its ranker with whoever else uses it."""
    folder = require(context.spec, context.settings)
    context.report(0.1, "reading mapper and language model")
    with readable(context.spec):
        model = ClipCap.from_folder(folder, context.precision, context.device)
        wording = read_wording(folder, model.config.get("stop", []), model.language.vocabulary)
        names = read_names(folder, model, wording)
    with ExitStack() as parts:
        context.report(0.5, "loading the CLIP that sees for it")
        ranker = parts.enter_context(context.pool.use(model.config["clip"], context.device))
        captioner = ClipCapCaptioner(model, ranker, wording, parts.pop_all(), names)
    captioner.title = context.spec.title
    return captioner


def found(settings: Settings) -> tuple[ModelSpec, ...]:
    """The ClipCaps that lie in the hub folder or the weights folder, such as converted checkpoints."""
    return tuple(_found(settings))


def _found(settings: Settings) -> Iterator[ModelSpec]:
    for place in (settings.hub_folder, settings.weights):
        try:
            folders = sorted(path for path in place.iterdir() if path.is_dir()) if place else []
        except OSError:  # a folder that is not there holds no models
            folders = []
        for folder in folders:
            config = None if folder.name.startswith(".") else read_config(folder)
            if config is not None and all(next(folder.glob(pattern), None) for pattern in FILES):
                yield _found_spec(folder, config)


def _found_spec(folder: Path, config: dict[str, Any]) -> ModelSpec:
    size_mb = sum(path.stat().st_size for path in folder.glob(WEIGHTS)) / 1e6
    sizes = config.get("mapper", {})
    return ModelSpec(
        name=folder.name,
        title=folder.name,
        role="captioner",
        pack="hub",
        source=folder.name,
        revision="main",
        licence="that of its source",
        download_mb=size_mb,
        memory_mb=size_mb,
        load=load,
        note=f"Found in its folder: {sizes.get('kind')} mapper, prefix {sizes.get('prefix_length')}, {config['clip']}.",
        files=FILES,
    )


def _starter(name: str, title: str, note: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        title=title,
        role="captioner",
        pack="starter",
        source=name,
        revision=None,
        licence="MIT (weights); trained on MIT, Apache-2.0, CC-BY and public-domain pictures",
        download_mb=19,
        memory_mb=38,
        load=load,
        note=note,
        files=FILES,
    )


SPECS = (
    _starter(
        "pictograms-clipcap-mlp",
        "Pictogram captions",
        "A small ClipCap with the MLP mapper, told names by its CLIP; knows photographs of ImageNet's things.",
    ),
    _starter(
        "pictograms-clipcap",
        "Pictogram captions (Transformer)",
        "A small ClipCap with the Transformer mapper, told names by its CLIP; colours are wrong more often.",
    ),
)
