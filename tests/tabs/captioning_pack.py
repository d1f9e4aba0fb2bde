"""An app's services with captioners that name colours: real code at tiny size, some of them slow enough to watch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.settings import Settings
from models.catalog import Catalog
from models.families.caption_contract import Caption, Decoding
from models.spec import LoadContext, ModelSpec
from tests.pipelines.captioning.tiny import ColourNamer, Contrary
from tests.tabs import tiny_pack
from tests.tabs.tiny_pack import take_time

if TYPE_CHECKING:
    from pipelines.services import Services

SECONDS = 0.25  # that the slow one takes for a token of a picture


class Namer(ColourNamer):
    """Has every setting."""

    title = "Colour namer"
    supports = ColourNamer.supports | Decoding.__dataclass_fields__.keys() - {"detail"}


class SlowNamer(Namer):
    """Takes its time for each word of each picture."""

    title = "Slow namer"

    def caption(self, pictures: Sequence[Any], decoding: Decoding) -> Iterator[list[str] | list[list[Caption]]]:
        for said in super().caption(pictures, decoding):
            take_time(SECONDS * len(pictures))
            yield said


class Teller(Namer):
    """Can say more."""

    title = "Story teller"
    supports = Namer.supports | {"detail"}


def _spec(name: str, title: str, kind: type | None, **more: Any) -> ModelSpec:
    about = {"pack": "starter", "source": name, "revision": None, "licence": "MIT", "download_mb": 1, "memory_mb": 1}

    def load(context: LoadContext) -> Any:
        return kind()

    return ModelSpec(name=name, title=title, role="captioner", load=load, **{**about, **more})


CAPTIONERS = (
    _spec("namer", "Colour namer", Namer, note="Names colours."),
    _spec("contrary", "Contrary namer", Contrary),
    _spec("slow", "Slow namer", SlowNamer),
    _spec("teller", "Story teller", Teller, controls={"detail": ("caption", "detailed", "more")}),
    _spec("afar", "Namer elsewhere", None, pack="hub", source="nobody/nothing", revision="main", download_mb=1234),
)


def captioning_services(folder: Path, specs: Sequence[ModelSpec] = CAPTIONERS, **more: Any) -> Services:
    """The services of an app that knows the tiny models and these captioners."""
    from models.clip_scorer import ClipScorer
    from models.pool import ModelPool
    from pipelines.services import Services

    settings: Settings = tiny_pack.tiny_settings(folder, **more)
    for spec in specs:
        if "/" not in spec.source:
            (settings.weights / spec.source).mkdir(parents=True, exist_ok=True)
            (settings.weights / spec.source / "made-of-code").touch()
    catalog = Catalog([*tiny_pack.SPECS, *specs], settings)
    pool = ModelPool(catalog, settings, ("cpu",))
    return Services(settings, catalog, pool, ClipScorer(pool))
