r"""Private keys in PEM, in a text and as the lines of a list.

before: -----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----
after:  [REDACTED]
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from flujo_otel.redaction.looks.rules import Rule
from flujo_otel.redaction.mark import REDACTED

RULE: Final = Rule(
    ("-----BEGIN ",),
    re.compile(
        r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
        r"""(?:[^-"'`<]++|-(?!----(?:END|BEGIN) )"""
        r"""|["']\s{0,4}+,\s{0,8}+\\*+["'](?=[A-Za-z0-9+/]{40}"""
        r"""|[A-Za-z0-9+/]{1,76}={0,2}\\*["']|-----END ))*+"""
        r"(?:-----END [A-Z0-9 ]{1,64}-----)?"
    ),
)
_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,64}PRIVATE KEY")
_LINE: Final = re.compile(
    r"\s*+[A-Za-z0-9+/]{1,76}+={0,2}\s*+|(?:Proc-Type|DEK-Info): .{1,80}|\s*+"
)
_END: Final = "-----END "


def begins_key(item: str) -> bool:
    """Whether it is the first line of one."""
    return _BEGIN.match(item) is not None


def redact_lines(found: list[Any], items: Sequence[Any], begin: int) -> None:
    """Redact in `found` the key that begins with the item at `begin`; without an end it goes as far
    as it looks like one."""
    if _END in items[begin]:
        return
    for place in range(begin + 1, len(items)):
        line = items[place]
        if type(line) is not str:
            return
        is_end = line.lstrip().startswith(_END)
        if not is_end and _LINE.fullmatch(line) is None:
            return
        if line:
            found[place] = REDACTED
        if is_end:
            return
