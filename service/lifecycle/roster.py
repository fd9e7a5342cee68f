"""The workers of one service: which of them live, how far each has come with the orders, and where each says that artifacts stand."""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

import orjson
from pydantic import TypeAdapter, ValidationError

from service.lifecycle.succession import IndexEntry, State

logger = logging.getLogger(__name__)

MEMBER = ".member"
REPORT = ".report"
_LEAST_FIRST: tuple[State, ...] = ("UNAVAILABLE", "LOADING", "UNLOADING", "READY")


@dataclass(frozen=True, slots=True)
class Done:
    """The last order for a model that a worker has followed, and what went wrong, if anything."""

    number: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What one worker says of itself: the orders it has followed, by model, and its index; None as long as it starts."""

    process: int
    done: Mapping[str, Done]
    index: Sequence[IndexEntry] | None


@cache
def _reports() -> TypeAdapter[Report]:
    return TypeAdapter(Report)  # making it takes time, which a service of one process need not spend


class Roster:
    """The workers that share `folder`. Each holds a lock on a file of its own, which ends with its process, however that ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._token = f"{os.getpid()}-{secrets.token_hex(8)}"  # numbers of processes are used again
        self._member: IO[bytes] | None = None

    def join(self) -> bool:
        """Be one of the workers, until `leave`; whether there is no other. Nobody else may join at the same time."""
        living = set(self._living())
        for path in self._folder.iterdir():
            if path.suffix in (MEMBER, REPORT) and path.stem not in living:
                path.unlink()
        self._member = (self._folder / f"{self._token}{MEMBER}").open("wb")
        fcntl.flock(self._member, fcntl.LOCK_EX)
        return not living

    def leave(self) -> None:
        """Be no worker any more; leaving twice does nothing more."""
        if self._member is not None:
            self._member.close()
            self._member = None

    def tell(self, done: Mapping[str, Done], index: Sequence[IndexEntry]) -> None:
        """Let the others read how far this worker has come.

        Raises:
            OSError: it cannot be written.
        """
        beside = self._folder / f"{self._token}.new"
        beside.write_bytes(orjson.dumps(Report(os.getpid(), dict(done), list(index))))
        beside.replace(self._folder / f"{self._token}{REPORT}")  # whoever reads sees the one or the other

    def others(self) -> list[Report]:
        """What the other workers that live have told; one that has told nothing yet has done nothing."""
        return [self._report(token) for token in self._living() if token != self._token]

    def _living(self) -> Iterator[str]:
        for path in self._folder.glob(f"*{MEMBER}"):
            with suppress(OSError), path.open("rb") as member:  # it may be gone by now
                try:
                    fcntl.flock(member, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    yield path.stem

    def _report(self, token: str) -> Report:
        try:
            return _reports().validate_json((self._folder / f"{token}{REPORT}").read_bytes())
        except FileNotFoundError:
            pass
        except (OSError, ValidationError):
            logger.warning("%s cannot be read: its worker counts as one that has followed no order", token)
        return Report(int(token.partition("-")[0]), {}, None)


def least(own: Sequence[IndexEntry], others: Sequence[Sequence[IndexEntry]]) -> list[IndexEntry]:
    """The index of all workers as one: each artifact stands where it stands least. What one has not heard of is not loaded by all."""
    entries: dict[tuple[str, int], IndexEntry] = {}
    for entry in (entry for index in (own, *others) for entry in index):
        known = entries.setdefault((entry.name, entry.version), entry)
        if _LEAST_FIRST.index(entry.state) < _LEAST_FIRST.index(known.state):
            entries[entry.name, entry.version] = entry
    for index in (own, *others):
        heard = {(entry.name, entry.version) for entry in index}
        for key, entry in entries.items():
            if key not in heard and entry.state == "READY":
                entries[key] = IndexEntry(*key, "UNAVAILABLE", "not every worker has loaded it yet")
    return [entry for _, entry in sorted(entries.items())]
