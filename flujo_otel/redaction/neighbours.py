"""Secrets that the item before them gives away: the second of two whose first is its name, as
servers have headers, in a text and in data; an argument; the lines of a private key.

before: [("x-api-key", "abc"), ("host", "db")]
after:  [("x-api-key", "[REDACTED]"), ("host", "db")]
before: ["mysql", "--password", "hunter"]
after:  ["mysql", "--password", "[REDACTED]"]
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from flujo_otel.redaction.commands import names_next
from flujo_otel.redaction.keys import Keys
from flujo_otel.redaction.looks.private_keys import begins_key, redact_lines
from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.naming import Naming

COMMA: Final = r""",(?=\s{0,8}+[bBrRuU]?\\*["'][^"'\r\n]{1,1024}+["']\s{0,8}+[)\]])"""
"""Between the two of a pair; see `begins_pair`."""
_OPENING: Final = re.compile(r"""(?:(?<![\w\])])\(|\[)[bBrRuU]?\\*["']\Z""")
_OPENING_ROOM: Final = 8
_HEADER: Final = re.compile(r"(?i)[-_]|authorization|cookie")


def begins_pair(text: str, start: int, name: str, naming: Naming) -> bool:
    """Whether `name`, which begins at `start`, is the first of a pair. A list may be one of words,
    so its first must be no word."""
    before = _OPENING.search(text, max(0, start - _OPENING_ROOM), start)
    return (
        before is not None
        and naming is Naming.STRONG
        and (before[0].startswith("(") or _is_header(name))
    )


def names_second(two: Sequence[Any], keys: Keys) -> bool:
    """The same of `two` items themselves, whose names may be bytes."""
    name, secret = two
    if not (isinstance(name, str | bytes) and isinstance(secret, str | bytes)):
        return False
    name = name if isinstance(name, str) else name.decode("latin-1")
    if not (isinstance(two, tuple) or _is_header(name)):
        return False
    return keys.naming(name.removeprefix("--")) is Naming.STRONG


def _is_header(name: str) -> bool:
    """One as headers and variables have it, no word."""
    return _HEADER.search(name) is not None


def redact_items(found: list[Any], items: Sequence[Any], keys: Keys) -> None:
    """Redact in `found` what is left of `items`' secrets."""
    for place in [place for place, item in enumerate(items) if _is_option(item)]:
        item = items[place]
        if begins_key(item):
            redact_lines(found, items, place)
        elif place + 1 < len(items) and names_next(item, keys):
            value = items[place + 1]
            if isinstance(value, str) and value and not value.startswith(("--", REDACTED)):
                found[place + 1] = REDACTED


def _is_option(item: Any) -> bool:
    return type(item) is str and item[:2] == "--"
