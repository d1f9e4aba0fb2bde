from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import torch
from PIL import Image

from models.clip_scorer import ClipScorer

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


class Eye:
    """A ranker whose space is colour; counts what it is asked to encode."""

    logit_scale = 10.0

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.read: list[int] = []

    def encode_images(self, images):
        self.seen.append(len(images))
        rows = torch.tensor([image.resize((1, 1)).getpixel((0, 0)) for image in images]).float()
        return torch.nn.functional.normalize(rows, dim=-1)

    def encode_texts(self, texts):
        self.read.append(len(texts))
        return torch.nn.functional.normalize(torch.tensor([COLOURS[text] for text in texts]).float(), dim=-1)

    def overflow(self, text):
        return text[3:]


class OneModelPool:
    def __init__(self) -> None:
        self.models = {"eye": Eye(), "other": Eye()}
        self.devices: list[str | None] = []

    @contextmanager
    def use(self, name, device=None):
        self.devices.append(device)
        yield self.models[name]


@pytest.fixture
def pool() -> OneModelPool:
    return OneModelPool()


def plain(name: str, size: int = 8) -> Image.Image:
    return Image.new("RGB", (size, size), COLOURS.get(name, (255, 255, 0)))


def test_scores_are_the_published_formulas(pool):
    pictures = [plain("blue"), plain("yellow"), plain("red")]
    scores = ClipScorer(pool).scores("eye", pictures, "red")
    assert scores.cosine == pytest.approx((0.0, 0.5**0.5, 1.0), abs=1e-6)
    assert scores.clip_score == pytest.approx((0.0, 2.5 * 0.5**0.5, 2.5), abs=1e-6)
    logits = torch.tensor([0.0, 10 * 0.5**0.5, 10.0])
    assert scores.share == pytest.approx(logits.softmax(0).tolist(), abs=1e-6)
    assert sum(scores.share) == pytest.approx(1)


def test_a_negative_cosine_scores_zero(pool):
    pool.models["eye"].encode_texts = lambda texts: -torch.eye(3)[:1]
    scores = ClipScorer(pool).scores("eye", [plain("red")], "anything")
    assert scores.cosine == (-1.0,) and scores.clip_score == (0.0,)


def test_no_pictures_no_scores(pool):
    assert ClipScorer(pool).scores("eye", [], "red").cosine == ()
    with pytest.raises(ValueError):
        ClipScorer(pool).image_vectors("eye", [])


def test_nothing_is_encoded_twice(pool):
    scorer, eye = ClipScorer(pool), pool.models["eye"]
    first = scorer.image_vectors("eye", [plain("red"), plain("blue")])
    again = scorer.image_vectors("eye", [plain("blue"), plain("green"), plain("red"), plain("green")])
    assert eye.seen == [2, 1]  # green once, though asked for twice
    torch.testing.assert_close(again[[2, 0]], first)
    torch.testing.assert_close(again[1], again[3])
    scorer.text_vectors("eye", ["red", "blue"])
    scorer.text_vectors("eye", ["blue"])
    assert eye.read == [2]


def test_rankers_sizes_and_kinds_do_not_mix(pool):
    scorer = ClipScorer(pool)
    scorer.image_vectors("eye", [plain("red")])
    scorer.image_vectors("other", [plain("red")])
    scorer.image_vectors("eye", [plain("red", size=9)])
    assert pool.models["eye"].seen == [1, 1] and pool.models["other"].seen == [1]


def test_the_oldest_are_forgotten(pool):
    scorer, eye = ClipScorer(pool, remember=2), pool.models["eye"]
    scorer.image_vectors("eye", [plain("red")])
    scorer.image_vectors("eye", [plain("green")])
    scorer.image_vectors("eye", [plain("red")])  # used again, so green is the oldest
    scorer.image_vectors("eye", [plain("blue")])
    scorer.image_vectors("eye", [plain("red")])
    assert len(eye.seen) == 3
    scorer.image_vectors("eye", [plain("green")])
    assert len(eye.seen) == 4


def test_more_at_once_than_are_remembered(pool):
    vectors = ClipScorer(pool, remember=1).image_vectors("eye", [plain(name) for name in COLOURS])
    torch.testing.assert_close(vectors, torch.eye(3))


def test_a_remembered_row_does_not_hold_its_batch(pool):
    scorer = ClipScorer(pool)
    scorer.image_vectors("eye", [plain(name) for name in COLOURS])
    assert all(vector.untyped_storage().nbytes() == 3 * 4 for vector in scorer._vectors.values())


def test_the_device_is_passed_on(pool):
    ClipScorer(pool).scores("eye", [plain("red")], "red", device="cuda:1")
    assert set(pool.devices) == {"cuda:1"}


def test_threads_may_share_it(pool):
    scorer = ClipScorer(pool, remember=3)
    names = [*COLOURS, "yellow"] * 10
    with ThreadPoolExecutor(8) as threads:
        vectors = list(threads.map(lambda name: scorer.image_vectors("eye", [plain(name)])[0], names))
    for name, vector in zip(names, vectors, strict=True):
        expected = torch.tensor(COLOURS.get(name, (255, 255, 0))).float()
        torch.testing.assert_close(vector, expected / expected.norm())


def test_overflow_is_the_rankers(pool):
    assert ClipScorer(pool).overflow("eye", "redder") == "der"
