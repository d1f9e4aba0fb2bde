from __future__ import annotations

import csv

import numpy as np
import pytest

from common.errors import BadRequest
from pipelines.prompt_data import entries
from pipelines.prompt_data.entries import EntriesRequest, write_entry
from pipelines.prompt_data.entry_files import prompt_sets, read_entries, read_truth
from pipelines.prompt_data.submission import problems, read_submission
from tests.pipelines.prompt_data.conftest import finish


@pytest.fixture
def wrong(competition, tmp_path):
    """The sample submission with the mistake of the earlier entry: ids with the extension of the file."""
    rows = list(csv.reader((competition / "sample_submission.csv").read_text().splitlines()))
    lines = [f"{name.replace('_', '.png_') if number else name},{value}" for number, (name, value) in enumerate(rows)]
    (tmp_path / "wrong.csv").write_text("\n".join(lines))
    return tmp_path / "wrong.csv"


def test_methods_of_every_kind_are_scored_and_the_unsound_one_is_told(competition, sentences, wrong):
    given = (competition / "seed_coca_captions.csv", competition / "sample_submission.csv", wrong)
    steps, result = finish(entries.run(EntriesRequest(given, competition / "prompts.csv"), sentences))
    first, second = result.summaries
    assert (first.name, second.name) == ("sample_submission", "seed_coca_captions") and len(steps) == 1
    assert second.mean.value == pytest.approx(0.39256, abs=1e-4) and second.variation == pytest.approx(0.33, abs=0.01)
    assert result.apart["sample_submission"] <= 1e-6 < result.apart["seed_coca_captions"]
    assert result.lead.value == pytest.approx(1 - 0.39256, abs=1e-4) and result.lead.low > 0.4
    assert list(result.problems) == ["wrong"] and "wrong" not in result.methods
    assert result.problems["wrong"][0].endswith('it must be "20057f34d_0", without the extension of the file.')


def test_true_prompts_make_the_sample_submission(competition, sentences, tmp_path):
    request = EntriesRequest((competition / "prompts.csv",), competition / "sample_submission.csv")
    _, result = finish(entries.run(request, sentences))
    made = write_entry(result, "prompts", tmp_path / "submission.csv")
    sample = read_submission(competition / "sample_submission.csv")
    assert problems(made, sample.ids) == [] and np.abs(read_submission(made).vectors - sample.vectors).max() <= 1e-6
    assert result.apart["prompts"] <= 1e-6 and result.lead is None
    with pytest.raises(BadRequest, match="there are those of prompts"):
        write_entry(result, "blip", tmp_path / "other.csv")


def test_prompts_for_other_images_are_told_and_no_entry_is_written(competition, sentences, tmp_path):
    (tmp_path / "some.csv").write_text("imgId,prompt\n20057f34d,a crater\nf27825b2c.png,a lake\n")
    request = EntriesRequest((tmp_path / "some.csv",), competition / "prompts.csv")
    _, result = finish(entries.run(request, sentences))
    told = result.problems["some"]
    assert 'The image id "f27825b2c.png" must be "f27825b2c", without the extension' in told[0]
    assert told[1].startswith("6 of the 7 images of prompts.csv have no prompt") and result.summaries[0].images == 1
    with pytest.raises(BadRequest, match="has no prediction for 6 of 7 images"):
        write_entry(result, "some", tmp_path / "submission.csv")


def test_without_a_truth_there_is_no_score_but_an_entry(sentences, tmp_path):
    (tmp_path / "mine.csv").write_text("id,prompt\nb,a cat\na,a dog\n")
    _, result = finish(entries.run(EntriesRequest((tmp_path / "mine.csv",)), sentences))
    assert result.summaries[0].mean is None and "no score" in result.notes[0] and result.apart == {}
    assert read_submission(write_entry(result, "mine", tmp_path / "out.csv")).ids == ("b", "a")


def test_a_table_of_the_view_of_pictures_holds_several_methods(tmp_path):
    (tmp_path / "table.csv").write_text(
        "file,method,prompt,cosine,seconds,exact,error,run\n"
        "in/a.png,coca,a cat,0.2,1.5,False,,x\nin/a.png,blip,a kitten,0.3,,False,,x\nb.png,coca,,,,,broken,x\n"
    )
    coca, blip = read_entries([tmp_path / "table.csv"])
    assert (coca.name, dict(coca.prompts), dict(coca.seconds)) == ("coca", {"a": "a cat"}, {"a": 1.5})
    assert (blip.name, dict(blip.prompts), dict(blip.seconds)) == ("blip", {"a": "a kitten"}, {})
    (tmp_path / "again.csv").write_text("file,method,prompt\na.png,coca,a cat\na.jpg,coca,a dog\n")
    with pytest.raises(BadRequest, match='the image "a" twice for "coca"'):
        read_entries([tmp_path / "again.csv"])


def test_what_cannot_be_is_refused_in_a_sentence(competition, sentences, tmp_path):
    with pytest.raises(BadRequest, match="choose at least one file of predictions"):
        EntriesRequest(()).resolve(sentences.catalog)
    with pytest.raises(BadRequest, match=r"sample_submission\.csv is a submission: it holds numbers and no words"):
        prompt_sets([competition / "prompts.csv"], competition / "sample_submission.csv")
    with pytest.raises(BadRequest, match='has no column "caption" of prompts: it has "imgId", "prompt"'):
        read_truth(competition / "prompts.csv", "caption")
    (tmp_path / "prompts.csv").write_text("id,prompt\na,a cat\n")
    with pytest.raises(BadRequest, match='Two methods are named "prompts"'):
        read_entries([competition / "prompts.csv", tmp_path / "prompts.csv"])


def test_the_apostrophe_that_guards_a_cell_is_taken_off(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("file,method,prompt\n'=1.png,'-x,'=a cat\n'hood.png,'-x,'tis a dog\n")
    (entry,) = read_entries([file])
    assert entry.name == "-x" and dict(entry.prompts) == {"=1": "=a cat", "'hood": "'tis a dog"}
