"""The manifest: one JSON file that says everything a server needs to know of a model.

Conventions that every artifact keeps:

- axis 0 of every tensor is the batch, so that a server may stack and split requests without knowing the task;
- every other axis that the graph leaves free is written as -1;
- recurrent state is paired by name, never by order (`Manifest.state`).
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from service.contract.entry import Entry
from service.contract.forecast_task import ForecastTask as ForecastTask  # a part of the manifest, read from here
from service.contract.int8 import INT8_FILES, Int8

SCHEMA_VERSION = 4
"""The newest manifest schema that this release reads and the one it writes.

2 brought `int8`; 3 the time zone, holidays, kind of target, correlation of errors and static categories of forecasters; 4 subwords and the
pointer of next-word models.
"""

PARITY_TOLERANCE = 1e-4
"""Largest accepted difference between torch, ONNX and TorchScript, relative to the largest output (at least 1)."""

NAME_PATTERN = r"^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$"
"""Model names: lower-case letters, digits, dot, dash and underscore, at most 64 characters; no path can be spelled with them."""

_DOUBLE_DOT = ".."

Json = dict[str, Any]
Datatype = Literal["BOOL", "INT32", "INT64", "FP32", "FP64"]
"""The Open Inference Protocol's names of the tensor types that exported graphs use."""


class ArtifactError(ValueError):
    """An artifact that must not be served or published: the message says what is wrong and what to do."""


class TensorSpec(Entry):
    """One input or output of the graph."""

    name: str = Field(description="Name in the graph.")
    datatype: Datatype = Field(description="Open Inference Protocol type.")
    shape: tuple[int, ...] = Field(description="Batch first; -1 is a free axis.", min_length=1)
    description: str = Field(default="", description="Axes and units, for people.")


class Pointer(Entry):
    """A pointer to the recent words of a text, a continuous cache (Grave et al. 2017), that is mixed with what the graph says.

    p = (1 - share) p_graph + share p_pointer, p_pointer(w) proportional to the sum, over the last `window` positions i before the last, t,
    of exp(sharpness v_t . v_i) where the token after i is w. v are the graph's `vectors`. Where nothing was read before t, p = p_graph.
    """

    window: int = Field(ge=1, description="Positions that it looks back on.")
    sharpness: float = Field(gt=0, description="How much more positions count whose vectors are like the last one.")
    share: float = Field(gt=0, lt=1, description="Its share of the mixture.")


class NextWordTask(Entry):
    """Tokens and state -> log-probabilities of the next token, the best `top_k` of them, and the state after the last token.

    Graph inputs: `tokens` (batch, time) and the states (batch, layers, hidden) named in `Manifest.state`, zero at a start. Outputs:
    `log_probs` (batch, vocabulary), `top_ids` and `top_log_probs` (batch, top_k) without special tokens, the new states, and, where there
    is a pointer, `vectors` (batch, time, width): the vector behind each token that was read, of unit length.
    A text starts with the token `end_id`, as if a sentence had just ended.
    """

    kind: Literal["next-word"] = "next-word"
    vocabulary: int = Field(ge=2, description="Tokens, special ones included.")
    top_k: int = Field(ge=1, description="Suggestions in the graph's `top_ids`.")
    end_id: int = Field(ge=0, description="Id of the token that ends a sentence and begins a text.")
    unknown_id: int = Field(ge=0, description="Id of the token that stands for every word out of the vocabulary.")
    tokens: Literal["words", "subwords"] = Field(
        default="words", description="What tokenizer.json makes of a text: words, or pieces of them."
    )
    pointer: Pointer | None = Field(
        default=None, description="The pointer to recent words that answers are mixed with; none: the graph alone."
    )

    @model_validator(mode="after")
    def _ids_exist(self) -> NextWordTask:
        if max(self.end_id, self.unknown_id) >= self.vocabulary or self.end_id == self.unknown_id:
            raise ValueError(f"end_id {self.end_id} and unknown_id {self.unknown_id} must be two of {self.vocabulary} tokens")
        return self


class ClassifyTask(Entry):
    """A sequence of feature rows -> probabilities of its labels.

    Graph input: `sequence` (batch, time, features), raw units. Output: `probabilities` (batch, labels), in the order of `labels`.
    """

    kind: Literal["classify"] = "classify"
    labels: tuple[str, ...] = Field(min_length=2, description="Names of the classes.")
    features: int = Field(ge=1, description="Numbers in each row.")
    length: int | None = Field(default=None, ge=1, description="Rows that a sequence must have; none: any number.")

    @model_validator(mode="after")
    def _labels_differ(self) -> ClassifyTask:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("two labels are the same")
        return self


Task = Annotated[ForecastTask | NextWordTask | ClassifyTask, Field(discriminator="kind")]


