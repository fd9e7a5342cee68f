"""The bytes of a sequence: they say all of it, and whatever else is sent is refused with the reason."""

from __future__ import annotations

import asyncio
import json
from struct import pack, unpack
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.golden import DTYPES
from service.errors import BadQuestion, ModelNotFound
from service.sequences.errors import SequenceConflict, SequenceNotFound
from service.sequences.portable import dumped, parsed
from service.sequences.standing import Key, Standing

from .models import Digits
from .without_server import Service, in_memory

SHA = "0123456789abcdef" * 4


def standing(**changes: Any) -> Standing:
    states = {"before": {"number": np.array([[1]])}, "after": {"number": np.array([[12]])}}
    return Standing(**{"model": "digits", "version": 1, "graph": "a" * 64, "steps": 2, "last": SHA, **states, **changes})


def altered(data: bytes, **changes: Any) -> bytes:
    """The same bytes under another header; None takes something out."""
    length = unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    for name, value in changes.items():
        within = header["__metadata__"] if name in header["__metadata__"] or name == "colour" else header
        within[name.replace("_number", ".number")] = value
    text = json.dumps(header).encode()
    return pack("<Q", len(text)) + text + data[8 + length :]


@given(
    st.sampled_from(sorted(DTYPES)),
    st.lists(st.integers(1, 4), max_size=3),
    st.integers(1, 2**40),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_a_sequence_comes_out_of_its_bytes_as_it_went_in(datatype: str, shape: list[int], steps: int, ended: bool, seed: int):
    generator = np.random.default_rng(seed)
    states = [{name: generator.integers(0, 2, (1, *shape)).astype(DTYPES[datatype]) for name in ("h", "c.x")} for _ in range(2)]  # type: ignore[index]
    went = standing(steps=steps, ended=ended, before=states[0], after=states[1])

    came = parsed(dumped(went), revision="mine")

    assert (came.model, came.version, came.graph, came.last) == ("digits", 1, "a" * 64, SHA)
    assert (came.steps, came.ended, came.revision) == (steps, ended, "mine")
    for before, after in ((went.before, came.before), (went.after, came.after)):
        assert {name: (array.dtype, array.tolist()) for name, array in before.items()} == {
            name: (array.dtype, array.tolist()) for name, array in after.items()
        }
        assert all(array.flags.writeable for array in after.values())


def test_the_bytes_are_a_file_of_safetensors():
    data = dumped(standing())
    length = unpack("<Q", data[:8])[0]

    assert length % 8 == 0
    assert json.loads(data[8 : 8 + length]) == {
        "__metadata__": {
            "format": "carousel-sequence-1",
            "model": "digits",
            "version": "1",
            "graph": "a" * 64,
            "steps": "2",
            "last": SHA,
            "ended": "false",
        },
        "before.number": {"dtype": "I64", "shape": [1, 1], "data_offsets": [0, 8]},
        "after.number": {"dtype": "I64", "shape": [1, 1], "data_offsets": [8, 16]},
    }
    assert data[8 + length :] == pack("<qq", 1, 12)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the first eight must say how long the JSON behind them is"),
        (b"\xff" * 100, "the first eight must say how long the JSON behind them is"),
        (pack("<Q", 0) + b"{}", "the first eight must say how long the JSON behind them is"),
        (pack("<Q", 2) + b"[]", "the JSON is not that of a sequence: the whole: "),
        (pack("<Q", 90_000) + b"[" * 90_000, "the JSON is not that of a sequence: the whole: "),
        (b"cposix\nsystem\n(S'true'\ntR.", "the first eight must say"),
        (altered(dumped(standing()), format="carousel-sequence-9"), "__metadata__.format: "),
        (altered(dumped(standing()), graph="short"), "__metadata__.graph: "),
        (altered(dumped(standing()), steps="0"), "__metadata__.steps: "),
        (altered(dumped(standing()), colour="red"), "__metadata__.colour: "),
        (altered(dumped(standing()), within={"dtype": "I64", "shape": [1], "data_offsets": [16, 24]}), "neither before. nor after."),
        (altered(dumped(standing()), after_number={"dtype": "O", "shape": [1], "data_offsets": [8, 16]}), "after.number.dtype: "),
        (
            altered(dumped(standing()), after_number={"dtype": "I64", "shape": [1, 1], "data_offsets": [0, 8]}),
            "must have 8 bytes from 8 on",
        ),
        (
            altered(dumped(standing()), after_number={"dtype": "I64", "shape": [-1, -1], "data_offsets": [8, 16]}),
            "must have 8 bytes from 8",
        ),
        (altered(dumped(standing()), after_number={"dtype": "I64", "shape": [2**62, 4], "data_offsets": [8, 8]}), "bytes from 8 on"),
        (altered(dumped(standing()), after_number={"dtype": "I64", "shape": [2], "data_offsets": [8, 24]}), "must have 16 bytes from 8 on"),
        (dumped(standing()) + b"more", "20 bytes of numbers where the JSON says 16"),
        (dumped(standing())[:-1], "must have 8 bytes from 8 on"),
    ],
    ids=lambda value: value[-30:] if isinstance(value, str) else "",
)
def test_what_is_no_sequence_is_refused(data: bytes, words: str):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the words are compared below
        parsed(data, revision="mine")
    assert words in str(raised.value)


