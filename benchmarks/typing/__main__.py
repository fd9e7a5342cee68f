"""How long a typist waits for a key and for a word, beside an empty answer and the graph's own step; and 64 typists at once.

    python -m benchmarks.typing [--rounds 7]

The server is pinned to the first core, those who type to the others. What is compared alternates within a round, medians are over rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import numpy as np

from benchmarks.results import table, write_section
from benchmarks.serving.questions import VOCABULARY
from benchmarks.typing.client import FLOOR, Connection, keys_per_second, question
from benchmarks.typing.model import HIDDEN, NAME, publish, some_words
from service.backends.onnx import OnnxBackend
from service.contract.manifest import Pointer
from service.contract.repository import Artifact, load_artifact, locations
from service.tasks.reading import read
from service.tasks.trail import extended

ASKED = 300
"""Questions of each kind in a round."""
SHORT, LONG = 10, 1000
GROWTH = 30
"""Words that are typed behind a text before another one is begun."""
TYPISTS, TYPISTS_WORDS, TYPING_S = 64, 50, 4.0
WINDOW, WIDTH = 500, 256
CORES = sorted(os.sched_getaffinity(0))


@dataclass(slots=True)
class Rounds:
    """Medians of each round: seconds by what was asked, and keys a second with memory and without."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    keys: dict[str, list[float]] = field(default_factory=dict)

    def median_us(self, what: str) -> float:
        """Microseconds, over rounds."""
        return statistics.median(self.seconds[what]) * 1e6

    def ratio(self, one: str, other: str) -> float:
        """How many times longer one takes than another, over rounds."""
        return statistics.median(first / second for first, second in zip(self.seconds[one], self.seconds[other], strict=True))


def main() -> None:
    """Measure and write the section of RESULTS.md."""
    parser = argparse.ArgumentParser(description="Measure what a typist waits for.")
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count, after one that warms up (default: 7)")
    count = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder, "models")
        publish(models)
        artifact = load_artifact(next(iter(locations(models))), root=models)
        with serving(models) as remembering, serving(models, "--state-cache-mb", "0") as forgetful:
            os.sched_setaffinity(0, CORES[1:] or CORES)
            rounds = Rounds()
            for number in range(-1, count):
                found = one_round(artifact, remembering, forgetful, seed=number + 1)
                for into, measured in ((rounds.seconds, found.seconds), (rounds.keys, found.keys)):
                    for what, values in measured.items() if number >= 0 else ():
                        into.setdefault(what, []).extend(values)
                sys.stderr.write(f"round {number + 1} of {count}\n")
    body = report(rounds)
    sys.stdout.write(body + "\n")
    write_section("Typing", command=f"python -m benchmarks.typing --rounds {count}", body=body)


@contextmanager
def serving(models: Path, *flags: str) -> Iterator[str]:
    """The address of a server on the first core."""
    pinned = ("taskset", "-c", str(CORES[0]), sys.executable, "-m", "service", "serve")
    command = (*pinned, "--models", str(models), "--port", "0", "--log-level", "error", "--precision", "fp32", *flags)
    with subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            url = next(word for word in process.stdout.readline().split() if word.startswith("http")).rstrip(";")
            urlopen(f"{url}/v2/health/ready", timeout=60).close()  # noqa: S310 - an address of this machine
            yield url
        finally:
            process.terminate()


def one_round(artifact: Artifact, remembering: str, forgetful: str, *, seed: int) -> Rounds:
    """One measurement of everything."""
    generator = np.random.default_rng(seed)
    found: dict[str, list[float]] = {}
    with Connection(remembering) as connection:
        for texts in zip(*(typing(words, generator) for words in (SHORT, LONG)), strict=True):
            for length, (finished, unfinished) in zip(("short", "long"), texts, strict=True):
                found.setdefault("floor", []).append(connection.ask(FLOOR))
                found.setdefault(f"word {length}", []).append(connection.ask(question(finished)))
                found.setdefault(f"key {length}", []).append(connection.ask(question(unfinished)))
    found["step"] = steps(artifact)
    found["pointer"] = mixtures()
    keys = {
        what: [keys_per_second(url, typists=TYPISTS, words=TYPISTS_WORDS, seconds=TYPING_S, seed=seed)]
        for what, url in (("remembering", remembering), ("forgetful", forgetful))
    }
    return Rounds({what: [statistics.median(values)] for what, values in found.items()}, keys)


