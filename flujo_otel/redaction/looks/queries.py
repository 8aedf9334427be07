"""Signatures, codes and ids of sessions in a URL's query, where they are secrets; elsewhere they
are words.

before: https://example.com/c?sig=a8f3c2e19b7d4f60a1
after:  https://example.com/c?sig=[REDACTED]
"""

import re
from typing import Final

from flujo_otel.redaction.looks.rules import Rule
from flujo_otel.redaction.mark import REDACTED

RULES: Final = (
    Rule(
        ("sig=", "ignature=", "redential=", "ssion", "SSION", "code="),
        re.compile(
            r"((?:[?&;]|\\u0026)(?:[A-Za-z]{1,8}-){0,2}"
            r"(?:[sS]ig|[sS]ignature|[cC]redential|[jJ]?[sS]ession_?[iI]d|JSESSIONID|code)=)"
            r"(?=[A-Za-z%_.~+/\-]{0,99}+[0-9])[A-Za-z0-9%_.~+/\-]{16,}+=*+"
        ),
        rf"\g<1>{REDACTED}",
    ),
)
