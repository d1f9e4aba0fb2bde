from __future__ import annotations

import csv

import numpy as np
import pytest

from common.errors import BadRequest
from pipelines.evaluation.sentences import sentence_vectors
from pipelines.prompt_data import scoring
from pipelines.prompt_data.prompts_file import read_prompts
from pipelines.prompt_data.scoring import ScoreRequest
from pipelines.prompt_data.submission import problems, read_submission, write_submission
from tests.pipelines.prompt_data.conftest import drawn, finish


def test_true_prompts_give_the_sample_submission(competition, sentences, tmp_path):
    table = read_prompts(competition / "prompts.csv")
    vectors = sentence_vectors(sentences, table.texts).numpy()
    sample = read_submission(competition / "sample_submission.csv", table.ids)
    assert sample.ids == table.ids and len(table.ids) == 7
    assert np.abs(vectors - sample.vectors).max() <= 1e-6
    ours = write_submission(tmp_path / "submission.csv", table.ids, vectors)
    assert problems(ours, sample.ids) == []
    pairs = [list(csv.reader(path.read_text().splitlines())) for path in (ours, competition / "sample_submission.csv")]
    assert [row[0] for row in pairs[0]] == [row[0] for row in pairs[1]]


@pytest.mark.parametrize("truth", ["prompts.csv", "sample_submission.csv"])
def test_the_earlier_entrys_captions_score_as_they_did(competition, sentences, truth):
    request = ScoreRequest(competition / "seed_coca_captions.csv", competition / truth)
    steps, result = finish(scoring.run(request, sentences))
    assert result.score.value == pytest.approx(0.39256, abs=1e-4)
    known = [0.39331, 0.20339, 0.47552, 0.45153, 0.50021, 0.21892, 0.50507]
    assert sorted(result.cosines) == pytest.approx(sorted(known), abs=1e-4)
    # Seven images say little: the interval must be wide, and hold the score.
    assert 0.25 < result.score.low < 0.34 < result.score.value < 0.43 < result.score.high < 0.5
    assert [step.number for step in steps] == [1, 2] and result.score.count == 7
    assert all(drawn(plot) is not None for plot in result.plots.values())


def test_that_entrys_mistake_with_the_ids_is_caught(competition, sentences, tmp_path):
    table = read_prompts(competition / "seed_coca_captions.csv")
    vectors = sentence_vectors(sentences, table.texts).numpy()
    with pytest.raises(BadRequest, match=r'"20057f34d\.png"; it must be the file.s name without its extension'):
        write_submission(tmp_path / "out.csv", [f"{each}.png" for each in table.ids], vectors)
    assert not list(tmp_path.iterdir())
    sound = write_submission(tmp_path / "sound.csv", table.ids, vectors).read_text()
    wrong = tmp_path / "wrong.csv"
    wrong.write_text(
        "".join(line.replace("_", ".png_", number > 0) for number, line in enumerate(sound.splitlines(True)))
    )
    told = problems(wrong)
    assert told[0] == 'Row 2 has the id "20057f34d.png_0": it must be "20057f34d_0", without the extension of the file.'
    with pytest.raises(BadRequest, match="without the extension"):
        finish(scoring.run(ScoreRequest(wrong, competition / "prompts.csv"), sentences))


def test_the_scale_of_a_prediction_does_not_count(competition, sentences, tmp_path):
    sample = read_submission(competition / "sample_submission.csv")
    large = write_submission(tmp_path / "large.csv", sample.ids, sample.vectors * np.linspace(0.1, 90, 7)[:, None])
    _, result = finish(scoring.run(ScoreRequest(large, competition / "prompts.csv"), sentences))
    assert result.score.value == pytest.approx(1, abs=1e-6)


def test_predictions_about_other_images_are_refused(competition, sentences, tmp_path):
    (tmp_path / "some.csv").write_text("imgId,prompt\n20057f34d,a crater\nelse,a tree\n")
    with pytest.raises(BadRequest, match=r'some\.csv has no prediction for the image "227ef0887" and 5 others'):
        finish(scoring.run(ScoreRequest(tmp_path / "some.csv", competition / "prompts.csv"), sentences))
    (tmp_path / "twice.csv").write_text("imgId,prompt\na,x\na,y\n")
    with pytest.raises(BadRequest, match='the image "a" twice'):
        finish(scoring.run(ScoreRequest(tmp_path / "twice.csv", competition / "prompts.csv"), sentences))


def test_predictions_beyond_the_truth_do_not_count(competition, sentences, tmp_path):
    text = (competition / "prompts.csv").read_text()
    (tmp_path / "more.csv").write_text(text.rstrip("\n") + "\nelse,a tree\n")
    _, result = finish(scoring.run(ScoreRequest(tmp_path / "more.csv", competition / "prompts.csv"), sentences))
    assert result.score.value == pytest.approx(1, abs=1e-6) and "1 predictions are about images" in result.notes[0]
