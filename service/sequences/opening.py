"""The store that the settings name; what Redis needs is an optional package, which is imported here and nowhere else."""

from __future__ import annotations

from service.errors import StartupError
from service.sequences.memory_store import MemoryStore
from service.sequences.store import Store
from service.settings import Settings

IN_MEMORY = "memory"
"""Value of the setting `sequence_store`."""


def keeps_sequences(settings: Settings) -> bool:
    """Whether a sequence is found again whichever process answers."""
    return settings.workers == 1 or settings.sequence_store != IN_MEMORY


def open_store(settings: Settings) -> Store | None:
    """What keeps sequences; None where they are not kept.

    Raises:
        StartupError: Redis' client is not installed, or the URL is none of Redis.
    """
    if not keeps_sequences(settings):
        return None
    if settings.sequence_store == IN_MEMORY:
        return MemoryStore(idle_s=settings.sequence_idle_s, max_sequences=settings.max_sequences, max_bytes=settings.max_sequence_bytes)
    try:
        from service.sequences.redis_store import RedisStore  # here, as its client is optional
    except ModuleNotFoundError as error:
        raise StartupError(
            "--sequence-store with Redis needs its client: `pip install 'carousel-serve[redis]'`, or start with --sequence-store memory"
        ) from error
    try:
        return RedisStore(settings.sequence_store, idle_s=settings.sequence_idle_s)
    except ValueError as error:
        raise StartupError(f"--sequence-store is no URL of Redis: {error}: write redis://HOST:PORT/NUMBER") from error
