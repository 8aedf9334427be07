"""Secrets that are known by their looks, wherever they stand.

Every expression is linear in the text: runs are possessive, and what is not is of bounded length.
Each has needles, one of which is in every match: looking for them costs a tenth of the expression.
"""

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable
from typing import Final, NamedTuple

from flujo_otel.redaction.mark import REDACTED

# Where a token may begin: not inside a word, but after the escapes that JSON and URLs write.
_BEGIN: Final = r"(?:(?<![A-Za-z0-9_\-])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))"


class Rule(NamedTuple):
    """`pattern` is looked for where one of `needles` is in the text."""

    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str] = REDACTED


def _rule(needles: str, pattern: str) -> Rule:
    return Rule(tuple(needles.split()), re.compile(pattern))


def _bearer(match: re.Match[str]) -> str:
    token = match[2]
    looks_made = any(each.isdigit() for each in token) or len(token) >= 24
    return f"{match[1]}{REDACTED}" if looks_made else match[0]


def _basic(match: re.Match[str]) -> str:
    """ "Basic Authentication" is no credential: one says `user:password` in base64."""
    text = match[2].rstrip("=")
    try:
        decoded = b64decode(text + "=" * (-len(text) % 4))
    except NotBase64:
        return match[0]
    return f"{match[1]}{REDACTED}" if b":" in decoded else match[0]


_CARD_BRAND: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[0-8]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11,16}"
    r"|35\d{14,17}|6[0245-9]\d{14,17}"
)


def is_card(digits: str) -> bool:
    """A payment card's number: of a brand's length and beginning, and with Luhn's check digit."""
    if _CARD_BRAND.fullmatch(digits) is None:
        return False
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (doubled + sum(map(int, digits[-1::-2]))) % 10 == 0


def _card(match: re.Match[str]) -> str:
    digits = match[0].replace(" ", "").replace("-", "")
    return REDACTED if is_card(digits) else match[0]


_PEM: Final = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
    r"""(?:[^-"'`<]++|-(?!----(?:END|BEGIN) ))*+"""
    r"(?:-----END [A-Z0-9 ]{1,64}-----)?"
)
_URL_CREDENTIALS: Final = re.compile(
    r"""(://[^\s:/@"'<>]{0,128}+:)(?!\d{1,5}(?:[/?#\s"'<>,;)]|$))([^\s"'<>\[]{1,256})(?=@)"""
)

RULES: Final = (
    Rule(("-----BEGIN ",), _PEM),
    Rule(("@",), _URL_CREDENTIALS, rf"\g<1>{REDACTED}"),
    Rule(
        ("earer ", "EARER ", "earer%20"),
        re.compile(r"(\b[Bb](?:earer|EARER)(?: {1,4}|%20))([A-Za-z0-9._~+/\-]{8,4096}+=*+)"),
        _bearer,
    ),
    Rule(
        ("asic ", "ASIC "),
        re.compile(r"(\b[Bb](?:asic|ASIC) {1,4})([A-Za-z0-9+/]{4,4096}+={0,2}+)"),
        _basic,
    ),
    _rule("eyJ", rf"{_BEGIN}eyJ[A-Za-z0-9_\-]{{8,}}+(?:\.[A-Za-z0-9_\-]*+){{1,4}}+"),
    _rule("sk-", rf"{_BEGIN}sk-(?=[A-Za-z_\-]{{0,99}}+[0-9])[A-Za-z0-9_\-]{{16,}}+"),
    _rule("AKIA ASIA ABIA", r"A(?:KI|SI|BI)A[A-Z0-9]{16}"),
    _rule("AIza", r"AIza[A-Za-z0-9_\-]{30,}+"),
    _rule("xox xapp-", r"xox[a-z]-[A-Za-z0-9\-]{10,}+|xapp-\d-[A-Za-z0-9\-]{10,}+"),
    _rule(
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
        r"gh[pousr]_[A-Za-z0-9]{20,}+|github_pat_[A-Za-z0-9_]{20,}+",
    ),
    _rule("k_live_ k_test_", r"[sr]k_(?:live|test)_[A-Za-z0-9]{10,}+"),
    _rule("whsec_", r"whsec_[A-Za-z0-9+/]{16,}+=*+"),
    _rule("npm_ hf_ gsk_ r8_", rf"{_BEGIN}(?:npm|hf|gsk|r8)_[A-Za-z0-9]{{20,}}+"),
    _rule("glpat- pypi-", r"(?:glpat|pypi)-[A-Za-z0-9_\-]{16,}+"),
    _rule("SG.", rf"{_BEGIN}SG\.[A-Za-z0-9_\-]{{16,}}+\.[A-Za-z0-9_\-]{{16,}}+"),
    _rule("ya29. GOCSPX-", r"ya29\.[A-Za-z0-9_\-]{20,}+|GOCSPX-[A-Za-z0-9_\-]{20,}+"),
    _rule("hooks.slack.com/services/", r"(?<=hooks\.slack\.com/services/)[A-Za-z0-9/]{10,}+"),
)
CARD: Final = re.compile(
    r"(?:(?<![0-9A-Fa-f.\-])|(?<=\\[bf]))[2-6](?:[ \-]?[0-9]){12,18}+(?![0-9A-Fa-f]|[.\-][0-9])"
)


def redact_tokens(text: str) -> str:
    """`text` with the secrets in it that are known by their looks redacted."""
    for needles, pattern, replacement in RULES:
        for needle in needles:
            if needle in text:
                text = pattern.sub(replacement, text)
                break
    if CARD.search(text) is not None:
        text = CARD.sub(_card, text)
    return text
