"""A candidate that runs, unseen, on what another version is asked, so that their answers can be compared before it answers anyone."""

from __future__ import annotations

import asyncio
from contextvars import Context

from service.contract.golden import Tensors, difference
from service.errors import QueueFull, ServiceError
from service.served_model import ServedModel

MAX_PENDING = 64
"""Questions on their way to the candidate of one model; those beyond are not asked."""
LAST = 1_000_000
"""The candidate's own callers go first."""


class Shadow:
    """Asks `candidate` what another version was asked, and tells its meter how the answers differ."""

    def __init__(self, candidate: ServedModel) -> None:
        self.candidate = candidate
        self._pending: set[asyncio.Task[None]] = set()

    def reflect(self, inputs: Tensors, outputs: Tensors) -> None:
        """Ask the candidate, too; `outputs` are what was answered."""
        if len(self._pending) >= MAX_PENDING:
            self.candidate.batcher.meter.compared("dropped")
            return
        # in a context of its own: what the candidate does is no part of what is told of the request
        task = asyncio.get_running_loop().create_task(self._compare(inputs, outputs), context=Context())
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _compare(self, inputs: Tensors, expected: Tensors) -> None:
        meter = self.candidate.batcher.meter
        try:
            found = await self.candidate.infer(inputs, priority=LAST, outputs=tuple(expected))
        except QueueFull:
            meter.compared("dropped")
        except ServiceError:
            meter.compared("failed")
        else:
            meter.compared("answered", difference(expected, found))
