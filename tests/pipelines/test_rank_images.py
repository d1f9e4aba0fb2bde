from __future__ import annotations

import dataclasses

import pytest
from PIL import Image

from common.errors import BadRequest, Blocked
from pipelines.rank_images import SLICE, RankImagesRequest, RankImagesResult, run
from pipelines.steps import Step, Stop


def collect(request, services, stop_at: int | None = None) -> tuple[list[Step], RankImagesResult]:
    events, run_ = [], run(request, services)
    event = next(run_)
    while True:
        events.append(event)
        try:
            event = run_.send(Stop() if isinstance(event, Step) and event.number == stop_at else None)
        except StopIteration:
            return events[:-1], events[-1]


@pytest.fixture
def paths(tmp_path) -> list[str]:
    """Twelve pictures, each different."""
    made = []
    for number in range(12):
        picture = Image.linear_gradient("L").resize((40 + number, 30)).rotate(30 * number)
        Image.merge("RGB", (picture, picture.rotate(90), picture.rotate(200))).save(tmp_path / f"{number}.png")
        made.append(str(tmp_path / f"{number}.png"))
    return made


def ask(paths, **more) -> RankImagesRequest:
    return RankImagesRequest(tuple(paths), "a red car", "clip-vit-b-32", **more)


def test_rows_are_ranked_by_the_rankers_cosines(services, paths):
    steps, result = collect(ask(paths, threshold=0.0), services)
    assert [(step.number, step.total) for step in steps] == [(SLICE, 12), (12, 12)]
    cosines = [row.cosine for row in result.rows]
    assert cosines == sorted(cosines, reverse=True)
    with services.pool.use("clip-vit-b-32") as ranker:
        seen = ranker.encode_images([Image.open(row.path) for row in result.rows])
        expected = (seen @ ranker.encode_texts(["a red car"])[0]).tolist()
    assert cosines == pytest.approx(expected, abs=1e-5)
    assert {row.path for row in result.rows} == set(paths)
    assert [row.passes for row in result.rows] == [value >= 0 for value in cosines]
    assert result.spread == pytest.approx(result.best - result.mean) and result.best == cosines[0]
    assert sum(row.share for row in result.rows) == pytest.approx(1)
    assert result.model.startswith("CLIP ViT-B/32") and result.recipe["settings"]["prompt"] == "a red car"


def test_a_broken_file_is_named_and_the_rest_goes_on(services, paths, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    Image.new("RGBA", (30, 30), (9, 9, 9, 9)).save(tmp_path / "glass.png")
    _, result = collect(ask([*paths[:2], tmp_path / "broken.png", tmp_path / "glass.png"]), services)
    assert len(result.rows) == 3 and result.rows[0].passes is None
    assert [path.name for path, _ in result.refused] == ["broken.png"]
    said = " ".join(result.notes)
    assert "broken.png" in said and "glass.png:" in said
    assert str(tmp_path) not in said


def test_nothing_readable_is_refused_with_the_reasons(services, tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(BadRequest, match=r"a\.txt"):
        collect(ask([tmp_path / "a.txt"]), services)


def test_stop_ranks_what_was_looked_at(services, paths):
    steps, result = collect(ask(paths), services, stop_at=SLICE)
    assert len(steps) == 1 and result.stopped and len(result.rows) == SLICE


def test_words_that_are_not_read_are_told(services, paths):
    _, result = collect(dataclasses.replace(ask(paths[:1]), prompt="red " * 75 + "cat"), services)
    assert any("“cat”" in note for note in result.notes)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"paths": ()}, "0 pictures; allowed are 1 to 500"),
        ({"paths": ("x.png",) * 501}, "501 pictures"),
        ({"prompt": " "}, "prompt is empty"),
        ({"threshold": float("nan")}, "nan"),
        ({"ranker": "sd-turbo"}, "sd-turbo"),
    ],
)
def test_nonsense_is_one_sentence_and_loads_nothing(services, paths, wrong, said):
    with pytest.raises(BadRequest, match=said):
        collect(dataclasses.replace(ask(paths), **wrong), services)
    assert services.pool.status() == []


def test_a_forbidden_prompt_is_blocked(services, paths):
    with pytest.raises(Blocked):
        dataclasses.replace(ask(paths), prompt="csam").resolve(services.catalog)
