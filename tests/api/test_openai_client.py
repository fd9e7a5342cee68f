"""OpenAI's public client `openai`, unmodified, sync and async, against a real server on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
import uvicorn
from openai import AsyncOpenAI, OpenAI
from openai.types import Completion

from service.api.bounded_http import BoundedHttp
from service.contract.golden import Tensors

from .gated import GatedService, gated
from .writers import IDS, TOKENIZER, WRITER, greedy, torch_log_probs

PROMPT = "The cat sat on the"
READ = [IDS[word] for word in ("</s>", "the", "cat", "sat", "on", "the")]


@pytest.fixture(scope="module")
def url(writers_address: str) -> str:
    return f"{writers_address}/openai/v1"


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=url, api_key="any", max_retries=0) as client:
        yield client


def complete(client: OpenAI, prompt: Any = PROMPT, **asked: Any) -> Completion:
    return client.completions.create(**{"model": "writer", "prompt": prompt, **asked})


def test_models_that_complete_texts_are_listed(client: OpenAI):
    models = client.models.list().data

    assert [model.id for model in models] == ["pieces", "pointing", "writer"]
    assert {(model.object, model.owned_by, model.created) for model in models} == {("model", "carousel", 1769850000)}


@pytest.mark.parametrize("name", ["writer", "writer@old", "writer:1"])
def test_a_model_is_shown_by_each_of_its_names(client: OpenAI, name: str):
    assert client.models.retrieve(name).id == name


@pytest.mark.parametrize("name", ["nobody", "writer:3", "writer@new", "classes", "writer:one"])
def test_what_is_no_model_that_writes_is_not_found(client: OpenAI, name: str):
    with pytest.raises((openai.NotFoundError, openai.BadRequestError)) as raised:
        client.models.retrieve(name)

    assert raised.value.status_code == (400 if name == "writer:one" else 404)
    assert raised.value.param == "model"


@pytest.mark.parametrize(("name", "version"), [("writer", 2), ("writer:2", 2), ("writer:1", 1), ("writer@old", 1)])
def test_the_version_that_is_named_answers(client: OpenAI, name: str, version: int):
    assert complete(client, model=name).system_fingerprint == f"writer:{version} fp32"


def test_the_likeliest_text_is_the_one_that_torch_writes(client: OpenAI):
    found = complete(client, temperature=0, max_tokens=6, logit_bias={"0": -100})
    tokens = [number for number in greedy(READ, 6) if number != TOKENIZER.end_id]

    assert (found.object, found.model) == ("text_completion", "writer")
    assert found.choices[0].finish_reason == "length"
    assert found.choices[0].logprobs is None
    assert TOKENIZER.encode(found.choices[0].text)[: len(tokens)] == tokens
    assert found.choices[0].text.startswith(" ")
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens, found.usage.total_tokens) == (5, 6, 11)


def test_what_openai_leaves_to_the_service_is_what_openai_does(client: OpenAI):
    found = client.completions.create(model="writer", prompt=PROMPT, logit_bias={"0": -100})

    assert found.usage is not None
    assert found.usage.completion_tokens == 16
    assert len(found.choices) == 1
    assert len({complete(client, logit_bias={"0": -100}).choices[0].text for _ in range(5)}) > 1  # drawn


def test_a_seed_makes_choices_repeatable_and_best_of_picks_the_likeliest_per_token(client: OpenAI):
    five = complete(client, n=5, seed=-7, logprobs=0)
    again = complete(client, n=5, seed=-7, logprobs=0)
    best = complete(client, n=2, best_of=5, seed=-7, logprobs=0)
    means = sorted((float(np.mean(choice.logprobs.token_logprobs)) for choice in five.choices), reverse=True)

    assert [choice.index for choice in five.choices] == [0, 1, 2, 3, 4]
    assert [choice.text for choice in five.choices] == [choice.text for choice in again.choices]
    assert [float(np.mean(choice.logprobs.token_logprobs)) for choice in best.choices] == pytest.approx(means[:2])
    assert best.usage is not None
    assert five.usage is not None
    assert best.usage.completion_tokens == five.usage.completion_tokens


def test_several_prompts_are_answered_in_their_order_as_each_alone(client: OpenAI):
    prompts = ["the dog", "", "the cat sat on the mat."]
    together = complete(client, prompts, n=2, seed=1, max_tokens=4)
    alone = [choice.text for prompt in prompts for choice in complete(client, prompt, n=2, seed=1, max_tokens=4).choices]

    assert [choice.text for choice in together.choices] == alone
    assert [choice.index for choice in together.choices] == [0, 1, 2, 3, 4, 5]
    assert together.usage is not None
    assert together.usage.prompt_tokens == 2 + 0 + 7


def test_log_probabilities_are_those_of_torch(client: OpenAI):
    logprobs = complete(client, max_tokens=1, temperature=0, logprobs=9, logit_bias={"0": -100}).choices[0].logprobs
    assert logprobs is not None
    expected = torch_log_probs(WRITER, READ)[-1]
    labels = {TOKENIZER.addition("x", number): float(expected[number]) for number in range(10) if number != TOKENIZER.unknown_id}

    assert logprobs.top_logprobs is not None
    assert logprobs.top_logprobs[0] == pytest.approx(labels, abs=1e-4)
    assert list(logprobs.top_logprobs[0].values()) == sorted(logprobs.top_logprobs[0].values(), reverse=True)
    assert logprobs.token_logprobs == [logprobs.top_logprobs[0][logprobs.tokens[0]]]
    assert logprobs.text_offset == [len(PROMPT)]


def test_an_echo_says_how_likely_torch_finds_each_token_of_the_prompt(client: OpenAI):
    prompt = "The cat  sat\non the Zebra, the dog."
    words = ["</s>", "the", "cat", "sat", "</s>", "on", "the", "<unk>", "<unk>", "the", "dog", "."]
    ids = [IDS[word] for word in words]
    choice = complete(client, prompt, max_tokens=0, echo=True, logprobs=2).choices[0]
    expected = torch_log_probs(WRITER, ids)[np.arange(len(ids) - 1), ids[1:]].tolist()

    assert (choice.text, choice.finish_reason) == (prompt, "length")
    assert choice.logprobs is not None
    assert choice.logprobs.tokens == ["the", " cat", " sat", "\n", "on", " the", " <unk>", " <unk>", " the", " dog", "."]
    assert choice.logprobs.text_offset == [0, 3, 7, 12, 13, 15, 19, 25, 26, 30, 34]
    assert choice.logprobs.token_logprobs == [None, *(pytest.approx(value, abs=1e-4) for value in expected[1:])]
    assert choice.logprobs.top_logprobs is not None
    assert choice.logprobs.top_logprobs[0] is None
    assert all(len(top) in (2, 3) for top in choice.logprobs.top_logprobs[1:])


def test_an_echo_is_the_prompt_and_what_is_written_behind_it(client: OpenAI):
    plain, echoed = (complete(client, seed=3, echo=echo).choices[0].text for echo in (False, True))

    assert echoed == PROMPT + plain


def test_a_word_that_the_model_does_not_know_is_completed_unless_it_is_judged(client: OpenAI):
    begun = complete(client, "the d", max_tokens=1, temperature=0, logprobs=1).choices[0]
    judged = complete(client, "the d", max_tokens=1, temperature=0, logprobs=1, echo=True).choices[0]

    assert begun.text == "og"
    assert begun.logprobs is not None
    assert begun.logprobs.top_logprobs == [{"og": pytest.approx(0, abs=1e-6)}]
    assert judged.logprobs is not None
    assert judged.logprobs.tokens[:2] == ["the", " <unk>"]


def test_a_choice_ends_before_a_stop_text(client: OpenAI):
    text = complete(client, seed=5, max_tokens=40, logit_bias={"0": -100}).choices[0].text
    word = text.split()[3]
    stopped = complete(client, seed=5, max_tokens=40, logit_bias={"0": -100}, stop=["never", word]).choices[0]

    assert stopped.text == text[: text.index(word)]
    assert stopped.finish_reason == "stop"


def test_a_line_end_ends_a_choice_and_is_told_of(client: OpenAI):
    choice = complete(client, max_tokens=5, logit_bias={"0": 100}, logprobs=0).choices[0]

    assert (choice.text, choice.finish_reason) == ("", "stop")
    assert choice.logprobs is not None
    assert choice.logprobs.tokens == ["\n"]


def test_biases_and_penalties_change_what_is_chosen(client: OpenAI):
    cat = str(IDS["cat"])
    always = complete(client, temperature=0, max_tokens=30, logit_bias={cat: 40})
    tired = complete(client, temperature=0, max_tokens=30, logit_bias={cat: 40}, frequency_penalty=2)
    once = complete(client, temperature=0, max_tokens=2, logit_bias={cat: 40, str(IDS["dog"]): 39}, presence_penalty=2, logprobs=0)

    assert always.choices[0].text == " cat" * 30
    assert tired.choices[0].text.startswith(" cat cat cat")
    assert tired.choices[0].text != always.choices[0].text
    assert set(once.choices[0].text.split()) <= {"cat", "dog"}
    assert all(value < 0 for value in once.choices[0].logprobs.token_logprobs)  # the model's own, without what was added


def test_log_probabilities_are_the_plain_models_unless_the_pointer_is_asked_for(client: OpenAI):
    asked = {"model": "pointing", "prompt": "the cat the cat", "max_tokens": 0, "echo": True, "logprobs": 0}
    plain, pointing = (client.completions.create(**asked, extra_body={"pointer": pointer}).choices[0] for pointer in (False, True))
    expected = torch_log_probs(WRITER, [0, 2, 6, 2, 6])

    assert plain.logprobs.token_logprobs[1:] == pytest.approx([expected[1, 6], expected[2, 2], expected[3, 6]], abs=1e-4)
    assert pointing.logprobs.token_logprobs[3] > plain.logprobs.token_logprobs[3]


def test_subwords_have_pieces_for_tokens(client: OpenAI):
    prompt = "the catalogue 한국말을"
    choice = complete(client, prompt, model="pieces", max_tokens=1, echo=True, logprobs=1).choices[0]

    assert choice.text.startswith(prompt)
    assert choice.logprobs is not None
    assert "".join(choice.logprobs.tokens[:-1]) == prompt
    assert choice.logprobs.text_offset == [len("".join(choice.logprobs.tokens[:place])) for place in range(len(choice.logprobs.tokens))]


@pytest.mark.parametrize("logprobs", [None, 3])
@pytest.mark.parametrize("echo", [False, True])
def test_a_stream_is_the_same_text_in_parts(client: OpenAI, logprobs: int | None, echo: bool):
    asked = {"prompt": ["the dog", "the cat"], "n": 2, "seed": 11, "max_tokens": 8, "echo": echo, "logprobs": logprobs, "stop": " the mat"}
    whole = complete(client, **asked)
    events = list(complete(client, **asked, stream=True, stream_options={"include_usage": True}))

    assert len({event.id for event in events}) == 1
    assert events[-1].choices == []
    assert events[-1].usage == whole.usage
    assert all(event.usage is None for event in events[:-1])
    for choice in whole.choices:
        own = [event.choices[0] for event in events[:-1] if event.choices[0].index == choice.index]
        assert "".join(part.text for part in own) == choice.text
        assert [part.finish_reason for part in own] == [None] * (len(own) - 1) + [choice.finish_reason]
        if logprobs is not None:
            assert [token for part in own for token in part.logprobs.tokens] == choice.logprobs.tokens
            assert [offset for part in own for offset in part.logprobs.text_offset] == choice.logprobs.text_offset


def test_a_stream_of_nothing_has_one_event(client: OpenAI):
    [event] = complete(client, max_tokens=0, stream=True)

    assert [(choice.text, choice.finish_reason) for choice in event.choices] == [("", "length")]


def test_the_async_client_gets_the_same(url: str, client: OpenAI):
    async def ask() -> tuple[list[str], str]:
        async with AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as own:
            found = await asyncio.gather(
                *(own.completions.create(model="writer", prompt=PROMPT, seed=seed, max_tokens=5) for seed in range(8))
            )
            stream = await own.completions.create(model="writer", prompt=PROMPT, seed=3, max_tokens=5, stream=True)
            streamed = "".join([event.choices[0].text async for event in stream])
            return [one.choices[0].text for one in found], streamed

    together, streamed = asyncio.run(ask())

    assert together == [complete(client, seed=seed, max_tokens=5).choices[0].text for seed in range(8)]
    assert streamed == together[3]


@pytest.mark.parametrize(
    ("asked", "param", "words"),
    [
        ({"n": 2, "best_of": 1}, "best_of", "1 choices to pick 2 from: ask for at least `n`"),
        ({"best_of": 2, "stream": True}, "best_of", "which are best is not known before all are written"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "this is of streams only: leave it out, or set `stream`"),
        ({"suffix": "the end"}, "suffix", "models here read from the left and write behind a text only: leave this out"),
        ({"logprobs": 21}, "logprobs", "this should be less than or equal to 20"),
        ({"temperature": 2.5}, "temperature", "this should be less than or equal to 2"),
        ({"max_tokens": 1025}, "max_tokens", "this should be less than or equal to 1024"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "this should be a text of 1 to 200 characters, or a list of at most 4 such"),
        ({"prompt": []}, "prompt", "this should be a text of at most 65536 characters, a list of 1 to 4096 token ids"),
        ({"prompt": [2, 99]}, "prompt.1", "no token 99: this model has 0 to 9"),
        ({"prompt": [[2], [2, 10]]}, "prompt.1.1", "no token 10: this model has 0 to 9"),
        ({"prompt": "the " * 4096}, "prompt", "4096 tokens: at most 4095 of a prompt are read, send its end"),
        ({"prompt": ["the " * 3000] * 11}, "prompt", "at most 32768 tokens in one request: send fewer prompts"),
        ({"prompt": [" " * 60_000] * 9}, "prompt", "at most 524288 characters in one request: send fewer prompts"),
        ({"prompt": ["the"] * 3, "n": 64}, "n", "3 prompts with 64 choices each: at most 128 choices in one request"),
        ({"logit_bias": {"10": 1}}, "logit_bias.10", "no token id: this model has 0 to 9"),
        ({"logit_bias": {"1": 1}}, "logit_bias.1", "'<unk>' is never written: leave it out"),
        ({"extra_body": {"min_p": 0.1}}, "min_p", "unknown field; the fields here are model, prompt, max_tokens"),
        ({"model": "writer:one"}, "model", "'one' is no version: a whole number from 1"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_its_field(client: OpenAI, asked: dict[str, Any], param: str, words: str):
    with pytest.raises(openai.BadRequestError) as raised:
        complete(client, **asked)

    assert raised.value.param == param
    assert raised.value.code == "invalid_value"
    assert raised.value.type == "invalid_request_error"
    assert words in raised.value.message
    assert raised.value.response.headers["x-should-retry"] == "false"


def test_a_model_that_is_not_there_is_not_found(client: OpenAI):
    with pytest.raises(openai.NotFoundError) as raised:
        complete(client, model="gpt-3.5-turbo-instruct")

    assert raised.value.code == "model_not_found"
    assert "no model 'gpt-3.5-turbo-instruct'; served here: pieces, pointing, writer" in raised.value.message


def test_other_routes_of_openai_are_not_found(client: OpenAI):
    with pytest.raises(openai.NotFoundError, match="POST /openai/v1/chat/completions: Not Found; the routes are listed at /docs"):
        client.chat.completions.create(model="writer", messages=[{"role": "user", "content": "hello"}])


def test_a_question_that_came_too_late_is_not_asked_again(url: str):
    with OpenAI(base_url=url, api_key="any", max_retries=2) as own, pytest.raises(openai.InternalServerError) as raised:
        complete(own, max_tokens=1024, logit_bias={"0": -100}, extra_headers={"X-Request-Timeout-Ms": "1"})

    assert (raised.value.status_code, raised.value.code, raised.value.type) == (504, "deadline_exceeded", "server_error")
    assert raised.value.response.request.headers["x-stainless-retry-count"] == "0"


@asynccontextmanager
async def listening(service: GatedService) -> AsyncIterator[str]:
    """The address of a gated service, in this loop."""
    config = uvicorn.Config(service.app, port=0, log_config=None, ws="none", lifespan="off", http=BoundedHttp)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - the server tells nobody that it has started
        await asyncio.sleep(0.005)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield f"http://{host}:{port}/openai/v1"
    finally:
        server.should_exit = True
        await running


def test_a_full_queue_is_a_rate_limit(model_folder: Path):
    asked = {"model": "next-word-en", "prompt": "the", "max_tokens": 1}

    async def third() -> openai.RateLimitError:
        async with (
            gated(model_folder, "next-word-en", max_queue_rows=1) as service,
            listening(service) as url,
            AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as own,
        ):
            first = asyncio.create_task(own.completions.create(**asked))
            await service.busy()
            second = asyncio.create_task(own.completions.create(**asked))
            await service.queued(1)
            with pytest.raises(openai.RateLimitError) as raised:
                await own.completions.create(**asked)
            with pytest.raises(openai.RateLimitError) as typed:
                await own.with_options(max_retries=2).completions.create(**asked, extra_headers={"X-Request-Timeout-Ms": "5000"})
            assert typed.value.response.request.headers["x-stainless-retry-count"] == "0"
            service.backend.gate.set()
            await asyncio.gather(first, second, return_exceptions=True)  # their next tokens may meet each other in the queue
            return raised.value

    error = asyncio.run(third())

    assert (error.code, error.type, error.param) == ("rate_limit_exceeded", "rate_limit_error", None)
    assert error.response.headers["retry-after"] == "1"
    assert "x-should-retry" not in error.response.headers


def test_a_service_that_stops_is_an_internal_error(model_folder: Path):
    async def closed() -> openai.InternalServerError:
        async with (
            gated(model_folder, "next-word-en") as service,
            listening(service) as url,
            AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as own,
        ):
            service.backend.gate.set()
            service.model.batcher.close(5)
            with pytest.raises(openai.InternalServerError) as raised:
                await own.completions.create(model="next-word-en", prompt="the", stream=True)
            return raised.value

    error = asyncio.run(closed())

    assert (error.status_code, error.code) == (503, "not_ready")


def test_a_stream_that_fails_on_its_way_raises(model_folder: Path):
    def failing(run: int, outputs: Tensors) -> Tensors:
        if run == 4:  # the prompt takes two, and the first token none
            raise ArithmeticError("secret")
        return outputs

    async def failed() -> str:
        async with (
            gated(model_folder, "next-word-en") as service,
            listening(service) as url,
            AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as own,
        ):
            service.backend.gate.set()
            service.backend.alter = failing
            stream = await own.completions.create(model="next-word-en", prompt="the", temperature=0, stream=True)
            await anext(stream)
            await anext(stream)
            with pytest.raises(openai.APIError) as raised:
                await anext(stream)
            return raised.value.message

    assert asyncio.run(failed()) == "'next-word-en' failed on this request; the service's log says why"
