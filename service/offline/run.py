"""Forecast a file of any number of series: read, forecast and written as a stream, and gone on with where it was stopped."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO, TypeVar

import pyarrow as pa

from service.offline.chunks import chunks, once
from service.offline.clock import zone_of
from service.offline.journal import Failure, Journal, flush
from service.offline.output import output_schema
from service.offline.progress import Progress
from service.offline.question import Question
from service.offline.scoring import Scored, Scorer
from service.offline.series_file import SeriesFile
from service.offline.whole import Whole
from service.served_model import ServedModel

PART_ROWS = 262_144
"""Rows of the output after which a part is written: what a kill may cost."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Summary:
    """How many series there were, and how many of them got no forecast: `errors` says why."""

    series: int
    failed: int
    errors: Path


def forecast_file(model: ServedModel, question: Question, *, progress_to: TextIO) -> Summary:
    """Write the forecasts of every series and, where there are any, the reasons of those that got none.

    Raises:
        BadFile: the file cannot be read as series, or parts of another question lie beside the output. What is done stays.
        OSError: something cannot be read or written.
    """
    pa.set_memory_pool(pa.system_memory_pool())  # which keeps what is freed; the default one gives it back, to take it anew for each chunk
    file = SeriesFile.open(question.data, question.columns)
    scorer = _scorer(model, question, file)
    journal = Journal.open(question.output, question.identity(model))
    try:
        progress = Progress(progress_to, file.rows, begun_at_row=journal.end_row)
        with Whole(question.output, scorer.schema) as whole:
            for table in journal.tables():
                whole.add(table)
            _forecast_rest(file, scorer, journal, whole, progress, at_once=question.at_once)
            progress.end()
            summary = Summary(
                sum(part.series for part in journal.parts),
                sum(len(part.failed) for part in journal.parts),
                question.output.with_name(question.output.name + ".errors.csv"),
            )
            _write_errors(journal, summary)
            whole.finish()
        journal.remove()
    finally:
        journal.close()
    return summary


def _scorer(model: ServedModel, question: Question, file: SeriesFile) -> Scorer:
    first = next(file.batches(), None)
    zone = zone_of(first.column(question.columns.time)) if first is not None else None
    kind = None if question.columns.series is None else file.schema.field(question.columns.series).type
    schema = output_schema(kind, zone, [str(level) for level in question.levels])
    return Scorer(model, question.task, question.columns, schema, zone, question.horizon, question.levels)


def _forecast_rest(file: SeriesFile, scorer: Scorer, journal: Journal, whole: Whole, progress: Progress, *, at_once: int) -> None:
    """Add parts to the journal, and to the whole, until they have all of the file: one is written while the next is forecast."""

    def write(part: _Part) -> None:
        table = pa.concat_tables(part.tables)
        journal.add(table, series=part.series, end_row=part.end_row, failed=part.failed)
        whole.add(table)

    found = chunks(file.batches(journal.end_row), file.columns.series, most_series=scorer.most_series, first_row=journal.end_row)
    with ThreadPoolExecutor(at_once, "forecast") as pool, ThreadPoolExecutor(1, "write") as writer:
        scored = _in_turn(pool, scorer.score, once(found, path=file.path, seen=journal.seen()), ahead=2 * at_once)
        for _ in _in_turn(writer, write, _parts(scored, progress), ahead=1):
            pass


@dataclass(slots=True)
class _Part:
    """What is forecast and not yet written."""

    tables: list[Any] = field(default_factory=list)  # pyarrow ships no types
    failed: list[Failure] = field(default_factory=list)
    rows: int = 0
    series: int = 0
    end_row: int = 0

    def take(self, scored: Scored) -> None:
        self.tables.append(scored.table)
        self.failed += scored.failed
        self.rows += scored.table.num_rows + len(scored.failed)
        self.series += scored.series
        self.end_row = scored.end_row


def _parts(found: Iterable[Scored], progress: Progress) -> Iterator[_Part]:
    part = _Part()
    for scored in found:
        part.take(scored)
        progress.advance(scored.series, scored.end_row)
        if part.rows >= PART_ROWS:
            yield part
            part = _Part()
    if part.series:
        yield part


def _in_turn(pool: ThreadPoolExecutor, work: Callable[[T], R], given: Iterable[T], *, ahead: int) -> Iterator[R]:
    """Results in the order of what is given, of which at most `ahead` more are taken than results."""
    waiting: deque[Future[R]] = deque()
    for one in given:
        waiting.append(pool.submit(work, one))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _write_errors(journal: Journal, summary: Summary) -> None:
    if not summary.failed:
        summary.errors.unlink(missing_ok=True)  # an earlier run's
        return
    beside = summary.errors.with_name(f".{summary.errors.name}.new")
    with beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("series", "reason"))
        for part in journal.parts:
            writer.writerows((failure.series, failure.reason) for failure in part.failed)
    flush(beside)
    beside.replace(summary.errors)
