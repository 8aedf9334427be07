"""Secrets that are known by their looks, wherever they stand.

Every expression is linear in the text: runs are possessive, and what is not is of bounded length.
Each begins with literal characters, which the search leaps to, and is tried only where one of its
needles is in the text: `in` costs a tenth of an expression, and most texts need none.
"""

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable
from typing import Final, NamedTuple

from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.needles import any_of


class Rule(NamedTuple):
    """`pattern` is looked for where one of `needles` is in the text."""

    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str] = REDACTED


def _rule(needles: str, pattern: str) -> Rule:
    return Rule(tuple(needles.split()), re.compile(pattern))


def _prefixed(
    prefixes: str, rest: str, replacement: str | Callable[[re.Match[str]], str] = REDACTED
) -> Rule:
    """`rest` after one of `prefixes`, which stands at no place inside a word but after an escape of
    JSON's or of a URL's."""
    each = [
        rf"{re.escape(prefix)}(?:(?<![A-Za-z0-9_\-]{re.escape(prefix)})"
        rf"|(?<=\\[nrtbf]{re.escape(prefix)})|(?<=%[0-9A-Fa-f][0-9A-Fa-f]{re.escape(prefix)}))"
        for prefix in prefixes.split()
    ]
    pattern = re.compile(rf"(?:{'|'.join(each)}){rest}")
    return Rule(tuple(prefixes.split()), pattern, replacement)


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


def _hyphenated(match: re.Match[str]) -> str:
    """Not `sk-learn-intro-2024-edition`, of words and years."""
    return REDACTED if _IN_ONE_PIECE.search(match[0]) else match[0]


def _any_needle(rules: tuple[Rule, ...]) -> Callable[[str], bool]:
    return any_of(needle for rule in rules for needle in rule.needles)


_IN_ONE_PIECE: Final = re.compile(
    r"(?=[A-Za-z]{0,99}+[0-9])(?=[0-9]{0,9}+[A-Za-z])[A-Za-z0-9]{8,}+|[0-9]{10}"
)
_CARD_BRAND: Final = re.compile(
    r"4\d{15}|5[0-8]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}|6[0245-9]\d{14}"
)
"""Of the lengths that are in use. A few cards have 13 or 19 digits, as many telephone numbers and
generated ids have, of which one in ten passes the check digit."""


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
    r"""(?:[^-"'`<]++|-(?!----(?:END|BEGIN) )"""
    r"""|["']\s{0,4}+,\s{0,8}+\\*+["'](?=[A-Za-z0-9+/]{40}"""
    r"""|[A-Za-z0-9+/]{1,76}={0,2}\\*["']|-----END ))*+"""
    r"(?:-----END [A-Z0-9 ]{1,64}-----)?"
)
_URL_CREDENTIALS: Final = re.compile(
    r"""(://[^\s:/@"'<>]{0,128}+:)(?!\d{1,5}(?:[/?#\s"'<>,;)]|$))([^\s"'<>\[]{1,256})(?=@)"""
)
_URL_TOKEN: Final = re.compile(r"(://)(?=[A-Za-z_\-]{0,99}+[0-9])[A-Za-z0-9_\-]{20,256}+(?=@)")
_ORACLE: Final = re.compile(r"(:thin:[^\s/@\"']{1,64}+/)[^\s@\"']{1,256}+(?=@)")
_BEARER: Final = re.compile(r"((?:earer|EARER)(?:[ \t]{1,4}|%20|\\t))([A-Za-z0-9._~+/\-]{8,}+=*+)")
_BASIC: Final = re.compile(r"((?:asic|ASIC) {1,4})([A-Za-z0-9+/]{4,}+={0,2}+)")

