"""What personal words gain: suggestions by a bundled model alone, and blended with what a user has written so far.

    python -m benchmarks.personal --data FOLDER [--models FOLDER] [--words N]

A user types the words of a text one after the other; each is asked for, with nothing and with two letters of it typed, and then learned.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.results import table, write_section
from service.contract.repository import load_artifact, versions
from service.personal import dictionary, writing
from service.personal.database import open_database
from service.personal.dictionary import Owner
from service.personal.evidence import PRIORS, blended
from service.personal.hearing import grams, hear, words_before
from service.personal.writing import Bounds
from service.served_model import load_backend
from service.settings import Settings
from service.tasks.dialogue import converse
from service.tasks.language import load_language
from service.tasks.next_word import Choice, Suggestion, suggest

MODEL = "next-word-en"
TEXTS = {
    "tiny Shakespeare": "tinyshakespeare/input.txt.gz",
    "task dialogues (sgd), test": "sgd/test.txt.gz",
    "War and Peace, test: of the model's own kind": "war_and_peace/wap.test.txt.gz",
}
WITTEN_BELL = (1.0, 1.0, 1.0)
TYPED = (0, 2)
SHOWN = 3
CANDIDATES = 100
USER = Owner(MODEL, "typist")
Hits = Counter[tuple[str, int]]


def main() -> None:
    """Type every text and write the section."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.personal", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public texts")
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of the bundled models")
    parser.add_argument("--words", type=int, default=3000, help="words of each text")
    options = parser.parse_args()
    rows = [(name, *_typed(options.models, options.data / file, options.words)) for name, file in TEXTS.items()]
    blends = ("the model alone", f"b = {_listed(WITTEN_BELL)}", f"b = {_listed(PRIORS)}, as served")
    note = f"Share of {options.words} words among the first {SHOWN} suggestions, with nothing typed and with {TYPED[1]} letters."
    body = f"{note}\n\n{table(('text', *blends), rows)}"
    write_section("Personal words", command="python -m benchmarks.personal --data FOLDER", body=body)
    print(body)


def _typed(models: Path, file: Path, count: int) -> list[str]:
    """Cells of a line: shares of words found by each blend."""
    hits: Hits = Counter()
    words = 0
    artifact = load_artifact(versions(models, MODEL)[-1], root=models)
    language, backend = load_language(artifact), load_backend(artifact, Settings(models=models))
    with tempfile.TemporaryDirectory() as folder:
        connection = open_database(Path(folder) / "words.sqlite", busy_s=1)
        for sentence in _sentences(file):
            for position, word in enumerate(sentence[: max(count - words, 0)]):
                written = "".join(f"{one} " for one in sentence[:position])
                for letters in TYPED:
                    text = written + word[:letters]
                    found = converse(suggest(language, text, Choice(CANDIDATES)), backend.run)
                    known = dictionary.known(connection, USER, words_before(text), word[:letters].lower())
                    for name, blend in (("alone", found), *((_listed(b), blended(found, known.levels, b)) for b in (WITTEN_BELL, PRIORS))):
                        hits[name, letters] += _among_first(blend, word)
                words += 1
            writing.learn(connection, USER, list(grams(hear(" ".join(sentence)).words)), bounds=Bounds(), now=0)
            if words >= count:
                break
        connection.close()
    return [
        " / ".join(f"{hits[name, letters] / words:.3f}" for letters in TYPED) for name in ("alone", _listed(WITTEN_BELL), _listed(PRIORS))
    ]


def _sentences(file: Path) -> Iterator[list[str]]:
    """Words of each line, as they are heard."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            if words := [heard.form for heard in hear(line).words if heard is not None]:
                yield words


def _among_first(found: Iterable[Suggestion], word: str) -> bool:
    return word.lower() in [one.word for one in found][:SHOWN]


def _listed(priors: Iterable[float]) -> str:
    return ", ".join(f"{prior:g}" for prior in priors)


if __name__ == "__main__":
    main()
