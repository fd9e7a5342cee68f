"""What a next-word model's tokens mean: its manifest, its tokenizer, and the texts that it has read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from service.contract.apostrophes import forms_of_either
from service.contract.forms import read_forms
from service.contract.manifest import ArtifactError, Manifest, NextWordTask
from service.contract.repository import TOKENIZER, Artifact
from service.contract.subwords import AnyTokenizer, SubwordTokenizer
from service.contract.tokenizer import WordTokenizer
from service.tasks.hidden import NOTHING_HIDDEN, Hidden

if TYPE_CHECKING:
    from service.tasks.reading import Memory


@dataclass(frozen=True, slots=True)
class Language:
    """A next-word model but for its graph. `memory` holds what was read before; None: every text is read from its start.

    `forms` says how lower-case words are mostly written (`contract.forms`), `hidden` which of them the service does not suggest.
    """

    manifest: Manifest
    tokenizer: AnyTokenizer
    memory: Memory | None = None
    forms: Mapping[str, str] = field(default_factory=dict)
    hidden: Hidden = NOTHING_HIDDEN


def load_language(artifact: Artifact, memory: Memory | None = None, hidden: Hidden = NOTHING_HIDDEN) -> Language | None:
    """The language of an artifact; None where it is no next-word model.

    Raises:
        ArtifactError: no tokenizer.json of the kind that the manifest says, or one of another model; or a forms.json that is none.
    """
    task = artifact.manifest.task
    if not isinstance(task, NextWordTask):
        return None
    path = artifact.file(TOKENIZER)
    tokenizer = SubwordTokenizer.load(path) if task.tokens == "subwords" else WordTokenizer.load(path)
    said = (task.vocabulary, task.end_id, task.unknown_id)
    found = (len(tokenizer), tokenizer.end_id, tokenizer.unknown_id)
    if said != found:
        raise ArtifactError(f"{TOKENIZER} has vocabulary, end and unknown ids {found}; the manifest says {said}: publish them together")
    return Language(artifact.manifest, tokenizer, memory, forms_of_either(read_forms(artifact)), hidden)
