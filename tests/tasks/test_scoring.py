"""How likely texts are, token by token."""

from __future__ import annotations

import numpy as np
import pytest

from service.contract.golden import Tensors
from service.contract.manifest import Pointer
from service.tasks.dialogue import converse
from service.tasks.reading import read
from service.tasks.scoring import Verdict, score
from tests import artifacts, recurrent

TEXTS = [[0, 2, 6, 5], [0], [2, 7, 0, 2, 8, 3, 3], [0, 2]]


@pytest.mark.parametrize("pointer", [None, Pointer(window=4, sharpness=1.0, share=0.3)])
def test_texts_side_by_side_are_judged_as_each_is_read_alone(pointer: Pointer | None):
    tiny = recurrent.next_word(pointer=pointer)
    manifest, graph = artifacts.manifest(tiny, "tiny", 1), recurrent.graph(tiny)

    scored = converse(score(manifest, TEXTS, likeliest=2), graph)

    for ids, found in zip(TEXTS, scored, strict=True):
        assert len(found.verdicts) == len(ids) - 1
        for place, verdict in enumerate(found.verdicts, 1):
            log_probs = converse(read(manifest, ids[:place]), graph).log_probs
            assert verdict.token == ids[place]
            assert verdict.log_prob == pytest.approx(float(log_probs[ids[place]]), abs=1e-5)
            assert [token for token, _ in verdict.likeliest] == np.argsort(-log_probs)[:2].tolist()
        np.testing.assert_allclose(found.reading.log_probs, converse(read(manifest, ids), graph).log_probs, atol=1e-5)


def test_a_token_in_a_step_is_read_of_all_texts():
    tiny = recurrent.next_word()
    graph = recurrent.graph(tiny)
    rows: list[tuple[int, ...]] = []

    def run(inputs: Tensors) -> Tensors:
        rows.append(inputs["tokens"].shape)
        return graph(inputs)

    converse(score(artifacts.manifest(tiny, "tiny", 1), TEXTS, likeliest=0), run)

    assert rows == [(1, 1), (1, 1), (3, 1), (2, 1), (2, 1), (1, 1), (1, 1), (1, 1)]  # both beginnings, then six further tokens


def test_what_is_no_number_is_an_error_of_the_graph():
    with pytest.raises(ArithmeticError):
        Verdict.of(np.array([np.nan, 0.0]), 0, likeliest=1)
