"""Secrets that stand in a text behind their names: JSON, headers, queries, .env files, reprs.

    {"password": "hunter2"}     Authorization: Bearer ...     ?api_key=...     PGPASSWORD=...

Works on text that was cut, and on JSON inside JSON strings, whose quotes are `\\"`.
"""

import re
from functools import lru_cache
from operator import methodcaller
from typing import Final, NamedTuple

from flujo_otel.redaction.beside import BESIDE, PAIR, is_beside, is_pair
from flujo_otel.redaction.blocks import block_value
from flujo_otel.redaction.keys import NAMINGS, Keys, Naming
from flujo_otel.redaction.looks import (
    PLACEHOLDER,
    is_code,
    is_reference,
    looks_faint,
    looks_made,
)
from flujo_otel.redaction.mark import REDACTED

_KEY_LIMIT: Final = 48
_BLANKS: Final = r"(?:\s++|\\{1,8}[nrt])*+"
"""In JSON some are escapes."""
_SAID: Final = r"(?:provided|given|received|supplied|used)\s{0,4}:"
"""As messages have it; `_is_secret` wants a value that looks like one then."""
_TO_VALUE: Final = (
    r"""([A-Za-z0-9_.\-]{0,48}+)(\\*["'`]|%22|&quot;|&#34;)?+(?:\]|%5[Dd]|\[\d{0,3}\])?+"""
    rf"{_BLANKS}"
    rf"(=>|={{1,3}}|:=|->|:|%3[Aa]|%3[Dd]|>(?:<!\[cdata\[)?+(?=[^<>]{{1,512}}+>?</)|{BESIDE}|{PAIR}|{_SAID})({_BLANKS})"
)
"""The rest of a name, and what stands before its value."""
_NAME_BACKWARDS: Final = re.compile(r"[A-Za-z0-9_.\- ]*+")
_ENCODED: Final = re.compile(
    r"(?:%22|&quot;|&#34;)?+"
    r"((?:(?!%22|%26|%2[Cc]|%7[Dd]|&quot;|&#34;|&amp;)[^\s\"'`<>&\\]){1,1024}+)"
)
"""As it stands in a query or in HTML."""
_ONE_WORD: Final = re.compile(r"\S++")
_ENCODINGS: Final = ("%", "&")
_IN_NAMES: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.- ")
_OPENING: Final = re.compile(r"""[bBrRuU]{0,2}(\\*)(["'`])""")
_QUOTE: Final = re.compile(r"""(?<!\\)(\\*+)(["'`])""")
_BRACKET: Final = re.compile(r"""(?<!\\)(\\*+)(["'`])|[\[\]{}]""")
_LITERAL: Final = re.compile(r"-?[0-9][0-9.eE+\-]*+")
_WORD: Final = re.compile(r"""[^\s"'`<>&;]++""")
_CRUMB: Final = r"""[^\s=:;,"'`\\]{1,256}+(?:=(?:"[^"\\\r\n]*+"|[^\s;"'`\\]*+))"""
_COOKIE_LINE: Final = re.compile(
    rf"{_CRUMB}(?:;\s{{0,4}}+"
    rf"(?:[Ee]xpires=[A-Za-z0-9 ,:+\-]*+|HttpOnly|Secure|Partitioned|{_CRUMB})?+)*+"
)
"""`sid=abc; theme="dark"; Path=/`."""
_SCHEMED: Final = re.compile(
    r"""(?i:bearer|basic|digest|token|apikey|negotiate|aws4-hmac-sha256)\s+([^\s"'`<>\\]++)"""
)
_PARAMETERS: Final = re.compile(
    r"(?i:digest|aws4-hmac-sha256|hawk|oauth|signature)\s+[^\s=]{1,64}=[^\r\n]{1,2000}+"
)
"""Schemes whose secret is one of several parameters, quoted or not."""
_UNKNOWN_SCHEME: Final = re.compile(r"""[A-Za-z][A-Za-z0-9\-]{1,31}[ \t]+([^\s"'`<>\\]++)""")
_MOST_IN_WORD: Final = 32
"""Names in one run of characters without a blank or a quote. Each is followed by all the rest of
it, so looking at more would take the square of its length; the rest is redacted then."""
_REPEATED_ROOM: Final = 1024
_INDENT: Final = 40
_START: Final = methodcaller("start")
_LINE_BEFORE: Final = re.compile(r"""(?:\A|[\n"'`]|\\[nr])[ \t\-]{0,40}\Z""")
_LINE_AFTER: Final = re.compile(r"""[ \t,]{0,40}+(?:\Z|[\r\n"'`\\#])""")
_SCHEMA: Final = re.compile(
    r"""\{(?![^{}\[\]]{0,400}["'](?:value|default)\\*["']\s{0,8}:\s{0,8}\\*["'][^"'\\])"""
    r"""[^{}\[\]]{0,400}?(["'])type\\*\1\s{0,8}:\s{0,8}\\*["'](?:string|number|integer|object|array|boolean)\\*["']"""
)
"""`{"password": {"type": "string"}}` describes a field and holds none."""
_COOKIES: Final = re.compile(r"(?i)cookies?\Z")
_AUTHORIZATION: Final = re.compile(r"(?i)authorization\Z")


