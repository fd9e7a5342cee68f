"""More calls than can be answered, late ones, ones whose callers leave, and the end: each with its status."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import grpc
import pytest
from grpc import StatusCode

from service.contract.golden import Tensors
from service.errors import ServiceError
from service.grpc_api.messages import ModelInferRequest, ModelStreamInferResponse

from .gated import gated_grpc, row


async def failure(call: grpc.aio.Call) -> grpc.aio.AioRpcError:
    """What a call ends with that gets no answer."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value


def told(data: bytes) -> tuple[str, str]:
    """The id and the error of one answer of a stream."""
    answer = ModelStreamInferResponse.FromString(data)
    return answer.infer_response.id, answer.error_message


def test_a_full_queue_is_told_at_once_with_when_to_come_back(grpc_models: Path):
    async def third() -> tuple[grpc.aio.AioRpcError, list[str]]:
        async with gated_grpc(grpc_models, max_queue_rows=1) as served:
            first = served.infer("first")
            await served.service.busy()
            second = served.infer("second")
            await served.service.queued(1)
            refused = await failure(served.infer())
            served.service.backend.gate.set()
            return refused, [(await one).id for one in (first, second)]

    refused, others = asyncio.run(third())

    assert refused.code() == StatusCode.RESOURCE_EXHAUSTED
    assert "1 rows wait for 'digit-rows' and 1 may: send this again after" in str(refused.details())
    assert dict(refused.trailing_metadata())["grpc-retry-pushback-ms"] == "1000"
    assert others == ["first", "second"]


def test_a_caller_who_cancels_takes_the_question_out_of_the_queue(grpc_models: Path):
    async def leave() -> list[int]:
        async with gated_grpc(grpc_models) as served:
            first = asyncio.ensure_future(served.infer())
            await served.service.busy()
            second = served.infer()
            asked = asyncio.ensure_future(second)
            await served.service.queued(1)
            second.cancel()
            await served.service.queued(0)
            served.service.backend.gate.set()
            await first
            assert asked.cancelled() or isinstance(asked.exception(), asyncio.CancelledError)
            return served.service.backend.runs

    assert asyncio.run(leave()) == [1]


def test_a_question_is_dropped_when_the_deadline_of_its_call_is_over(grpc_models: Path):
    async def late() -> tuple[grpc.aio.AioRpcError, list[int]]:
        async with gated_grpc(grpc_models) as served:
            first = asyncio.ensure_future(served.infer())
            await served.service.busy()
            error = await failure(served.infer(timeout=0.05))
            await served.service.queued(0)
            served.service.backend.gate.set()
            await first
            return error, served.service.backend.runs

    error, runs = asyncio.run(late())

    assert error.code() == StatusCode.DEADLINE_EXCEEDED
    assert runs == [1]


def test_a_parameter_in_microseconds_does_the_same_and_says_how_long_it_was(grpc_models: Path):
    async def late() -> grpc.aio.AioRpcError:
        async with gated_grpc(grpc_models) as served:
            return await failure(served.infer(timeout_us=15_000, timeout=20))

    error = asyncio.run(late())

    assert error.code() == StatusCode.DEADLINE_EXCEEDED
    assert "'digit-rows' did not answer within 0.015 s" in str(error.details())


def test_the_most_urgent_question_is_answered_first(grpc_models: Path):
    async def order() -> list[str]:
        answered: list[str] = []
        async with gated_grpc(grpc_models) as served:

            async def ask(name: str, priority: int) -> None:
                answered.append((await served.infer(name, priority=priority)).id)

            first = asyncio.create_task(ask("running", 0))
            await served.service.busy()
            tasks = []
            for position, (name, priority) in enumerate([("last", 3), ("middle", 0), ("first", 1)]):
                tasks.append(asyncio.create_task(ask(name, priority)))
                await served.service.queued(position + 1)
            served.service.backend.gate.set()
            await asyncio.gather(first, *tasks)
        return answered

    assert asyncio.run(order()) == ["running", "first", "middle", "last"]


