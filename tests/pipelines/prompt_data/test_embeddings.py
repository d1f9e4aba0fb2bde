from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from common.errors import BadRequest
from pipelines.evaluation.sentences import sentence_vectors
from pipelines.prompt_data import embeddings
from pipelines.prompt_data.embeddings import EmbeddingsRequest
from pipelines.prompt_data.maps import make_map, pca
from pipelines.prompt_data.prompt_sets import PromptSets
from tests.pipelines.prompt_data.conftest import drawn, finish

KINDS = {
    "pets": ["a cat", "a kitten", "a small cat", "two cats", "a sleepy cat", "cats at play"],
    "money": ["a bank statement", "tax forms", "an invoice", "a bank account", "a tax return", "unpaid invoices"],
    "space": ["a rocket", "a space station", "the moon landing", "an astronaut", "a rocket launch", "mars in space"],
}


@pytest.fixture(scope="module")
def kinds(sentences):
    texts = [text for group in KINDS.values() for text in group]
    return sentence_vectors(sentences, texts).numpy(), np.repeat([0, 1, 2], 6)


@pytest.fixture
def sets(competition) -> PromptSets:
    return PromptSets.from_files({"coca": competition / "seed_coca_captions.csv"}, competition / "prompts.csv")


@pytest.mark.parametrize("method", ["pca", "tsne", "umap"])
def test_maps_keep_kinds_together_and_repeat_themselves(kinds, method):
    vectors, labels = kinds
    made = make_map(vectors, method, seed=3, neighbours=5)
    assert made.points.shape == (18, 2) and np.isfinite(made.points).all()
    assert np.array_equal(make_map(vectors, method, seed=3, neighbours=5).points, made.points)
    apart = np.linalg.norm(made.points[:, None] - made.points[None], axis=-1) + 1e9 * np.eye(18)
    same = labels[apart.argsort(1)[:, :3]] == labels[:, None]
    assert same.mean() > 0.8  # by chance it would be 0.29


def test_pca_is_the_librarys(kinds):
    vectors, _ = kinds
    ours, theirs = pca(vectors), PCA(2).fit(vectors)
    assert np.abs(ours.points) == pytest.approx(np.abs(theirs.transform(vectors)), abs=1e-5)
    assert ours.kept == pytest.approx(theirs.explained_variance_ratio_.sum(), abs=1e-5)


@pytest.mark.parametrize("method", ["pca", "tsne", "umap"])
@pytest.mark.parametrize("count", [3, 4, 9])
def test_few_points_are_enough(kinds, method, count):
    points = make_map(kinds[0][:count], method).points
    assert points.shape == (count, 2) and np.isfinite(points).all()


def test_too_few_points_and_other_methods_are_refused(kinds):
    with pytest.raises(BadRequest, match="needs at least 3"):
        make_map(kinds[0][:2], "tsne")
    with pytest.raises(BadRequest, match="allowed are pca, tsne, umap"):
        make_map(kinds[0], "lda")


def test_true_and_predicted_prompts_share_the_maps(sentences, sets):
    steps, result = finish(embeddings.run(EmbeddingsRequest(sets), sentences))
    assert result.names == ("truth", "coca") and result.sets == (0,) * 7 + (1,) * 7
    assert [step.note for step in steps] == ["PCA", "t-SNE", "UMAP"] and len(steps) + 1 == steps[0].total
    assert set(result.maps) == {"pca", "tsne", "umap"} and result.vectors.shape == (14, 384)
    assert result.arrows == tuple((row, row + 7) for row in range(7)) and result.ids[:7] == result.ids[7:]
    cosines, rows, columns = result.cosines("truth", "coca")
    assert rows == columns == sets.ids and cosines.diagonal().mean() == pytest.approx(0.39256, abs=1e-4)
    for method in result.maps:
        plot = drawn(result.map_plot(method))
        marked = {each.get("data-row") for each in plot.iter() if each.get("data-row")}
        assert marked == {str(row) for row in range(14)}
    assert result.ids[0] in result.heat_plot("truth", "coca")


def test_neighbours_of_a_chosen_row(sentences, sets):
    _, result = finish(embeddings.run(EmbeddingsRequest(sets, methods=("pca",)), sentences))
    near = result.neighbours(2, 4)
    full = result.vectors @ result.vectors[2]
    assert [each.row for each in near] == [row for row in np.argsort(-full) if row != 2][:4]
    assert [each.cosine for each in near] == pytest.approx(sorted(full, reverse=True)[1:5], abs=1e-6)
    assert 'pointer-events="none"' in result.map_plot("pca", chosen=2) and len(result.neighbours(0, 99)) == 13
    for wrong in (-1, 14, "x"):
        with pytest.raises(BadRequest, match="row"):
            result.neighbours(wrong)
    with pytest.raises(BadRequest, match="there are pca"):
        result.map_plot("umap")
    with pytest.raises(BadRequest, match="truth, coca"):
        result.cosines("truth", "blip")


def test_stop_still_shows_a_map(sentences, sets):
    _, result = finish(embeddings.run(EmbeddingsRequest(sets), sentences), stop_at=1)
    assert result.stopped and set(result.maps) == {"pca"}


def test_prompts_without_a_truth_have_no_arrows(sentences):
    sets = PromptSets(predictions={"one": {"a": "a cat", "b": "a dog"}, "two": {"b": "a hound", "c": "mars"}})
    _, result = finish(embeddings.run(EmbeddingsRequest(sets, methods=("pca",)), sentences))
    assert result.names == ("one", "two") and result.arrows == () and result.ids == ("a", "b", "b", "c")


def test_sets_refuse_nonsense_when_made():
    for more, said in (
        ({}, "prompts of 0 methods"),
        ({"predictions": {"truth": {"a": "x"}}}, "another name"),
        ({"predictions": {"m": {}}}, "it has none"),
        ({"predictions": {"m": {"a.png": "x"}}, "truth": {"a": "x"}}, r'its first is "a\.png"'),
        ({"predictions": {"m": {"a": "x"}}, "seconds": {"m": {"a": float("nan")}}}, "nan seconds"),
    ):
        with pytest.raises(BadRequest, match=said):
            PromptSets(**more)
