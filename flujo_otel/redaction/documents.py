r"""Texts that are JSON, which is taken for what it says.

before: {"p\u0061ssword": "hunter"}
after:  {"password": "[REDACTED]"}
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from flujo_otel.redaction.mark import REDACTED

REDACTED_JSON: Final = f'"{REDACTED}"'
STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"(?:[ \t\r\n]*+(:))?+')
"""A string in JSON, and whether it is a name."""
_BEGINNING: Final = re.compile(r'[ \t\r\n]*+["\[{]')
_NEEDLESS_ESCAPE: Final = re.compile(r"\\u00([2-7][0-9A-Fa-f])")
_LENGTH_LIMIT: Final = 1 << 24
decode: Final = json.JSONDecoder(parse_int=str, parse_float=str).decode
"""Numbers are not read: those of thousands of digits would be refused."""


def begins_json(text: str) -> bool:
    """As an object, an array or a string of JSON does."""
    return _BEGINNING.match(text) is not None


def says_escaped(text: str) -> bool:
    """Whether letters, digits or signs that JSON need not escape are escaped in it: names are not
    seen for such, and quotes neither."""
    return "\\u00" in text and _NEEDLESS_ESCAPE.search(text) is not None


def unescaped(text: str) -> str:
    """`text` with these as they are."""
    return _NEEDLESS_ESCAPE.sub(_plain, text)


def _plain(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return f"\\{character}" if character in '"\\' else character


def is_json(text: str) -> bool | None:
    """None: it is too long or too deep to say."""
    if len(text) > _LENGTH_LIMIT:
        return None
    try:
        decode(text)
    except ValueError:
        return False
    except RecursionError:
        return None
    return True


def rewritten(text: str, change: Callable[[Any], Any]) -> str | None:
    """What `change` makes of the data that `text` says, as JSON: `text` itself where that is the
    very data, REDACTED_JSON where it cannot be read or written. None: `text` is no JSON."""
    is_document = is_json(text)
    if is_document is False:
        return None
    if is_document:
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):  # a number of thousands of digits
            return REDACTED_JSON
        changed = change(data)
        if changed is data:
            return text
        try:
            return json.dumps(changed, ensure_ascii=text.isascii(), allow_nan=False)
        except (ValueError, RecursionError):  # a number of 1e999
            pass
    return REDACTED_JSON