class FileEntry(Entry):
    """A file of the artifact."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Hash of the whole file.")
    bytes: int = Field(ge=0, description="Size.")


class ParameterEntry(Entry):
    """One weight tensor of the network."""

    name: str = Field(description="Name in the network.")
    shape: tuple[int, ...] = Field(description="Shape of the tensor.")
    count: int = Field(ge=0, description="Numbers in it.")
    gates: int | None = Field(default=None, description="Gates stacked along its first axis: 4 LSTM, 3 GRU, 1 RNN; none outside cells.")


class Network(Entry):
    """What was trained."""

    cell: Literal["lstm", "gru", "rnn"] = Field(description="Recurrent cell.")
    layers: int = Field(ge=1, description="Recurrent layers.")
    hidden: int = Field(ge=1, description="Width of the state.")
    parameters: tuple[ParameterEntry, ...] = Field(description="Trained weights, tied ones once.")
    total: int = Field(ge=0, description="Sum of their counts.")


class Data(Entry):
    """What it was trained on."""

    source: str = Field(description="File or package it came from.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Fingerprint of the data as read.")
    rows: int = Field(ge=0, description="Rows, tokens or sequences.")
    description: str = Field(default="", description="Columns, spans, repairs made.")
    licence: str = Field(default="", description="Licence of the data, where known.")


class Scores(Entry):
    """Measures on held-out data, beside the naive baselines on the same data."""

    split: str = Field(description="What they were measured on.")
    model: dict[str, float] = Field(description="Measure -> value.")
    baselines: dict[str, dict[str, float]] = Field(default_factory=dict, description="Baseline -> measure -> value.")
    beats_naive: bool = Field(description="Whether the model is better than every baseline on the first measure.")
    note: str = Field(default="", description="What a reader of the scores should know.")


class Training(Entry):
    """How it was trained."""

    config: Json = Field(description="The whole run configuration.")
    seed: int = Field(description="Seed of every random choice.")
    device: str = Field(description="Where it ran.")
    epochs: int = Field(ge=0, description="Epochs run until the end or the early stop.")
    seconds: float = Field(ge=0, description="Wall time of the fit.")
    libraries: dict[str, str] = Field(description="Library -> version.")


class Manifest(Entry):
    """The whole manifest, `manifest.json` in the artifact's folder."""

    schema_version: Literal[1, 2, 3, 4] = Field(default=4, description="Version of this schema.")
    name: str = Field(pattern=NAME_PATTERN, description="Model name; the folder above the version.")
    version: int = Field(ge=1, description="Version; the folder's name.")
    created: str = Field(description="UTC time of publication, ISO 8601.")
    description: str = Field(default="", description="What the model is for, for people.")
    task: Task = Field(description="What it does, by `kind`.")
    inputs: tuple[TensorSpec, ...] = Field(min_length=1, description="Inputs of the graph.")
    outputs: tuple[TensorSpec, ...] = Field(min_length=1, description="Outputs of the graph.")
    state: dict[str, str] = Field(default_factory=dict, description="Recurrent state: input name -> name of the output that continues it.")
    network: Network = Field(description="Cells and weights.")
    data: Data = Field(description="Training data.")
    scores: Scores = Field(description="How good it is.")
    training: Training = Field(description="How it was made.")
    parity: dict[str, float] = Field(description="Format -> largest difference from torch, relative to the largest output (at least 1).")
    int8: Int8 | None = Field(default=None, description="The graph in int8; none where there was no attempt at one.")
    files: dict[str, FileEntry] = Field(description="Every other file of the artifact.")

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        if _DOUBLE_DOT in self.name:
            raise ValueError(f"a model name may not hold two dots in a row: {self.name!r}")
        for name in self.files:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) or _DOUBLE_DOT in name or name == "manifest.json":
                raise ValueError(f"not a plain file name: {name!r}")
        worst = max(self.parity.values(), default=0.0)
        if worst > PARITY_TOLERANCE:
            raise ValueError(f"parity {worst:.2g} is over {PARITY_TOLERANCE:g}: the exported graphs do not compute what was trained")
        if self.int8 is not None and self.schema_version == 1:
            raise ValueError("int8 came with schema_version 2")
        if isinstance(self.task, NextWordTask) and self.schema_version < 4 and (self.task.pointer or self.task.tokens != "words"):
            raise ValueError("pointer and subwords came with schema_version 4")
        wanted = INT8_FILES if self.int8 is not None and self.int8.published else frozenset()
        if INT8_FILES & set(self.files) != wanted:
            raise ValueError(f"{' and '.join(sorted(INT8_FILES))} are listed where int8 is published, and only there")
        return self

    def to_json(self) -> str:
        """The text of manifest.json."""
        return self.model_dump_json(indent=1) + "\n"


def parse_manifest(text: str | bytes) -> Manifest:
    """Read manifest.json.

    Raises:
        ArtifactError: not JSON, an unknown or missing field, a value out of range, or a schema newer than this release reads.
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"manifest.json is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise ArtifactError("manifest.json must hold an object")
    schema = raw.get("schema_version")
    if isinstance(schema, int) and schema > SCHEMA_VERSION:
        remedy = f"use a release of Carousel that reads schema {schema}"
        raise ArtifactError(f"manifest.json has schema_version {schema}; this release reads up to {SCHEMA_VERSION}: {remedy}")
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ArtifactError(f"manifest.json: {where or 'the whole'}: {first['msg']}") from error