_SHORT: Final = (
    Rule(("@",), _URL_CREDENTIALS, rf"\g<1>{REDACTED}"),
    Rule(("@",), _URL_TOKEN, rf"\g<1>{REDACTED}"),
    Rule(("@",), _ORACLE, rf"\g<1>{REDACTED}"),
    Rule(("-----BEGIN ",), _PEM),
    Rule(("earer", "EARER"), _BEARER, _bearer),
    Rule(("asic ", "ASIC "), _BASIC, _basic),
)
"""What may be shorter than a run."""
_LONG: Final = (
    _prefixed("eyJ", r"[A-Za-z0-9_\-]{13,}+(?:\.[A-Za-z0-9_\-]*+){1,4}+"),
    _rule("AKIA ASIA", r"A[KS]IA[A-Z0-9]{16}"),
    _rule("AIza", r"AIza[A-Za-z0-9_\-]{30,}+"),
    _prefixed("SG.", r"[A-Za-z0-9_\-]{16,}+\.[A-Za-z0-9_\-]{16,}+"),
    _rule("hvs.", r"hvs\.[A-Za-z0-9_\-]{24,}+"),
    _rule("dapi", r"dapi[a-f0-9]{32}"),
    _rule("ya29.", r"ya29\.[A-Za-z0-9_\-]{20,}+"),
    _rule("slack.com/services/", r"(?<=slack\.com/services/)[A-Za-z0-9/]{10,}+"),
    _rule("/api/webhooks/", r"(?<=/api/webhooks/)[0-9]{15,20}/[A-Za-z0-9_\-]{20,}+"),
    _rule("telegram.org/bot", r"(?<=telegram\.org/bot)[0-9]{6,12}:[A-Za-z0-9_\-]{20,}+"),
)
_IN_QUERY: Final = Rule(
    ("sig=", "ignature=", "redential=", "ssion", "SSION", "code="),
    re.compile(
        r"((?:[?&;]|\\u0026)(?:[A-Za-z]{1,8}-){0,2}"
        r"(?:[sS]ig|[sS]ignature|[cC]redential|[jJ]?[sS]ession_?[iI]d|JSESSIONID|code)=)"
        r"(?=[A-Za-z%_.~+/\-]{0,99}+[0-9])[A-Za-z0-9%_.~+/\-]{16,}+=*+"
    ),
    rf"\g<1>{REDACTED}",
)
"""Of a URL, where these are secrets; elsewhere they are words."""
_IN_SQL: Final = Rule(
    ("ASSWORD '", "assword '", "DENTIFIED BY '", "dentified by '"),
    re.compile(
        r"(?i)((?:\b(?:with|encrypted|set)[ \t]{1,4}password|\bidentified[ \t]by)[ \t]')"
        r"([^'\r\n]{1,256}+)"
    ),
    rf"\g<1>{REDACTED}",
)
_WITH_HYPHEN: Final = (
    _prefixed("sk-", r"(?=[A-Za-z_\-]{0,99}+[0-9])[A-Za-z0-9_\-]{16,}+", _hyphenated),
    _rule("xox", r"xox[a-z]-[A-Za-z0-9\-]{10,}+"),
    _rule("xapp-", r"xapp-[0-9]-[A-Za-z0-9\-]{10,}+"),
    _prefixed("xai- pplx- tvly- nvapi-", r"(?=[A-Za-z_\-]{0,99}+[0-9])[A-Za-z0-9_\-]{20,}+"),
    _rule("glpat-", r"glpat-[A-Za-z0-9_\-]{16,}+"),
    _rule("pypi-", r"pypi-[A-Za-z0-9_\-]{50,}+"),
    _rule("GOCSPX-", r"GOCSPX-[A-Za-z0-9_\-]{20,}+"),
)
_WITH_UNDERSCORE: Final = (
    _rule("ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{20,}+"),
    _rule("github_pat_", r"github_pat_[A-Za-z0-9_]{20,}+"),
    _rule("k_live_ k_test_", r"[sr]k_(?:live|test)_[A-Za-z0-9]{10,}+"),
    _rule("whsec_", r"whsec_[A-Za-z0-9+/]{16,}+=*+"),
    _prefixed("npm_ hf_ gsk_ r8_", r"[A-Za-z0-9]{20,}+"),
    _rule("dckr_pat_", r"dckr_pat_[A-Za-z0-9_\-]{20,}+"),
    _rule("shpat_", r"shpat_[A-Fa-f0-9]{32}"),
    _rule("dop_v1_", r"dop_v1_[a-f0-9]{64}"),
    _prefixed(
        "lsv2_ lin_api_ figd_ ntn_ sbp_ sntrys_",
        r"(?=[A-Za-z_\-]{0,99}+[0-9])[A-Za-z0-9_\-]{24,}+",
    ),
)
RULES: Final = _SHORT + _LONG + _WITH_HYPHEN + _WITH_UNDERSCORE + (_IN_QUERY, _IN_SQL)
_CARD: Final = re.compile(
    r"[2-6](?:(?<![0-9A-Fa-f.\-][2-6])|(?<=\\[bf][2-6]))"
    r"(?:[ \-]?[0-9]){12,18}+(?![0-9A-Fa-f]|[.\-][0-9])"
)

_IN_TOKENS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_RUNS: Final = bytes(49 if each in _IN_TOKENS else 32 for each in range(256))
_DIGITS: Final = bytes(49 if each in b"0123456789" else 32 for each in range(256))
_LONG_RUN: Final = b"1" * 15
"""Characters of a token's alphabet, one after the other: prose has none, and to look costs 2 ns a
character, where the needles of them all cost 20."""
_CARD_RUN: Final = b"1" * 13
_BRIEF: Final = 128
"""In so few characters to look for the needles costs less than for a run."""

_has_short: Final = _any_needle(_SHORT)
_has_long: Final = _any_needle(_LONG)
_has_with_hyphen: Final = _any_needle(_WITH_HYPHEN)
_has_with_underscore: Final = _any_needle(_WITH_UNDERSCORE)


def redact_tokens(text: str) -> str:
    """`text` with the secrets in it that are known by their looks redacted."""
    redacted = _redact(text, _SHORT) if _has_short(text) else text
    if "=" in text and ("?" in text or "&" in text or ";" in text):
        redacted = _redact(redacted, (_IN_QUERY,))
    if "'" in text and " '" in text:
        redacted = _redact(redacted, (_IN_SQL,))
    exact = text.encode("utf-8", "surrogatepass")
    if len(text) <= _BRIEF or _LONG_RUN in exact.translate(_RUNS):
        if _has_long(text):
            redacted = _redact(redacted, _LONG)
        if "-" in text and _has_with_hyphen(text):
            redacted = _redact(redacted, _WITH_HYPHEN)
        if "_" in text and _has_with_underscore(text):
            redacted = _redact(redacted, _WITH_UNDERSCORE)
    if len(text) >= 13 and _CARD_RUN in exact.translate(_DIGITS, b" -"):
        redacted = _CARD.sub(_card, redacted)
    return redacted


def _redact(text: str, rules: tuple[Rule, ...]) -> str:
    for needles, pattern, replacement in rules:
        for needle in needles:
            if needle in text:
                text = pattern.sub(replacement, text)
                break
    return text
