"""What is measured of typing is told right, and judged by the aims."""

import numpy as np

from benchmarks.typing.__main__ import Rounds, report, typing
from benchmarks.typing.client import question

US = 1e-6


def rounds(**changed: float) -> Rounds:
    """Three rounds alike, in microseconds."""
    seconds = {
        "floor": 200.0,
        "key short": 210.0,
        "key long": 215.0,
        "word short": 700.0,
        "word long": 720.0,
        "step": 450.0,
        "pointer": 60.0,
    }
    return Rounds(
        {what: [value * US] * 3 for what, value in (seconds | changed).items()}, {"remembering": [3000.0] * 3, "forgetful": [500.0] * 3}
    )


def verdicts(body: str) -> list[str]:
    return [line.split("|")[-2].strip() for line in body.splitlines() if line.startswith("|")][2:]


def test_figures_that_reach_the_aims_are_told_so():
    body = report(rounds())

    assert verdicts(body) == ["yes", "yes", "yes", "yes"]
    assert "210 us, 1.05x an empty answer (200 us)" in body
    assert "are 785 us" in body
    assert "3,000 keys/s, 500 with `--state-cache-mb 0`: 6.0x" in body


def test_figures_that_miss_the_aims_are_told_so():
    assert verdicts(report(rounds(**{"key short": 231.0}))) == ["no", "yes", "yes", "yes"]
    assert verdicts(report(rounds(**{"word short": 790.0}))) == ["yes", "no", "yes", "yes"]
    assert verdicts(report(rounds(**{"word long": 780.0}))) == ["yes", "yes", "no", "yes"]


def test_a_text_that_is_typed_grows_by_words_and_a_letter():
    texts = list(typing(10, np.random.default_rng(0)))

    assert [len(finished.split()) for finished, _ in texts[:3]] == [11, 12, 13]
    assert all(unfinished[:-1] == finished for finished, unfinished in texts)
    assert texts[1][0].startswith(texts[0][0])


def test_a_question_is_a_whole_request():
    head, _, body = question("one tw").partition(b"\r\n\r\n")

    assert head.splitlines()[0] == b"POST /v1/models/bench-typing/next-word HTTP/1.1"
    assert b"Content-Length: %d" % len(body) in head
    assert body == b'{"text": "one tw"}'