def typing(words: int, generator: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Texts that grow by a word, and the same with a letter of the next one. Now and then another is begun, all of which has to be read."""
    for number in range(ASKED):
        if number % GROWTH == 0:
            text = some_words(words, generator)
        text += some_words(1, generator)
        yield text, text + "abcdefghijklmn"[number % 14]


def steps(artifact: Artifact) -> list[float]:
    """Seconds of the graph's single step, on the server's core."""
    backend = OnnxBackend.load(artifact, device="cpu", threads=1)
    step = next(read(artifact.manifest, [0]))
    return _on_the_first_core(lambda: backend.run(step.inputs, step.outputs))


def mixtures() -> list[float]:
    """Seconds of the mixture with a pointer of `WINDOW` positions, on the server's core."""
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(WINDOW + 1, WIDTH)).astype(np.float32)
    trail = extended(
        None, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), generator.integers(0, VOCABULARY, WINDOW + 1), window=WINDOW
    )
    log_probs = np.full(VOCABULARY, -np.log(VOCABULARY), np.float32)
    pointer = Pointer(window=WINDOW, sharpness=1.0, share=0.1)
    return _on_the_first_core(lambda: trail.mixed(log_probs, pointer))


def report(rounds: Rounds) -> str:
    """The table, with the aims beside."""
    us = rounds.median_us
    bound = statistics.median(floor + 1.3 * step for floor, step in zip(rounds.seconds["floor"], rounds.seconds["step"], strict=True)) * 1e6
    more = statistics.median(one / other for one, other in zip(rounds.keys["remembering"], rounds.keys["forgetful"], strict=True))
    remembering, forgetful = (statistics.median(rounds.keys[what]) for what in ("remembering", "forgetful"))
    key, length = rounds.ratio("key short", "floor"), rounds.ratio("word long", "word short")
    rows = [
        (
            "one more key inside a word, p50",
            f"{us('key short'):.0f} us, {key:.2f}x an empty answer ({us('floor'):.0f} us)",
            "<= 1.15x",
            key <= 1.15,
        ),
        (
            "one more word, p50",
            f"{us('word short'):.0f} us; an empty answer and 1.3 times the graph's step ({us('step'):.0f} us) are {bound:.0f} us",
            f"<= {bound:.0f} us",
            us("word short") <= bound,
        ),
        (
            f"one more word behind {LONG:,} words over one behind {SHORT}, p50",
            f"{us('word long'):.0f} us over {us('word short'):.0f} us: {length:.2f}x",
            "<= 1.1x",
            length <= 1.1,
        ),
        (
            f"{TYPISTS} typists at once behind {TYPISTS_WORDS} words each",
            f"{remembering:,.0f} keys/s, {forgetful:,.0f} with `--state-cache-mb 0`: {more:.1f}x",
            ">= 5x",
            more >= 5,
        ),
    ]
    note = (
        f"V = {VOCABULARY:,}, E{WIDTH}/H{HIDDEN}, fp32, random weights, `{NAME}`; the server on one core. An empty answer is that of "
        f"`GET /v2/health/live`; a key is a letter behind {SHORT} words. A pointer to {WINDOW} recent words would add "
        f"{us('pointer'):.0f} us to a word. Medians of {len(rounds.keys['remembering'])} rounds in which all alternate."
    )
    lines = [(what, found, aim, "yes" if met else "no") for what, found, aim, met in rows]
    return f"{note}\n\n{table(('over HTTP', 'found', 'aim', 'met'), lines)}"


def _on_the_first_core(run: Callable[[], object]) -> list[float]:
    """Seconds of runs in this process."""
    others = os.sched_getaffinity(0)
    os.sched_setaffinity(0, CORES[:1])
    try:
        found = []
        for _ in range(ASKED):
            begun = time.perf_counter()
            run()
            found.append(time.perf_counter() - begun)
        return found
    finally:
        os.sched_setaffinity(0, others)


if __name__ == "__main__":
    main()
