"""How many files and sockets this process may have open, which is how many callers it can hold."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)

ENOUGH = 65_536


def allow_open_files(wanted: int = ENOUGH) -> int:
    """Raise this process's own limit to `wanted`, or to as much as the system leaves it; the limit that holds then, 0 where there is none.

    Shells and containers often begin with 1024, which idle callers use up, though the system would give more to whoever asks.
    """
    try:
        import resource  # here: not every system has it
    except ImportError:
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError) as error:
        logger.warning("at most %d files and connections can be open: %s", soft, error)
        return soft
    return most
