"""Photographs of ImageNet things, for measuring only: cut-out photos from Tux Paint's stamps (GPL-2).

They are neither trained on nor shipped; each is fetched by its package's name and named as its ImageNet class.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.data.render import render_file
from training.data.sources import provide
from training.pictures import on_background

FOLDER = "usr/share/tuxpaint/stamps"
# stamp, ImageNet class name; chosen by the stamps' own names, less the few that turned out to be drawings
THINGS = {
    "animals/marsupials/koala": "koala", "animals/marsupials/wombat": "wombat",
    "animals/insects/grasshopper": "grasshopper", "animals/insects/mantis": "praying mantis",
    "animals/lizards/iguana": "green iguana",
    "animals/mammals/rodents/beaver": "beaver", "animals/mammals/rodents/marmot": "marmot",
    "animals/mammals/camel/dromedary": "arabian camel", "animals/mammals/bears/bear": "brown bear",
    "animals/mammals/aquatic/whale": "grey whale", "animals/mammals/aquatic/orca": "killer whale",
    "animals/mammals/aquatic/sea_lion": "sea lion", "animals/mammals/aquatic/otter": "otter",
    "animals/mammals/equines/zebra": "zebra", "animals/mammals/pig": "pig",
    "animals/mammals/apes/chimp": "chimpanzee", "animals/mammals/apes/gorilla": "gorilla",
    "animals/mammals/cats/tiger": "tiger", "animals/mammals/cats/lion": "lion",
    "animals/mammals/bovines/bison": "bison", "animals/mammals/bovines/ram": "ram (adult male sheep)",
    "animals/mammals/dogs/dingo": "dingo", "animals/mammals/dogs/fox": "red fox",
    "animals/mammals/hippopotamus": "hippopotamus", "animals/mammals/elephant": "African bush elephant",
    "animals/mammals/badger": "badger", "animals/birds/peacock": "peafowl", "animals/birds/ostrich": "ostrich",
    "animals/birds/rooster": "rooster", "animals/birds/hen": "hen", "animals/birds/pelican": "pelican",
    "animals/birds/pink_flamingo": "flamingo", "animals/birds/magpie": "magpie", "animals/birds/vulture": "vulture",
    "animals/birds/tucan": "toucan", "animals/fish/lobster": "American lobster",
    "animals/fish/clownfish": "clownfish", "animals/fish/lionfish": "lionfish", "food/fruit/pineapple": "pineapple",
    "food/fruit/orange": "orange", "food/fruit/lemon": "lemon", "food/fruit/banana": "banana",
    "food/fruit/pomegranate": "pomegranate", "food/fruit/strawberry": "strawberry",
    "food/fruit/apple_granny_smith": "Granny Smith apple", "food/vegetables/pepper": "bell pepper",
    "food/vegetables/broccoli": "broccoli", "food/vegetables/mushroom": "mushroom",
    "household/dishes/teapot": "teapot", "household/dishes/mug": "coffee mug", "household/tools/hammer": "hammer",
    "hobbies/music/string/guitar_electric": "electric guitar",
    "hobbies/music/string/guitar_classical": "acoustic guitar", "hobbies/music/string/violin": "violin",
    "hobbies/binoculars": "binoculars", "sports/basketball": "basketball", "sports/soccer": "soccer ball",
    "sports/tennis_ball": "tennis ball", "vehicles/emergency/firetruck": "fire truck",
    "vehicles/flight/planes/747": "airliner", "vehicles/garbagetruck": "garbage truck",
}  # fmt: skip


def photos(cache: Path, size: int = 128) -> tuple[Tensor, list[str]]:
    """The photographs on white, (N, 3, size, size) float32 [0, 1], and the ImageNet class name of each.

    Raises SourceMissingError where the package cannot be fetched.
    """
    folder = provide("tuxpaint", cache)[0] / FOLDER
    cut_out = np.stack([render_file(folder / f"{stamp}.png", size) for stamp in THINGS])
    return on_background(torch.from_numpy(cut_out), torch.ones(len(THINGS), 3)), list(THINGS.values())
