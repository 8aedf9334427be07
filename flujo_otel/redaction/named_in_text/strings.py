r"""Values in quotes, at whichever depth of JSON in JSON, of Python and SQL with several of a quote.

before: {\"password\": \"hunter\"} password = b'x1'
after:  {\"password\": \"[REDACTED]\"} password = b'[REDACTED]'
"""

import re
from typing import Final

from flujo_otel.redaction.evidence import PLACEHOLDER, looks_faint, looks_made
from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.named_in_text.names import Name, Replacement
from flujo_otel.redaction.naming import Naming

_OPENING: Final = re.compile(r"""[bBrRuU]{0,2}(\\*)(["'`])""")
QUOTE: Final = re.compile(r"""(?<!\\)(\\*+)(["'`])""")
_REPEATED_ROOM: Final = 1024


def opening_at(text: str, start: int) -> re.Match[str] | None:
    """The quote of a string that begins at `start`, with what escapes it and Python's letters."""
    return _OPENING.match(text, start)


def string_value(text: str, opening: re.Match[str], name: Name) -> Replacement | None:
    """What stands between `opening` and its end; of a weak name that messages have, what looks like
    a secret."""
    start = opening.end()
    end = closing(text, start, len(opening[1]), opening[2])
    inner = text[start:end]
    if not inner:
        start, end = _repeated(text, start, opening[1] + opening[2])
        inner = text[start:end]
    if name.naming is Naming.FAINT and end < len(text) and not looks_faint(inner):
        return None
    if not inner or inner == REDACTED or PLACEHOLDER.fullmatch(inner):
        return None
    if name.naming is Naming.WEAK and not (name.quoted or name.tight):
        # unexpected token: '}'
        return (start, end, REDACTED) if looks_made(inner, name.naming) else None
    return start, end, REDACTED


def _repeated(text: str, start: int, quote: str) -> tuple[int, int]:
    """From where to where a string goes that begins with several of a quote, of which the first
    ends at `start`: in Python three, in SQL two."""
    count = 3 if text.startswith(quote, start + len(quote)) else 2
    begin = start + len(quote) * (count - 1)
    end = text.find(quote * count, begin, begin + _REPEATED_ROOM)
    return (begin, end) if end > begin and text[begin].isalnum() else (start, start)


def closing(text: str, start: int, depth: int, quote: str) -> int:
    """Where the string ends that began with `depth` backslashes and `quote`; a cut one: at the end.

    Each level of JSON doubles the backslashes and adds one, so the end has as many as the start,
    and what is escaped within has more.
    """
    for match in QUOTE.finditer(text, start):
        if match[2] == quote and len(match[1]) % (2 * (depth + 1)) == depth:
            return match.end() - 1 - depth
    return len(text)
