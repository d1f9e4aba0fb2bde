"""The prompts of a run as text: CSV that a spreadsheet can open without harm, and JSON Lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable

from common.errors import BadRequest
from pipelines.image_to_prompt.folder import COLUMNS, line
from pipelines.image_to_prompt.rows import PromptRow

KINDS = ("csv", "jsonl")


def as_text(rows: Iterable[PromptRow], kind: str) -> str:
    """The contents of a file of the kind "csv" (columns as of a folder's table, but for its run) or "jsonl".

    Raises BadRequest when there are no rows.
    """
    rows = list(rows)
    if not rows:
        raise BadRequest("There is no prompt to save yet.")
    if kind == "jsonl":
        return "".join(json.dumps(facts(row), ensure_ascii=False) + "\n" for row in rows)
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS[:-1])
    writer.writerows(line(row, row.name, "")[:-1] for row in rows)
    return "\ufeff" + file.getvalue()


def facts(row: PromptRow) -> dict[str, object]:
    """A row as JSON types, without its vector and the folder that its picture lies in."""
    grown = row.grown
    told: dict[str, object] = {"picture": row.picture, "name": row.name, "method": row.method, "prompt": row.prompt}
    told |= {name: getattr(row, name) for name in ("cosine", "seconds", "exact", "negative", "note", "error")}
    told["others"] = [{"text": text, "cosine": cosine} for text, cosine in row.others]
    told["found"] = {kind: [vars(each) for each in found] for kind, found in row.found.items()}
    told["grown"] = None
    if grown is not None:
        told["grown"] = {**vars(grown), "curve": list(grown.curve), "terms": [vars(term) for term in grown.terms]}
    return told


def row_of(told: dict, path: str = "") -> PromptRow:
    """The inverse of `facts`, for the picture at `path`."""
    from pipelines.image_to_prompt.chain import Prompt, Term
    from pipelines.image_to_prompt.interrogator import Found

    grown = told.get("grown")
    if grown is not None:
        terms = tuple(Term(**term) for term in grown["terms"])
        grown = Prompt(**{**grown, "terms": terms, "curve": tuple(grown["curve"])})
    found = {kind: tuple(Found(**each) for each in some) for kind, some in told.get("found", {}).items()}
    others = tuple((each["text"], each["cosine"]) for each in told.get("others", ()))
    return PromptRow(**{**told, "path": path, "grown": grown, "found": found, "others": others})
