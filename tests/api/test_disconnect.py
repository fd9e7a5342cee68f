"""A caller who hangs up cancels what is worked on for them."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING, cast

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from service.api.disconnect import DisconnectWatch
from service.api.whole_request import WholeRequest

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Connection:
    """Gives what is put into it."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[str] = asyncio.Queue()
        self.asked = asyncio.Event()

    async def receive(self) -> Message:
        self.asked.set()
        return {"type": await self.messages.get()}


async def wait(cancelled: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        cancelled.append("work")
        raise


def test_hanging_up_cancels_the_work():
    cancelled: list[str] = []

    async def answer() -> None:
        connection = Connection()
        connection.messages.put_nowait("http.request")  # some servers say once more that the body has ended
        connection.messages.put_nowait("http.disconnect")
        with DisconnectWatch(connection.receive, after_s=0):
            await wait(cancelled)

    with pytest.raises(ClientDisconnect):
        asyncio.run(answer())
    assert cancelled == ["work"]


def test_a_task_that_was_left_by_its_caller_can_go_on():
    async def answer() -> str:
        connection = Connection()
        connection.messages.put_nowait("http.disconnect")
        try:
            with DisconnectWatch(connection.receive, after_s=0):
                await wait([])
        except ClientDisconnect:
            await asyncio.sleep(0)
            return "told"
        return "unreachable"

    assert asyncio.run(answer()) == "told"


def test_a_quick_answer_is_never_watched():
    async def answer() -> bool:
        connection = Connection()
        with DisconnectWatch(connection.receive, after_s=60):
            await asyncio.sleep(0)
        return connection.asked.is_set()

    assert asyncio.run(answer()) is False


def test_a_slow_answer_is_given_when_the_caller_stays():
    async def answer() -> bool:
        connection = Connection()
        with DisconnectWatch(connection.receive, after_s=0):
            await connection.asked.wait()
            return True

    assert asyncio.run(answer()) is True


def test_a_watch_that_has_ended_leaves_nothing_for_the_collector():
    async def answer() -> bool:
        connection = Connection()
        watch = DisconnectWatch(connection.receive, after_s=0)
        with watch:
            await connection.asked.wait()
        await asyncio.sleep(0)
        left = weakref.ref(watch)
        del watch
        await asyncio.sleep(0)
        return left() is None

    gc.disable()
    try:
        assert asyncio.run(answer()) is True
    finally:
        gc.enable()


def test_a_cancellation_from_outside_stays_one():
    cancelled: list[str] = []

    async def answer() -> None:
        with DisconnectWatch(Connection().receive, after_s=60):
            await wait(cancelled)

    async def stop() -> None:
        task = asyncio.create_task(answer())
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stop())
    assert cancelled == ["work"]


def test_an_error_of_the_work_is_not_hidden():
    async def answer() -> None:
        with DisconnectWatch(Connection().receive, after_s=0):
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        asyncio.run(answer())


class Cycle:
    """As uvicorn's, of a request whose body is there."""

    def __init__(self, *, disconnected: bool = False) -> None:
        self.body = bytearray(b"{}")
        self.disconnected = disconnected


def watched(whole: WholeRequest, *, hangs_up: bool) -> list[str]:
    cancelled: list[str] = []

    async def answer() -> None:
        if hangs_up:
            asyncio.get_running_loop().call_later(0, whole.hang_up)
        with DisconnectWatch(Connection().receive, whole):
            await wait(cancelled)

    with pytest.raises(ClientDisconnect):
        asyncio.run(answer())
    return cancelled


def test_hanging_up_cancels_the_work_of_a_request_that_came_whole():
    assert watched(WholeRequest(cast("RequestResponseCycle", Cycle())), hangs_up=True) == ["work"]


def test_a_caller_who_had_left_before_the_work_began_cancels_it():
    assert watched(WholeRequest(cast("RequestResponseCycle", Cycle(disconnected=True))), hangs_up=False) == ["work"]


def test_hanging_up_after_the_answer_cancels_nothing():
    whole = WholeRequest(cast("RequestResponseCycle", Cycle()))

    async def answer() -> str:
        with DisconnectWatch(Connection().receive, whole):
            await asyncio.sleep(0)
        whole.hang_up()
        await asyncio.sleep(0)
        return "answered"

    assert asyncio.run(answer()) == "answered"
