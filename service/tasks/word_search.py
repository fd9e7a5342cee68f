"""Whole words from a model of subwords: beam search over pieces, until the next one begins another word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from service.contract.manifest import Manifest
from service.contract.subword_file import SPACE
from service.contract.subwords import SubwordTokenizer
from service.tasks.dialogue import Dialogue
from service.tasks.place import DIGEST_BYTES
from service.tasks.reading import Memory, Reading, Words, advance

MIN_BEAMS = 16
MAX_BEAMS = 128
MAX_PIECES = 16
"""Pieces of a word that is found, at most."""

_NO_LETTERS = ("", SPACE)


@dataclass(frozen=True, slots=True)
class _Beam:
    """Pieces that begin a word: their text, what of the opening is still to be written, and the probability of all of them."""

    text: str
    rest: str
    probability: float
    reading: Reading


@dataclass(frozen=True, slots=True)
class _Child:
    """A beam and the piece behind it."""

    beam: _Beam
    token: int
    probability: float


def remembered_words(
    manifest: Manifest, tokenizer: SubwordTokenizer, reading: Reading, opening: str, *, count: int, memory: Memory | None
) -> Dialogue[Words]:
    """`find_words`, which a search that was made before costs no step."""
    if memory is None or reading.key is None:
        return (yield from find_words(manifest, tokenizer, reading, opening, count=count))
    asked = reading.key + count.to_bytes(8, "little") + opening.encode("utf-8", "surrogatepass")
    search = blake2b(asked, digest_size=DIGEST_BYTES).digest()
    words = memory.words(search)
    if words is None:
        words = yield from find_words(manifest, tokenizer, reading, opening, count=count)
        memory.keep_words(search, words)
    return words


def find_words(
    manifest: Manifest, tokenizer: SubwordTokenizer, reading: Reading, opening: str, *, count: int
) -> Dialogue[list[tuple[str, float]]]:
    """At most `count` words and marks behind what was read, likeliest first, with their probabilities, given `opening`.

    A word's probability is that of its pieces, over all ways to put it together, and of its end: that a space, a mark or the end of the
    line follows. Each step reads the likeliest beginnings as one batch, and none that is less likely than the last of `count` words.
    """
    search = _Search(tokenizer, opening, count)
    beams = [_Beam("", opening, 1.0, reading)]
    for _ in range(MAX_PIECES):
        children = search.grow(beams)
        if not children:
            break
        readings = yield from advance(manifest, [child.beam.reading for child in children], [child.token for child in children])
        beams = [search.beam(child, after) for child, after in zip(children, readings, strict=True)]
        search.end(beams)
    return search.likeliest()


class _Search:
    """Words that were found so far."""

    def __init__(self, tokenizer: SubwordTokenizer, opening: str, count: int) -> None:
        self._tokenizer = tokenizer
        self._count = count
        self._width = min(max(MIN_BEAMS, 2 * count), MAX_BEAMS)
        self._going_on = np.flatnonzero(tokenizer.going_on)
        self._ending = np.flatnonzero(tokenizer.ending)
        marks = [int(mark) for mark in np.flatnonzero(tokenizer.marks) if not tokenizer.words[mark].startswith(SPACE)]
        self._marks = np.array(marks, np.intp)
        self._found: defaultdict[str, float] = defaultdict(float)
        self._probability_typed = 0.0 if opening else 1.0

    def grow(self, beams: Sequence[_Beam]) -> list[_Child]:
        """The likeliest beams one piece longer, no more than the search is wide; marks are found at once."""
        least = self._least()
        owners, tokens, probabilities = [], [], []
        for number, beam in enumerate(beams):
            if beam.rest:
                self._probability_typed += float(_probabilities(beam, self._tokenizer.covering(beam.rest)).sum())
            pieces = self._allowed(beam)
            if beam.text in _NO_LETTERS:
                pieces = self._without_marks(beam, pieces)
            likelihoods = _probabilities(beam, pieces)
            kept = likelihoods > least
            owners.append(np.full(np.count_nonzero(kept), number))
            tokens.append(pieces[kept])
            probabilities.append(likelihoods[kept])
        owner, token, probability = np.concatenate(owners), np.concatenate(tokens), np.concatenate(probabilities)
        best = np.argsort(-probability, kind="stable")[: self._width]
        return [_Child(beams[owner[place]], int(token[place]), float(probability[place])) for place in best]

    def beam(self, child: _Child, reading: Reading) -> _Beam:
        """A child that was read."""
        text = child.beam.text + self._tokenizer.words[child.token]
        return _Beam(text, self._tokenizer.rest(child.beam.rest, child.token), child.probability, reading)

    def end(self, beams: Sequence[_Beam]) -> None:
        """Find the beams that are words, with the probability that they end here."""
        for beam in beams:
            if not beam.rest and beam.text not in _NO_LETTERS:
                self._found[beam.text.removeprefix(SPACE)] += float(_probabilities(beam, self._ending).sum())

    def likeliest(self) -> list[tuple[str, float]]:
        """What was found, likeliest first, given what was typed."""
        words = sorted(self._found, key=self._found.__getitem__, reverse=True)[: self._count]
        return [(word, min(self._found[word] / self._probability_typed, 1.0)) for word in words if self._found[word] > 0]

    def _least(self) -> float:
        """Probability that a word needs over, to be among the likeliest."""
        best = sorted(self._found.values(), reverse=True)[: self._count]
        return best[-1] if len(best) == self._count else 0.0

    def _allowed(self, beam: _Beam) -> NDArray[np.intp]:
        """Ids of the pieces that may stand behind a beam: they write the rest of the opening, begin a word, or go on with it."""
        if beam.rest or not beam.text:
            return self._tokenizer.completions(beam.rest)
        return np.concatenate([self._going_on, self._marks]) if beam.text == SPACE else self._going_on

    def _without_marks(self, beam: _Beam, pieces: NDArray[np.intp]) -> NDArray[np.intp]:
        """Find the marks among pieces, which are words for themselves, and leave the others."""
        are_marks = self._tokenizer.marks[pieces]
        marks = pieces[are_marks]
        for mark, probability in zip(marks.tolist(), _probabilities(beam, marks).tolist(), strict=True):
            self._found[self._tokenizer.words[mark].removeprefix(SPACE)] += probability
        return pieces[~are_marks]


def _probabilities(beam: _Beam, pieces: NDArray[np.intp]) -> NDArray[np.float64]:
    """Of a beam with each of these pieces behind it."""
    return np.exp(beam.reading.log_probs[pieces]).astype(np.float64) * beam.probability
