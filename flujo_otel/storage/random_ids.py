"""Random ids, from a generator of our own: the program may have seeded the random module's, and the
system's entropy takes a call that lets go of the GIL (50 us beside a busy thread)."""

import os
import random
from time import time_ns
from uuid import UUID

_random = random.Random(os.urandom(32))


def new_uuid() -> str:
    """A random UUID (RFC 9562, version 4)."""
    return str(UUID(int=_random.getrandbits(128), version=4))


def new_trace_id() -> int:
    """Time in its high half, so that an index grows at its end; random in its low one."""
    return time_ns() << 64 | _random.getrandbits(64)


def new_span_id() -> int:
    """64 bits, never 0."""
    return _random.getrandbits(64) or 1


def _seed() -> None:
    _random.seed(os.urandom(32))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_seed)
