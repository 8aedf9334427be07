"""Secrets that the items before them in a list show: arguments, the lines of a private key.

before: ["mysql", "--password", "hunter"]
after:  ["mysql", "--password", "[REDACTED]"]
"""

from collections.abc import Sequence
from typing import Any

from flujo_otel.redaction.commands import names_next
from flujo_otel.redaction.keys import Keys
from flujo_otel.redaction.looks.private_keys import begins_key, redact_lines
from flujo_otel.redaction.mark import REDACTED


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
