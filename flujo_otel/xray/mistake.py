"""What a program does with an X-Ray by mistake: it raises nothing, and is said."""

import logging
from contextlib import suppress
from functools import cache

_logger = logging.getLogger("flujo_otel")


@cache
def say(mistake: str) -> None:
    """Once in a process."""
    with suppress(Exception):  # a filter of the program's
        _logger.warning("flujo-otel: %s (said once)", mistake)
