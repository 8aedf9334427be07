"""Values of several words, as the headers `Cookie` and `Authorization` have them.

before: Cookie: sid=abc; theme=dark
after:  Cookie: [REDACTED]
before: Authorization: Digest username="u", response="x1"
after:  Authorization: [REDACTED]
"""

import re
from typing import Final

from flujo_otel.redaction.evidence import PLACEHOLDER, looks_made
from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.named_in_text.names import Name, Replacement
from flujo_otel.redaction.named_in_text.words import word_value
from flujo_otel.redaction.naming import Naming

_COOKIES: Final = re.compile(r"(?i)cookies?\Z")
_CRUMB: Final = r"""[^\s=:;,"'`\\]{1,256}+(?:=(?:"[^"\\\r\n]*+"|[^\s;"'`\\]*+))"""
_COOKIE_LINE: Final = re.compile(
    rf"{_CRUMB}(?:;\s{{0,4}}+"
    rf"(?:[Ee]xpires=[A-Za-z0-9 ,:+\-]*+|HttpOnly|Secure|Partitioned|{_CRUMB})?+)*+"
)
"""`sid=abc; theme="dark"; Path=/`."""
_AUTHORIZATION: Final = re.compile(r"(?i)authorization\Z")
_PARAMETERS: Final = re.compile(
    r"(?i:digest|aws4-hmac-sha256|hawk|oauth|signature)\s+[^\s=]{1,64}=[^\r\n]{1,2000}+"
)
"""Schemes whose secret is one of several parameters, quoted or not."""
_SCHEMED: Final = re.compile(
    r"""(?i:bearer|basic|digest|token|apikey|negotiate|aws4-hmac-sha256)\s+([^\s"'`<>\\]++)"""
)
_UNKNOWN_SCHEME: Final = re.compile(r"""[A-Za-z][A-Za-z0-9\-]{1,31}[ \t]+([^\s"'`<>\\]++)""")


def header_value(text: str, name: Name) -> Replacement | None:
    """All that a header of cookies or credentials says; else the word behind `name`."""
    start = name.value
    if _COOKIES.search(name.text) and (line := _COOKIE_LINE.match(text, start)) is not None:
        return start, line.end(), REDACTED
    if _AUTHORIZATION.search(name.text):
        if (parameters := _PARAMETERS.match(text, start)) is not None:
            return start, parameters.end(), REDACTED
        if (schemed := _SCHEMED.match(text, start)) is not None:
            is_shown = PLACEHOLDER.fullmatch(schemed[1])
            return None if is_shown else (start, schemed.end(), REDACTED)
        unknown = _UNKNOWN_SCHEME.match(text, start)
        if unknown is not None and looks_made(unknown[1], Naming.WEAK):
            return start, unknown.end(), REDACTED
    return word_value(text, name)