def test_a_stream_that_is_cancelled_takes_all_its_questions_out_of_the_queue(grpc_models: Path):
    async def leave() -> list[int]:
        async with gated_grpc(grpc_models) as served:
            first = asyncio.ensure_future(served.infer())
            await served.service.busy()
            stream = served.stream()
            for number in range(5):
                await stream.write(row(str(number)))
            await served.service.queued(5)
            stream.cancel()
            await served.service.queued(0)
            served.service.backend.gate.set()
            await first
            return served.service.backend.runs

    assert asyncio.run(leave()) == [1]


def test_a_stream_reads_no_more_than_it_works_on(grpc_models: Path):
    async def fast() -> tuple[int, list[str]]:
        async with gated_grpc(grpc_models) as served:
            stream = served.stream()

            async def send() -> None:
                for number in range(200):
                    await stream.write(row(str(number)))
                await stream.done_writing()

            sending = asyncio.create_task(send())
            await served.service.busy()
            await served.service.queued(33)  # 34 are read: one runs, one is waited for, 32 are behind it
            waiting = served.service.model.batcher.in_flight
            served.service.backend.gate.set()
            ids = [answer.infer_response.id async for answer in stream]
            await sending
            return waiting, ids

    waiting, ids = asyncio.run(fast())

    assert waiting == 34
    assert ids == [str(number) for number in range(200)]


def test_what_is_wrong_with_one_question_of_a_stream_is_its_answer(grpc_models: Path):
    async def wrong() -> list[tuple[str, str]]:
        async with gated_grpc(grpc_models) as served:
            served.service.backend.gate.set()
            stream = served.channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")()
            for data in (row("a").SerializeToString(), b"\xff", row("c", model="none").SerializeToString(), row("d").SerializeToString()):
                await stream.write(data)
            await stream.done_writing()
            return [told(data) async for data in stream]

    assert asyncio.run(wrong()) == [
        ("a", ""),
        ("", "these bytes are no inference.ModelInferRequest: send what open_inference.proto says"),
        ("c", "no model 'none'; served here: digit-rows"),
        ("d", ""),
    ]


def raising(_run: int, _outputs: Tensors) -> Tensors:
    raise ArithmeticError("secret")


def test_a_graph_that_raises_keeps_its_secret(grpc_models: Path):
    async def failed() -> grpc.aio.AioRpcError:
        async with gated_grpc(grpc_models) as served:
            served.service.backend.alter = raising
            served.service.backend.gate.set()
            return await failure(served.infer())

    error = asyncio.run(failed())

    assert (error.code(), error.details()) == (StatusCode.INTERNAL, "'digit-rows' failed on this request; the service's log says why")


def test_a_fault_of_the_service_keeps_its_secret_and_is_logged(grpc_models: Path, caplog: pytest.LogCaptureFixture):
    async def failed() -> grpc.aio.AioRpcError:
        async with gated_grpc(grpc_models) as served:
            served.registry.broken = True
            return await failure(served.infer())

    error = asyncio.run(failed())

    assert (error.code(), error.details()) == (StatusCode.INTERNAL, "'digit-rows' failed on this request; the service's log says why")
    assert "ModelInfer failed" in caplog.text
    assert "secret" in caplog.text


@pytest.mark.parametrize("name", ["ModelInfer", "ModelMetadata", "RepositoryModelLoad"])
def test_bytes_that_are_no_message_are_refused(grpc_models: Path, name: str):
    async def ask() -> grpc.aio.AioRpcError:
        async with gated_grpc(grpc_models) as served:
            return await failure(served.call(name)(b"\xff\xff\xff"))

    error = asyncio.run(ask())

    assert error.code() == StatusCode.INVALID_ARGUMENT
    assert str(error.details()).endswith("Request: send what open_inference.proto says")


def test_a_call_that_is_not_there_is_told_so(grpc_models: Path):
    async def ask() -> grpc.aio.AioRpcError:
        async with gated_grpc(grpc_models) as served:
            return await failure(served.call("ModelDream")(b""))

    assert asyncio.run(ask()).code() == StatusCode.UNIMPLEMENTED


def test_the_details_of_an_error_are_no_longer_than_a_client_reads(grpc_models: Path):
    async def ask() -> grpc.aio.AioRpcError:
        async with gated_grpc(grpc_models) as served:
            return await failure(served.call("ModelInfer")(ModelInferRequest(model_name="x" * 100_000).SerializeToString()))

    error = asyncio.run(ask())

    assert error.code() == StatusCode.NOT_FOUND
    assert str(error.details()) == "no model '" + "x" * 990 + "..."


