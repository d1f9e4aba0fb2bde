"""A tiny model pack for the tests of the page: real torch code, milliseconds a step, no weights.

`TinyPainter` flows from noise to soft blobs in the colours that the prompt names; `TinyJudge` scores a picture by how
near its mean colour is to those colours. So rankings mean something: a red picture beats a blue one at "red".
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from common.settings import Settings
from models.catalog import Catalog
from models.spec import LoadContext, ModelSpec, Range

if TYPE_CHECKING:
    from pipelines.services import Services

COLOURS = {
    "red": (0.86, 0.2, 0.18),
    "green": (0.2, 0.62, 0.3),
    "blue": (0.2, 0.36, 0.85),
    "yellow": (0.95, 0.8, 0.2),
    "white": (0.97, 0.97, 0.97),
}
NEUTRAL = (0.55, 0.5, 0.6)
_GOES_ON = Event()
_GOES_ON.set()


@contextmanager
def held() -> Iterator[None]:
    """Slow models stand still meanwhile: however long a page takes, it finds their work unfinished."""
    _GOES_ON.clear()
    try:
        yield
    finally:
        _GOES_ON.set()


def take_time(seconds: float) -> None:
    """What a slow model does at each step."""
    time.sleep(seconds)
    _GOES_ON.wait(timeout=300)


def colour_of(text: str) -> tuple[float, ...]:
    """The mean of the colours that `text` names, each channel in [0, 1]."""
    named = [COLOURS[word] for word in text.lower().split() if word in COLOURS] or [NEUTRAL]
    return tuple(sum(channel) / len(named) for channel in zip(*named, strict=True))


def words_after(text: str, limit: int) -> str:
    return " ".join(text.split()[limit:])


class TinySampling:
    """A batch of candidates on their straight way from noise to a picture."""

    def __init__(self, prompt: str, seeds: Sequence[int], width: int, height: int, steps: int, seconds: float) -> None:
        import torch
        import torch.nn.functional as F

        self.total, self.done, self._seconds = steps, 0, seconds
        noises, targets = [], []
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            noises.append(torch.rand(3, height, width, generator=generator))
            coarse = torch.rand(1, 3, 4, 4, generator=generator) - 0.5
            blobs = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)[0]
            strength = 0.2 + 0.6 * torch.rand(1, generator=generator)  # so that candidates differ in their score
            targets.append(torch.tensor(colour_of(prompt)).view(3, 1, 1) + strength * blobs)
        self._x, self._target = torch.stack(noises), torch.stack(targets)

    @property
    def size(self) -> int:
        return len(self._x)

    def step(self) -> None:
        take_time(self._seconds)
        self._x = self._x + (self._target - self._x) / (self.total - self.done)
        self.done += 1

    def predicted(self) -> Any:
        return self._x.clamp(0, 1)

    def keep(self, indices: Sequence[int]) -> None:
        self._x, self._target = self._x[list(indices)], self._target[list(indices)]


class TinyPainter:
    """The text_to_image contract."""

    token_limit = 77

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def overflow(self, prompt: str) -> str:
        return words_after(prompt, self.token_limit)

    def start(
        self,
        prompt: str,
        negative: str,
        seeds: Sequence[int],
        width: int,
        height: int,
        steps: int,
        guidance: float,
        scheduler: str,
    ) -> TinySampling:
        return TinySampling(prompt, seeds, width, height, steps, self._seconds)


class TinyJudge:
    """The ranker contract, with mean colours as features."""

    logit_scale, token_limit = 20.0, 77

    def overflow(self, text: str) -> str:
        return words_after(text, self.token_limit)

    def image_features(self, pixels: Any) -> Any:
        """(N, 3, H, W) in [0, 1] -> (N, 3) unit vectors around the middle grey."""
        import torch.nn.functional as F

        return F.normalize(pixels.mean((2, 3)) - 0.5 + 1e-4, dim=-1)

    def encode_images(self, images: Any) -> Any:
        import torch

        from common.images import to_tensor

        if not isinstance(images, torch.Tensor):
            images = torch.cat([to_tensor(image.resize((32, 32))) for image in images])
        with torch.inference_mode():
            return self.image_features(images.float())

    def encode_texts(self, texts: Sequence[str]) -> Any:
        import torch
        import torch.nn.functional as F

        return F.normalize(torch.tensor([colour_of(text) for text in texts]) - 0.5 + 1e-4, dim=-1)


def _painter(seconds: float) -> Any:
    return lambda context: TinyPainter(seconds)


def _judge(context: LoadContext) -> TinyJudge:
    context.report(0.5, "looking for glasses")
    return TinyJudge()


def _vqgan(context: LoadContext) -> Any:
    """A VQGAN whose codes are colours, 4 x 4 pixels a cell."""
    from tests.pipelines.vqgan_clip.film_services import load_colours

    return load_colours(context)


def _spec(name: str, title: str, role: str, load: Any, controls: dict | None = None, **more: Any) -> ModelSpec:
    about = {"pack": "starter", "source": name, "revision": None, "licence": "MIT", "download_mb": 1, "memory_mb": 1}
    return ModelSpec(name=name, title=title, role=role, load=load, controls=controls or {}, **{**about, **more})


CONTROLS = {
    "width": Range(32, 128, 32, 64),
    "height": Range(32, 128, 32, 64),
    "steps": Range(2, 60, 1, 8),
    "guidance": Range(1, 10, 0.5, 4),
    "schedulers": ("Euler", "DDIM"),
}
VQGAN_SIZES = {"width": Range(16, 128, 4, 32), "height": Range(16, 128, 4, 32)}
# "starter", because a model of the pack "debug" is never shown on a page, and this page is what the tests look at.
SPECS = (
    _spec("tiny", "Tiny painter", "text_to_image", _painter(0.02), CONTROLS, default_scheduler="Euler"),
    _spec(
        "tiny-slow",
        "Slow painter",
        "text_to_image",
        _painter(0.25),
        CONTROLS,
        default_scheduler="DDIM",
        note="Takes its time.",
    ),
    _spec(
        "tiny-hub",
        "Painter elsewhere",
        "text_to_image",
        _painter(0.02),
        {key: value for key, value in CONTROLS.items() if key != "guidance"} | {"steps": Range(1, 4, 1, 1)},
        default_scheduler="DDIM",
        pack="hub",
        source="nobody/nowhere",
        revision="main",
        download_mb=1234,
        note="Never fetched in tests.",
    ),
    _spec("tiny-judge", "Tiny judge", "ranker", _judge),
    _spec("tiny-vqgan", "Tiny VQGAN", "vqgan", _vqgan, VQGAN_SIZES),
)


def tiny_settings(folder: Path, **more: Any) -> Settings:
    """Settings whose folders lie in `folder`, with the files there that make the tiny models count as available."""
    weights = folder / "weights"
    for spec in SPECS:
        if "/" not in spec.source:
            (weights / spec.source).mkdir(parents=True, exist_ok=True)
            (weights / spec.source / "made-of-code").touch()
    return Settings(
        **{"port": 0, "device": "cpu", "output": folder / "outputs", "weights": weights, "hub_folder": folder, **more}
    )


def tiny_services(settings: Settings) -> Services:
    """The services of an app that knows the tiny models only."""
    from models.clip_scorer import ClipScorer
    from models.pool import ModelPool
    from pipelines.services import Services

    catalog = Catalog(SPECS, settings)
    pool = ModelPool(catalog, settings, ("cpu",))
    return Services(settings, catalog, pool, ClipScorer(pool))


def make_examples(folder: Path) -> Path:
    """A folder of ready-made examples, drawn by the tiny painter."""
    import json

    from common.images import to_pil
    from safeguards.recipe import Recipe, stamp_png

    (folder / "gallery").mkdir(parents=True)
    listed = []
    for prompt in ("a red kite", "a blue whale", "a green leaf", "a yellow lemon"):
        settings = {"prompt": prompt, "model": "tiny", "steps": 8, "width": 64, "height": 64}
        sampling = TinySampling(prompt, (1, 2, 3), 64, 64, 1, 0.0)
        sampling.step()
        files = []
        for k, image in enumerate(to_pil(sampling.predicted())):
            name = f"gallery/{prompt.split()[-1]}-{k + 1}.png"
            scores = {"cosine": 0.9 - 0.1 * k, "clip_score": 2.2 - 0.2 * k, "share": 0.5 - 0.1 * k}
            stamp_png(
                image, Recipe("text_to_image", "tiny", settings=settings, seed=k + 1, scores=scores), folder / name
            )
            files.append(name)
        listed.append({"prompt": prompt, "settings": settings, "files": files})
    (folder / "text_to_image.json").write_text(json.dumps(listed), encoding="utf-8")
    return folder
