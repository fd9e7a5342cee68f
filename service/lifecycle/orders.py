"""The last order for each model, in a file that all workers of one service read."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import orjson
from pydantic import TypeAdapter

from service.lifecycle.order import Order

ORDERS = "orders"
LOCK = "lock"


@cache
def _orders() -> TypeAdapter[dict[str, Order]]:
    return TypeAdapter(dict[str, Order])  # making it takes time, which a service of one process need not spend


class Orders:
    """The orders for the workers that share `folder`, by model; safe from any thread of any process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Inside, nobody else places an order or joins. The folder is made where it is not there."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # given back when the file is closed, or its process ends
            yield

    def read(self) -> dict[str, Order]:
        """The last order for each model that has one.

        Raises:
            OSError, ValueError: the file cannot be read.
        """
        try:
            return _orders().validate_json((self._folder / ORDERS).read_bytes())
        except FileNotFoundError:
            return {}

    def begin(self, orders: Mapping[str, Order]) -> None:
        """Forget every order and begin with these; call it inside `locked`."""
        self._write(orders)

    def place(self, name: str, order: Callable[[int], Order]) -> Order:
        """Tell all workers what to do with a model; `order` makes the order of this number, at a moment when no other is placed.

        Raises:
            OSError, ValueError: the file cannot be read or written.
        """
        with self.locked():
            orders = self.read()
            placed = order(1 + max((one.number for one in orders.values()), default=0))
            self._write({**orders, name: placed})
            return placed

    def _write(self, orders: Mapping[str, Order]) -> None:
        beside = self._folder / f"{ORDERS}.new"
        beside.write_bytes(orjson.dumps(dict(orders)))
        beside.replace(self._folder / ORDERS)  # whoever reads sees the one or the other
