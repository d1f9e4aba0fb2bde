"""Ready-made results for the page: ``python -m training.gallery``. Run it again whenever the starter model is new.

Every picture goes through the app's own pipeline, so it carries its recipe; nothing is picked by hand.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from common.settings import REPOSITORY, Settings
from pipelines import text_to_image
from pipelines.services import build_services
from pipelines.steps import Result
from pipelines.text_to_image import TextToImageResult
from pipelines.text_to_image_request import TextToImageRequest

PROMPTS = (
    "a smiling cat in 3D style", "a pizza", "a red car", "a penguin", "a birthday cake", "a rocket in 3D style",
    "a green frog", "a red apple next to a blue cup", "a sunflower", "an umbrella on a blue background", "a guitar",
    "a slice of watermelon, flat icon",
)  # fmt: skip
KEPT = ("model", "candidates", "steps", "guidance", "scheduler", "width", "height", "fast_ranking", "ranker")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.gallery", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=REPOSITORY / "examples")
    parser.add_argument("--model", default="", help="a text to image model; the usual one when left out")
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    folder, listed = args.out / "gallery", []
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        services = build_services(replace(Settings(models="starter"), output=Path(scratch)))
        for prompt in PROMPTS:
            result = make(
                TextToImageRequest(prompt, model=args.model, candidates=args.candidates, seed=args.seed), services
            )
            names = []
            for place, candidate in enumerate(result.candidates[:4], 1):
                names.append(f"gallery/{prompt.replace(',', '').replace(' ', '-')}-{place}.png")
                shutil.copyfile(candidate.path, args.out / names[-1])
            settings = {name: result.recipe["settings"][name] for name in KEPT}
            listed.append({"prompt": prompt, "settings": settings, "files": names})
            print(f"{prompt}: best {result.best:.3f}, {result.seconds:.1f} s", flush=True)
    (args.out / "text_to_image.json").write_text(json.dumps(listed, indent=1) + "\n")


def make(request: TextToImageRequest, services: object) -> TextToImageResult:
    """Runs the pipeline to its end."""
    *_, last = text_to_image.run(request, services)
    assert isinstance(last, Result)
    return last


if __name__ == "__main__":
    main()
