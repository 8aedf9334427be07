r"""Secrets in what pydantic's ValidationError says: a field, and below it what it was given.

before: password\n  Too short [type=x, input_value='hunter', input_type=str]
after:  password\n  Too short [type=x, input_value=[REDACTED], input_type=str]
"""

import re
from typing import Final

from flujo_otel.redaction.keys import Keys
from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.naming import Naming

_BREAK: Final = r"(?:\r?\n|\\{1,8}n)"
_INPUT: Final = re.compile(
    rf"((?:(?<=\n)|(?<=[\"'])|(?<=\\n)|\A)([A-Za-z0-9_.\-]{{1,128}}+){_BREAK} {{2,4}}"
    r"[^\r\n\[]{1,512}+\[type=[a-z_]{1,64}+, input_value=)"
    r"((?:(?!, input_type=)[^\r\n]){1,512})(?=, input_type=)"
)
_NONE: Final = ("...", "None", "PydanticUndefined")


def redact_inputs(text: str, keys: Keys) -> str:
    """`text` with what fields of secrets were given redacted."""
    return _INPUT.sub(lambda match: _input(match, keys), text)


def _input(match: re.Match[str], keys: Keys) -> str:
    is_secret = keys.naming(match[2]) in (Naming.WEAK, Naming.STRONG)
    if not is_secret or match[3] in _NONE or match[3] == REDACTED:
        return match[0]
    return f"{match[1]}{REDACTED}"
