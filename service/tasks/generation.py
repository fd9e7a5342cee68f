"""Writing a text on: token by token, several candidates side by side in the same runs of the graph, or the likeliest of all by beam search.

The text is read once, or taken from memory; candidates share what was read. Every further token of all of them together is one run of the
graph with a row for each; the last one that is written costs none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.contract.manifest import Manifest
from service.tasks.bias import biased
from service.tasks.dialogue import Dialogue
from service.tasks.language import Language
from service.tasks.passage import Passage
from service.tasks.passage import Piece as Piece  # what is written is read from here
from service.tasks.passage import Written as Written
from service.tasks.place import recent_text
from service.tasks.reading import Reading, advance, read_text, without_pointer
from service.tasks.sampling import NOTHING_FINITE, Scores, best_first, choose, log_sum, penalised
from service.tasks.sampling import Sampling as Sampling


@dataclass(slots=True)
class Draft:
    """A text that is being written; `step` writes it on.

    `reading` is of everything but the newest token; `read` are tokens of the text, where they count as repetitions.
    """

    sampling: Sampling
    reading: Reading
    passage: Passage
    read: frozenset[int]
    generator: np.random.Generator

    @property
    def finished(self) -> bool:
        """Whether nothing more will be written."""
        return self.passage.finish_reason is not None

    def written(self) -> Written:
        """What was written, up to here."""
        return self.passage.written()


@dataclass(frozen=True, slots=True)
class _Beam:
    """One way to go on; `score` is the sum of its tokens' log-probabilities, with repetition penalty and bias."""

    reading: Reading
    passage: Passage
    score: float = 0.0

    def worth(self, length_penalty: float) -> float:
        """Its score for its length."""
        return float(self.score / len(self.passage.pieces) ** length_penalty)

    def reach(self, sampling: Sampling, length_penalty: float) -> float:
        """What it may be worth at most when it ends: the score of a token is at most 0, but for what a bias adds."""
        written, most = len(self.passage.pieces), sampling.max_tokens
        gain = sampling.bias.most(most) if sampling.bias else 0.0
        score = self.score + gain * (most - written)
        return float(score / (most if score < 0 else written + 1) ** length_penalty)


def begin(language: Language, text: str, sampling: Sampling, *, candidates: int = 1) -> Dialogue[list[Draft]]:
    """Read the end of `text`; nothing is written yet.

    Each candidate draws on its own: with the same `seed` the first is always the same one, however many there are.
    """
    tokenizer = language.tokenizer
    passage = Passage.behind(tokenizer, text, language.forms, barred=sampling.barred)
    if passage.typed and not passage.opening:
        text += " "  # a word that cannot be completed is read as it stands
    reading, _ = yield from read_text(_manifest(language, sampling), tokenizer, text, language.memory)
    read = tokenizer.context(recent_text(text)).ids if sampling.repetition_penalty != 1 else ()
    words = frozenset(read).difference(tokenizer.hidden_ids)
    generators = np.random.default_rng(sampling.seed).spawn(candidates)
    return [Draft(sampling, reading, passage, words, generator) for generator in generators]


def step(language: Language, drafts: Sequence[Draft]) -> Dialogue[list[Piece | None]]:
    """One token more for each draft that has not ended, None for the others: at most one run of the graph.

    The drafts are those that one `begin` has given, or some of them.
    """
    behind = [draft for draft in drafts if draft.passage.pieces and not draft.finished]
    if behind:
        readings = yield from _advanced(language, behind, behind[0].sampling)
        for draft, reading in zip(behind, readings, strict=True):
            draft.reading = reading
    return [None if draft.finished else _write_one(language, draft) for draft in drafts]


def write(language: Language, text: str, sampling: Sampling, *, candidates: int = 1) -> Dialogue[list[Written]]:
    """All that `step` writes, of each candidate."""
    drafts = yield from begin(language, text, sampling, candidates=candidates)
    while not all(draft.finished for draft in drafts):
        yield from step(language, drafts)
    return [draft.written() for draft in drafts]


