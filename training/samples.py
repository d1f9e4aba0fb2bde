"""A sheet of pictures for 48 fixed prompts: ``python -m training.samples --out weights/pictograms-gan/samples.webp``.

Another model of the dropdown is asked for with ``--model``; its sheet lies beside its own weights. The same prompts and
seeds for every release, never chosen by hand or by score, so that sheets can be compared.
"""

from __future__ import annotations

import argparse
import textwrap
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw

from common.images import contact_sheet, to_pil
from common.settings import Settings
from models.catalog import Catalog
from models.pool import ModelPool
from pipelines.text_to_image import start
from pipelines.text_to_image_request import TextToImageRequest

PROMPTS = (
    "a pizza", "a red car", "a penguin", "a smiling cat in 3D style", "a red apple", "a blue car",
    "a green apple on a yellow background", "a slice of watermelon", "a dog in cartoon style", "a red heart",
    "a rainbow", "a birthday cake", "a rocket in 3D style", "a house with a garden", "a bicycle", "a yellow star",
    "a tree in flat style", "a black and white icon of a key", "a happy face", "a crying face", "a panda",
    "a frog in 3D style", "an owl, clip art", "a butterfly", "a guitar", "a camera, flat icon", "a cup of coffee",
    "a hamburger in 3D style", "a banana", "a bunch of grapes", "a purple flower", "a rose", "a cactus", "a mushroom",
    "a snowman", "an umbrella on a blue background", "a sailing boat", "an airplane", "a train in cartoon style",
    "a football", "a trophy", "a crown in 3D style", "a diamond ring", "a red apple next to a blue cup",
    "a cat and a dog", "a star above a tree", "a fish to the left of a crab",
    "a green frog next to a red mushroom on a yellow background",
)  # fmt: skip
LINE = 26  # pixels under each picture for its prompt


def labelled(picture: Image.Image, prompt: str) -> Image.Image:
    """The picture with its prompt written underneath."""
    card = Image.new("RGB", (picture.width + 8, picture.height + LINE + 8), "white")
    card.paste(picture, (4, 4))
    ImageDraw.Draw(card).text((4, picture.height + 5), textwrap.fill(prompt, 26), fill="black", font_size=9)
    return card


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.samples", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="pictograms-gan")
    parser.add_argument("--weights", type=Path, default=Settings().weights)
    parser.add_argument("--out", type=Path, default=Path("samples.webp"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each", type=int, default=1, help="pictures a prompt, side by side")
    args = parser.parse_args()
    settings = Settings(models="starter", weights=args.weights)
    pool, cards = ModelPool(Catalog.scan(settings), settings, ["cpu"]), []
    asked = TextToImageRequest("-", model=args.model, candidates=args.each, seed=args.seed).resolve(pool.catalog)
    with pool.use(args.model) as model:
        for prompt in PROMPTS:
            run = start(model, replace(asked, prompt=prompt))
            while run.done < run.total:
                run.step()
            cards.append(labelled(contact_sheet(to_pil(run.predicted()), args.each), prompt))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(cards, max(8 // args.each, 1)).save(args.out, quality=85)


if __name__ == "__main__":
    main()
