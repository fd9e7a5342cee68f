"""What Carousel aims at, and whether the figures reach it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import gt

from benchmarks.serving.figures import Figures, Quantity
from benchmarks.serving.questions import TASKS, Task
from benchmarks.serving.servers import FLOOR, PEERS, PYTHON_PEERS

UNDER_LOAD = (16, 64)
MOST_P99_MS = {16: 5.0, 64: 15.0}
MOST_P50 = 1.25
MOST_MEMORY_MB = 130.0
MOST_READY_S = 1.5
MOST_METRICS_COST = 0.05

TYPED, TENSORS, PREDICT, BINARY, TWO = (
    "Carousel",
    "Carousel, OIP in JSON",
    "Carousel, :predict",
    "Carousel, OIP in bytes",
    "Carousel, two workers",
)
UNMETERED = "Carousel without metrics"

Figure = Callable[[Task, int], float | None]


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure in words, and whether it is as good as it should be; None where it was not measured."""

    text: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """An aim and its figures: it is met where all of them are good enough."""

    aim: str
    cells: tuple[Cell, ...]

    @property
    def met(self) -> bool | None:
        """None where a figure is missing and none misses."""
        found = [cell.met for cell in self.cells]
        return False if False in found else None if None in found else True


def under_load(figures: Figures, *, pinned: bool) -> list[Verdict]:
    """Aims at 16 and 64 connections; each verdict has a cell for each of them, forecasts first."""

    def rate(way: str, *others: str) -> Figure:
        return lambda task, connections: _ratio(figures, way, others, task, connections)

    wanted = [
        ("requests/s of the typed route over the floor's", rate(TYPED, "floor"), 1.0),
        ("… over the best Python peer's", rate(TYPED, *PYTHON_PEERS), 2.5),
        ("… over Triton's", rate(TYPED, "Triton"), 1.0),
        ("OIP in JSON over Triton's", rate(TENSORS, "Triton"), 1.2),
        ("`:predict` over Triton's", rate(PREDICT, "Triton"), 1.2),
        ("OIP in bytes over the typed route", rate(BINARY, TYPED), 1.3),
    ]
    if not pinned:
        wanted += [("two workers over Triton's", rate(TWO, "Triton"), 1.5), ("two workers over one", rate(TWO, TYPED), 1.7)]
    verdicts = [Verdict(f"{what}: at least {least}", _at_least(figure, least)) for what, figure, least in wanted]
    return [*verdicts, *_latencies(figures), _metrics(figures)]


def otherwise(figures: Figures) -> list[Verdict]:
    """Aims of a single connection, of memory and of the start."""
    p50 = [_ratio(figures, TYPED, (FLOOR,), task, 1, "p50_ms") for task in TASKS]
    within = tuple(_cell(found, "{:.2f}", lambda ratio: ratio <= MOST_P50) for found in p50)
    return [
        Verdict(f"p50 at 1 connection over the floor's: at most {MOST_P50}", within),
        _memory(figures),
        Verdict(
            f"ready with the bundled models in under {MOST_READY_S} s",
            (_cell(figures.bundled_ready_s, "{:.2f} s", lambda seconds: seconds < MOST_READY_S),),
        ),
    ]


def _latencies(figures: Figures) -> Iterator[Verdict]:
    own = [(connections, figures.median(TYPED, task, connections, "p99_ms")) for task in TASKS for connections in UNDER_LOAD]
    bounded = tuple(_cell(p99, "{:.1f} ms", partial(gt, MOST_P99_MS[connections])) for connections, p99 in own)
    yield Verdict(
        " and ".join(f"{most:g} ms at {connections}" for connections, most in MOST_P99_MS.items()).join(("p99 under ", "")), bounded
    )
    ratios = [_ratio(figures, TYPED, PEERS, task, connections, "p99_ms", best=min) for task in TASKS for connections in UNDER_LOAD]
    yield Verdict("p99 over the best peer's: under 1", tuple(_cell(found, "{:.2f}", lambda ratio: ratio < 1) for found in ratios))


def _metrics(figures: Figures) -> Verdict:
    ratios = [figures.ratio(TYPED, UNMETERED, task, connections) for task in TASKS for connections in UNDER_LOAD]
    costs = [None if ratio is None else 1 - ratio for ratio in ratios]
    return Verdict(
        f"cost of metrics: under {MOST_METRICS_COST:.0%}",
        tuple(_cell(cost, "{:.1%}", lambda cost: cost < MOST_METRICS_COST) for cost in costs),
    )


def _memory(figures: Figures) -> Verdict:
    own = figures.starts.get("carousel")
    aim = f"memory with two models, one process: under {MOST_MEMORY_MB:g} MB, lowest of all peers"
    if own is None:
        return Verdict(aim, (_cell(None, "", bool),))
    peers = [start.memory_mb for key, start in figures.starts.items() if key not in (FLOOR, "carousel", "workers", "unmetered")]
    lowest = min(peers, default=None)
    return Verdict(
        aim,
        (
            _cell(own.memory_mb, "{:.0f} MB", lambda found: found < MOST_MEMORY_MB),
            _cell(lowest, "the lowest peer {:.0f} MB", lambda found: own.memory_mb < found),
        ),
    )


def _ratio(
    figures: Figures,
    way: str,
    others: Iterable[str],
    task: Task,
    connections: int,
    quantity: Quantity = "requests_s",
    *,
    best: Callable[[Iterable[float]], float] = max,
) -> float | None:
    """A way's median over the best of others'."""
    own = figures.median(way, task, connections, quantity)
    found = [median for other in others if (median := figures.median(other, task, connections, quantity))]
    return own / best(found) if own is not None and found else None


def _at_least(figure: Figure, least: float) -> tuple[Cell, ...]:
    return tuple(_cell(figure(task, connections), "{:.2f}", lambda ratio: ratio >= least) for task in TASKS for connections in UNDER_LOAD)


def _cell(found: float | None, words: str, good: Callable[[float], bool]) -> Cell:
    return Cell("not measured", None) if found is None else Cell(words.format(found), good(found))
