"""The whole way with real parts: two small ClipCaps found in their folders, a small CLIP, and MiniLM."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from common.errors import BadRequest
from models.clip_scorer import ClipScorer
from models.convert.clipcap import convert
from models.families.caption_contract import Decoding
from pipelines.captioning import heat
from pipelines.captioning.request import CaptionRequest
from pipelines.captioning.run import run
from pipelines.captioning.table import read_table, table, write_jsonl
from pipelines.services import Services
from tests.models import tiny_clipcap, tiny_hub
from tests.pipelines.captioning.conftest import collect

RANKER = "clip-vit-b-32"


@pytest.fixture(scope="module")
def clipcaps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub folder with the tiny CLIP and, converted, a ClipCap of either kind."""
    folder = tmp_path_factory.mktemp("clipcaps")
    tiny_hub.save_open_clip(tiny_hub.hub_path(folder, "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"))
    torch.manual_seed(0)
    config = tiny_clipcap.gpt2_config(vocab_size=len(tiny_clipcap.gpt2_tokenizer()))
    mappers = {
        "of-mlp": tiny_clipcap.mlp_weights(16, 32, 4),
        "of-transformer": tiny_clipcap.transformer_weights(16, 32, 4, 3, 1),
    }
    for seed, (name, mapper) in enumerate(mappers.items()):
        state = tiny_clipcap.checkpoint(tiny_clipcap.language_model(config, seed), mapper)
        path, gpt2 = tiny_clipcap.save(folder / ".made" / name, state, config, tokenizer=True)
        convert(path, str(gpt2), RANKER, folder / name)
    return folder


@pytest.fixture
def services(clipcaps: Path, settings: Any) -> Services:
    from models.catalog import Catalog
    from models.pool import ModelPool

    mine = replace(settings, hub_folder=clipcaps, max_memory_gb=20.0)
    pool = ModelPool(Catalog.scan(mine), mine)
    return Services(mine, pool.catalog, pool, ClipScorer(pool))


@pytest.fixture
def paths(tmp_path) -> list[str]:
    for k, colour in enumerate(((220, 40, 40), (40, 40, 220), (40, 200, 60))):
        picture = Image.linear_gradient("L").resize((50 + 10 * k, 40)).rotate(60 * k)
        Image.merge("RGB", (picture, picture.rotate(90), Image.new("L", picture.size, colour[2]))).save(
            tmp_path / f"{k}.png"
        )
    return [str(tmp_path / f"{k}.png") for k in range(3)]


@pytest.mark.parametrize(
    "decoding",
    [
        Decoding(beams=3, count=2, max_tokens=6),
        Decoding(method="diverse", beams=4, groups=2, count=3, max_tokens=5),
        Decoding(method="sample", count=3, top_p=0.8, seed=3, max_tokens=6),
        Decoding(method="greedy", max_tokens=4),
    ],
    ids=lambda decoding: decoding.method,
)
def test_two_captioners_write_and_one_caption_is_chosen(services, paths, decoding):
    request = CaptionRequest(tuple(paths), ("of-mlp", "of-transformer"), decoding, RANKER)
    steps, result = collect(run(request, services))
    assert [(row.picture, row.captioner) for row in result.rows] == list(
        itertools.product(range(3), ("of-mlp", "of-transformer"))
    )
    assert not any(row.error for row in result.rows) and result.captioned == 3
    captions = [each for row in result.rows for each in row.captions]
    assert len(captions) == 6 * decoding.count and len(result.chosen()) == 3
    for each in captions:
        assert each.caption.log_probability < 0 and len(each.caption.words) == len(each.caption.confidences)
        assert all(0 <= value <= 1 for value in each.caption.confidences)
        assert -1 <= each.cosine <= 1 and each.consensus == pytest.approx(0.5 * each.agreement + 0.5 * each.clip_score)
    for number, each in result.chosen().items():
        rivals = [other for row in result.rows if row.picture == number for other in row.captions]
        assert each.consensus == max(other.consensus for other in rivals)
    assert any(text for step in steps for _, _, text in step.data["drafts"])
    assert [step.number for step in steps] == sorted(step.number for step in steps)


def test_the_same_request_gives_the_same_captions(services, paths, tmp_path):
    decoding = Decoding(method="sample", count=2, seed=11, max_tokens=5)
    request = CaptionRequest(tuple(paths), ("of-mlp",), decoding, RANKER)
    texts = [[each.text for row in collect(run(request, services))[1].rows for each in row.captions] for _ in range(2)]
    assert texts[0] == texts[1]
    result = collect(run(request, services))[1]
    rows = table(result.rows)
    assert read_table(write_jsonl(rows, tmp_path / "t.jsonl")) == rows and len(rows) == len(
        list(filter(None, texts[0]))
    )


def test_the_heat_of_a_word_covers_the_whole_picture(services, paths):
    request = CaptionRequest(tuple(paths[:1]), ("of-transformer",), Decoding(opening="a red"), RANKER)
    caption = collect(run(request, services))[1].rows[0].captions[0].caption
    _, result = collect(heat.run(heat.HeatRequest(paths[0], "of-transformer", caption, 1), services))
    assert (
        result.word.startswith("red")
        and result.heat.min() >= 0
        and result.heat.max() == pytest.approx(1)
        and result.overlay.size == (50, 40)
    )
    with pytest.raises(BadRequest, match="place of the word"):
        collect(heat.run(heat.HeatRequest(paths[0], "of-transformer", caption, len(caption.words)), services))


def test_a_setting_it_has_no_room_for_is_one_sentence(services, paths):
    request = CaptionRequest(tuple(paths), ("of-mlp",), Decoding(max_tokens=100), RANKER)
    with pytest.raises(BadRequest, match="100 tokens"):
        collect(run(request, services))
