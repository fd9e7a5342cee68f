"""A soak: a real server under mixed load with faults injected, and what it must have kept when that ends."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.process import Server

from .changes import Publisher
from .faults import FAULTS, Fault, Scene
from .models import GUEST, NUMBERS, WORDS, publish
from .questions import any_question
from .tally import Tally
from .wire import Caller, ask_once, get, post

CALLERS = 8
POOLED = 40
LOADS_AT_ONCE = 8
"""More than ever come at once otherwise."""
SETTLE_S = 60.0
"""For what is being closed at the end to be closed; no soak needs it."""
FLAGS = (
    "--repository-mode",
    "poll",
    "--poll-interval-s",
    "1",
    "--version-policy",
    "latest:2",
    "--max-queue-rows",
    "64",
    "--max-batch-rows",
    "16",
    "--max-body-bytes",
    "1000000",
    "--drain-s",
    "10",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, and how strictly: the last quarter takes at most `memory_ratio` times the memory of the second, and `memory_mb` more."""

    seconds: float
    warm_up_s: float
    memory_ratio: float = 1.05
    memory_mb: float = 0.0
    change_every_s: float = 1.0
    idle_s: float = 12.0
    pool_threads: int = 4
    """More or fewer at the end: pools keep threads for as long as they have had use for them lately."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """What the server took at one moment."""

    at_s: float
    memory_mb: float
    threads: int
    descriptors: int


@dataclass(slots=True)
class Outcome:
    """What a soak has found."""

    plan: Plan
    tally: Tally
    samples: list[Sample] = field(default_factory=list)
    before: Sample | None = None
    after: Sample | None = None
    seconds: float = 0.0

    def quarter_mb(self, number: int) -> float:
        """Median memory in one quarter of the time, from 1 to 4."""
        inside = [one.memory_mb for one in self.samples if (number - 1) / 4 <= one.at_s / self.plan.seconds < number / 4]
        return median(inside or [0.0])


def prepare(root: Path) -> None:
    """A model folder as it is in the middle of a soak: two versions of each model."""
    for name in (NUMBERS, WORDS, GUEST) * 2:
        publish(root, name)


async def soak(server: Server, root: Path, plan: Plan, *, progress: Callable[[str], None]) -> Outcome:
    """Run the plan against a server of this folder."""
    warming, tally = Tally(), Tally()
    await Crowd(server, root, plan, warming).run(plan.warm_up_s, lambda _at_s: None)
    outcome = Outcome(plan, tally, before=await _settled(server, root, plan, warming))
    tally.faults.update(warming.faults)
    tally.told.extend(warming.told)
    begun = time.monotonic()

    def told(at_s: float) -> None:
        outcome.samples.append(sample(server, at_s))
        progress(line(outcome))

    await Crowd(server, root, plan, tally).run(plan.seconds, told)
    outcome.seconds = time.monotonic() - begun
    outcome.after = await _settled(server, root, plan, tally)
    return outcome


def sample(server: Server, at_s: float) -> Sample:
    """What the server takes now."""
    return Sample(at_s, server.memory_mb(), server.threads(), server.descriptors())


def line(outcome: Outcome) -> str:
    """How far it has come."""
    now, tally = outcome.samples[-1], outcome.tally
    changes = sum(count for kind, count in tally.done.items() if kind.startswith(("versions", "spoilt", "two loads", "labels")))
    return (
        f"{now.at_s:5.0f} s  {sum(tally.answered.values()):8,} answered  {sum(tally.refused.values()):6,} refused  {changes:4} changes  "
        f"{now.memory_mb:6.1f} MB  {now.threads:3} threads  {now.descriptors:4} files  {sum(tally.faults.values())} faults"
    )


@dataclass(frozen=True, slots=True)
class Crowd:
    """All callers, all faults and all changes."""

    server: Server
    root: Path
    plan: Plan
    tally: Tally
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, seconds: float, told: Callable[[float], None]) -> None:
        """For so long; `told` is told the time now and then."""
        async with asyncio.TaskGroup() as group:
            for number in range(CALLERS):
                group.create_task(self.call(number))
            for fault, rest_s in FAULTS:
                group.create_task(self.harm(fault, rest_s))
            group.create_task(self.change())
            await self.measure(seconds, told)
            self.stopped.set()

    async def measure(self, seconds: float, told: Callable[[float], None]) -> None:
        """Tell the time until it is over."""
        begun = time.monotonic()
        while (at_s := time.monotonic() - begun) < seconds:
            told(at_s)
            await asyncio.sleep(min(0.5, seconds / 40))

    async def call(self, number: int) -> None:
        """Ask one question after the other."""
        draw, caller = drawing(self.plan.seed, f"caller {number}"), Caller(self.server.host)
        while not self.stopped.is_set():
            await self.tally.ask(caller, any_question(draw))
            if draw.random() < 0.02:
                caller.close()
            await asyncio.sleep(draw.uniform(0, 0.01))
        caller.close()

    async def harm(self, fault: Fault, rest_s: float) -> None:
        """Do one kind of harm again and again."""
        scene = Scene(self.server.host, self.tally, drawing(self.plan.seed, fault.__name__), self.plan.idle_s)
        while not self.stopped.is_set():
            await fault(scene)
            await self.rest(scene.draw.uniform(0, 2 * rest_s))

    async def change(self) -> None:
        """Make one change after the other."""
        publisher = Publisher(self.root, self.server.host, self.tally, drawing(self.plan.seed, "changes"))
        while not self.stopped.is_set():
            await publisher.change()
            await self.rest(self.plan.change_every_s)

    async def rest(self, seconds: float) -> None:
        """For so long, or until it is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopped.wait(), seconds)


