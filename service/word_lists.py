"""Words that are never suggested: of the operator's files, and of a list of profanities. What models read is not changed by them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from service.contract.apostrophes import either_spelling
from service.contract.forms import lower
from service.errors import StartupError
from service.settings import Settings
from service.tasks.hidden import Hidden

MAX_FILE_BYTES = 16_000_000
PROFANITY_PACKAGE = "glin_profanity"
PROFANITY_LANGUAGES = ("english", "korean")
"""Of the package's lists; words of others, such as the Turkish `am`, are innocent in English."""


def hidden_words(settings: Settings) -> Hidden:
    """What the settings hide: `deny_words` and profanities, but for `allow_words`.

    Raises:
        StartupError: a file cannot be read, or the list of profanities is not installed.
    """
    denied = _words_of(settings.deny_words, flag="--deny-words")
    if settings.profanities == "hide":
        denied |= _profanities()
    allowed = _words_of(settings.allow_words, flag="--allow-words")
    return Hidden(either_spelling(denied) - either_spelling(allowed))


def _words_of(path: Path | None, *, flag: str) -> frozenset[str]:
    """Words of a file, in lower case; empty lines and those that begin with # are passed over."""
    if path is None:
        return frozenset()
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise StartupError(f"{flag} {path}: over {MAX_FILE_BYTES} bytes; send less, one word a line")
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise StartupError(f"{flag} {path}: {error.strerror}; name a file that can be read, one word a line") from error
    except UnicodeDecodeError as error:
        raise StartupError(f"{flag} {path}: not UTF-8 text ({error}); write one word a line") from error
    return frozenset(lower(line.strip()) for line in lines if line.strip() and not line.startswith("#"))


def _profanities() -> frozenset[str]:
    """Single words of the package's lists, read as files: importing the package would load what it filters texts with."""
    package = importlib.util.find_spec(PROFANITY_PACKAGE)
    if package is None or package.origin is None:
        raise StartupError("--profanities hide needs a list of them: `pip install 'carousel-serve[profanities]'`, or start without it")
    folder = Path(package.origin).parent / "data" / "dictionaries"
    found: set[str] = set()
    for language in PROFANITY_LANGUAGES:
        try:
            listed = json.loads((folder / f"{language}.json").read_bytes())["words"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            remedy = "install the release that constraints.txt names"
            raise StartupError(f"--profanities hide: this glin-profanity has no list of {language} words ({error}): {remedy}") from error
        found.update(lower(word) for word in listed if " " not in word)
    return frozenset(found)
