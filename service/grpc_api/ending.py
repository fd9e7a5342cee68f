"""How the end comes: it is announced, and some time later calls are taken no more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ending:
    """Both are set once, the second not before the first."""

    announced: asyncio.Event = field(default_factory=asyncio.Event)
    """The service is ready no longer, but goes on answering."""
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """What is in flight is finished, nothing else is begun."""
