"""Captioning with the starter pack as someone in the room has it: files in, sentences with scores and a pick out."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.report import Figure

GALLERY = Path(__file__).parents[1] / "examples" / "gallery"
CAPTIONS = 3  # of a picture; the room asks for so many unless told otherwise
MANY, ONE_GOAL, MANY_GOAL = 100, 0.3, 10.0  # pictures; seconds


def in_the_room(bench: Bench) -> list[Figure]:
    """One picture and a hundred captioned as the room does it by default, from files to scores and the picked caption,
    the models being loaded; nothing where the starter pack has no captioner or there are no pictures to take."""
    specs = [spec for spec in bench.services.catalog.all("captioner") if spec.pack == "starter"]
    if not specs or not any(GALLERY.glob("*.png")):
        return []
    return [
        _room(bench, specs[0].name, "captioning_starter_one", 1, ONE_GOAL, times=5),
        _room(bench, specs[0].name, "captioning_starter_many", MANY, MANY_GOAL, times=1),
    ]


def _room(bench: Bench, name: str, figure: str, pictures: int, goal: float, times: int) -> Figure:
    """The best of a few runs after one to warm up, each with pictures that no run has seen."""
    from models.families.caption_contract import Decoding
    from pipelines.captioning.request import CaptionRequest
    from pipelines.captioning.run import run

    spent = []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(times + 1):
            paths = _pictures(Path(folder), pictures, turn)
            request = CaptionRequest(paths, (name,), Decoding(count=CAPTIONS))
            began = time.perf_counter()
            *_, result = run(request, bench.services)
            spent.append(time.perf_counter() - began)
            if result.captioned < pictures:
                raise RuntimeError(f"only {result.captioned} of {pictures} pictures got a caption")
    seconds, plural = min(spent[1:]), "s" * (pictures > 1)
    what = f"{name}, {pictures} picture{plural} in the room, {CAPTIONS} captions each, scores and consensus included"
    details = {"runs": spent[1:], "first_run": spent[0]}
    return Figure(figure, what, seconds, None, "s", f"at most {goal:g} s", seconds <= goal, details)


def _pictures(folder: Path, count: int, turn: int) -> tuple[str, ...]:
    """Copies of the gallery's pictures, each with a dot of its own, for what was seen before is remembered."""
    from PIL import Image

    sources, paths = sorted(GALLERY.glob("*.png")), []
    for number in range(count):
        with Image.open(sources[number % len(sources)]) as source:
            picture = source.convert("RGB")
        # Another colour for each number of pictures, too: one run must not know those of the other.
        picture.putpixel((0, 0), (turn, count % 256, number))
        paths.append(folder / f"{turn}-{number}.png")
        picture.save(paths[-1])
    return tuple(map(str, paths))
