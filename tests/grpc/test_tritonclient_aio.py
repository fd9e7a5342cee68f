"""NVIDIA's `tritonclient.grpc.aio`, unmodified, against a real server: each call that it has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import numpy as np
import pytest
import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException

T = TypeVar("T")
Client = triton.InferenceServerClient
IMAGES = np.stack([np.full((28, 28), 60, np.float32), np.full((28, 28), 40, np.float32)])


def ask(address: str, question: Callable[[Client], Awaitable[T]]) -> T:
    """What the client answers to this question."""

    async def asked() -> T:
        async with Client(address) as client:
            return await question(client)

    return asyncio.run(asked())


def image() -> list[triton.InferInput]:
    made = triton.InferInput("sequence", list(IMAGES.shape), "FP32")
    made.set_data_from_numpy(IMAGES)
    return [made]


def test_health_metadata_and_configuration(grpc_address: str):
    async def question(client: Client) -> list[object]:
        return [
            await client.is_server_live(),
            await client.is_server_ready(),
            await client.is_model_ready("digit-rows"),
            await client.is_model_ready("digit-rows", "9"),
            (await client.get_server_metadata()).name,
            list((await client.get_model_metadata("energy-load", "1")).versions),
            (await client.get_model_config("energy-load")).config.max_batch_size,
        ]

    assert ask(grpc_address, question) == [True, True, True, False, "carousel", ["1", "2"], 32]


@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
def test_inference(grpc_address: str, coding: str | None):
    async def question(client: Client) -> triton.InferResult:
        wanted = [triton.InferRequestedOutput("probabilities")]
        options = {"request_id": "a", "priority": 2, "timeout": 20_000_000, "compression_algorithm": coding, "client_timeout": 20}
        return await client.infer("digit-rows", image(), model_version="1", outputs=wanted, **options)

    result = ask(grpc_address, question)

    assert result.get_response().id == "a"
    assert result.as_numpy("probabilities").argmax(axis=1).tolist() == [1, 0]


def test_many_at_once_get_their_own_answers(grpc_address: str):
    async def question(client: Client) -> list[str]:
        answers = await asyncio.gather(*(client.infer("digit-rows", image(), request_id=str(number)) for number in range(64)))
        return [answer.get_response().id for answer in answers]

    assert ask(grpc_address, question) == [str(number) for number in range(64)]


def test_a_stream_is_answered_in_its_order_and_goes_on_after_an_error(grpc_address: str):
    async def requests() -> AsyncIterator[dict[str, Any]]:
        for number in range(6):
            yield {"model_name": "none" if number == 3 else "digit-rows", "inputs": image(), "request_id": str(number)}

    async def question(client: Client) -> list[str]:
        return [error.message() if error else result.get_response().id async for result, error in client.stream_infer(requests())]

    assert ask(grpc_address, question) == [
        "0",
        "1",
        "2",
        "no model 'none'; served here: digit-rows, energy-load, next-word-en, share-price",
        "4",
        "5",
    ]


def test_a_stream_that_is_cancelled_ends(grpc_address: str):
    async def question(client: Client) -> tuple[str, str]:
        asked = asyncio.Event()

        async def requests() -> AsyncIterator[dict[str, Any]]:
            yield {"model_name": "digit-rows", "inputs": image(), "request_id": "first"}
            await asked.wait()

        stream = client.stream_infer(requests())
        first, _ = await anext(stream)
        stream.cancel()
        asked.set()
        with pytest.raises(asyncio.CancelledError):
            await anext(stream)
        after = await client.infer("digit-rows", image(), request_id="after")
        return first.get_response().id, after.get_response().id

    assert ask(grpc_address, question) == ("first", "after")


def test_statistics_and_the_index(grpc_address: str):
    async def question(client: Client) -> list[object]:
        await client.infer("digit-rows", image())
        one = (await client.get_inference_statistics("digit-rows", "1")).model_stats[0]
        everything = (await client.get_inference_statistics()).model_stats
        index = (await client.get_model_repository_index()).models
        return [one.inference_count >= 2, len(everything), sorted({entry.name for entry in index})]

    assert ask(grpc_address, question) == [True, 5, ["broken", "digit-rows", "energy-load", "next-word-en", "share-price"]]


def test_models_are_unloaded_and_loaded(open_grpc_address: str):
    async def question(client: Client) -> list[bool]:
        await client.unload_model("share-price", unload_dependents=True)
        gone = await client.is_model_ready("share-price")
        await client.load_model("share-price")
        return [gone, await client.is_model_ready("share-price")]

    assert ask(open_grpc_address, question) == [False, True]


def test_memory_traces_and_the_log_are_read_and_not_changed(grpc_address: str):
    async def question(client: Client) -> list[object]:
        for nothing in (client.unregister_system_shared_memory, client.unregister_cuda_shared_memory):
            await nothing()
        for refused, arguments in (
            (client.register_system_shared_memory, ("mine", "/mine", 64)),
            (client.register_cuda_shared_memory, ("mine", b"aGFuZGxl", 0, 64)),
            (client.update_trace_settings, (None, {"trace_level": "TIMESTAMPS"})),
            (client.update_log_settings, ({"log_verbose_level": 1},)),
        ):
            with pytest.raises(InferenceServerException) as raised:
                await refused(*arguments)
            assert raised.value.status() == "StatusCode.INVALID_ARGUMENT"
        return [
            len((await client.get_system_shared_memory_status()).regions),
            len((await client.get_cuda_shared_memory_status()).regions),
            list((await client.get_trace_settings()).settings["trace_level"].value),
            (await client.get_log_settings()).settings["log_format"].string_param,
        ]

    assert ask(grpc_address, question) == [0, 0, ["OFF"], "text"]


@pytest.mark.parametrize(("name", "status"), [("none", "StatusCode.NOT_FOUND"), ("next-word-en", "StatusCode.INVALID_ARGUMENT")])
def test_refusals_are_errors_of_the_client(grpc_address: str, name: str, status: str):
    async def question(client: Client) -> str:
        with pytest.raises(InferenceServerException) as raised:
            await client.infer(name, image())
        return str(raised.value.status())

    assert ask(grpc_address, question) == status


def test_the_client_has_no_call_that_is_not_made_above():
    calls = {name for name in dir(Client) if not name.startswith("_")}

    assert calls - {"plugin", "register_plugin", "unregister_plugin"} == {
        "close",
        "get_cuda_shared_memory_status",
        "get_inference_statistics",
        "get_log_settings",
        "get_model_config",
        "get_model_metadata",
        "get_model_repository_index",
        "get_server_metadata",
        "get_system_shared_memory_status",
        "get_trace_settings",
        "infer",
        "is_model_ready",
        "is_server_live",
        "is_server_ready",
        "load_model",
        "register_cuda_shared_memory",
        "register_system_shared_memory",
        "stream_infer",
        "unload_model",
        "unregister_cuda_shared_memory",
        "unregister_system_shared_memory",
        "update_log_settings",
        "update_trace_settings",
    }
