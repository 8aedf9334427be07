"""Which rules by looks a text is worth: they are asked in groups.

before: it used ghp_a1b2c3d4e5f6g7h8i9j0 there
after:  it used [REDACTED] there
"""

from typing import Final

from flujo_otel.redaction.looks import (
    private_keys,
    queries,
    schemes,
    statements,
    tokens,
    urls,
    webhooks,
)
from flujo_otel.redaction.looks.cards import DIGITS, RUN, SHORTEST, redact_cards
from flujo_otel.redaction.looks.rules import any_needle, apply

_SHORT: Final = (*urls.RULES, private_keys.RULE, *schemes.RULES)
"""What may be shorter than a run."""
_LONG: Final = (*tokens.PLAIN, *webhooks.RULES)
_IN_TOKENS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_RUNS: Final = bytes(49 if each in _IN_TOKENS else 32 for each in range(256))
_LONG_RUN: Final = b"1" * 15
"""Characters of a token's alphabet, one after the other: prose has none, and to look costs 2 ns a
character, where the needles of them all cost 20."""
_BRIEF: Final = 128
"""In so few characters to look for the needles costs less than for a run."""

_has_short: Final = any_needle(_SHORT)
_has_long: Final = any_needle(_LONG)
_has_with_hyphen: Final = any_needle(tokens.WITH_HYPHEN)
_has_with_underscore: Final = any_needle(tokens.WITH_UNDERSCORE)


def redact_looks(text: str) -> str:
    """`text` with the secrets in it that are known by their looks redacted."""
    redacted = apply(_SHORT, text) if _has_short(text) else text
    if "=" in text and ("?" in text or "&" in text or ";" in text):
        redacted = apply(queries.RULES, redacted)
    if "'" in text and " '" in text:
        redacted = apply(statements.RULES, redacted)
    exact = text.encode("utf-8", "surrogatepass")
    # `find`, since `in` first asks whether bytes are a number: 70 ns.
    if len(text) <= _BRIEF or exact.translate(_RUNS).find(_LONG_RUN) >= 0:
        if _has_long(text):
            redacted = apply(_LONG, redacted)
        if "-" in text and _has_with_hyphen(text):
            redacted = apply(tokens.WITH_HYPHEN, redacted)
        if "_" in text and _has_with_underscore(text):
            redacted = apply(tokens.WITH_UNDERSCORE, redacted)
    if len(text) >= SHORTEST and exact.translate(DIGITS, b" -").find(RUN) >= 0:
        redacted = redact_cards(redacted)
    return redacted
