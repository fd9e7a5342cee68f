"""Words that are not suggested, whatever the model holds for likely. What it reads, and how likely it finds a text, stays as it is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from service.contract.apostrophes import either_spelling
from service.contract.forms import lower


@dataclass(frozen=True, slots=True)
class Hidden:
    """Words in lower case; what a request allows or denies goes before what the service denies, and allowing before denying."""

    service: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether any word may be hidden."""
        return bool(self.service or self.denied)

    def __contains__(self, word: str) -> bool:
        """Whether this word in lower case is."""
        return word not in self.allowed and (word in self.denied or word in self.service)

    @property
    def words(self) -> frozenset[str]:
        """All of them."""
        return (self.denied | self.service) - self.allowed

    def with_request(self, deny: Collection[str], allow: Collection[str]) -> Hidden:
        """These and what a request denies and allows, in whatever letters and with either apostrophe."""
        if not deny and not allow:
            return self
        return replace(self, denied=either_spelling(map(lower, deny)), allowed=either_spelling(map(lower, allow)))


NOTHING_HIDDEN = Hidden()
