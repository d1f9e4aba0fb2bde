"""What is asked of VQGAN+CLIP, and the checks that it can be done."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from common.errors import BadRequest
from pipelines import limits
from pipelines.vqgan_clip import prompts as grammar
from pipelines.vqgan_clip import ranges
from pipelines.vqgan_clip.optimisers import OPTIMISERS
from pipelines.vqgan_clip.presets import PRESETS
from pipelines.vqgan_clip.starts import STARTS
from pipelines.vqgan_clip.steering import read_log

if TYPE_CHECKING:
    from PIL.Image import Image

    from models.catalog import Catalog

# The path of an upload or a picture that is in memory; "" is the one that a checkpoint holds.
Source: TypeAlias = "str | Path | Image"

MAX_STEPS, MAX_RUNS, MAX_CLIPS, MAX_PICTURES = 100_000, 8, 4, 8
MAX_SEED = 2**63 - 64  # canvas k has seed + k and branches have more, which a recipe must be able to hold
NO_JUDGE = "none"


@dataclass(frozen=True)
class ImagePrompt:
    """A picture to come near to (weight above 0) or to keep away from (below 0); `stop` as in `prompts.Prompt`."""

    picture: Source
    weight: float = 1.0
    stop: float = -math.inf


@dataclass(frozen=True)
class Region:
    """Prompts, in the grammar of `prompts.parse` without scenes, for the part of the canvas where `mask` is white.

    A mask has the size of the canvas or of the start picture. Of a picture in memory with transparency, such as a
    painted layer, the opaque part counts instead of the white one.
    """

    prompts: str
    mask: Source


@dataclass(frozen=True)
class VqganClipRequest:
    """What is asked for. "" and None stand for the default of the model or of the field, and for a random seed.

    `prompts`: see `prompts.parse`, "^" between the scenes of a story, of which each fades into the next during its
    last `fade`; `noise_prompts`: "seed:weight | ...". `clips` are the rankers to please, all at once; `judge` is one
    that is not optimised and gives the final score ("" the first there is, "none" nobody). `freeze` is a mask: where it
    is white the start stays.

    `start`: "draft" (what the text → image model `draft_model` makes of the words; a spot where there are none, or no
    such model), "noise" (random codes), "perlin", "gradient", "flat" (one colour), "spot" (one colour before another),
    "image" (`start_image`, scaled and cropped to fit) or "checkpoint" (the file `checkpoint`, up to `steps` in all).
    `start_weight` pulls z to the start by half that times the mean square of the difference, and loses the share
    `start_decay` of itself until the end.

    Sizes are in pixels. Canvas k of `runs` has the seed `seed` + k; with `refill` the weaker canvases make room on the
    way for branches of the better. `rate` is the optimiser's learning rate, in units of the codebook; `coarse` the
    width in latent cells by which the gradient is blurred at first, large shapes before detail; `ema` the decay of the
    average of z that is shown (0: none); `tv` the weight of total variation. Every step looks at `cuts` cut-outs, in an
    even course to `cuts_end` at the end, of `cut_size` pixels (None: what the CLIP was made for), taken as the preset
    says; `augment` scales its augmentations, `noise` is the largest standard deviation of the noise on a cut,
    `normalise` whether CLIP sees its own mean and deviation. `log` are the changes of an earlier run, to make again.
    """

    prompts: str = ""
    model: str = ""
    clips: tuple[str, ...] = ()
    judge: str = ""
    image_prompts: tuple[ImagePrompt, ...] = ()
    noise_prompts: str = ""
    regions: tuple[Region, ...] = ()
    freeze: Source | None = None
    start: str = ""
    draft_model: str = ""
    start_image: Source | None = None
    checkpoint: str | Path | None = None
    start_weight: float | None = None
    start_decay: float = 0.0
    width: int | None = None
    height: int | None = None
    steps: int = 120
    seed: int | None = None
    runs: int = 1
    refill: bool = True
    optimiser: str = "Adam"
    rate: float | None = None
    coarse: float | None = None
    ema: float = 0.9
    tv: float = 0.0
    preset: str = ""
    cuts: int | None = None
    cuts_end: int | None = None
    cut_size: int | None = None
    augment: float = 1.0
    noise: float = 0.1
    normalise: bool = True
    fade: float = 0.25
    log: tuple[dict[str, Any], ...] = ()

    def resolve(self, catalog: Catalog) -> VqganClipRequest:
        """The same request with every default filled in. Resolving twice changes nothing more.

        Raises BadRequest for a value that is not allowed, Blocked for a prompt that is not, and ModelUnavailable when
        a model's files are not here. The pictures are looked at later, by `pictures.admitted`.
        """
        spec = limits.model(catalog, "vqgan", self.model)
        usual = ranges.defaults(spec)
        _check_pulls(self)
        clips, judge = _judges(self, catalog)
        open_ = {name: usual[name] for name in ("rate", "coarse", "start_weight") if getattr(self, name) is None}
        filled = replace(self, **open_)
        numbers = {name: ranges.number(name, getattr(filled, name)) for name in ranges.RANGES}
        seed = secrets.randbelow(2**32) if self.seed is None else limits.whole("seed", self.seed, 0, MAX_SEED)
        return replace(
            self,
            **numbers,
            **{name: limits.control(spec, name, getattr(self, name), True) for name in ("width", "height")},
            **_cut_counts(self, usual["cuts"]),
            model=spec.name,
            clips=clips,
            judge=judge,
            **_start(self, usual["start"], catalog),
            steps=limits.whole("number of steps", self.steps, 1, MAX_STEPS),
            seed=seed,
            runs=limits.whole("number of runs", self.runs, 1, MAX_RUNS),
            refill=limits.flag("refill", self.refill),
            optimiser=limits.one_of("optimiser", self.optimiser, OPTIMISERS, OPTIMISERS[0]),
            preset=limits.one_of("kind of cut-outs", self.preset, tuple(PRESETS), usual["preset"]),
            normalise=limits.flag("normalisation", self.normalise),
            log=read_log(self.log),
        )


def _check_pulls(request: VqganClipRequest) -> None:
    """Refuse prompts of any kind that cannot be read, and a request in which nothing pulls."""
    pictures, noises = request.image_prompts, grammar.parse_noise(request.noise_prompts)
    if max(len(pictures), len(request.regions)) > MAX_PICTURES:
        raise BadRequest(f"At most {MAX_PICTURES} image prompts and {MAX_PICTURES} regions are allowed.")
    weights = [grammar.check_weight(each.weight, f"image prompt {k}") for k, each in enumerate(pictures, 1)]
    weights += [each.weight for each in noises]
    for number, region in enumerate(request.regions, 1):
        if len(grammar.parse(region.prompts, f"prompt of region {number}")) > 1:
            raise BadRequest(f"The prompt of region {number} has scenes (^); only the main prompt may have them.")
    if request.prompts.strip():
        scenes = grammar.parse(request.prompts)
        words = [prompt for scene in scenes for prompt in scene]
        words += [prompt for region in request.regions for prompt in grammar.parse(region.prompts)[0]]
        grammar.check_words(words)  # what is harmless part by part may not be so together
    elif not any(weights) and not request.regions:
        grammar.parse(request.prompts)  # which says what is missing


def _judges(request: VqganClipRequest, catalog: Catalog) -> tuple[tuple[str, ...], str]:
    """The rankers to optimise and the one to judge by, "none" when there is none."""
    clips = tuple(limits.model(catalog, "ranker", name).name for name in request.clips or ("",))
    if len(set(clips)) != len(clips) or len(clips) > MAX_CLIPS:
        raise BadRequest(f"The CLIPs are {', '.join(clips)}; allowed are 1 to {MAX_CLIPS} different ones.")
    if request.judge == NO_JUDGE:
        return clips, NO_JUDGE
    if request.judge not in ("", None):
        judge = limits.model(catalog, "ranker", request.judge).name
        if judge in clips:
            raise BadRequest(f"The judge {judge} is optimised itself, so its score would mean nothing; take another.")
        return clips, judge
    others = [spec for spec in catalog.all("ranker") if spec.name not in clips and catalog.is_available(spec)]
    return clips, others[0].name if others else NO_JUDGE


def _start(request: VqganClipRequest, default: str, catalog: Catalog) -> dict[str, str]:
    """The settings `start` and `draft_model`."""
    given = "checkpoint" if request.checkpoint else "image" if request.start_image is not None else default
    start = limits.one_of("start", request.start, STARTS, given)
    if start == "checkpoint" and not request.checkpoint:
        raise BadRequest("The start is a checkpoint, but no checkpoint is given. Choose its file.")
    if start == "image" and request.start_image is None:
        raise BadRequest("The start is a picture, but no picture is given. Choose one, or another start.")
    if start != "draft":
        return {"start": start, "draft_model": ""}
    model = _draft_model(request, catalog) if grammar.wanted(request.prompts)[0] else ""
    return {"start": start if model else "spot", "draft_model": model}


def _draft_model(request: VqganClipRequest, catalog: Catalog) -> str:
    """The text → image model to draft with: the one asked for, else the default if it is here, else one that is."""
    if request.draft_model:
        return limits.model(catalog, "text_to_image", request.draft_model).name
    here = [spec for spec in catalog.all("text_to_image") if catalog.is_available(spec)]
    usual = catalog.default("text_to_image") if here else None
    return "" if usual is None else (usual if usual in here else here[0]).name


def _cut_counts(request: VqganClipRequest, default: int) -> dict[str, int | None]:
    first = ranges.cut_count(default if request.cuts is None else request.cuts)
    last = ranges.cut_count(first if request.cuts_end is None else request.cuts_end, "last number of cut-outs")
    size = None if request.cut_size is None else limits.whole("cut size", request.cut_size, 32, 512, 8)
    return {"cuts": first, "cuts_end": last, "cut_size": size}
