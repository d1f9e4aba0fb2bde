"""The endpoints `/explore_prompts` and `/score_submission`: the view of prompts for programs.

As in `tabs.api` gradio wants real annotations.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import gradio as gr
import numpy as np

from pipelines.evaluation.bootstrap import RESAMPLES
from pipelines.prompt_data.entries import EntriesResult
from pipelines.prompt_data.explore import ExploreResult
from tabs import prompt_data_entries as scoring
from tabs import prompt_data_explore as exploring
from tabs.api import all_of, label_arguments, owner_of, result_of
from tabs.prompt_data_explored import fill
from tabs.rooms import App
from tabs.widgets import refusal

PAIRS = 200  # near pairs that are told one by one


def build_api(app: App) -> None:
    """Register the endpoints. Call it inside the Blocks."""
    # Files come in through a component, because only a component tells clients to upload them first.
    with gr.Column(visible=False):
        files = gr.File(label="files", file_count="multiple", type="filepath")
        texts, numbers = [gr.Textbox("") for _ in range(2)], [gr.Number(usual) for usual in (0.9, 0, 5_000, 0)]
        made, report = gr.JSON(label="Found"), gr.File(label="Report")
        # Last, so that callers by place need not change. Tools cannot be handed several files, so they have one.
        inputs = [files, *texts, *numbers, gr.File(label="file", type="filepath")]
        gr.Button().click(
            _explore(app), inputs, [made, report], api_name="explore_prompts", concurrency_limit=None
        )  # fmt: skip
    label_arguments(app.page)
    with gr.Column(visible=False):
        files = gr.File(label="files", file_count="multiple", type="filepath")
        truth = gr.File(label="file", type="filepath")
        column, more = gr.Textbox(""), [gr.Number(usual) for usual in (RESAMPLES, 0)]
        written, made = gr.Textbox(""), gr.JSON(label="Scores")
        file = gr.File(label="Submission")
        inputs = [files, truth, column, *more, written, gr.File(label="file", type="filepath")]
        gr.Button().click(_score(app), inputs, [made, file], api_name="score_submission", concurrency_limit=None)
    label_arguments(app.page)


def _explore(app: App) -> Any:
    async def explore_prompts(
        request: gr.Request,
        files: list[str] | None = None,
        column: str = "",
        split_column: str = "",
        threshold: float = 0.9,
        clusters: float = 0,
        sample: float = 5_000,
        seed: float = 0,
        file: str | None = None,
    ) -> AsyncIterator[tuple[dict, Any]]:
        """Explore files of prompts: lengths, words, repetitions, clusters, and leaks between files or parts.

        Args:
            files: files of prompts: CSV, TSV, Parquet or JSON Lines, at most 20.
            column: the column of prompts; "" to look for one with a usual name.
            split_column: the column that says to which part a prompt belongs; "" to look for one.
            threshold: cosine in 0.5..1 from which two prompts count as near.
            clusters: whole number of clusters, 1 to 30; 0 for as many as fit best.
            sample: whole number of prompts that are encoded at most, 10 to 50,000.
            seed: whole number from 0; what is drawn by chance follows from it.
            file: one more file, for tools of the Model Context Protocol, which cannot be handed a list of files.

        Returns:
            {"prompts", "empty", "parts": {name: number}, "columns": {file: column}, "lengths": {"words", "characters":
            {"low" (5 %), "middle", "high" (95 %)}}, "top": {"words", "pairs", "triples", "phrases": [[words, number]]},
            "copies": [[row from 0]], "near": [{"one", "other" (rows), "cosine" (-1..1), "words" (0..1)}] best first,
            "clusters": [{"rows", "words"}], "leaks": [{"one", "other", "prompts", "copies", "near", "share" (0..1)}],
            "seconds", "stopped", "notes"}.
            The report as an HTML file.
        """
        try:
            named = {"column": column or "", "split_column": split_column or "", "threshold": threshold}
            named |= {"clusters": clusters, "sample": sample, "seed": seed}
            made = await asyncio.to_thread(exploring.make_request, app, all_of(files, file), named)
            owner = owner_of(request)
            result = await result_of(app, exploring.submit(app, owner, made), owner)
            told = await asyncio.to_thread(_found, result)
            _, report = await asyncio.to_thread(fill, result)
            yield told, str(report)
        except Exception as error:
            raise refusal(error) from None

    return explore_prompts


def _score(app: App) -> Any:
    async def score_submission(
        request: gr.Request,
        files: list[str] | None = None,
        truth: str | None = None,
        column: str = "",
        resamples: float = RESAMPLES,
        seed: float = 0,
        write: str = "",
        predicted: str | None = None,
    ) -> AsyncIterator[tuple[dict, Any]]:
        """Score predicted prompts or submissions as the competition does, check them, and write a submission.

        Args:
            files: a file of prompts or a submission (header imgId_eId,val) for each method, at most 12.
            truth: the true prompts or their submission; null to check and write alone.
            column: the column of prompts in all files; "" to look for one with a usual name.
            resamples: whole number of resamples for the intervals, 1 to 100,000.
            seed: whole number from 0, for the intervals.
            write: name of the method (its file's name without the ending) to write a submission of; "" for none.
            predicted: one more of the files, for tools of the Model Context Protocol, which cannot be handed a list.

        Returns:
            {"methods": [{"name", "images", "score" (-1..1), "low", "high" (95 % interval), "spread", "variation",
            "best" (images), "apart" (largest difference of any number from the truth), "cosines": {image: -1..1}}] best
            first, "problems": {name: [sentences]}, "images", "seconds", "stopped", "notes"}.
            The submission as a CSV file, null when none is asked for.
        """
        try:
            named = {"resamples": resamples, "seed": seed}
            given = [truth] if truth else []
            made = await asyncio.to_thread(scoring.make_request, app, given, all_of(files, predicted), column, named)
            owner = owner_of(request)
            result = await result_of(app, scoring.submit(app, owner, made), owner)
            file = None
            if write:
                file, _ = await asyncio.to_thread(scoring.written, result, write)
            yield _scored(result), file
        except Exception as error:
            raise refusal(error) from None

    return score_submission


def _found(result: ExploreResult) -> dict[str, Any]:
    lengths = {name: np.percentile(values, (5, 50, 95)).tolist() for name, values in result.lengths.items()}
    leaks = ("one", "other", "prompts", "copies", "near", "share")
    return {
        "prompts": len(result.texts) - result.empty,
        "empty": result.empty,
        "parts": dict(result.parts),
        "columns": dict(result.columns),
        "lengths": {name: dict(zip(("low", "middle", "high"), each, strict=True)) for name, each in lengths.items()},
        "top": {name: [list(each) for each in table] for name, table in result.top.items()},
        "copies": [list(group) for group in result.copies],
        "near": [asdict(each) for each in result.near[:PAIRS]],
        "clusters": [{"rows": list(each.rows), "words": list(each.words)} for each in result.clusters],
        "leaks": [{name: getattr(each, name) for name in leaks} for each in result.leaks],
        **_about(result),
    }


def _scored(result: EntriesResult) -> dict[str, Any]:
    methods = []
    for each in result.summaries:
        row = result.cosines[result.methods.index(each.name)].tolist()
        score = {"score": each.mean.value, "low": each.mean.low, "high": each.mean.high} if each.mean else {}
        methods.append(
            {
                **{name: getattr(each, name) for name in ("name", "images", "spread", "variation", "best")},
                **score,
                "apart": result.apart.get(each.name),
                "cosines": {
                    image: value for image, value in zip(result.ids, row, strict=True) if not math.isnan(value)
                },
            }
        )
    problems = {name: list(sentences) for name, sentences in result.problems.items()}
    return {"methods": methods, "problems": problems, "images": len(result.ids), **_about(result)}


def _about(result: Any) -> dict[str, Any]:
    return {name: getattr(result, name) for name in ("seconds", "model", "stopped")} | {"notes": list(result.notes)}
