"""Credentials behind `Bearer` and `Basic`, wherever these stand.

before: sent Bearer a8f3c2e19b7d as it was
after:  sent Bearer [REDACTED] as it was
"""

import re
from base64 import b64decode
from binascii import Error as NotBase64
from typing import Final

from flujo_otel.redaction.looks.rules import Rule
from flujo_otel.redaction.mark import REDACTED

_BEARER: Final = re.compile(r"((?:earer|EARER)(?:[ \t]{1,4}|%20|\\t))([A-Za-z0-9._~+/\-]{8,}+=*+)")
_BASIC: Final = re.compile(r"((?:asic|ASIC) {1,4})([A-Za-z0-9+/]{4,}+={0,2}+)")


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


RULES: Final = (
    Rule(("earer", "EARER"), _BEARER, _bearer),
    Rule(("asic ", "ASIC "), _BASIC, _basic),
)