def beam(language: Language, text: str, sampling: Sampling, *, width: int, length_penalty: float = 1.0) -> Dialogue[list[Written]]:
    """The best ways to go on that a beam of this width finds, best first, at most `width`; nothing is drawn, no alternatives are kept.

    The best has the highest log-probability, with repetition penalty and bias, divided by its tokens to the power of `length_penalty`: 0
    favours short texts, 1 compares the mean of a token, more favours long ones.
    """
    sampling = replace(sampling, temperature=None, alternatives=False)
    [draft] = yield from begin(language, text, sampling)
    live = [_Beam(draft.reading, draft.passage)]
    ended: list[_Beam] = []
    while True:
        grown = _grown(language, live, draft.read, sampling, width)
        ended = _best([*ended, *(one for one in grown if one.passage.finish_reason)], length_penalty)[:width]
        live = [one for one in grown if not one.passage.finish_reason][:width]
        if not live or (len(ended) == width and ended[-1].worth(length_penalty) >= live[0].reach(sampling, length_penalty)):
            return [one.passage.written() for one in ended]  # none that lives can become better than these
        readings = yield from _advanced(language, live, sampling)
        live = [replace(one, reading=reading) for one, reading in zip(live, readings, strict=True)]


def _manifest(language: Language, sampling: Sampling) -> Manifest:
    return language.manifest if sampling.pointer else without_pointer(language.manifest)


def _advanced(language: Language, behind: Sequence[Draft] | Sequence[_Beam], sampling: Sampling) -> Dialogue[list[Reading]]:
    """Readings with the newest token of each."""
    newest = [one.passage.pieces[-1].token for one in behind]
    return (yield from advance(_manifest(language, sampling), [one.reading for one in behind], newest))


def _scores(language: Language, behind: Draft | _Beam, read: frozenset[int], sampling: Sampling) -> tuple[Scores, Scores]:
    """Log-probabilities of what may follow, and the same with repetition penalty and bias, (vocabulary,) each."""
    sayable = behind.passage.sayable(language.tokenizer, behind.reading.log_probs, sampling)
    if sampling.repetition_penalty == 1 and sampling.bias is None:
        return sayable, sayable
    written = [piece.token for piece in behind.passage.pieces]
    scores = penalised(sayable, read.union(written), sampling.repetition_penalty)
    return sayable, scores if sampling.bias is None else biased(scores, written, sampling.bias)


def _write_one(language: Language, draft: Draft) -> Piece:
    sayable, scores = _scores(language, draft, draft.read, draft.sampling)
    token = choose(scores, draft.sampling, draft.generator)
    draft.passage = draft.passage.extended(language.tokenizer, token, sayable, draft.sampling)
    return draft.passage.pieces[-1]


def _grown(language: Language, live: Sequence[_Beam], read: frozenset[int], sampling: Sampling, width: int) -> list[_Beam]:
    """The best beams that are one token longer, twice as many as are kept, as some may have ended; and each that another word would end.

    Raises:
        ArithmeticError: the graph gives nothing to go on with.
    """
    tokenizer = language.tokenizer
    closed: list[_Beam] = []
    sayables: list[Scores] = []
    totals: list[Scores] = []
    for one in live:
        sayable, scores = _scores(language, one, read, sampling)
        surplus = one.passage.surplus(tokenizer, sampling)
        if surplus is not None and scores[surplus].max(initial=-np.inf) > -np.inf:
            ended = one.passage.extended(tokenizer, int(np.argmax(surplus)), sayable, sampling)
            closed.append(_Beam(one.reading, ended, one.score + log_sum(scores[surplus])))
            scores = np.where(surplus, -np.inf, scores)
        sayables.append(sayable)
        totals.append(scores + one.score)
    grown: list[_Beam] = []
    for place in best_first(np.concatenate(totals), 2 * width).tolist():
        parent, token = divmod(place, len(tokenizer))
        passage = live[parent].passage.extended(tokenizer, token, sayables[parent], sampling)
        grown.append(_Beam(live[parent].reading, passage, float(totals[parent][token])))
    if not grown and not closed:
        raise ArithmeticError(NOTHING_FINITE)
    return [*closed, *grown]


def _best(ended: Sequence[_Beam], length_penalty: float) -> list[_Beam]:
    """Best first, of those with the same text the best one."""
    by_text: dict[str, _Beam] = {}
    for one in sorted(ended, key=lambda one: -one.worth(length_penalty)):
        by_text.setdefault(one.passage.text, one)
    return list(by_text.values())
