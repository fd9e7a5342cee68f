"""A step as it would be taken from where its sequence was found: by which model, on which states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from service.contract.golden import Tensors
from service.contract.manifest import Manifest
from service.errors import BadQuestion, ModelNotFound, VersionNotFound
from service.lifecycle.registry import ModelRegistry
from service.sequences.errors import SequenceConflict
from service.sequences.standing import Absence, Standing, graph_of, next_states, start_states
from service.sequences.step import Move, Step, conflict, move_of
from service.served_model import ServedModel
from service.tasks.dialogue import QuestionError, Where


class Question(Protocol):
    """What a request asks of a graph, its states left out."""

    @property
    def tensors(self) -> Tensors:
        """The other inputs."""
        ...


Q = TypeVar("Q", bound=Question)


@dataclass(frozen=True, slots=True)
class Asked(Generic[Q]):
    """A step as it is asked for: `model` takes it where it begins, `version` is the one that is insisted on, if any.

    `read` makes of the request a question to a model.
    """

    step: Step
    model: ServedModel
    read: Callable[[Manifest], Q]
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Attempt(Generic[Q]):
    """A step of which all is known but what the graph will give."""

    model: ServedModel
    question: Q
    step: Step
    move: Move
    index: int
    states: Tensors
    fingerprint: str

    @property
    def inputs(self) -> Tensors:
        """Of the graph."""
        return {**self.question.tensors, **self.states}

    def after(self, outputs: Tensors) -> Standing | None:
        """Where the sequence stands then; None where it has ended and its last step cannot be sent again, having no index."""
        manifest = self.model.manifest
        if self.step.end and self.step.index is None:
            return None
        return Standing(
            model=manifest.name,
            version=manifest.version,
            graph=graph_of(manifest),
            steps=self.index + 1,
            last=self.fingerprint,
            before=self.states,
            after={} if self.step.end else next_states(manifest, outputs),
            ended=self.step.end,
        )


def attempt(asked: Asked[Q], found: Standing | Absence, registry: ModelRegistry, *, idle_s: float) -> Attempt[Q]:
    """The step from where the sequence was found.

    Raises:
        BadQuestion: what `read` raises, or it is not of one row.
        SequenceNotFound, SequenceConflict: it cannot be taken from there.
    """
    step = asked.step
    move = move_of(step, found, model=asked.model.manifest.name, idle_s=idle_s)
    if move == "begin" or not isinstance(found, Standing):
        question, fingerprint = _read(asked, asked.model.manifest)
        return Attempt(asked.model, question, step, move, 0, start_states(asked.model.manifest), fingerprint)
    model = model_of(found, step.name, registry)
    if asked.version not in (None, found.version):
        raise SequenceConflict(
            f"sequence {step.name!r} of {found.model!r} is of version {found.version}, not {asked.version}: "
            "name that version or none, or begin another sequence"
        )
    question, fingerprint = _read(asked, model.manifest)
    if move == "advance":
        return Attempt(model, question, step, move, found.steps, found.after, fingerprint)
    if fingerprint != found.last:
        raise conflict(step, found)
    return Attempt(model, question, step, move, found.steps - 1, found.before, fingerprint)


def model_of(standing: Standing, sequence: str, registry: ModelRegistry) -> ServedModel:
    """The model whose states these are.

    Raises:
        SequenceConflict: it is served no longer.
    """
    began = f"sequence {sequence!r} of {standing.model!r} began on version {standing.version}"
    remedy = "begin it again with sequence_start, or ask a replica that has that"
    try:
        model = registry.get(standing.model, standing.version)
    except (ModelNotFound, VersionNotFound) as error:
        raise SequenceConflict(f"{began}, which is not served here: {remedy}") from error
    if graph_of(model.manifest) != standing.graph:
        raise SequenceConflict(f"{began}, in whose place there is another graph here: {remedy}")
    return model


def wrong(message: str, where: Where) -> BadQuestion:
    """The error of a question that cannot be asked in a sequence."""
    return BadQuestion.of(QuestionError(message, where=where))


def _read(asked: Asked[Q], manifest: Manifest) -> tuple[Q, str]:
    """The question, and the step's fingerprint."""
    question = asked.read(manifest)
    if any(len(array) != 1 for array in question.tensors.values()):
        raise wrong("a step of a sequence is one row: send the others as sequences of their own", ("inputs",))
    return question, asked.step.fingerprint(question.tensors)
