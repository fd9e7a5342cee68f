"""Several workers change together: what one of them is asked, all do, and the answer waits for them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from service.errors import ShuttingDown, WorkersBehind
from service.lifecycle.order import Order
from service.lifecycle.orders import Orders
from service.lifecycle.roster import Done, Roster, least
from service.lifecycle.succession import IndexEntry

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.05
"""Between two looks at what is ordered, and at how far the others have come."""


class Following:
    """Has this worker follow the orders for all workers that share `folder`, each model on a thread of its own while it changes.

    `obey` does what an order says and returns what went wrong, if anything; `index` is where this worker's artifacts stand.
    """

    def __init__(self, folder: Path, *, obey: Callable[[str, Order], str], index: Callable[[], Sequence[IndexEntry]]) -> None:
        self._orders = Orders(folder)
        self._roster = Roster(folder)
        self._obey = obey
        self._index = index
        self._done: dict[str, Done] = {}
        self._told: tuple[dict[str, Done], list[IndexEntry]] | None = None
        self._changed = threading.Condition()  # guards the next, `_done` and `_told`; notified when an order has been followed
        self._changing: set[str] = set()
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="following", daemon=True)

    def join(self, first: Mapping[str, Order]) -> dict[str, Order]:
        """Be one of the workers; the orders so far, which this worker must follow before it calls `start`.

        Where there is no other worker yet, they are `first`.

        Raises:
            OSError, ValueError: the folder cannot be used.
        """
        with self._orders.locked():
            if self._roster.join():
                self._orders.begin(first)
            orders = self._orders.read()
        self._done = {name: Done(order.number) for name, order in orders.items()}
        return orders

    def start(self) -> None:
        """Follow every order from now on."""
        self._tell()
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Follow no more: the others wait no longer for this worker."""
        self._stopped.set()
        self._wake.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._roster.leave()

    def order_of(self, name: str) -> Order | None:
        """The last order for a model, if there is one."""
        return self._orders.read().get(name)

    def order(self, name: str, order: Callable[[int], Order], *, timeout_s: float) -> str:
        """Have all workers load or unload a model, as the order says that `order` makes of its number; what went wrong, if anything.

        Returns when this worker has done it and the others have, too, for whom it waits `timeout_s` seconds at most.

        Raises:
            WorkersBehind: some of the others have not done it by then.
            ShuttingDown: this worker ends.
        """
        try:
            placed = self._orders.place(name, order)
        except (OSError, ValueError) as error:
            return f"the workers could not be told: {error}"
        self._wake.set()
        with self._changed:
            self._changed.wait_for(lambda: self._stopped.is_set() or self._number(name) >= placed.number)
            if self._number(name) < placed.number:
                raise ShuttingDown
            own = self._done[name].reason
        others = self._awaited(name, placed.number, timeout_s)
        wrong = [f"worker {process}: {done.reason}" for process, done in others if done.reason not in ("", own)]
        return "; ".join([*([own] if own else []), *wrong])

    def index(self) -> list[IndexEntry]:
        """Where every artifact stands in the worker in which it stands least; workers that start do not count yet."""
        return least(self._index(), [report.index for report in self._roster.others() if report.index is not None])

    def _awaited(self, name: str, number: int, timeout_s: float) -> list[tuple[int, Done]]:
        """What each of the others has done, once all of them have followed this order."""
        deadline = time.monotonic() + timeout_s
        while True:
            done = [(report.process, report.done.get(name, Done(-1))) for report in self._roster.others()]
            behind = sorted(process for process, one in done if one.number < number)
            if not behind:
                return done
            if time.monotonic() >= deadline:
                raise WorkersBehind(name, behind, timeout_s=timeout_s)
            self._stopped.wait(LOOK_EVERY_S)

    def _number(self, name: str) -> int:
        return self._done[name].number if name in self._done else -1

    # what follows runs on threads of its own

    def _follow(self) -> None:
        while not self._stopped.is_set():
            try:
                self._look()
                self._tell()
            except Exception:  # a folder that cannot be read or written for a moment must not end the following
                logger.exception("this worker could not follow the others; it tries again")
            self._wake.wait(LOOK_EVERY_S)
            self._wake.clear()

    def _look(self) -> None:
        for name, order in self._orders.read().items():
            with self._changed:
                if name in self._changing or self._number(name) >= order.number:
                    continue
                threading.Thread(target=self._change, args=(name, order), name=f"change-{name}", daemon=True).start()
                self._changing.add(name)  # behind it: where no thread can be started, it is tried again

    def _change(self, name: str, order: Order) -> None:
        try:
            reason = self._obey(name, order)
        except Exception as error:  # the others must not wait for a worker because something broke in it
            logger.exception("%s broke while an order for it was followed", name)
            reason = f"{type(error).__name__}: {error}"
        with self._changed:
            self._done[name] = Done(order.number, reason)
            self._changing.discard(name)
            try:
                self._tell()  # before anyone is answered: whichever worker is asked for the index knows of it
            except OSError as error:
                logger.warning("the others could not be told of %s: %s", name, error)
            self._changed.notify_all()

    def _tell(self) -> None:
        with self._changed:
            now = (dict(self._done), list(self._index()))
            if now != self._told:
                self._roster.tell(*now)
                self._told = now
