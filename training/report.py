"""report.html: what was trained, how good it is and how it looks, in one file that asks nothing of the network."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from service.contract.manifest import Json, ParameterEntry, Scores
from service.contract.repository import REPORT
from training.pictures import Picture

MEASURES: dict[str, tuple[str, int]] = {
    "mae": ("mean absolute error, in the units of the data", -1),
    "rmse": ("root mean squared error, in the units of the data", -1),
    "smape": ("symmetric mean absolute percentage error, 0 to 200", -1),
    "mase": ("mean absolute error, in units of the seasonal naive error of each history", -1),
    "pinball": ("mean pinball loss of all quantiles", -1),
    "interval_score": ("Winkler score of the outermost interval", -1),
    "coverage": ("share of actual values between these two quantiles", 0),
    "perplexity": ("as uncertain as a fair choice among so many tokens", -1),
    "top1": ("share of words that were the first suggestion", 1),
    "top3": ("share of words among the first three suggestions", 1),
    "unknown_share": ("share of tokens out of the vocabulary", 0),
    "accuracy": ("share of right labels", 1),
    "cross_entropy": ("mean negative logarithm of the right label's probability", -1),
}
"""Measure, or the word it begins with -> what it is, and whether more is better (1), less is (-1), or neither (0)."""

STYLE = """
:root { color-scheme: light dark; --ink: #1f2933; --soft: #616e7c; --line: #d9dee4; --page: #fff; --tint: #f4f6f9; --best: #0b6b3a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --soft: #9aa5b1; --line: #3b4552; --page: #161b22; --tint: #1f2630; --best: #6ee7a8; }
}
body { font: 16px/1.55 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: var(--ink); background: var(--page); margin: 0; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .7rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .38rem .7rem .38rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td { overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.best { color: var(--best); font-weight: 700; }
small, .note { color: var(--soft); }
figure { margin: 0 0 1.4rem; }
img { max-width: 100%; max-height: 34rem; background: #fff; border: 1px solid var(--line); border-radius: 6px; }
blockquote { margin: 0 0 .8rem; padding: .55rem .9rem; background: var(--tint); border-left: 3px solid var(--line); }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .88rem; }
details > summary { cursor: pointer; font-size: 1.15rem; font-weight: 700; margin: 2.4rem 0 .7rem; }
"""


def write_report(
    folder: Path,
    *,
    title: str,
    facts: Sequence[tuple[str, str]],
    scores: Scores,
    pictures: Sequence[Picture],
    parameters: Sequence[ParameterEntry],
    samples: Sequence[tuple[str, str]],
    config: Json,
) -> list[Path]:
    """Write report.html, which holds the pictures too, and each picture as <name>.png; the files written.

    `facts` are pairs of a name and a text, `samples` pairs of a prompt and its continuation.
    """
    sections = [
        _table((), [(_name(name), _cell(text)) for name, text in facts]),
        f"<h2>Scores</h2>{_scores(scores)}",
        *(_figure(picture) for picture in pictures),
        _samples(samples),
        f"<details><summary>Weights</summary>{_parameters(parameters)}</details>",
        f"<details><summary>Configuration</summary>{_config(config)}</details>",
    ]
    page = folder / REPORT
    page.write_text(_page(title, "\n".join(filter(None, sections))), encoding="utf-8")
    written = [page]
    for picture in pictures:
        written.append(folder / f"{picture.name}.png")
        written[-1].write_bytes(picture.png)
    return written


def _page(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
{body}
</main>
</body>
</html>
"""


def _scores(scores: Scores) -> str:
    columns = {"model": scores.model, **scores.baselines}
    names = list(dict.fromkeys(name for measures in columns.values() for name in measures))
    rows = []
    for name in names:
        meaning, better = _measure(name)
        values = {column: measures[name] for column, measures in columns.items() if name in measures}
        best = max(values.values(), key=lambda value: better * value) if better and len(values) > 1 else None
        label = f"<td>{escape(name)}<br><small>{escape(meaning)}</small></td>"
        rows.append((label, *(_score(values.get(column), best=best) for column in columns)))
    verdict = "The model beats every naive baseline." if scores.beats_naive else "The model does not beat every naive baseline."
    note = f" {escape(scores.note)}" if scores.note else ""
    heading = ("measure", *(column.replace("_", " ") for column in columns))
    return f'<p class="note">Measured on {escape(scores.split)}. {verdict}{note}</p>{_table(heading, rows, numbers=True)}'


def _measure(name: str) -> tuple[str, int]:
    return MEASURES.get(name, MEASURES.get(name.split("_")[0], ("", 0)))


def _score(value: float | None, *, best: float | None) -> str:
    if value is None:
        return '<td class="number"></td>'
    return f'<td class="number{" best" if value == best else ""}">{value:.4g}</td>'


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode("ascii")
    return f'<h2>{escape(picture.title)}</h2><figure><img alt="{escape(picture.title)}" src="data:image/png;base64,{data}"></figure>'


def _samples(samples: Sequence[tuple[str, str]]) -> str:
    quotes = [f'<blockquote><span class="note">{escape(prompt)}</span> <b>{escape(answer)}</b></blockquote>' for prompt, answer in samples]
    return "<h2>Samples</h2>" + "".join(quotes) if quotes else ""


def _parameters(parameters: Sequence[ParameterEntry]) -> str:
    rows = [
        (_cell(entry.name), _cell(" × ".join(map(str, entry.shape))), _number(entry.gates or ""), _number(f"{entry.count:,}"))
        for entry in parameters
    ]
    rows.append((_cell("total"), _cell(""), _number(""), _number(f"{sum(entry.count for entry in parameters):,}")))
    return _table(("weight", "shape", "gates", "numbers"), rows)


def _config(config: Json) -> str:
    return _table(
        (), [(_cell(name), f"<td><code>{escape(json.dumps(value, ensure_ascii=False))}</code></td>") for name, value in config.items()]
    )


def _table(heading: Iterable[str], rows: Iterable[tuple[str, ...]], *, numbers: bool = False) -> str:
    cells = [
        f'<th class="number">{escape(name)}</th>' if numbers and position else f"<th>{escape(name)}</th>"
        for position, name in enumerate(heading)
    ]
    head = f"<thead><tr>{''.join(cells)}</tr></thead>" if cells else ""
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f'<div class="wide"><table>{head}<tbody>{body}</tbody></table></div>'


def _cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"


def _name(text: str) -> str:
    return f'<th scope="row">{escape(text)}</th>'


def _number(value: object) -> str:
    return f'<td class="number">{escape(str(value))}</td>'
