"""What is asked of text → image, and the checks that it can be done."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from common.errors import BadRequest
from pipelines import limits
from safeguards.prompts import check_prompt

if TYPE_CHECKING:
    from models.catalog import Catalog

MAX_CANDIDATES = 16
MAX_SEED = 2**63 - MAX_CANDIDATES  # candidate k has seed + k, which a recipe must be able to hold


@dataclass(frozen=True)
class TextToImageRequest:
    """What is asked for. "" and None stand for the default of the model, and for a random seed.

    Sizes are in pixels; `guidance` has no unit; candidate k is made from `seed` + k; `threshold` is a cosine in
    [-1, 1] below which a picture fails. `fast_ranking` gives up the weaker candidates early.
    """

    prompt: str
    negative: str = ""
    model: str = ""
    candidates: int = 4
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    guidance: float | None = None
    scheduler: str = ""
    seed: int | None = None
    ranker: str = ""
    fast_ranking: bool = True
    threshold: float | None = None

    def resolve(self, catalog: Catalog) -> TextToImageRequest:
        """The same request with every default filled in. Resolving twice changes nothing more.

        Raises BadRequest for a value that is not allowed, Blocked for a prompt that is not, and ModelUnavailable when
        a model's files are not here.
        """
        check_prompt(self.prompt)
        check_prompt(self.negative, "negative prompt", unwanted=True)
        spec = limits.model(catalog, "text_to_image", self.model)
        if self.negative and "guidance" not in spec.controls:
            raise BadRequest(f"{spec.title} has no negative prompt; leave it out.")
        schedulers = spec.controls.get("schedulers", ())
        seed = secrets.randbelow(2**32) if self.seed is None else limits.whole("seed", self.seed, 0, MAX_SEED)
        sizes = {name: limits.control(spec, name, getattr(self, name), True) for name in ("width", "height", "steps")}
        return replace(
            self,
            **sizes,
            model=spec.name,
            candidates=limits.whole("number of candidates", self.candidates, 1, MAX_CANDIDATES),
            guidance=limits.control(spec, "guidance", self.guidance, False),
            scheduler=limits.one_of("scheduler", self.scheduler, tuple(schedulers), spec.default_scheduler),
            seed=seed,
            ranker=limits.model(catalog, "ranker", self.ranker).name,
            fast_ranking=limits.flag("fast ranking", self.fast_ranking),
            threshold=None if self.threshold is None else limits.number("threshold", self.threshold, -1, 1),
        )
