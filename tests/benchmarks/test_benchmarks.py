"""The benchmarks with tiny models: that they run, add up and say what they mean; no times are judged here."""

from __future__ import annotations

import json

import pytest

from benchmarks import fast_ranking, rank_agreement, samplers, warm_speed
from benchmarks.bench import Bench
from benchmarks.prompts import PROMPTS
from benchmarks.report import Figure, machine, print_table, write_results

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture
def bench(services) -> Bench:
    return Bench(services, model="sd-turbo", ranker="clip-vit-b-32", prompts=2, candidates=8, size=256)


def test_there_are_32_prompts_and_their_seeds_do_not_overlap(bench):
    assert len(set(PROMPTS)) == 32
    bench.prompts, bench.candidates = 32, 16
    requests = bench.requests()
    seeds = {seed for request in requests for seed in range(request.seed, request.seed + 16)}
    assert len(seeds) == 32 * 16


def test_the_plain_way_makes_the_same_pictures(bench):
    """Otherwise the figures would compare two different things."""
    request = bench.requests(fast_ranking=False)[0]
    _, result = bench.timed(request)
    _, cosines = bench.plain(request)
    ours = [candidate.cosine for candidate in sorted(result.candidates, key=lambda each: each.index)]
    assert cosines == pytest.approx(ours, abs=5e-3)


def test_fast_ranking_is_compared_with_finishing_all_and_with_diffusers(bench):
    figures = {figure.name: figure for figure in fast_ranking.measure(bench)}
    assert set(figures) == {"fast_ranking_time", "fast_ranking_score", "fast_ranking_plain"}
    score = figures["fast_ranking_score"]
    assert score.ratio == pytest.approx(score.ours / score.theirs) and score.ratio <= 1.001
    assert score.theirs == pytest.approx(figures["fast_ranking_plain"].details["mean_top_cosine_plain"], abs=5e-3)
    assert figures["fast_ranking_time"].ours > 0


def test_where_no_model_is_named_one_of_several_steps_is_taken(bench):
    bench.model = ""
    assert bench.requests()[0].steps > 1


def test_warm_speed_and_samplers_run(bench, monkeypatch):
    monkeypatch.setattr(samplers, "STEPS", (2, 4))
    (figure,) = warm_speed.measure(bench)
    assert figure.unit == "s" and figure.ours > 0 and figure.theirs > 0 and "4 candidates of 256×256" in figure.what
    bench.prompts = 1
    (figure,) = samplers.measure(bench)
    rows = figure.details["rows"]
    assert {row["scheduler"] for row in rows} == set(bench.services.catalog.get("sd-turbo").controls["schedulers"])
    assert figure.ours == max(row["mean"] for row in rows if row["seconds"] <= 4.0)


def test_agreement_ends_at_one(bench):
    (figure,) = rank_agreement.measure(bench)
    agreement = figure.details["agreement_by_step"]
    assert len(agreement) == 4 and agreement[-1] == pytest.approx(1.0)
    assert figure.ours == pytest.approx((8 + 4 + 4 + 4) / 32) and figure.details["top_score_kept"] <= 1


def test_rank_correlation_is_that_of_the_textbook():
    assert rank_agreement.spearman([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1)
    assert rank_agreement.spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert rank_agreement.spearman([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]) == pytest.approx(0.8)
    assert rank_agreement.spearman([1, 1, 2], [1, 1, 2]) == pytest.approx(1)
    assert rank_agreement.spearman([1, 1, 1], [1, 2, 3]) == 0


def test_plans_are_judged_by_what_they_keep_and_cost():
    assert rank_agreement.cost_of({}, 10, 16) == 1
    assert rank_agreement.cost_of({1: 8, 2: 4}, 4, 16) == pytest.approx((16 + 8 + 4 + 4) / 64)
    # the first look misleads (the final winner, 7, looks worst), the second does not
    early, late = [8.0, 7, 6, 5, 4, 3, 2, 1], [1.0, 2, 3, 4, 5, 6, 7, 8]
    record = [early, late, late, late]
    plans = rank_agreement.best_plans([record], enough=0.98)
    assert plans and all(points[0] > 0.25 for points, _, _ in plans)
    assert plans == sorted(plans, key=lambda plan: (plan[1], -plan[2]))
    assert plans[0][2] == 1.0


def test_table_and_file(capsys, tmp_path):
    figures = [
        Figure("speed", "time of a run", 1.5, 3.0, "s", "ratio at most 0.6", True),
        Figure("memory", "memory", 650.0, None, "MB", "at most 600 MB", False),
    ]
    print_table(figures)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["what", "ours", "theirs", "ratio", "target"]
    assert "0.5" in lines[2] and lines[2].endswith("met") and lines[3].endswith("MISSED")
    path = tmp_path / "results.json"
    path.write_text('{"older": {"ours": 1}}')
    write_results(figures, path, "cpu")
    kept = json.loads(path.read_text())
    assert set(kept) == {"older", "speed", "memory"}
    assert {"ours", "theirs", "ratio", "target", "unit", "machine"} <= set(kept["speed"])
    assert (kept["speed"]["ratio"], kept["memory"]["ratio"]) == (0.5, None)


def test_machine_facts_name_no_place():
    facts = machine("cpu")
    assert facts["device"] == "cpu" and facts["torch"] and facts["cores"] >= 1
    assert "hostname" not in facts and "/" not in json.dumps(facts).replace("w/", "")
