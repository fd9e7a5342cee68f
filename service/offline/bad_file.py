"""A file that cannot be read as series."""

from __future__ import annotations


class BadFile(ValueError):  # noqa: N818 - it says what is bad
    """The message names the file, what is wrong with it and what to do."""
