"""When those who are refused should come back: about when what waits is done, judged by what rows took of late."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from service.batching.batcher import Batcher
from service.contract.golden import Tensors
from service.errors import QueueFull
from service.observe.statistics import Meter, Run
from tests.fakes import FakeBackend

SECOND = 1_000_000_000


def ran(meter: Meter, *, rows: int, seconds: float, times: int = 1) -> None:
    """Tell the meter of runs whose time is in the graph for four fifths."""
    ns = int(seconds * SECOND)
    for _ in range(times):
        meter.answered([Run(rows, ns // 10, ns * 8 // 10, ns // 10)], [0], [ns])


@pytest.mark.parametrize(("wait_s", "told"), [(0.0, "1"), (0.3, "1"), (1.0, "1"), (1.01, "2"), (29.5, "30"), (3600.0, "30")])
def test_nobody_is_sent_away_for_less_than_a_second_or_more_than_half_a_minute(wait_s: float, told: str):
    assert QueueFull("load", queued_rows=9, limit_rows=9, wait_s=wait_s).headers == {"Retry-After": told}


def test_before_the_first_run_nothing_is_known():
    assert Meter().seconds_for(1000) == 0.0


def test_rows_will_take_what_rows_took():
    meter = Meter()
    ran(meter, rows=10, seconds=2.0)

    assert meter.seconds_for(30) == pytest.approx(6.0)


def test_runs_of_late_count_and_those_of_long_ago_are_forgotten():
    meter = Meter()
    ran(meter, rows=1, seconds=1.0, times=100)
    ran(meter, rows=10, seconds=1.0)
    assert meter.seconds_for(1) == pytest.approx(1.0 - 0.9 / 8)

    ran(meter, rows=10, seconds=1.0, times=100)
    assert meter.seconds_for(10) == pytest.approx(1.0, abs=0.001)


@pytest.mark.parametrize(("instances", "told"), [(1, "6"), (2, "3"), (4, "2")])
def test_a_full_queue_says_when_what_waits_will_be_done(instances: int, told: str):
    meter = Meter()
    ran(meter, rows=4, seconds=2.0)
    assert refused(meter, waiting=12, instances=instances) == told


def refused(meter: Meter, *, waiting: int, instances: int) -> str:
    """`Retry-After` of a request that comes when so many rows wait for a model whose every instance is busy."""

    def rows(count: int) -> Tensors:
        return {"x": np.zeros((count, 1), np.float32)}

    async def refusal() -> QueueFull:
        backend = FakeBackend()
        backend.gate.clear()
        batcher = Batcher(backend.run, max_batch_rows=1, max_queue_rows=waiting, name="load", instances=instances, meter=meter)
        asking = []
        for _ in range(instances):
            asking.append(asyncio.create_task(batcher.submit(rows(1), timeout_s=20)))
            while batcher.in_flight < len(asking) or batcher.queued_rows:  # noqa: ASYNC110 - the batcher tells nobody
                await asyncio.sleep(0.001)
        asking.append(asyncio.create_task(batcher.submit(rows(waiting), timeout_s=20)))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull) as refusal:
            await batcher.submit(rows(1), timeout_s=20)
        backend.gate.set()
        await asyncio.gather(*asking)
        batcher.close(5)
        return refusal.value

    return asyncio.run(refusal()).headers["Retry-After"]
