"""Models that come, change and go all the while."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from service.contract.repository import versions

from .models import GUEST, NUMBERS, WORDS, prune, publish, spoil
from .questions import any_question
from .tally import Tally
from .wire import Answer, Caller, Lost, ask_once, post

SERVED = 2
"""Versions of each model that are served; the ones before them are removed."""
LABELS = "labels.json"


@dataclass(slots=True)
class Publisher:
    """Publishes, loads, unloads and labels versions."""

    root: Path
    host: tuple[str, int]
    tally: Tally
    draw: random.Random

    async def change(self) -> None:
        """One change of any kind."""
        kinds: tuple[Callable[[], Awaitable[None]], ...] = (self.load, self.load, self.follow, self.fail, self.all_at_once, self.label)
        try:
            await self.draw.choice(kinds)()
        except Lost as lost:
            self.tally.fault("lost", f"a change: {lost}")

    async def load(self) -> None:
        """Publish a version and load it: from then on it answers, on every connection."""
        name = self.draw.choice([NUMBERS, WORDS])
        self._unlabelled(name)
        version = await asyncio.to_thread(publish, self.root, name)
        if self.tally.expect(f"load {name}", await self._post(name, "load"), 200):
            for _ in range(5):
                await self._answered_by(name, version)
        await self._prune(name)
        self.tally.done["versions loaded"] += 1

    async def follow(self) -> None:
        """Publish a version and wait until the service, which follows the folder, serves it."""
        self._unlabelled(NUMBERS)
        version = await asyncio.to_thread(publish, self.root, NUMBERS)
        async with asyncio.timeout(60):
            while await self._state(NUMBERS, version) != "READY":  # noqa: ASYNC110 - the service tells nobody
                await asyncio.sleep(0.1)
        await self._prune(NUMBERS)
        self.tally.done["versions found in the folder"] += 1

    async def fail(self) -> None:
        """Publish a version that is spoilt: it is refused, and what was served goes on."""
        name = self.draw.choice([NUMBERS, WORDS])
        version = await asyncio.to_thread(spoil, self.root, name)
        self.tally.expect(f"load {name}, which is spoilt", await self._post(name, "load"), 409)
        await asyncio.to_thread(shutil.rmtree, self.root / name / str(version))
        self.tally.expect(f"load {name} again", await self._post(name, "load"), 200)
        self.tally.done["spoilt versions refused"] += 1

    async def all_at_once(self) -> None:
        """Two loads and an unload of the guest at once."""
        await asyncio.to_thread(publish, self.root, GUEST)
        answers = await asyncio.gather(*(self._post(GUEST, change) for change in ("load", "unload", "load")))
        for answer in answers:
            self.tally.expect("two loads and an unload at once", answer, 200, 404)
        await self._prune(GUEST)
        await self.load_guest()
        self.tally.done["two loads and an unload at once"] += 1

    async def label(self) -> None:
        """Give a part of the traffic to the version before the newest."""
        older = versions(self.root, NUMBERS)[-SERVED].version
        beside = self.root / NUMBERS / "labels.new"
        beside.write_text(json.dumps({"canary": {"version": older, "share": 0.5}}))
        beside.rename(self.root / NUMBERS / LABELS)
        self.tally.expect("load with labels", await self._post(NUMBERS, "load"), 200)
        self.tally.done["labels changed"] += 1

    async def settle(self) -> None:
        """Load every model once more, without labels."""
        self._unlabelled(NUMBERS)
        for name in (NUMBERS, WORDS, GUEST):
            self.tally.expect(f"load {name} at the end", await self._post(name, "load"), 200)

    async def load_guest(self) -> None:
        """Load the guest once more."""
        self.tally.expect("load the guest", await self._post(GUEST, "load"), 200)

    async def index(self) -> list[dict[str, str]]:
        """Where every artifact stands."""
        found: list[dict[str, str]] = (await ask_once(self.host, post("/v2/repository/index", b""))).json()
        return found

    def _unlabelled(self, name: str) -> None:
        (self.root / name / LABELS).unlink(missing_ok=True)

    async def _post(self, name: str, change: str) -> Answer:
        return await ask_once(self.host, post(f"/v2/repository/models/{name}/{change}", b""))

    async def _state(self, name: str, version: int) -> str:
        found = [entry["state"] for entry in await self.index() if (entry["name"], entry["version"]) == (name, str(version))]
        return found[0] if found else ""

    async def _answered_by(self, name: str, version: int) -> None:
        caller = Caller(self.host)
        question = any_question(self.draw)
        answer = await self.tally.ask(caller, question)
        caller.close()
        is_of_it = (question.kind in ("generate_stream", "next-word")) == (name == WORDS)
        if answer is not None and answer.status == 200 and is_of_it and int(answer.headers["x-model-version"]) != version:
            self.tally.fault("stale", f"{name} was answered by {answer.headers['x-model-version']} after {version} was loaded")

    async def _prune(self, name: str) -> None:
        await asyncio.to_thread(prune, self.root, name, keep=SERVED)
