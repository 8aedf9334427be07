"""Secrets that the items before them in a list show: arguments, the lines of a private key."""

import re
from collections.abc import Sequence
from typing import Any, Final

from flujo_otel.redaction.commands import names_next
from flujo_otel.redaction.keys import Keys
from flujo_otel.redaction.mark import REDACTED

_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,64}PRIVATE KEY")
_KEY_LINE: Final = re.compile(
    r"\s*+[A-Za-z0-9+/]{1,76}+={0,2}\s*+|(?:Proc-Type|DEK-Info): .{1,80}|\s*+"
)
_END: Final = "-----END "


def redact_items(found: list[Any], items: Sequence[Any], keys: Keys) -> None:
    """Redact in `found` what is left of `items`' secrets."""
    for place in [place for place, item in enumerate(items) if _is_option(item)]:
        item = items[place]
        if _BEGIN.match(item) is not None:
            _redact_key(found, items, place)
        elif place + 1 < len(items) and names_next(item, keys):
            value = items[place + 1]
            if isinstance(value, str) and value and not value.startswith(("--", REDACTED)):
                found[place + 1] = REDACTED


def _is_option(item: Any) -> bool:
    return type(item) is str and item[:2] == "--"


def _redact_key(found: list[Any], items: Sequence[Any], begin: int) -> None:
    """A private key whose lines are items; without an end it goes as far as it looks like one."""
    if _END in items[begin]:
        return
    for place in range(begin + 1, len(items)):
        line = items[place]
        if type(line) is not str:
            return
        is_end = line.lstrip().startswith(_END)
        if not is_end and _KEY_LINE.fullmatch(line) is None:
            return
        if line:
            found[place] = REDACTED
        if is_end:
            return