class _Found(NamedTuple):
    """A name, and where its value may begin."""

    name: str
    naming: Naming
    quoted: bool
    start: int
    value: int
    tight: bool
    """`name=value`, as in a query."""
    sign: str
    """What stands between name and value."""
    quotes: str


def redact_pairs(text: str, keys: Keys) -> str:
    """`text` with the values of secrets' names redacted."""
    if not ("=" in text or ":" in text or ">" in text or "'" in text or '"' in text):
        return text
    lowered = text.lower()
    if len(lowered) != len(text):  # "İ" has two in lower case
        lowered = "".join(each.lower() if each.isascii() else each for each in text)
    if not keys.may_be_in(lowered):
        return text
    parts: list[str] = []
    done = word_end = in_word = 0
    for after in _after_stems(lowered, keys.stems):
        # A name may end what was redacted, and its value come after that.
        if after.end(4) < done or (found := _named(text, after, keys)) is None:
            continue
        if found.value >= word_end:
            word_end, in_word = _word_end(text, found.value), 0
        in_word += 1
        is_crowd = in_word > _MOST_IN_WORD
        span = (found.value, word_end, REDACTED) if is_crowd else _value(text, found)
        if span is not None:
            parts += (text[done : span[0]], span[2])
            done = span[1]
    return "".join(parts) + text[done:] if parts else text


def _word_end(text: str, start: int) -> int:
    word = _WORD.match(text, start)
    return word.end() if word else start


def _after_stems(lowered: str, stems: tuple[str, ...]) -> list[re.Match[str]]:
    """From a stem to the value of the name that it is in, wherever there is one, in their order."""
    found = [match for stem in stems if stem in lowered for match in _stem(stem).finditer(lowered)]
    found.sort(key=_START)
    return found


@lru_cache(maxsize=256)
def _stem(stem: str) -> re.Pattern[str]:
    """Literal to begin with, so the search leaps from stem to stem; a name may have several."""
    return re.compile(f"{re.escape(stem)}(?={_TO_VALUE})")


def _named(text: str, after: re.Match[str], keys: Keys) -> _Found | None:
    """None: the name that goes on in `after` is no secret's."""
    start = position = after.start()
    end = after.end(1)
    if start and text[start - 1] in _IN_NAMES:
        start = _beginning(text, position)
    name = text[start:end]
    naming = keys.known.get(name)
    if naming is None:
        naming = keys.naming(name)
    if naming is Naming.LEAK and " " in name:  # another secret stands before the name
        start += name.rfind(" ") + 1
        name = text[start:end]
        naming = keys.naming(name)
    if naming not in NAMINGS or not _is_sign(text, after, start, name, naming):
        return None
    sign, quotes = after[3], after[2] or ""
    beside = "alue" in sign.lower()
    is_close = not after[4] and not text[after.start(3) - 1].isspace()
    tight = beside or (sign.startswith("=") and is_close)
    return _Found(name, naming, bool(quotes), start, after.end(4), tight, sign, quotes)


