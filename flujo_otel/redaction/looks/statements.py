"""Passwords in statements of SQL.

before: ALTER USER ann WITH PASSWORD 'hunter'
after:  ALTER USER ann WITH PASSWORD '[REDACTED]'
"""

import re
from typing import Final

from flujo_otel.redaction.looks.rules import Rule
from flujo_otel.redaction.mark import REDACTED

RULES: Final = (
    Rule(
        ("ASSWORD '", "assword '", "DENTIFIED BY '", "dentified by '"),
        re.compile(
            r"(?i)((?:\b(?:with|encrypted|set)[ \t]{1,4}password|\bidentified[ \t]by)[ \t]')"
            r"([^'\r\n]{1,256}+)"
        ),
        rf"\g<1>{REDACTED}",
    ),
)
