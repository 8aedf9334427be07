"""Numbers of payment cards, in a text and as integers.

before: paid with 4111 1111 1111 1111
after:  paid with [REDACTED]
"""

import re
from typing import Final

from flujo_otel.redaction.mark import REDACTED

SHORTEST: Final = 13
RUN: Final = b"1" * SHORTEST
DIGITS: Final = bytes(49 if each in b"0123456789" else 32 for each in range(256))
"""Translated so, without blanks and hyphens, a text with a card in it has a RUN."""
SMALLEST: Final = 10**13
_LARGEST: Final = 10**16
_BRAND: Final = re.compile(
    r"4\d{15}|5[0-8]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}|6[0245-9]\d{14}"
)
"""Of the lengths that are in use. A few cards have 13 or 19 digits, as many telephone numbers and
generated ids have, of which one in ten passes the check digit."""
_IN_TEXT: Final = re.compile(
    r"[2-6](?:(?<![0-9A-Fa-f.\-][2-6])|(?<=\\[bf][2-6]))"
    r"(?:[ \-]?[0-9]){12,18}+(?![0-9A-Fa-f]|[.\-][0-9])"
)


def is_card(number: int) -> bool:
    """Whether it is a payment card's."""
    return SMALLEST <= number <= _LARGEST and _is_card(str(number))


def redact_cards(text: str) -> str:
    """`text` with the cards in it redacted."""
    return _IN_TEXT.sub(_card, text)


def _card(match: re.Match[str]) -> str:
    digits = match[0].replace(" ", "").replace("-", "")
    return REDACTED if _is_card(digits) else match[0]


def _is_card(digits: str) -> bool:
    """Of a brand's length and beginning, and with Luhn's check digit."""
    if _BRAND.fullmatch(digits) is None:
        return False
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (doubled + sum(map(int, digits[-1::-2]))) % 10 == 0
