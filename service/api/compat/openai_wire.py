"""Bodies and answers of OpenAI's completions, as its public client `openai` writes and reads them.

Every field is honoured or refused; what is null counts as left out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from service.api.body import Body
from service.api.compat.openai_examples import COMPLETION_ANSWER, MODELS_ANSWER
from service.tasks.place import MAX_TOKENS as MAX_PROMPT_TOKENS

MAX_PROMPTS = 128
MAX_CHOICES = 64
MAX_LOGPROBS = 20
MAX_STOPS = 4
MAX_STOP_CHARACTERS = 200
MAX_BIASED = 300
MAX_TOKENS = 1024
MAX_PROMPT_CHARACTERS = 16 * MAX_PROMPT_TOKENS

Bias = Annotated[float, Field(ge=-100, le=100)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Stop = Annotated[str, Field(min_length=1, max_length=MAX_STOP_CHARACTERS)]
Text = Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]
Id = Annotated[int, Field(ge=0, lt=2**31)]
Ids = Annotated[list[Id], Field(min_length=1, max_length=MAX_PROMPT_TOKENS, fail_fast=True)]
Texts = Annotated[list[Text], Field(min_length=1, max_length=MAX_PROMPTS, fail_fast=True)]
IdLists = Annotated[list[Ids], Field(min_length=1, max_length=MAX_PROMPTS, fail_fast=True)]


def _told(kind: str, message: str) -> WrapValidator:
    """One message for what has several shapes, of which each would have its own say."""

    def validated(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401 - whatever JSON there is
        try:
            return handler(value)
        except ValidationError:
            raise PydanticCustomError(kind, message) from None

    return WrapValidator(validated)


def _no_suffix(suffix: str) -> str:
    if suffix:
        raise PydanticCustomError("suffix", "models here read from the left and write behind a text only: leave this out")
    return suffix


def _no_obfuscation(obfuscated: bool) -> bool:
    if obfuscated:
        raise PydanticCustomError("obfuscation", "events here hold what was written and nothing that hides its length: leave this out")
    return obfuscated


Prompt = Annotated[
    Text | Ids | Texts | IdLists,
    _told(
        "prompt",
        f"this should be a text of at most {MAX_PROMPT_CHARACTERS} characters, a list of 1 to {MAX_PROMPT_TOKENS} token ids, "
        f"or a list of 1 to {MAX_PROMPTS} of either",
    ),
]
Stops = Annotated[
    Stop | Annotated[list[Stop], Field(max_length=MAX_STOPS)],
    _told("stop", f"this should be a text of 1 to {MAX_STOP_CHARACTERS} characters, or a list of at most {MAX_STOPS} such"),
]
Suffix = Annotated[str, AfterValidator(_no_suffix)]
Obfuscation = Annotated[bool, AfterValidator(_no_obfuscation)]


class OpenAiStreamOptions(Body):
    """What a stream has besides the text."""

    include_usage: bool | None = Field(default=None, description="A last event with `usage` and no choices.")
    include_obfuscation: Obfuscation | None = Field(
        default=None, description="Random characters in each event, so that its size tells nothing: refused, unless it is false."
    )


class OpenAiCompletionBody(Body):
    """Texts to go on with."""

    model: str | None = Field(
        default=None,
        max_length=200,
        description="A next-word model: `name`, `name@label` or `name:version`; the first by name where none is said.",
    )
    prompt: Prompt | None = Field(
        default=None,
        description="A text, its token ids, or a list of either; none: the beginning of a text.",
    )
    max_tokens: int | None = Field(default=16, ge=0, le=MAX_TOKENS, description="Tokens to write.")
    n: int | None = Field(default=1, ge=1, le=MAX_CHOICES, description="Choices for each prompt.")
    best_of: int | None = Field(
        default=None, ge=1, le=MAX_CHOICES, description="Choices that are written, of which the `n` likeliest per token are answered."
    )
    temperature: float | None = Field(default=1, ge=0, le=2, description="0: the likeliest token; 1: drawn as the model says.")
    top_p: float | None = Field(default=1, ge=0, le=1, description="Draw from the likeliest tokens that have this probability together.")
    top_k: int | None = Field(default=None, ge=1, le=1000, description="Draw from so many of the likeliest tokens. Not OpenAI's.")
    presence_penalty: Penalty | None = Field(default=0, description="Taken from the log-probability of each token written before.")
    frequency_penalty: Penalty | None = Field(default=0, description="The same, as often as it was written.")
    repetition_penalty: float | None = Field(
        default=1, ge=0.1, le=10, description="Multiplies the log-probability of each token that stands in the text already. Not OpenAI's."
    )
    logit_bias: dict[str, Bias] | None = Field(
        default=None, max_length=MAX_BIASED, description="Token id -> what is added to its log-probability before it is chosen."
    )
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63, description="Makes a draw repeatable.")
    stop: Stops | None = Field(default=None, description="Text before which a choice ends, or up to four.")
    logprobs: int | None = Field(
        default=None, ge=0, le=MAX_LOGPROBS, description="Likeliest tokens to name at each position, beside the one that is there."
    )
    echo: bool | None = Field(default=False, description="Begin each choice with its prompt, and `logprobs` with the prompt's.")
    pointer: bool | None = Field(
        default=False,
        description="Let words of this text be likelier to come again, where the model was published with that. Not OpenAI's.",
    )
    stream: bool | None = Field(default=False, description="Answer by server-sent events, token by token.")
    stream_options: OpenAiStreamOptions | None = Field(default=None, description="What a stream has besides.")
    suffix: Suffix | None = Field(default=None, description="Text behind what is to be written: refused, unless it is empty.")
    user: str | None = Field(default=None, max_length=200, description="Who asks. Nothing is kept of it: the service has no accounts.")


class OpenAiLogprobs(BaseModel, defer_build=True):
    """What the model said of each token: four lists of one length."""

    tokens: list[str] = Field(description="Tokens as the model knows them.")
    token_logprobs: list[float | None] = Field(description="Natural logarithm of each one's probability; null for the first of a text.")
    top_logprobs: list[dict[str, float] | None] = Field(description="The likeliest tokens at its place, and the one that is there.")
    text_offset: list[int] = Field(description="Where it begins in the choice's text; counted from the prompt's beginning.")


class OpenAiChoice(BaseModel, defer_build=True):
    """What was written behind a prompt."""

    index: int = Field(description="Choices of the first prompt come first.")
    text: str = Field(description="What follows the prompt; with `echo`, behind it.")
    logprobs: OpenAiLogprobs | None = Field(description="Null where none were asked for.")
    finish_reason: Literal["stop", "length"] | None = Field(description="`stop` before a stop text, `length` at `max_tokens`.")


class OpenAiUsage(BaseModel, defer_build=True):
    """Tokens that were read and written."""

    prompt_tokens: int = Field(description="Of all prompts.")
    completion_tokens: int = Field(description="Of all choices, also those that `best_of` leaves out.")
    total_tokens: int = Field(description="Both.")


class OpenAiCompletion(BaseModel, defer_build=True):
    """Choices for each prompt."""

    model_config = ConfigDict(json_schema_extra={"examples": [COMPLETION_ANSWER]})

    id: str = Field(description="A new one; all events of a stream have the same.")
    object: Literal["text_completion"] = Field(description="What it is.")
    created: int = Field(description="Seconds since 1970.")
    model: str = Field(description="Model that answered.")
    system_fingerprint: str = Field(description="Its version and what it computes with: `name:version precision`.")
    choices: list[OpenAiChoice] = Field(description="`n` for each prompt.")
    usage: OpenAiUsage | None = Field(description="Tokens read and written.")


class OpenAiModel(BaseModel, defer_build=True):
    """A next-word model."""

    id: str = Field(description="Name to ask it by.")
    object: Literal["model"] = Field(description="What it is.")
    created: int = Field(description="When it was published, in seconds since 1970.")
    owned_by: Literal["carousel"] = Field(description="Who serves it.")


class OpenAiModels(BaseModel, defer_build=True):
    """Models that complete texts."""

    model_config = ConfigDict(json_schema_extra={"examples": [MODELS_ANSWER]})

    object: Literal["list"] = Field(description="What it is.")
    data: list[OpenAiModel] = Field(description="The newest version of each.")
