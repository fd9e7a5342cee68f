"""What is written behind a text, token by token: what each token adds to it, and where it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.contract.apostrophes import printed
from service.contract.forms import Forms
from service.contract.subwords import AnyTokenizer, SubwordTokenizer
from service.contract.tokenizer import WordTokenizer, cut_typed
from service.tasks.barred import Barred
from service.tasks.casing import Casing
from service.tasks.sampling import Sampling, Scores, log_sum
from service.tasks.stop_strings import release

FinishReason = Literal["stop", "length"]
"""`stop`: a stop string, or the end of a sentence; `length`: as many tokens or words as were asked for."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One token that was written.

    `text` is what may be shown of the text now that it is there: less than `token_text` where a stop string may be coming, or the end of a
    word that may get a capital, more where what was waited for is there or did not come. `token_text` is what the token itself adds, of
    parts of words in lower case; '' of one that ends the text and is no part of it. `log_prob` is the model's,
    before temperature and penalty; of a token that completes letters which were typed, given those. `alternatives` (vocabulary,) are the
    log-probabilities of all that could have been written in its place, -inf for what never is; None where `Sampling` does not want them.
    """

    text: str
    token: int
    token_text: str
    log_prob: float
    alternatives: Scores | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Written:
    """All that was written behind a text.

    `text` goes behind the text as it stands. `typed` are the letters of the word at its end, which `text` completes, or goes on behind
    where no token completes them: in lower case, or as that word is written. `log_prob` is that of all pieces together.
    """

    pieces: Sequence[Piece]
    text: str
    finish_reason: FinishReason
    log_prob: float
    typed: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """What has been written so far, and what the next token must be like.

    `last` is the last character of the text with what was written, without letters of a word being typed. `opening` is what the next tokens
    must begin with, as the tokenizer has it; `owed` are the letters of it that stand in the text already, `typed` all that did at first.
    `held` is not shown yet, nor what waits in `casing`, None where all of it stays in lower case. `words` counts words and marks that were
    begun.
    """

    last: str
    opening: str = ""
    owed: str = ""
    typed: str = ""
    casing: Casing | None = None
    held: str = ""
    words: int = 0
    pieces: tuple[Piece, ...] = ()
    finish_reason: FinishReason | None = None

    @classmethod
    def behind(cls, tokenizer: AnyTokenizer, text: str, forms: Forms, *, barred: Barred | None = None) -> Passage:
        """Nothing yet; the end of the word being typed is to be written first, unless no token that may be written begins as it does."""
        typed = cut_typed(text)[1]
        last = " " if typed else text[-1:]  # nothing comes between letters that were typed and what completes them
        passage = replace(cls.after(text, forms), last=last, opening=tokenizer.opening(text), owed=typed, typed=typed)
        never = barred.behind((), typed) if barred else []
        if not passage.opening or len(np.setdiff1d(passage.fitting(tokenizer), never)):
            return passage
        return replace(cls.after(text, forms), typed=typed)

    @classmethod
    def after(cls, text: str, forms: Forms) -> Passage:
        """Nothing yet, behind a text whose last word is finished, or goes on with what comes."""
        return cls(text[-1:], casing=Casing.behind(text, forms) if forms else None)

    @property
    def text(self) -> str:
        """What is shown of it."""
        return "".join(piece.text for piece in self.pieces)

    def fitting(self, tokenizer: AnyTokenizer) -> NDArray[np.intp]:
        """Tokens that begin with `opening`, or that it begins with, character by character, and with either apostrophe."""
        completions = tokenizer.completions(self.opening)
        if not self.owed:
            return completions
        owed = printed(self.owed)
        additions = ((token, printed(tokenizer.addition(self.last, token))) for token in completions.tolist())
        return np.array([token for token, text in additions if text.startswith(owed) or owed.startswith(text)], np.intp)

    def sayable(self, tokenizer: AnyTokenizer, log_probs: NDArray[np.floating], sampling: Sampling) -> Scores:
        """Log-probabilities with what must not be written at -inf; where the next token must begin in some way, given that."""
        scores = log_probs.astype(np.float64)
        scores[list(tokenizer.hidden_ids)] = -np.inf
        if self.opening:
            fitting = self.fitting(tokenizer)
            given = np.full_like(scores, -np.inf)
            given[fitting] = scores[fitting] - log_sum(scores[fitting])
            scores = given
        elif sampling.end:
            scores[tokenizer.end_id] = log_probs[tokenizer.end_id]
        if sampling.barred is not None:
            scores[sampling.barred.behind([piece.token for piece in self.pieces], self.typed)] = -np.inf
        return scores

    def surplus(self, tokenizer: AnyTokenizer, sampling: Sampling) -> NDArray[np.bool_] | None:
        """Which tokens would begin a word more than `sampling` asks for, (vocabulary,); None where it asks for more."""
        return self._beginning(tokenizer) if sampling.words is not None and self.words >= sampling.words else None

    def extended(self, tokenizer: AnyTokenizer, token: int, scores: Scores, sampling: Sampling) -> Passage:
        """The same with one token more; `scores` are those of `sayable`."""
        alternatives = scores if sampling.alternatives else None
        surplus = self.surplus(tokenizer, sampling)
        if surplus is not None and surplus[token]:
            return self._closed("length", Piece("", token, "", log_sum(scores[surplus]), alternatives), sampling)
        if token == tokenizer.end_id:
            return self._closed("stop", Piece("", token, "", float(scores[token]), alternatives), sampling)
        whole = tokenizer.addition(self.last, token)
        words = self.words + bool(self._beginning(tokenizer)[token])
        is_word = isinstance(tokenizer, WordTokenizer)  # of which no part can follow
        full = (is_word and words == sampling.words) or len(self.pieces) + 1 >= sampling.max_tokens
        added, casing = self._cased(whole[len(self.owed) :], ended=is_word or full)
        released = release(self.held + added, sampling.stop)
        shown = released.shown + released.held if full else released.shown
        token_text = added if is_word else whole[len(self.owed) :]
        longer = Passage(
            (self.last + whole)[-1:],
            tokenizer.rest(self.opening, token) if self.opening else "",
            self.owed[len(whole) :],
            self.typed,
            casing,
            released.held,
            words,
            (*self.pieces, Piece(shown, token, token_text, float(scores[token]), alternatives)),
            "stop" if released.stopped else "length" if full else None,
        )
        return longer._settled(tokenizer)

    def addition(self, tokenizer: AnyTokenizer, token: int) -> str:
        """What a token would add, `Piece.token_text` of it; a line end of the one that ends the text."""
        added = tokenizer.addition(self.last, token)[len(self.owed) :]
        return self._cased(added, ended=True)[0] if isinstance(tokenizer, WordTokenizer) else added

    def written(self) -> Written:
        """All of it, up to here."""
        typed = self.casing.typed(self.text) if self.casing and self.typed else self.typed
        return Written(self.pieces, self.text, self.finish_reason or "length", sum(piece.log_prob for piece in self.pieces), typed)

    def _closed(self, reason: FinishReason, last: Piece, sampling: Sampling) -> Passage:
        """The same with a last token, which adds nothing to the text."""
        added, casing = self._cased("", ended=True)
        released = release(self.held + added, sampling.stop)
        last = replace(last, text=released.shown + released.held)
        ended: FinishReason = "stop" if released.stopped else reason
        return replace(self, casing=casing, held="", pieces=(*self.pieces, last), finish_reason=ended)

    def _cased(self, added: str, *, ended: bool) -> tuple[str, Casing | None]:
        return (added, None) if self.casing is None else self.casing.shown(added, ended=ended)

    def _settled(self, tokenizer: AnyTokenizer) -> Passage:
        """The same, but for letters that no token goes on with: those are left as they were typed."""
        if not self.opening or len(self.fitting(tokenizer)):
            return self
        return replace(self, last=(self.last + self.owed)[-1:], opening="", owed="")

    def _beginning(self, tokenizer: AnyTokenizer) -> NDArray[np.bool_]:
        """Which tokens would begin a word or a mark, (vocabulary,)."""
        if self.pieces and not self.last.strip():  # a space alone, which has begun the word that comes
            return np.zeros(len(tokenizer), np.bool_)
        if isinstance(tokenizer, SubwordTokenizer) and self.pieces and self.last.isalnum():
            return tokenizer.ending
        return np.ones(len(tokenizer), np.bool_)
