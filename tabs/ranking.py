"""Scores as people read them: captions, a bar plot with its threshold, a table, and the spread.

Everything returned here is HTML for `gr.HTML`, so every word that came from outside is escaped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Row:
    """One ranked picture.

    `path` is its file; `label` says which one it is ("seed 42", a file name); `cosine` in [-1, 1]; `clip_score` in
    [0, 2.5]; `share` in [0, 1], of this set; `passes` tells about the threshold, None without one; `note` is one short
    remark.
    """

    path: str
    label: str
    cosine: float
    clip_score: float
    share: float
    passes: bool | None = None
    note: str = ""


def captions(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """(path, caption) for a gallery: rank, score, label, and what is to be said about it."""
    return [(row.path, _caption(rank, row)) for rank, row in enumerate(rows, start=1)]


def _caption(rank: int, row: Row) -> str:
    words = [f"{rank}", f"{row.cosine:.3f}", row.label]
    if row.passes is False:
        words.append("below threshold")
    return "  ·  ".join([*words, row.note] if row.note else words)


def report(rows: Sequence[Row], threshold: float | None = None, given_up: Sequence[Row] = ()) -> str:
    """Figures, bar plot and table of `rows`, which come best first; those `given_up` stand in the table alone."""
    if not rows:
        return ""
    return f'<div class="ranking">{_figures(rows)}{_plot(rows, threshold)}{_table(rows, given_up)}</div>'


def _figures(rows: Sequence[Row]) -> str:
    best, mean = rows[0].cosine, sum(row.cosine for row in rows) / len(rows)
    figures = [("Best", f"{best:.3f}"), ("Mean", f"{mean:.3f}"), ("Spread, best − mean", f"{best - mean:.3f}")]
    judged = [row.passes for row in rows if row.passes is not None]
    if judged:
        figures.append(("Over the threshold", f"{sum(judged)} of {len(judged)}"))
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures)
    return f'<dl class="figures">{cells}</dl>'


def _plot(rows: Sequence[Row], threshold: float | None) -> str:
    # The bars stand on zero: cosines of one prompt differ little, and a cut axis would make that look like a lot.
    top = max([row.cosine for row in rows] + [threshold or 0.0, 1e-6]) * 1.12
    bars = "".join(_bar(rank, row, top) for rank, row in enumerate(rows, start=1))
    line = ""
    if threshold is not None and threshold >= 0:
        line = f'<div class="threshold" style="bottom:{100 * threshold / top:.1f}%"><span>{threshold:.2f}</span></div>'
    label = f"Bar plot of {len(rows)} scores, best {rows[0].cosine:.3f}"
    dense = " dense" if len(rows) > 8 else ""
    return f'<div class="bars{dense}" role="img" aria-label="{label}"><div class="plot">{bars}{line}</div></div>'


def _bar(rank: int, row: Row, top: float) -> str:
    kind = "best" if rank == 1 else "plain"
    if row.passes is False:
        kind = "fails"
    height = max(0.0, 100 * row.cosine / top)
    return (
        f'<div class="bar {kind}" title="{escape(row.label)}: {row.cosine:.3f}"><i style="height:{height:.1f}%">'
        f"<b>{row.cosine:.3f}</b></i><em>{rank}</em></div>"
    )


def _table(rows: Sequence[Row], given_up: Sequence[Row]) -> str:
    judged = any(row.passes is not None for row in rows)
    heads = ["#", "Picture", "Cosine", "CLIPScore", "Share"] + (["Threshold"] if judged else [])
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(_table_row(str(rank), row, judged) for rank, row in enumerate(rows, start=1))
    body += "".join(_table_row("–", row, judged) for row in given_up)
    return f'<div class="scores"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _table_row(rank: str, row: Row, judged: bool) -> str:
    note = f" <small>{escape(row.note)}</small>" if row.note else ""
    cells = [
        f"<td>{rank}</td>",
        f"<th scope='row'>{escape(row.label)}{note}</th>",
        f"<td>{row.cosine:.4f}</td>",
        f"<td>{row.clip_score:.3f}</td>",
        f"<td>{100 * row.share:.1f} %</td>",
    ]
    if judged:
        cells.append(
            {True: "<td class='good'>passes</td>", False: "<td class='bad'>fails</td>"}.get(row.passes, "<td>–</td>")
        )
    return f"<tr>{''.join(cells)}</tr>"
