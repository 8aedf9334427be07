"""What a rule by looks is: an expression, and the needles without which it is not tried."""

import re
from collections.abc import Callable
from typing import NamedTuple

from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.needles import any_of


class Rule(NamedTuple):
    """`pattern` is looked for where one of `needles` is in the text."""

    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str] = REDACTED


def literal(needles: str, pattern: str) -> Rule:
    """`needles`, with blanks between them, are what `pattern` holds as it stands."""
    return Rule(tuple(needles.split()), re.compile(pattern))


def prefixed(
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


def any_needle(rules: tuple[Rule, ...]) -> Callable[[str], bool]:
    """Says of a text whether one of `rules` may change it."""
    return any_of(needle for rule in rules for needle in rule.needles)


def apply(rules: tuple[Rule, ...], text: str) -> str:
    """`text` with what they find redacted."""
    for needles, pattern, replacement in rules:
        for needle in needles:
            if needle in text:
                text = pattern.sub(replacement, text)
                break
    return text
