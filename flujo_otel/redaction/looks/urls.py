"""The password, or the token, before the host of a URL.

before: https://ann:s3cret@db.example.com/
after:  https://ann:[REDACTED]@db.example.com/
"""

import re
from typing import Final

from flujo_otel.redaction.looks.rules import Rule
from flujo_otel.redaction.mark import REDACTED

_PASSWORD: Final = re.compile(
    r"""(://[^\s:/@"'<>]{0,128}+:)(?!\d{1,5}(?:[/?#\s"'<>,;)]|$))([^\s"'<>\[]{1,256})(?=@)"""
)
_TOKEN: Final = re.compile(r"(://)(?=[A-Za-z_\-]{0,99}+[0-9])[A-Za-z0-9_\-]{20,256}+(?=@)")
_ORACLE: Final = re.compile(r"(:thin:[^\s/@\"']{1,64}+/)[^\s@\"']{1,256}+(?=@)")
RULES: Final = tuple(
    Rule(("@",), pattern, rf"\g<1>{REDACTED}") for pattern in (_PASSWORD, _TOKEN, _ORACLE)
)
