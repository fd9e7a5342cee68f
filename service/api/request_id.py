"""`X-Request-ID`: the caller's own is echoed, another is made, so that an answer and the log lines about it can be brought together."""

from __future__ import annotations

import random
import re

from starlette.types import Scope

HEADER = b"x-request-id"
_ACCEPTED = re.compile(rb"[!-~]{1,128}")


def request_id_header(scope: Scope) -> tuple[bytes, bytes]:
    """The response header of this request; of an id that is too long or not printable ASCII, nothing is kept."""
    for name, value in scope["headers"]:
        if name == HEADER and _ACCEPTED.fullmatch(value):
            return HEADER, value
    return HEADER, b"%016x" % random.getrandbits(64)  # the kernel's randomness costs a system call; this need not be secret