def _is_sign(text: str, after: re.Match[str], start: int, name: str, naming: Naming) -> bool:
    """Whether a value follows by what stands before the name."""
    sign = after[3]
    if sign == ",":
        return after[2] is not None and is_pair(text, start, name, naming)
    if sign[0] == ">":
        return text[start - 1 : start] in ("<", ":")
    return "alue" not in sign.lower() or is_beside(text, start, name, naming)


def _beginning(text: str, position: int) -> int:
    """Where the name begins that goes on at `position`."""
    before = _NAME_BACKWARDS.match(text[max(0, position - _KEY_LIMIT) : position][::-1])
    start = position - before.end() if before else position
    if start < position and text[start] in "nrtbf" and text.endswith("\\", 0, start):
        start += 1  # of an escape
    option = text.rfind(" -", start, position)
    return start if option < 0 else option + 1


def _value(text: str, found: _Found) -> tuple[int, int, str] | None:
    """From where to where the secret stands, and what is to stand there."""
    if found.sign[0] == ">":
        return _element(text, found)
    if found.sign.startswith("%") or found.quotes.startswith(_ENCODINGS):
        return _encoded(text, found)
    opening = _OPENING.match(text, found.value)
    if opening is not None:
        return _quoted(text, opening, found)
    if found.quoted or found.tight:
        literal = _literal(text, found)
        if literal is not None or found.quoted:
            return literal
    return _bare(text, found)


def _element(text: str, found: _Found) -> tuple[int, int, str] | None:
    """Of XML."""
    end = text.index("<", found.value)
    value = text[found.value : end].removesuffix("]]>").rstrip()
    return _spelt(value, found.value, found) if _ONE_WORD.fullmatch(value) else None


def _encoded(text: str, found: _Found) -> tuple[int, int, str] | None:
    value = _ENCODED.match(text, found.value)
    return _spelt(value[1], value.start(1), found) if value else None


def _spelt(value: str, start: int, found: _Found) -> tuple[int, int, str] | None:
    """A value that nothing stands around which could be taken for a part of it."""
    if value.startswith(REDACTED) or PLACEHOLDER.fullmatch(value):
        return None
    is_secret = found.naming is Naming.STRONG or looks_made(value, found.naming)
    return (start, start + len(value), REDACTED) if is_secret else None


def _quoted(text: str, opening: re.Match[str], found: _Found) -> tuple[int, int, str] | None:
    start = opening.end()
    end = _closing(text, start, len(opening[1]), opening[2])
    inner = text[start:end]
    if not inner:
        start, end = _repeated(text, start, opening[1] + opening[2])
        inner = text[start:end]
    if found.naming is Naming.FAINT and end < len(text) and not looks_faint(inner):
        return None
    if not inner or inner == REDACTED or PLACEHOLDER.fullmatch(inner):
        return None
    if found.naming is Naming.WEAK and not (found.quoted or found.tight):
        # unexpected token: '}'
        return (start, end, REDACTED) if looks_made(inner, found.naming) else None
    return start, end, REDACTED


def _repeated(text: str, start: int, quote: str) -> tuple[int, int]:
    """From where to where a string goes that begins with several of a quote, of which the first
    ends at `start`: in Python three, in SQL two."""
    count = 3 if text.startswith(quote, start + len(quote)) else 2
    begin = start + len(quote) * (count - 1)
    end = text.find(quote * count, begin, begin + _REPEATED_ROOM)
    return (begin, end) if end > begin and text[begin].isalnum() else (start, start)


def _closing(text: str, start: int, depth: int, quote: str) -> int:
    """Where the string ends that began with `depth` backslashes and `quote`; a cut one: at the end.

    Each level of JSON doubles the backslashes and adds one, so the end has as many as the start,
    and what is escaped within has more.
    """
    for match in _QUOTE.finditer(text, start):
        if match[2] == quote and len(match[1]) % (2 * (depth + 1)) == depth:
            return match.end() - 1 - depth
    return len(text)


