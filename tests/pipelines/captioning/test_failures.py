"""What goes wrong with one picture or one captioner costs the others nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from common.errors import AtelierError, BadRequest, OutOfMemory
from pipelines.captioning import run as module
from pipelines.captioning.run import run
from pipelines.steps import Step
from safeguards.admit import admit
from tests.pipelines.captioning.conftest import ask, collect
from tests.pipelines.captioning.tiny import BREAKS_AT, ColourNamer


def test_bad_files_become_rows_and_the_rest_goes_on(services, paths, tmp_path):
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "wall.png")
    bad = [tmp_path / name for name in ("text.png", "empty.jpg", "phone.heic", "wall.png", "gone.png")]
    _, result = collect(run(ask([paths[0], *bad, paths[1]], "namer", "contrary"), services))
    refused = {row.name: row.error for row in result.rows if not row.captions}
    assert list(refused) == [path.name for path in bad]
    assert "is a text, not a picture" in refused["text.png"] and "0 bytes" in refused["empty.jpg"]
    assert "HEIC" in refused["phone.heic"] and "20,000 x 20,000 pixels" in refused["wall.png"]
    assert "missing" in refused["gone.png"] and all(str(tmp_path) not in said for said in refused.values())
    assert [(row.picture, row.captioner) for row in result.rows if row.captions] == [
        (k, name) for k in (0, 6) for name in ("namer", "contrary")
    ]
    assert result.pictures == 7 and result.captioned == 2


def test_nothing_readable_is_an_error_that_names_the_files(services, tmp_path):
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(BadRequest, match=r"a\.png is a text"):
        collect(run(ask([tmp_path / "a.png"]), services))


def test_a_picture_that_breaks_the_captioner_fails_alone(services, paint, paths, caplog):
    _, result = collect(run(ask([*paths, paint("odd.png", size=BREAKS_AT), paint("last.png")], "fragile"), services))
    failed = [row for row in result.rows if row.error]
    assert [row.name for row in failed] == ["odd.png"] and result.captioned == 5
    assert "our side (id " in failed[0].error and "IndexError" in caplog.text


def test_a_captioner_that_always_breaks_is_given_up(services, paint):
    paths = [paint(f"{k}.png", size=BREAKS_AT) for k in range(6)]
    with pytest.raises(AtelierError, match="our side"):
        collect(run(ask(paths, "fragile"), services))
    _, result = collect(run(ask(paths, "fragile", "namer"), services))
    assert result.captioned == 6
    assert all(row.error for row in result.rows if row.captioner == "fragile")


def test_batches_shrink_when_memory_runs_out(services, paint):
    paths = [paint(f"{k}.png", colour) for k, colour in enumerate(("red", "blue") * 5)]
    _, result = collect(run(ask(paths, "hungry"), services))
    assert result.captioned == 10 and [row.captions[0].text for row in result.rows[:2]] == [
        "a red picture",
        "a blue picture",
    ]
    with services.pool.use("hungry") as model:
        assert model.batches == [-10, -5, 2, 2, 1, 2, 2, 1]


@pytest.mark.parametrize("lame", ["huge", "broken"])
def test_a_captioner_that_does_not_load_costs_the_others_nothing(services, paths, lame):
    _, result = collect(run(ask(paths, "namer", lame), services))
    assert result.captioned == 4
    said = {row.error for row in result.rows if row.captioner == lame}
    assert len(said) == 1 and said.pop()


def test_a_captioner_alone_that_does_not_load_says_so(services, paths):
    with pytest.raises(OutOfMemory, match="Huge needs 1,000,000 MB"):
        collect(run(ask(paths, "huge"), services))
    with pytest.raises(ValueError, match="deserializing"):
        collect(run(ask(paths, "broken"), services))


def test_a_setting_that_the_captioner_lacks_is_refused(services, paths):
    with pytest.raises(BadRequest, match="Colour namer has no detail"):
        collect(run(ask(paths, detail="more"), services))


def test_scores_come_afterwards_where_the_ranker_has_no_room_beside(services, paths):
    _, result = collect(run(ask(paths, "big", count=2), services))  # 1,000 of 1,024 MB, and the ranker needs 50
    assert result.captioned == 4 and result.notes == ()
    for row, name in zip(result.rows, ("red", "blue", "green", "yellow"), strict=True):
        assert [each.chosen for each in row.captions] == [True, False] and row.captions[0].text == f"a {name} picture"
        assert all(each.cosine is not None and each.agreement is not None for each in row.captions)


def test_captions_stay_where_there_is_no_memory_to_score_them(services, paths, monkeypatch):
    def full(*_: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(services.scorer, "text_vectors", full)
    _, result = collect(run(ask(paths, count=2), services))
    assert result.captioned == 4 and len(result.chosen()) == 4
    assert all(each.clip_score is None and each.agreement for row in result.rows for each in row.captions)
    assert len(result.notes) == 1 and "not enough memory for the models that score" in result.notes[0]


def test_a_file_that_goes_away_keeps_the_captions_it_has(services, paths):
    def remove(step: Step) -> bool:
        if step.data["captioned"] == 4:
            Path(paths[1]).unlink(missing_ok=True)
        return False

    _, result = collect(run(ask(paths, "namer", "contrary"), services), remove)
    mine = [row for row in result.rows if row.picture == 1]
    assert [bool(row.captions) for row in mine] == [True, False] and "missing" in mine[1].error


def test_a_picture_that_does_not_fit_into_memory_fails_alone(services, paths, monkeypatch):
    def full(path: str, settings: object) -> object:
        if str(path) == paths[1]:
            raise MemoryError
        return admit(path, settings)

    monkeypatch.setattr(module, "admit", full)
    _, result = collect(run(ask(paths, "namer", "contrary"), services))
    assert result.captioned == 3 and [row.picture for row in result.rows if row.error] == [1]
    assert "1.png needs more memory" in next(row.error for row in result.rows if row.error)


class Speechless(ColourNamer):
    """Finds no words for blue pictures."""

    def caption(self, pictures, decoding):
        *drafts, made = super().caption(pictures, decoding)
        yield from drafts
        yield [[] if "blue" in captions[0].text else captions for captions in made]


def test_a_picture_without_any_caption_has_a_sentence(services, paths, monkeypatch):
    with services.pool.use("namer") as model:
        monkeypatch.setattr(model, "caption", Speechless().caption)
    _, result = collect(run(ask(paths), services))
    assert [row.picture for row in result.rows if not row.captions] == [1] and result.captioned == 3
    assert result.rows[1].error.startswith("No caption was found")
    with pytest.raises(BadRequest, match="No caption was found"):
        collect(run(ask(paths[1:2]), services))
