"""NVIDIA's `tritonclient.http.aio`, unmodified, against a real server: each call that it has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import numpy as np
import pytest
import tritonclient.http.aio as triton
from tritonclient.utils import InferenceServerException

T = TypeVar("T")
Client = triton.InferenceServerClient
IMAGES = np.stack([np.full((28, 28), 60, np.float32), np.full((28, 28), 40, np.float32)])


def ask(address: str, question: Callable[[Client], Awaitable[T]]) -> T:
    """What the client answers to this question."""

    async def asked() -> T:
        async with Client(address.removeprefix("http://")) as client:
            return await question(client)

    return asyncio.run(asked())


def image(*, binary: bool = True) -> list[triton.InferInput]:
    made = triton.InferInput("sequence", list(IMAGES.shape), "FP32")
    made.set_data_from_numpy(IMAGES, binary_data=binary)
    return [made]


def test_health_metadata_and_configuration(address: str):
    async def question(client: Client) -> list[object]:
        return [
            await client.is_server_live(),
            await client.is_server_ready(),
            await client.is_model_ready("digit-rows"),
            await client.is_model_ready("digit-rows", "9"),
            (await client.get_server_metadata())["name"],
            (await client.get_model_metadata("energy-load", "1"))["versions"],
            (await client.get_model_config("energy-load"))["max_batch_size"],
        ]

    assert ask(address, question) == [True, True, True, False, "carousel", ["1", "2"], 32]


@pytest.mark.parametrize("binary", [True, False])
def test_inference_in_bytes_and_in_json(address: str, binary: bool):
    async def question(client: Client) -> triton.InferResult:
        wanted = [triton.InferRequestedOutput("probabilities", binary_data=binary)]
        return await client.infer("digit-rows", image(binary=binary), outputs=wanted, request_id="a", priority=2, timeout=20_000_000)

    result = ask(address, question)

    assert result.get_response()["id"] == "a"
    assert result.as_numpy("probabilities").argmax(axis=1).tolist() == [1, 0]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_compressed_inference(address: str, coding: str):
    async def question(client: Client) -> triton.InferResult:
        return await client.infer("digit-rows", image(), request_compression_algorithm=coding, response_compression_algorithm=coding)

    assert ask(address, question).as_numpy("probabilities").argmax(axis=1).tolist() == [1, 0]


def test_many_questions_at_once_each_get_their_own_answer(address: str):
    async def question(client: Client) -> list[str]:
        answers = await asyncio.gather(*(client.infer("digit-rows", image(), request_id=str(number)) for number in range(50)))
        return [answer.get_response()["id"] for answer in answers]

    assert ask(address, question) == [str(number) for number in range(50)]


def test_classification(address: str):
    async def question(client: Client) -> triton.InferResult:
        return await client.infer("digit-rows", image(), outputs=[triton.InferRequestedOutput("probabilities", class_count=1)])

    assert ask(address, question).as_numpy("probabilities").tolist() == [[b"0.999637:1:1"], [b"0.999637:0:0"]]


def test_statistics_and_index(address: str):
    async def question(client: Client) -> tuple[int, int, str]:
        one = await client.get_inference_statistics("energy-load", "1")
        all_of_them = await client.get_inference_statistics()
        index = await client.get_model_repository_index()
        return len(one["model_stats"]), len(all_of_them["model_stats"]), index[-1]["state"]

    assert ask(address, question) == (1, 5, "READY")


def test_loading_and_unloading(open_address: str):
    async def question(client: Client) -> list[bool]:
        await client.unload_model("share-price")
        gone = await client.is_model_ready("share-price")
        await client.load_model("share-price")
        return [gone, await client.is_model_ready("share-price")]

    assert ask(open_address, question) == [False, True]


def test_what_the_server_has_not_is_refused_in_words(address: str):
    async def question(client: Client) -> None:
        await client.infer("digit-rows", image(), sequence_id=3)

    with pytest.raises(InferenceServerException, match="has no state to keep from step to step"):
        ask(address, question)


def test_shared_memory_tracing_and_the_log(address: str):
    async def question(client: Client) -> list[object]:
        await client.unregister_system_shared_memory()
        await client.unregister_cuda_shared_memory("mine")
        return [
            await client.get_system_shared_memory_status(),
            await client.get_cuda_shared_memory_status(),
            (await client.get_trace_settings("digit-rows"))["trace_level"],
            (await client.update_trace_settings())["trace_level"],
            (await client.get_log_settings())["log_info"],
            (await client.update_log_settings({}))["log_verbose_level"],
        ]

    assert ask(address, question) == [[], [], ["OFF"], ["OFF"], True, 0]


@pytest.mark.parametrize(
    "refused",
    [
        lambda client: client.register_system_shared_memory("mine", "/mine", 64),
        lambda client: client.register_cuda_shared_memory("mine", b"handle", 0, 64),
    ],
)
def test_no_memory_is_registered(address: str, refused: Callable[[Client], Awaitable[None]]):
    with pytest.raises(InferenceServerException, match="no memory is shared with callers"):
        ask(address, refused)
