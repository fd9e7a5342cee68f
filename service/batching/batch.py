"""What waits for a graph: requests, grouped by what may run together; how several become one run, and how its outputs come apart again."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from service.contract.golden import Tensors
from service.errors import BadQuestion
from service.observe.timeline import CURRENT, Passage, Timeline


@dataclass(slots=True, eq=False)
class Work:
    """One request for these `outputs`, all of them where none are named; `kind` is what `kind_of` says; times are of `time.monotonic`.

    `queued`, guarded by the batcher's lock, is true until a worker takes it or its caller gives it up.
    """

    inputs: Tensors
    outputs: tuple[str, ...]
    kind: Hashable
    rows: int
    timeout_s: float
    submitted_ns: int
    deadline_ns: int
    priority: int
    future: asyncio.Future[Tensors]
    loop: asyncio.AbstractEventLoop
    queued: bool = True
    timeline: Timeline | None = field(default_factory=CURRENT.get)

    def note(self, taken_ns: int, finished_ns: int, *, rows: int) -> None:
        """Tell whoever tells of this request how it went: `rows` were run, none where it was given up."""
        if self.timeline is not None:
            self.timeline.passages.append(Passage(rows, self.submitted_ns, taken_ns, finished_ns))


@dataclass(slots=True)
class Waiting:
    """Work by priority, 1 before 2, and in each by what may run together, in turn: the kind that waits longest comes first."""

    rows: int = 0
    levels: dict[int, OrderedDict[Hashable, deque[Work]]] = field(default_factory=dict)

    def add(self, work: Work) -> None:
        """Let one more wait."""
        self.rows += work.rows
        self.levels.setdefault(work.priority, OrderedDict()).setdefault(work.kind, deque()).append(work)

    def first(self) -> Work:
        """The head of the next batch."""
        kinds = self.levels[min(self.levels)]
        return kinds[next(iter(kinds))][0]

    def take(self, max_rows: int) -> list[Work]:
        """The next batch: at least one request, and no more than `max_rows` rows of several; what room is left goes to lower priorities."""
        kind = next(iter(self.levels[min(self.levels)]))
        batch: list[Work] = []
        rows = 0
        for priority in sorted(self.levels):
            kinds = self.levels[priority]
            works = kinds.pop(kind, deque())
            while works and (not batch or rows + works[0].rows <= max_rows):
                rows += works[0].rows
                batch.append(works.popleft())
            if works:
                kinds[kind] = works  # at the end: others have their turn
                break
            if not kinds:
                del self.levels[priority]
        self.rows -= rows
        return batch


def count_rows(inputs: Tensors) -> int:
    """Rows of a request.

    Raises:
        BadQuestion: it has none, or its tensors differ in their number, so that a batch could not be taken apart again.
    """
    sizes = {array.shape[:1] for array in inputs.values()}
    if len(sizes) != 1 or not all(map(all, sizes)) or sizes == {()}:
        said = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
        raise BadQuestion(f"every input needs the same number of rows, at least one, on its first axis, not {said or 'no inputs'}")
    return int(sizes.pop()[0])


def kind_of(inputs: Tensors, outputs: tuple[str, ...]) -> Hashable:
    """Equal for requests that may be stacked: names, types and all axes but the first, and the outputs that are wanted."""
    return outputs, *[(name, array.dtype, array.shape[1:]) for name, array in inputs.items()]


def stack(batch: Sequence[Work]) -> Tensors:
    """Inputs of requests of one kind, one after the other."""
    return {name: np.concatenate([work.inputs[name] for work in batch]) for name in batch[0].inputs}


def split(outputs: Tensors, batch: Sequence[Work]) -> Iterator[Tensors]:
    """Each request's rows, as views."""
    start = 0
    for work in batch:
        stop = start + work.rows
        yield {name: array[start:stop] for name, array in outputs.items()}
        start = stop
