"""forms.json of an artifact: how words are mostly written, where that is not in lower case."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping

from service.contract.manifest import ArtifactError
from service.contract.repository import FORMS, Artifact

MAX_FORMS = 500_000
MAX_CHARACTERS = 100

Forms = Mapping[str, str]
"""A word in lower case -> how it is mostly written: {"pierre": "Pierre", "i": "I"}; others are written in lower case."""


def read_forms(artifact: Artifact) -> dict[str, str]:
    """The forms that an artifact holds; none where it has no such file.

    Raises:
        ArtifactError: the file is not the one that the manifest lists, or not such a table.
    """
    return parse_forms(artifact.read(FORMS)) if FORMS in artifact.manifest.files else {}


def parse_forms(content: bytes) -> dict[str, str]:
    """Read forms.json.

    Raises:
        ArtifactError: not JSON, not an object of texts, too many of them, or a form of another word.
    """
    try:
        forms = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{FORMS} is not JSON: {error}") from error
    if not isinstance(forms, dict) or len(forms) > MAX_FORMS:
        raise ArtifactError(f"{FORMS} must hold an object of at most {MAX_FORMS} words: publish the model again")
    for word, form in forms.items():
        if not isinstance(form, str) or not _is_form(word, form):
            wanted = f"the same word in other letters, at most {MAX_CHARACTERS} characters without spaces"
            raise ArtifactError(f"{FORMS}: {word[:MAX_CHARACTERS]!r} is not written {str(form)[:MAX_CHARACTERS]!r}; a form is {wanted}")
    return forms


def forms_text(forms: Forms) -> str:
    """The text of forms.json; words whose form is their lower case are left out."""
    return json.dumps({word: forms[word] for word in sorted(forms) if forms[word] != word}, ensure_ascii=False, indent=0) + "\n"


def lower(text: str) -> str:
    """NFC in lower case, letter by letter, as tokenizers have words."""
    return "".join(map(str.lower, unicodedata.normalize("NFC", text)))


def _is_form(word: str, form: str) -> bool:
    return form != word and word in (lower(form), form.lower()) and len(form) <= MAX_CHARACTERS and form.isprintable() and " " not in form
