"""What all benchmarks share: the models, the prompts, and how one run is timed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.prompts import PROMPTS
from common.images import to_pil
from models.clip_scorer import ClipScorer
from pipelines.services import Services
from pipelines.text_to_image import TextToImageRequest, TextToImageResult, run, start

FIRST_SEED = 1000


@dataclass
class Bench:
    """`model` "" is the first that has several steps, `ranker` "" the default of the catalog; `steps` and `size`
    (pixels) None are those of the model."""

    services: Services
    model: str = ""
    ranker: str = ""
    prompts: int = len(PROMPTS)
    candidates: int = 16
    steps: int | None = None
    size: int | None = None

    def requests(self, **changes: Any) -> list[TextToImageRequest]:
        """One resolved request per prompt, each with seeds of its own that never change."""
        asked = {
            "model": self.model or _of_several_steps(self.services),
            "ranker": self.ranker,
            "candidates": self.candidates,
            "steps": self.steps,
        }
        asked |= {"width": self.size, "height": self.size}
        return [
            TextToImageRequest(prompt, seed=FIRST_SEED + 100 * number, **{**asked, **changes}).resolve(
                self.services.catalog
            )
            for number, prompt in enumerate(PROMPTS[: self.prompts])
        ]

    def timed(self, request: TextToImageRequest) -> tuple[float, TextToImageResult]:
        """Seconds of a whole run as a user has it, previews and files included, and its result."""
        services = self._forgetful()
        began = time.perf_counter()
        *_, result = run(request, services)
        return time.perf_counter() - began, result

    def plain(self, request: TextToImageRequest) -> tuple[float, list[float]]:
        """Seconds and cosines of the plain way: the library's own pipeline paints all candidates, then all are ranked.

        For a model that no pipeline of diffusers can run, its own network in a bare loop.
        """
        services = self._forgetful()
        with services.pool.use(request.model) as model:
            began = time.perf_counter()
            pipeline = getattr(model, "pipeline", None)
            images = _by_pipeline(model, pipeline, request) if pipeline is not None else _by_loop(model, request)
            scores = services.scorer.scores(request.ranker, images, request.prompt)
            return time.perf_counter() - began, list(scores.cosine)

    def warm_up(self, request: TextToImageRequest) -> None:
        """Load both models and let every library set its kernels up."""
        self.timed(request)
        self.plain(request)

    def _forgetful(self) -> Services:
        # Vectors remembered from the run before would make the next one look faster than it is.
        return replace(self.services, scorer=ClipScorer(self.services.pool))


def _of_several_steps(services: Services) -> str:
    """The first model here that has steps to look at, give up after or choose a sampler for; "" for the usual one."""
    for spec in services.catalog.all("text_to_image"):
        if spec.controls["steps"].maximum > 1 and services.catalog.is_available(spec):
            return spec.name
    return ""


def mean(values: Sequence[float]) -> float:
    """The mean of at least one value."""
    return sum(values) / len(values)


def _by_loop(model: Any, request: TextToImageRequest) -> list[Any]:
    sampling = start(model, request)
    while sampling.done < sampling.total:
        sampling.step()
    return to_pil(sampling.predicted())


def _by_pipeline(model: Any, pipeline: Any, request: TextToImageRequest) -> list[Any]:
    import inspect

    import torch

    from models.families.diffusion_schedulers import make_scheduler

    pipeline.set_progress_bar_config(disable=True)
    seeds = range(request.seed, request.seed + request.candidates)
    options = {
        "generator": [torch.Generator().manual_seed(seed) for seed in seeds],
        "num_inference_steps": request.steps,
        "guidance_scale": request.guidance,
        "width": request.width,
        "height": request.height,
    }
    if "negative_prompt" in inspect.signature(pipeline.__call__).parameters:
        options["negative_prompt"] = [request.negative] * request.candidates
    own = pipeline.scheduler
    pipeline.scheduler = make_scheduler(request.scheduler, own.config)[0]
    try:
        return pipeline([request.prompt] * request.candidates, **options).images
    finally:
        pipeline.scheduler = own
