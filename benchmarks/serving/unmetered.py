"""Carousel that counts nothing, to measure what counting costs: `python -m benchmarks.serving.unmetered serve ...`.

Only the counting is left out: the clock is still read as often as before.
"""

from __future__ import annotations

import sys

from service.__main__ import main
from service.observe.statistics import Meter
from service.observe.telemetry import Telemetry


def _count_nothing(*_: object) -> None:
    pass


if __name__ == "__main__":
    Meter.answered = _count_nothing  # type: ignore[method-assign, assignment]
    Telemetry.answered = _count_nothing  # type: ignore[method-assign, assignment]
    sys.exit(main())