@given(st.data())
def test_damaged_bytes_are_refused_or_are_those_of_a_sequence(data: st.DataObject):
    whole = bytearray(dumped(standing()))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        came = parsed(bytes(whole), revision="mine")
    except ValueError:
        return
    assert isinstance(came, Standing)


def test_a_replica_goes_on_where_another_stopped():
    async def steps() -> list[int]:
        one, other = Service(in_memory()), Service(in_memory())
        await one.step(1, start=True, index=0)
        await one.step(2, index=1)
        assert await other.restore(await one.export()) == 2
        return [await other.step(2, index=1), await other.step(3, index=2), await one.step(4)]

    assert asyncio.run(steps()) == [12, 123, 124]


def test_under_another_name_it_is_a_copy():
    async def steps() -> list[int]:
        service = Service(in_memory())
        await service.step(1, start=True)
        await service.restore(await service.export(), "b")
        return [await service.step(2), await service.step(3, "b"), await service.forget(), await service.step(4, "b")]

    assert asyncio.run(steps()) == [12, 13, 2, 134]


def test_what_is_not_there_is_neither_taken_out_nor_ended():
    async def steps() -> None:
        service = Service(in_memory())
        await service.step(1, "ended", start=True, index=0, end=True)
        for ask in (service.export, service.forget):
            with pytest.raises(SequenceNotFound, match="was never begun here"):
                await ask("unknown")
            with pytest.raises(SequenceNotFound, match="has ended"):
                await ask("ended")
        with pytest.raises(ModelNotFound, match="no model 'letters'; served here: digits"):
            await service.sequences.export(Key("letters", "a"), timeout_s=5)

    asyncio.run(steps())


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"model": "letters"}, BadQuestion, "this is a sequence of 'letters', not of 'digits': put it there"),
        ({"ended": True, "after": {}}, BadQuestion, "this sequence has ended: there is nothing to go on with"),
        ({"version": 3}, SequenceConflict, "began on version 3, which is not served here"),
        ({"graph": "b" * 64}, SequenceConflict, "began on version 1, in whose place there is another graph here"),
        ({"after": {}}, BadQuestion, "states of nothing: 'digits' has number"),
        ({"after": {"other": np.array([[1]])}}, BadQuestion, "states of other: 'digits' has number"),
        ({"before": {"number": np.array([[1.0]])}}, BadQuestion, r"state 'number' is float64 of shape \[1, 1\], not INT64 of \[1, 1\]"),
        ({"before": {"number": np.array([[1], [2]])}}, BadQuestion, r"state 'number' is int64 of shape \[2, 1\], not INT64 of \[1, 1\]"),
    ],
)
def test_what_is_not_of_this_model_is_not_put_back(changes: dict[str, Any], error: type[Exception], words: str):
    async def steps() -> None:
        service = Service(in_memory())
        with pytest.raises(error, match=words):
            await service.restore(dumped(standing(**changes)))
        with pytest.raises(SequenceNotFound):
            await service.step(1)

    asyncio.run(steps())


def test_a_state_that_is_not_finite_is_not_put_back():
    async def steps() -> None:
        service = Service(in_memory())
        manifest = Digits.of().manifest
        specs = tuple(spec.model_copy(update={"datatype": "FP64"}) for spec in manifest.inputs)
        service.registry.models[1].manifest = manifest.model_copy(update={"inputs": specs})
        state = {"number": np.array([[np.nan]])}
        with pytest.raises(BadQuestion, match="state 'number' holds what is not finite"):
            await service.restore(dumped(standing(before=state, after=state)))

    asyncio.run(steps())