def drawing(seed: int, who: str) -> random.Random:
    """What somebody draws from, always the same."""
    return random.Random(f"{seed} {who}")  # noqa: S311 - a test that can be repeated, and no secret


async def _settled(server: Server, root: Path, plan: Plan, tally: Tally) -> Sample:
    """What the server takes when everybody has left; what it holds longer than it should is a fault."""
    publisher = Publisher(root, server.host, tally, drawing(plan.seed, "settling"))
    await publisher.settle()
    await _fill_pools(server, publisher)
    begun = time.monotonic()
    while held := await _held(publisher):
        if time.monotonic() - begun > SETTLE_S:
            tally.fault("held", held)
            break
        await asyncio.sleep(0.2)
    await asyncio.sleep(1.0)  # threads that nobody needs end, and connections that nobody has
    return sample(server, time.monotonic() - begun)


async def _fill_pools(server: Server, publisher: Publisher) -> None:
    """Let the pools have all the threads that they ever have, so that how many there are does not depend on who came when."""
    packed = post(f"/v1/models/{NUMBERS}/forecast", b"no gzip", Content_Encoding="gzip")  # another thread looks into it
    await asyncio.gather(*(ask_once(server.host, packed) for _ in range(POOLED)))
    await asyncio.gather(*(publisher.load_guest() for _ in range(LOADS_AT_ONCE)))


async def _held(publisher: Publisher) -> str:
    """What is still there of versions that are served no longer, and of requests that nobody waits for."""
    for entry in await publisher.index():
        if entry["state"] != "READY":
            return f"the index has {entry}"
    text = (await ask_once(publisher.host, get("/metrics"))).body.decode()
    for told in text.splitlines():
        if told.startswith(("carousel_in_flight{", "carousel_queue_rows{")) and not told.endswith(" 0.0"):
            return f"the metrics have {told}"
    served = sum(told.startswith("carousel_model_info{") for told in text.splitlines())
    return "" if served == 2 * len((NUMBERS, WORDS, GUEST)) else f"the metrics have {served} versions"
