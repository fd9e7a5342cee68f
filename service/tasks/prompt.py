"""What a text is to be written behind: a text or its tokens, each with its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from service.contract.forms import Forms
from service.contract.subwords import AnyTokenizer
from service.contract.tokenizer import cut_typed
from service.tasks.passage import Passage


@dataclass(frozen=True, slots=True)
class Prompt:
    """`ids` are what the model reads. The first `implied` of them, none or one, is the line end before every text and stands in none.

    `starts` are the places in `text` where the others begin, with the blanks before them; () where nobody asked for them.
    """

    text: str
    ids: Sequence[int]
    implied: int
    passage: Passage
    starts: Sequence[int] = ()

    @property
    def tokens(self) -> int:
        """How many were sent."""
        return len(self.ids) - self.implied

    @classmethod
    def of_text(cls, tokenizer: AnyTokenizer, text: str, forms: Forms, *, whole: bool = False) -> Prompt:
        """A text to go on with. A last word that the model does not know is completed, where words begin so, unless it is `whole`."""
        passage = Passage.behind(tokenizer, text, forms)
        if not whole and passage.owed and tokenizer.unknown_id in tokenizer.encode(passage.owed):
            return cls(text, tokenizer.context(text).ids, 1, passage)
        return cls(text, tokenizer.context(text + " ").ids, 1, _behind_whole(tokenizer, text, forms))

    @classmethod
    def placed(cls, tokenizer: AnyTokenizer, text: str, forms: Forms) -> Prompt:
        """A text of which every token has its place; its last word is read as it stands. One that begins with `</s>` has its line end."""
        ids, starts = [tokenizer.end_id], []
        begun = 0
        for number, line in enumerate(text.split("\n")):
            if number and ids[-1] != tokenizer.end_id:
                ids.append(tokenizer.end_id)
                starts.append(begun - 1)
            before = 0
            for token, start, stop in tokenizer.located(line):
                ids.append(token)
                starts.append(begun + min(start, before))  # bytes of one character begin together
                before = stop
            begun += len(line) + 1
        implied = int(ids[1:2] != [tokenizer.end_id])
        return cls(text, ids[1 - implied :], implied, _behind_whole(tokenizer, text, forms), starts)

    @classmethod
    def of_ids(cls, tokenizer: AnyTokenizer, ids: Sequence[int], forms: Forms) -> Prompt:
        """Tokens, at least one; where they do not begin with a line end, one is read before them."""
        parts: list[str] = []
        for part, run in groupby(ids, key=lambda token: bool(tokenizer.addition("x", token))):
            if part:
                for token in run:
                    parts.append(tokenizer.addition(parts[-1][-1:] if parts else "", token))
            else:  # bytes, which are characters together
                tokens = list(run)
                parts += [*[""] * (len(tokens) - 1), tokenizer.decode(tokens)]
        starts = [0]
        for added in parts:
            starts.append(starts[-1] + len(added))
        text = "".join(parts)
        implied = int(ids[0] != tokenizer.end_id)
        return cls(text, [tokenizer.end_id] * implied + list(ids), implied, Passage.after(text, forms), starts[:-1])


def _behind_whole(tokenizer: AnyTokenizer, text: str, forms: Forms) -> Passage:
    """What comes behind a text whose last word is finished, or goes on with its last piece."""
    return Passage.after(text, forms) if cut_typed(text)[1] else Passage.behind(tokenizer, text, forms)
