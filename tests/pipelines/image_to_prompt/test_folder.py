from __future__ import annotations

import csv
import shutil
from dataclasses import replace

import pytest
from PIL import Image

from common.errors import BadRequest
from pipelines.image_to_prompt import folder as module
from pipelines.image_to_prompt.folder import FolderRequest, prompts_of, run
from pipelines.prompt_data.entry_files import read_entries
from pipelines.prompt_data.prompts_file import read_prompts
from safeguards.recipe import Recipe, stamp_png
from tests.pipelines.captioning.tiny import NAMES
from tests.pipelines.image_to_prompt.conftest import collect


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    for name, colour in (("1.png", "red"), ("2.png", "blue"), ("=3.png", "green"), ("deep/4.png", "yellow")):
        Image.new("RGB", (40, 30), NAMES[colour]).save(folder / name)
    return folder


@pytest.fixture
def request_of(pictures, tmp_path, ask):
    def make(**changes):
        return FolderRequest(pictures, tmp_path / "prompts.csv", ask(("-",), mode="fast", **changes))

    return make


def rows_of(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_for_every_picture(services, request_of, tmp_path):
    steps, result = collect(run(request_of(), services))
    assert result.pictures == result.done == 4 and result.skipped == result.failed == 0
    found = dict(prompts_of(tmp_path / "prompts.csv", "interrogator"))
    assert set(found) == {"1.png", "2.png", "=3.png", "deep/4.png"} and found["deep/4.png"].startswith(
        "a yellow picture"
    )
    assert rows_of(result.table)[2]["file"] == "'=3.png" or rows_of(result.table)[0]["file"] == "'=3.png"
    assert len(read_prompts(result.table).texts) == 4  # the other rooms read it
    numbers = [step.number for step in steps]
    assert numbers == sorted(numbers) and numbers[-1] == steps[-1].total == 400


def test_begun_again_it_goes_on(services, request_of, monkeypatch):
    monkeypatch.setattr(module, "PART", 2)
    _, result = collect(run(request_of(), services), lambda step: step.number >= 250)
    first = rows_of(result.table)
    assert result.stopped and 2 <= len(first) < 4
    with open(result.table, "a", encoding="utf-8") as file:
        file.write("2.png,interrog")  # as a kill in the middle of a line leaves it
    _, result = collect(run(request_of(), services))
    assert result.skipped == len(first) and result.done == 4 and not result.stopped
    sound = [row for row in rows_of(result.table) if row["run"]]
    assert len(sound) == 4 == len({row["file"] for row in sound}) and sound[: len(first)] == first
    _, result = collect(run(request_of(), services))
    assert result.skipped == 4 and len(rows_of(result.table)) == 5


def test_pictures_from_before_do_not_make_the_rest_look_near(services, request_of, pictures):
    collect(run(request_of(), services))
    for name in ("new.png", "newer.png"):
        shutil.copy(pictures / "1.png", pictures / name)
    steps, _ = collect(run(request_of(), services))
    first = steps[0]
    assert (first.number, first.total, first.data["left"]) == (400, 600, None)  # not 400 of 600 done in a moment
    assert steps[-1].data["left"] == 0


def test_other_settings_are_other_rows(services, request_of):
    collect(run(request_of(), services))
    _, result = collect(run(request_of(start="a picture"), services))
    assert result.skipped == 0 and len(rows_of(result.table)) == 8


def test_a_picture_that_cannot_be_read_is_told_once(services, request_of, pictures):
    (pictures / "5.png").write_text("nothing")
    _, result = collect(run(request_of(), services))
    assert result.failed == 1 and "5.png" in next(
        row["error"] for row in rows_of(result.table) if row["file"] == "5.png"
    )
    _, result = collect(run(request_of(), services))
    assert result.skipped == 5


def test_a_folder_that_vanishes_midway_keeps_what_is_finished(services, request_of, pictures, monkeypatch):
    monkeypatch.setattr(module, "PART", 2)
    steps = run(request_of(), services)
    event = next(steps)
    while not (isinstance(event, module.Step) and event.number >= 200):
        event = steps.send(None)
    shutil.move(pictures, pictures.with_name("away"))
    *_, result = steps
    assert result.done == 2 == len(rows_of(result.table)) and "went away; 2 of its pictures" in result.notes[-1]
    shutil.move(pictures.with_name("away"), pictures)
    _, result = collect(run(request_of(), services))
    assert result.done == 4 and result.skipped == 2


def test_nonsense_is_refused(services, request_of, tmp_path):
    with pytest.raises(BadRequest, match="not there"):
        replace(request_of(), folder=tmp_path / "gone").resolve(services.catalog)
    with pytest.raises(BadRequest, match=r"\.csv"):
        replace(request_of(), table=tmp_path / "x.txt").resolve(services.catalog)
    (tmp_path / "prompts.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadRequest, match="another table"):
        collect(run(request_of(), services))
    services.catalog.settings = replace(services.settings, public=True)
    with pytest.raises(BadRequest, match="strangers"):
        request_of().resolve(services.catalog)


def test_a_long_prompt_is_written_whole_and_to_the_letter(services, pictures, request_of, tmp_path):
    prompt = "=a  red\nhouse, " + "very " * 400 + "old"
    stamp_png(Image.new("RGB", (40, 30), (219, 51, 46)), Recipe("text_to_image", "x", settings={"prompt": prompt}),
              pictures / "long.png")  # fmt: skip
    _, result = collect(run(request_of(), services))
    assert dict(prompts_of(result.table, "metadata")) == {"long.png": prompt}
    assert next(row for row in rows_of(result.table) if row["method"] == "metadata")["prompt"] == f"'{prompt}"
    (entry,) = (each for each in read_entries([result.table]) if each.name == "metadata")
    assert dict(entry.prompts) == {"long": prompt}


def test_a_kill_inside_of_quotes_costs_one_row(services, request_of):
    _, result = collect(run(request_of(), services))
    before = rows_of(result.table)
    with open(result.table, "a", encoding="utf-8") as file:
        file.write('2.png,interrogator,"a blue, big\n')
    _, result = collect(run(request_of(start="a picture"), services))
    assert [row for row in rows_of(result.table) if row["run"]][:4] == before and result.done == 4
    assert len([row for row in rows_of(result.table) if row["run"]]) == 8


def test_a_negative_prompt_is_named_so(services, request_of):
    _, result = collect(run(replace(request_of(), request=replace(request_of().request, mode="negative")), services))
    assert {row["method"] for row in rows_of(result.table)} == {"negative"}
