"""What the workers of one service are told to do with a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.contract.repository import Location


@dataclass(frozen=True, slots=True)
class Order:
    """What is to become of one model: loaded, or unloaded where `serve` is false.

    `number` rises from order to order of one service; 0 is the start. `versions` and `state` are what the model's folder held when it
    was placed.
    """

    number: int
    serve: bool
    versions: tuple[int, ...]
    state: str

    @classmethod
    def first(cls, found: Sequence[Location]) -> Order:
        """To serve what is there at the start."""
        return cls(0, True, tuple(location.version for location in found), "")

    def chosen(self, found: Sequence[Location], state: str, *, explicit: bool) -> list[Location]:
        """Of the versions in a folder, which is in this state, those that are to be served.

        Where models come and go on request alone, a version that was not there when the order was placed waits for the next one.
        Elsewhere the folder says what is served, and a model is unloaded for as long as its folder stays as it was.
        """
        if explicit:
            return [location for location in found if self.serve and location.version in self.versions]
        return list(found) if self.serve or state != self.state else []
