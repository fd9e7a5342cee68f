"""A clock that is set forward and back while requests wait: times of day are told, and decide nothing."""

from __future__ import annotations

import time
from itertools import cycle

import httpx
import pytest

from .wire import NEXT_WORD, QUESTION

YEAR_S = 365 * 24 * 3600


def test_a_clock_that_jumps_makes_nobody_late_and_nobody_early(client: httpx.Client, monkeypatch: pytest.MonkeyPatch):
    jumps = cycle([0, 50 * YEAR_S, -20 * YEAR_S, 3, -3])
    plain, plain_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: plain() + next(jumps))
    monkeypatch.setattr(time, "time_ns", lambda: plain_ns() + next(jumps) * 1_000_000_000)

    answers = [client.post(NEXT_WORD, content=QUESTION, headers={"X-Request-Timeout-Ms": "1500"}).status_code for _ in range(30)]

    assert answers == [200] * 30
