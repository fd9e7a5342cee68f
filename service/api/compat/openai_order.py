"""What a body of OpenAI's completions asks for, in the service's own terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.api.compat.openai_wire import OpenAiCompletionBody
from service.contract.manifest import NextWordTask
from service.contract.subwords import AnyTokenizer
from service.tasks.bias import Bias
from service.tasks.dialogue import QuestionError, Where
from service.tasks.generation import Sampling
from service.tasks.language import Language
from service.tasks.place import MAX_TOKENS as MAX_PROMPT_TOKENS
from service.tasks.prompt import Prompt

MAX_ROWS = 128
"""Texts that are written at once."""
MAX_ALL_TOKENS = 8 * MAX_PROMPT_TOKENS
MAX_ALL_CHARACTERS = 16 * MAX_ALL_TOKENS
DEFAULT_TOKENS = 16
GREEDY_BELOW = 1e-3
"""At a lower temperature nothing but the likeliest token is ever drawn."""


@dataclass(frozen=True, slots=True)
class Order:
    """`candidates` are written behind each prompt, and `wanted` of them answered; `likeliest` tokens are told of, None: nothing is."""

    prompts: Sequence[Prompt]
    sampling: Sampling
    candidates: int
    wanted: int
    likeliest: int | None
    echo: bool

    @property
    def judged(self) -> bool:
        """Whether the model is to say of each token of the prompts how likely it is."""
        return self.echo and self.likeliest is not None

    @classmethod
    def of(cls, language: Language, body: OpenAiCompletionBody) -> Order:
        """What this body asks of this model.

        Raises:
            QuestionError: fields that do not go together, tokens that the model does not have, or too much at once.
        """
        wanted = body.n or 1
        candidates = body.best_of or wanted
        if candidates < wanted:
            raise QuestionError(f"{candidates} choices to pick {wanted} from: ask for at least `n`", where=("best_of",))
        if body.stream and candidates > wanted:
            raise QuestionError("which are best is not known before all are written: leave this out, or `stream`", where=("best_of",))
        if body.stream_options is not None and not body.stream:
            raise QuestionError("this is of streams only: leave it out, or set `stream`", where=("stream_options",))
        prompts = _prompts(language, body)
        if len(prompts) * candidates > MAX_ROWS:
            message = f"{len(prompts)} prompts with {candidates} choices each: at most {MAX_ROWS} choices in one request"
            raise QuestionError(message, where=("n",))
        return cls(prompts, _sampling(language, body), candidates, wanted, body.logprobs, bool(body.echo))


def _sampling(language: Language, body: OpenAiCompletionBody) -> Sampling:
    temperature = 1.0 if body.temperature is None else body.temperature
    task = language.manifest.task
    pointless = isinstance(task, NextWordTask) and task.pointer is None
    return Sampling(
        temperature=temperature if temperature >= GREEDY_BELOW else None,
        top_k=body.top_k,
        top_p=body.top_p,
        repetition_penalty=1.0 if body.repetition_penalty is None else body.repetition_penalty,
        seed=None if body.seed is None else body.seed % 2**64,
        stop=tuple([body.stop] if isinstance(body.stop, str) else body.stop or ()),
        max_tokens=DEFAULT_TOKENS if body.max_tokens is None else body.max_tokens,
        pointer=bool(body.pointer) or pointless,
        end=True,
        alternatives=bool(body.logprobs),
        bias=_bias(language.tokenizer, body),
    )


def _bias(tokenizer: AnyTokenizer, body: OpenAiCompletionBody) -> Bias | None:
    tokens: dict[int, float] = {}
    never = set(tokenizer.hidden_ids) - {tokenizer.end_id}
    for key, value in (body.logit_bias or {}).items():
        where = ("logit_bias", key)
        if not (key.isascii() and key.isdigit() and len(key) < 10 and str(int(key)) == key and int(key) < len(tokenizer)):
            raise QuestionError(f"no token id: this model has 0 to {len(tokenizer) - 1}", where=where)
        if int(key) in never:
            raise QuestionError(f"{tokenizer.words[int(key)]!r} is never written: leave it out", where=where)
        tokens[int(key)] = value
    presence, frequency = body.presence_penalty or 0.0, body.frequency_penalty or 0.0
    return Bias(presence, frequency, tokens) if tokens or presence or frequency else None


def _prompts(language: Language, body: OpenAiCompletionBody) -> list[Prompt]:
    """Prompts of a body, each with its place in it."""
    sent = _sent(body.prompt or "")
    if sum(len(one) for _, one in sent) > MAX_ALL_CHARACTERS:
        raise QuestionError(f"at most {MAX_ALL_CHARACTERS} characters in one request: send fewer prompts", where=("prompt",))
    found: list[Prompt] = []
    for place, one in sent:
        found.append(_prompt(language, body, one, where=("prompt", *place)))
        if sum(prompt.tokens for prompt in found) > MAX_ALL_TOKENS:
            raise QuestionError(f"at most {MAX_ALL_TOKENS} tokens in one request: send fewer prompts", where=("prompt",))
    return found


def _sent(prompt: str | Sequence[int | str | list[int]]) -> list[tuple[Where, str | list[int]]]:
    """Texts and lists of token ids, each with its place in what was sent."""
    if isinstance(prompt, str):
        return [((), prompt)]
    ids = [one for one in prompt if isinstance(one, int)]
    return [((), ids)] if ids else [((place,), one) for place, one in enumerate(prompt) if not isinstance(one, int)]


def _prompt(language: Language, body: OpenAiCompletionBody, sent: str | list[int], *, where: Where) -> Prompt:
    tokenizer, forms = language.tokenizer, language.forms
    if isinstance(sent, str):
        judged = body.echo and body.logprobs is not None
        prompt = Prompt.placed(tokenizer, sent, forms) if judged else Prompt.of_text(tokenizer, sent, forms, whole=bool(body.echo))
    else:
        unknown = next((place for place, token in enumerate(sent) if token >= len(tokenizer)), None)
        if unknown is not None:
            message = f"no token {sent[unknown]}: this model has 0 to {len(tokenizer) - 1}"
            raise QuestionError(message, where=(*where, unknown))
        prompt = Prompt.of_ids(tokenizer, sent, forms)
    if len(prompt.ids) > MAX_PROMPT_TOKENS:
        message = f"{prompt.tokens} tokens: at most {MAX_PROMPT_TOKENS - prompt.implied} of a prompt are read, send its end"
        raise QuestionError(message, where=where)
    return prompt
