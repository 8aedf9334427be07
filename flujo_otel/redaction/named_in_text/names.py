"""Where in a text a name stands, and a value may begin.

before: the password is = of old, password=hunter
after:  the password is = of old, password=[REDACTED]
before: {"value": "hunter", "n": 1, "name": "password"}
after:  {"value": "[REDACTED]", "n": 1, "name": "password"}
"""

import re
from functools import lru_cache
from operator import methodcaller
from typing import Final, NamedTuple, TypeAlias

from flujo_otel.redaction.fields import BESIDE, is_beside
from flujo_otel.redaction.keys import Keys
from flujo_otel.redaction.naming import NAMINGS, Naming
from flujo_otel.redaction.neighbours import COMMA, begins_pair

_KEY_LIMIT: Final = 48
_BLANKS: Final = r"(?:\s++|\\{1,8}[nrt])*+"
"""In JSON some are escapes."""
_SAID: Final = r"(?:provided|given|received|supplied|used)\s{0,4}:"
"""As messages have it; `words` wants a value that looks like one then."""
_TO_VALUE: Final = (
    r"""([A-Za-z0-9_.\-]{0,48}+)(\\*["'`]|%22|&quot;|&#34;)?+(?:\]|%5[Dd]|\[\d{0,3}\])?+"""
    rf"{_BLANKS}"
    rf"(=>|={{1,3}}|:=|->|:|%3[Aa]|%3[Dd]|>(?:<!\[cdata\[)?+(?=[^<>]{{1,512}}+>?</)|{BESIDE}|{COMMA}|{_SAID})({_BLANKS})"
)
"""The rest of a name, and what stands before its value."""
_BACKWARDS: Final = re.compile(r"[A-Za-z0-9_.\- ]*+")
_IN_NAMES: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.- ")
_START: Final = methodcaller("start")

Replacement: TypeAlias = tuple[int, int, str]
"""From where to where a secret stands, and what is to stand there."""


class Name(NamedTuple):
    """One of a secret, and where its value may begin."""

    text: str
    naming: Naming
    quoted: bool
    start: int
    value: int
    tight: bool
    """`name=value`, as in a query."""
    sign: str
    """What stands between name and value."""
    quotes: str


def lowered(text: str) -> str:
    """`text` in lower case, each character at its place."""
    # "İ" alone has two in lower case. Letter by letter would take 50 times as long.
    return text.replace("İ", "ı").lower() if "İ" in text else text.lower()


def signs_after(low: str, stems: tuple[str, ...]) -> list[re.Match[str]]:
    """From a stem to the value of the name that it is in, wherever there is one in a text that is
    `lowered`, in their order. Where the value begins is the end of group 4."""
    found = [match for stem in stems if stem in low for match in _to_value(stem).finditer(low)]
    found.sort(key=_START)
    return found


@lru_cache(maxsize=256)
def _to_value(stem: str) -> re.Pattern[str]:
    """Literal to begin with, so the search leaps from stem to stem; a name may have several."""
    return re.compile(f"{re.escape(stem)}(?={_TO_VALUE})")


def name_of(text: str, after: re.Match[str], keys: Keys) -> Name | None:
    """The name that goes on in `after`. None: it is no secret's."""
    start = position = after.start()
    end = after.end(1)
    if start and text[start - 1] in _IN_NAMES:
        start = beginning(text, position)
    name = text[start:end]
    naming = keys.known.get(name)
    if naming is None:
        naming = keys.naming(name)
    if naming is Naming.LEAK and " " in name:  # another secret stands before the name
        start += name.rfind(" ") + 1
        name = text[start:end]
        naming = keys.naming(name)
    if naming not in NAMINGS:
        return None
    sign, quotes = after[3], after[2] or ""
    is_field = "alue" in sign.lower()
    if is_field:
        if not is_beside(text, start, name, naming):
            return None
    elif not _is_sign(text, after, start, name, naming):
        return None
    is_close = not after[4] and not text[after.start(3) - 1].isspace()
    tight = is_field or (sign.startswith("=") and is_close)
    return Name(name, naming, bool(quotes), start, after.end(4), tight, sign, quotes)


def _is_sign(text: str, after: re.Match[str], start: int, name: str, naming: Naming) -> bool:
    """Whether a value follows by what stands before the name."""
    sign = after[3]
    if sign == ",":
        return after[2] is not None and begins_pair(text, start, name, naming)
    return sign[0] != ">" or text[start - 1 : start] in ("<", ":")


def beginning(text: str, position: int) -> int:
    """Where the name begins that goes on at `position`."""
    before = _BACKWARDS.match(text[max(0, position - _KEY_LIMIT) : position][::-1])
    start = position - before.end() if before else position
    if start < position and text[start] in "nrtbf" and text.endswith("\\", 0, start):
        start += 1  # of an escape
    option = text.rfind(" -", start, position)
    return start if option < 0 else option + 1


def mentions_name(text: str, keys: Keys) -> bool:
    """Whether the value of a field is the name of a secret, in a text that is JSON: a field beside
    may hold that then, in whichever order, which only the data say."""
    low = lowered(text)
    if not keys.may_be_in(low):
        return False
    for stem in keys.stems:
        for match in _to_end_of_string(stem).finditer(low) if stem in low else ():
            start = beginning(text, match.start())
            if keys.naming(text[start : match.end(1)]) in NAMINGS:
                return True
    return False


@lru_cache(maxsize=256)
def _to_end_of_string(stem: str) -> re.Pattern[str]:
    return re.compile(rf"""{re.escape(stem)}(?=([A-Za-z0-9_.\-]{{0,48}}+)\\*["']\s*+[,}}])""")