def _literal(text: str, found: _Found) -> tuple[int, int, str] | None:
    """A number, list or object: replaced by a string with the quotes that the name has."""
    start = found.value
    name_end = found.start + len(found.name)
    quotes = _QUOTE.match(text, name_end)
    mark = f"{quotes[0]}{REDACTED}{quotes[0]}" if quotes else REDACTED
    number = _LITERAL.match(text, start)
    if number is not None:
        is_hidden = found.quoted and (
            found.naming is Naming.STRONG
            or (found.naming is Naming.FAINT and is_code(float(number[0])))
        )
        return (start, number.end(), mark) if is_hidden else None
    if text.startswith(("[", "{"), start):
        if _SCHEMA.match(text, start):
            return None
        end = _end_of_container(text, start)
        return (start, end, mark) if end - start > 2 else None
    return None


def _end_of_container(text: str, start: int) -> int:
    depth, position = 0, start
    while (match := _BRACKET.search(text, position)) is not None:
        position = match.end()
        if match[2]:
            position = _closing(text, position, len(match[1]), match[2]) + len(match[0])
        elif match[0] in "[{":
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return position
    return len(text)


def _bare(text: str, found: _Found) -> tuple[int, int, str] | None:
    start = found.value
    block = _block(text, found) if found.sign == ":" else None
    if block is not None:
        return block
    if _COOKIES.search(found.name):
        line = _COOKIE_LINE.match(text, start)
        if line is not None:
            return start, line.end(), REDACTED
    if _AUTHORIZATION.search(found.name):
        if (parameters := _PARAMETERS.match(text, start)) is not None:
            return start, parameters.end(), REDACTED
        if (schemed := _SCHEMED.match(text, start)) is not None:
            is_shown = PLACEHOLDER.fullmatch(schemed[1])
            return None if is_shown else (start, schemed.end(), REDACTED)
        unknown = _UNKNOWN_SCHEME.match(text, start)
        if unknown is not None and looks_made(unknown[1], Naming.WEAK):
            return start, unknown.end(), REDACTED
    word = _WORD.match(text, start)
    value = _trimmed(word[0]) if word else ""
    end = start + len(value)
    return (start, end, REDACTED) if value and _is_secret(text, found, value, end) else None


def _block(text: str, found: _Found) -> tuple[int, int, str] | None:
    name = found.start + len(found.name) - len(found.name.lstrip(" -"))
    return block_value(text, name, found.value, found.naming)


def _is_secret(text: str, found: _Found, value: str, end: int) -> bool:
    if value.startswith(REDACTED) or PLACEHOLDER.fullmatch(value):
        return False
    if is_reference(value, text[end : end + 1], found.name):
        return False
    if looks_made(value, found.naming):
        return True
    if found.naming is Naming.FAINT:
        return looks_faint(value) and (found.tight or _is_own_line(text, found.start, end))
    if found.naming is not Naming.STRONG:
        return False
    is_said = found.sign == "->" or found.sign[0].isalpha()
    return found.tight or (not is_said and _is_own_line(text, found.start, end))


def _trimmed(value: str) -> str:
    value = re.split(r",(?=[A-Za-z_]{1,64}=)|\\[nrt]", value, maxsplit=1)[0]
    return value.rstrip(",.)]}\\")


def _is_own_line(text: str, start: int, end: int) -> bool:
    """Nothing else stands on the line, or in the string, that the name and the value are in."""
    return bool(
        _LINE_BEFORE.search(text, max(0, start - _INDENT), start) and _LINE_AFTER.match(text, end)
    )


def names_a_value(text: str, keys: Keys) -> bool:
    """Whether the value of a field is the name of a secret, in a text that is JSON."""
    lowered = text.lower()
    if len(lowered) != len(text) or not keys.may_be_in(lowered):
        return False
    for stem in keys.stems:
        for match in _stem_of_value(stem).finditer(lowered) if stem in lowered else ():
            start = _beginning(text, match.start())
            if keys.naming(text[start : match.end(1)]) in NAMINGS:
                return True
    return False


@lru_cache(maxsize=256)
def _stem_of_value(stem: str) -> re.Pattern[str]:
    return re.compile(rf"""{re.escape(stem)}(?=([A-Za-z0-9_.\-]{{0,48}}+)\\*["']\s*+[,}}])""")
