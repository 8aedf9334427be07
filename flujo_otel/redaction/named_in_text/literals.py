"""Numbers, lists and objects: each becomes a string with the quotes that the name has.

before: {"cvv": 123, "credentials": {"a": [1, "}"]}}
after:  {"cvv": "[REDACTED]", "credentials": "[REDACTED]"}
"""

import re
from typing import Final

from flujo_otel.redaction.evidence import is_code, looks_faint
from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.named_in_text.names import Name, Replacement
from flujo_otel.redaction.named_in_text.strings import QUOTE, closing
from flujo_otel.redaction.naming import Naming
from flujo_otel.redaction.schemas import begins_schema

_NUMBER: Final = re.compile(r"-?[0-9][0-9.eE+\-]*+")
"""Or what begins as one: a date, an address, `123-456`."""
_BRACKET: Final = re.compile(rf"{QUOTE.pattern}|[\[\]{{}}]")


def literal_value(text: str, name: Name) -> Replacement | None:
    """The number, list or object behind `name`."""
    start = name.value
    quotes = QUOTE.match(text, name.start + len(name.text))
    mark = f"{quotes[0]}{REDACTED}{quotes[0]}" if quotes else REDACTED
    number = _NUMBER.match(text, start)
    if number is not None:
        is_hidden = name.quoted and (
            name.naming is Naming.STRONG or (name.naming is Naming.FAINT and _is_faint(number[0]))
        )
        return (start, number.end(), mark) if is_hidden else None
    if text.startswith(("[", "{"), start) and not begins_schema(text, start):
        end = _end_of_container(text, start)
        return (start, end, mark) if end - start > 2 else None
    return None


def _is_faint(number: str) -> bool:
    try:
        return is_code(float(number))
    except ValueError:
        return looks_faint(number)


def _end_of_container(text: str, start: int) -> int:
    depth, position = 0, start
    while (match := _BRACKET.search(text, position)) is not None:
        position = match.end()
        if match[2]:
            position = closing(text, position, len(match[1]), match[2]) + len(match[0])
        elif match[0] in "[{":
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return position
    return len(text)
