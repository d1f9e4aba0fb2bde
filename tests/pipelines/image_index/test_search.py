from __future__ import annotations

import dataclasses
import os
from datetime import datetime, timezone

import numpy as np
import pytest

from common.errors import BadRequest, Blocked
from pipelines.image_index import search
from pipelines.image_index.card import OtherModelError, index_folder
from pipelines.image_index.filters import Filters
from pipelines.image_index.request import SearchImagesRequest
from pipelines.image_index.store import ImageIndex
from tests.pipelines.image_index.conftest import RANKER, picture, save

PROMPTS = {0: "a red kite over the sea", 1: "a Red boat, by night", 2: "it's 100% blue_ish ('odd')", 3: "a red kite"}


@pytest.fixture
def shots(tmp_path, build_index):
    """Ten pictures, four with prompts, in two folders, of several sizes and days."""
    for number in range(10):
        place = tmp_path / "shots" / ("o'hara" if number % 2 else "plain")
        path = save(place, number, PROMPTS.get(number, ""), size=(40 + 10 * number, 30 + 10 * number))
        day = datetime(2026, 1, 1 + number, 12, tzinfo=timezone.utc).timestamp()
        os.utime(path, (day, day))
    build_index(tmp_path / "shots")
    return tmp_path / "shots"


def names(result) -> list[str]:
    return [hit.path.rpartition("/")[2] for hit in result.hits]


def test_words_find_the_pictures_in_the_order_of_their_cosines(services, shots, find):
    result = find(text="a red kite", count=10)
    files = [hit.path for hit in result.hits]
    from PIL import Image

    vectors = services.scorer.image_vectors(RANKER, [Image.open(path).convert("RGB") for path in files])
    expected = (vectors @ services.scorer.text_vectors(RANKER, ["a red kite"])[0]).tolist()
    assert [hit.cosine for hit in result.hits] == pytest.approx(expected, abs=1e-5)
    assert expected == sorted(expected, reverse=True) and result.pictures == 10 and len(set(files)) == 10


def test_a_picture_finds_itself_first(shots, find):
    result = find(image=shots / "plain" / "004.png", count=3)
    assert names(result)[0] == "004.png" and result.hits[0].cosine == pytest.approx(1, abs=1e-5)
    assert len(result.hits) == 3 and result.model.startswith("CLIP ViT-B/32")


def test_both_together_are_the_weighted_sum(services, shots, find):
    image = shots / "plain" / "004.png"
    parts = [
        search.question(SearchImagesRequest("mine", **more, ranker=RANKER), services)
        for more in ({"image": image}, {"text": "a boat"})
    ]
    for share in (0.0, 0.3, 1.0):
        both = SearchImagesRequest("mine", "a boat", image, share, ranker=RANKER)
        expected = share * parts[0] + (1 - share) * parts[1]
        assert search.question(both, services) == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"has_prompt": True}, {0, 1, 2, 3}),
        ({"has_prompt": False}, {4, 5, 6, 7, 8, 9}),
        ({"words": "RED kite"}, {0, 3}),
        ({"words": "kit"}, set()),
        ({"words": "100% blue_ish (odd)"}, {2}),
        ({"least": 100}, {7, 8, 9}),
        ({"most": 60}, {0, 1, 2}),
        ({"since": "2026-01-03", "until": "2026-01-04"}, {2, 3}),
        ({"folder": "o'hara"}, {1, 3, 5, 7, 9}),
        ({"folder": "o'hara", "words": "red", "until": "2026-01-03"}, {1}),
        ({"folder": "o"}, set()),
    ],
)
def test_filters(shots, find, filters, found):
    filters = {**filters, **({"folder": shots / filters["folder"]} if "folder" in filters else {})}
    result = find(text="anything", count=50, filters=Filters(**filters))
    assert set(names(result)) == {f"{number:03}.png" for number in found}
    assert bool(result.notes) == (not found)


def test_prompts_of_similar_pictures(shots, find, build_index):
    save(shots, 33, "a  red kite ")
    build_index(shots)
    result = find(image=shots / "o'hara" / "003.png", count=50, filters=Filters(has_prompt=True))
    best = result.prompts[0]
    assert best.prompt == "a red kite" and best.count == 2 and best.cosine == pytest.approx(1, abs=1e-5)
    assert {each.prompt for each in result.prompts} == set(PROMPTS.values())
    assert [each.cosine for each in result.prompts] == sorted((each.cosine for each in result.prompts), reverse=True)


def test_a_deleted_picture_is_told_and_a_copy_stands_in(shots, find, build_index):
    picture(5, (90, 80)).save(shots / "copy.bmp")
    build_index(shots)
    for number in (5, 6):
        next(shots.rglob(f"{number:03}.png")).unlink()
    result = find(text="anything", count=50)
    here = {hit.path.rpartition("/")[2]: hit.here for hit in result.hits}
    assert here["copy.bmp"] and not here["006.png"] and "005.png" not in here and sum(here.values()) == 9
    assert "1 of the pictures" in result.notes[0]


def test_an_index_of_another_model_is_refused(services, shots, find):
    with pytest.raises(OtherModelError, match="rebuild"):
        find(text="x", ranker="siglip-vit-b-16")
    weights = next((services.settings.hub_folder).glob("laion--CLIP-ViT-B-32*"))
    assert weights.is_dir()
    folder = index_folder(services.settings, "mine")
    other = dataclasses.replace(ImageIndex.open(folder).card, revision="another commit")
    from pipelines.image_index.card import write_card

    write_card(folder, other)
    with pytest.raises(OtherModelError, match="revision another comm"):
        find(text="x")


def test_nan_is_refused_by_the_index_itself(services, shots):
    index = ImageIndex.open(index_folder(services.settings, "mine"))
    vector = np.full(index.card.dimension, np.nan, np.float32)
    with pytest.raises(BadRequest, match="NaN"):
        index.search(vector, 3)
    with pytest.raises(BadRequest, match="not of length 1"):
        index.search(np.ones(index.card.dimension, np.float32), 3)
    with pytest.raises(BadRequest, match=r"shape \(1, 3\)"):
        index.search(np.ones(3, np.float32), 3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "neither a picture nor a word"),
        ({"text": "x", "count": 0}, "allowed is a whole number from 1 to 500"),
        ({"text": "x", "image_share": 1.5}, "share of the picture"),
        ({"text": "x", "index": "other"}, 'no index "other"'),
        ({"text": "x", "filters": "all"}, "filters"),
    ],
)
def test_nonsense_is_one_sentence(shots, find, wrong, said):
    with pytest.raises(BadRequest, match=said):
        find(**wrong)
    with pytest.raises(Blocked):
        find(text="csam")


@pytest.mark.parametrize(
    "wrong",
    [{"since": "soon"}, {"least": 0}, {"has_prompt": 1}, {"since": "2026-02-01", "until": "2026-01-01"}, {"words": 3}],
)
def test_filters_refuse_nonsense_when_made(wrong):
    with pytest.raises(BadRequest, match=r"allowed|later"):
        Filters(**wrong)


def test_a_starter_model_with_another_config_is_another_model(tmp_path):
    from common.settings import Settings
    from models.families.pictograms_clip import SPECS
    from pipelines.image_index.card import revision_of

    folder = tmp_path / SPECS[0].source
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    found = []
    for looks in ("[1.0]", "[0.88, 1.0]"):
        (folder / "config.json").write_text(f'{{"looks": {looks}}}')
        found.append(revision_of(SPECS[0], Settings(models="starter", weights=tmp_path)))
    assert found[0] != found[1]