def test_a_refused_question_is_not_kept_in_memory(grpc_models: Path):
    def kept() -> int:
        return sum(issubclass(type(one), ServiceError) for one in gc.get_objects())

    async def refuse() -> tuple[int, int]:
        async with gated_grpc(grpc_models) as served:
            gc.collect()
            gc.disable()  # what lies in cycles of references stays
            before = kept()
            for request in (row(model="none"), ModelInferRequest(model_name="digit-rows", id="x" * 300)):
                await failure(served.call("ModelInfer")(request.SerializeToString()))
            return before, kept()

    try:
        before, after = asyncio.run(refuse())
    finally:
        gc.enable()

    assert after == before


def test_what_is_in_flight_is_finished_and_nothing_else_is_begun(grpc_models: Path):
    async def stop() -> tuple[str, grpc.aio.AioRpcError]:
        async with gated_grpc(grpc_models, drain_s=20) as served:
            first = served.infer("first")
            await served.service.busy()
            stopping = asyncio.create_task(served.server.stop())
            while served.registry.ready:  # noqa: ASYNC110 - the end begins on another turn of the loop
                await asyncio.sleep(0.001)
            late = await failure(served.infer())
            served.service.backend.gate.set()
            answer = await first
            await stopping
            return answer.id, late

    answered, late = asyncio.run(stop())

    assert answered == "first"
    assert late.code() == StatusCode.UNAVAILABLE


def test_what_takes_longer_than_the_drain_is_given_up(grpc_models: Path):
    async def stop() -> tuple[grpc.aio.AioRpcError, int]:
        async with gated_grpc(grpc_models, drain_s=0) as served:
            first = asyncio.ensure_future(failure(served.infer()))
            await served.service.busy()
            await served.server.stop()
            error = await first
            return error, served.service.model.batcher.in_flight

    error, in_flight = asyncio.run(stop())

    assert error.code() == StatusCode.UNAVAILABLE
    assert in_flight == 0


def test_an_open_stream_is_answered_and_ended_when_the_service_stops(grpc_models: Path):
    async def stop() -> tuple[str, StatusCode, str]:
        async with gated_grpc(grpc_models, drain_s=20) as served:
            stream = served.stream()
            await stream.write(row("asked"))
            await served.service.busy()
            stopping = asyncio.create_task(served.server.stop())
            await asyncio.sleep(0)
            served.service.backend.gate.set()
            answer = await stream.read()
            await stopping
            return answer.infer_response.id, await stream.code(), await stream.details()

    answered, code, details = asyncio.run(stop())

    assert (answered, code) == ("asked", StatusCode.UNAVAILABLE)
    assert details == "the service is stopping: send this to another replica, or again later"


def test_a_stream_that_was_asked_all_before_the_end_ends_well(grpc_models: Path):
    async def stop() -> tuple[str, StatusCode]:
        async with gated_grpc(grpc_models, drain_s=20) as served:
            stream = served.stream()
            await stream.write(row("asked"))
            await stream.done_writing()
            await served.service.busy()
            await served.call("ServerLive")(b"")  # the end of the stream has come before this
            stopping = asyncio.create_task(served.server.stop())
            await asyncio.sleep(0)
            served.service.backend.gate.set()
            answer = await stream.read()
            await stopping
            return answer.infer_response.id, await stream.code()

    assert asyncio.run(stop()) == ("asked", StatusCode.OK)


def test_requests_are_counted_as_those_over_http_are(grpc_models: Path):
    async def count() -> str:
        async with gated_grpc(grpc_models, max_queue_rows=1) as served:
            served.telemetry._models.update({("digit-rows", "1"), ("digit-rows", "")})
            served.service.backend.gate.set()
            await served.infer()
            await failure(served.call("ModelInfer")(row(model="none").SerializeToString()))
            return served.telemetry.exposition().decode()

    text = asyncio.run(count())

    counted = 'carousel_requests_total{model="%s",route="/inference.GRPCInferenceService/ModelInfer",status="%d",version=""} 1.0'
    assert counted % ("digit-rows", 200) in text
    assert counted % ("", 404) in text
    assert 'reason="model-not-found"' in text
