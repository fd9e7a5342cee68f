"""The words of users, where a file for them is named: what they bring, SQLite among it, is imported here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.errors import StartupError
from service.settings import Settings

if TYPE_CHECKING:
    from service.personal.words import PersonalWords


def open_words(settings: Settings) -> PersonalWords | None:
    """Those of the file that the settings name; None where they name none.

    Raises:
        StartupError: there is no folder for it.
    """
    path = settings.personal_words
    if path is None:
        return None
    if not path.parent.is_dir():
        raise StartupError(f"--personal-words {path}: there is no folder {path.parent}; create it, or name a file in another one")
    from service.personal.words import PersonalWords  # here, as it says
    from service.personal.writing import Bounds

    bounds = Bounds(settings.personal_max_words, settings.personal_max_users, settings.personal_max_bytes)
    return PersonalWords(path, bounds=bounds)
