"""Names of secrets that stand where values do: a field beside may hold the secret, in whichever
order, which only the data say.

before: {"value": "hunter", "n": 1, "name": "password"}
after:  {"value": "[REDACTED]", "n": 1, "name": "password"}
"""

import re
from functools import lru_cache

from flujo_otel.redaction.keys import Keys
from flujo_otel.redaction.named_in_text.names import beginning, lowered
from flujo_otel.redaction.naming import NAMINGS


def mentions_name(text: str, keys: Keys) -> bool:
    """Whether the value of a field is the name of a secret, in a text that is JSON."""
    low = lowered(text)
    if not keys.may_be_in(low):
        return False
    for stem in keys.stems:
        for match in _to_end_of_string(stem).finditer(low) if stem in low else ():
            start = beginning(text, match.start())
            if keys.naming(text[start : match.end(1)]) in NAMINGS:
                return True
    return False


@lru_cache(maxsize=256)
def _to_end_of_string(stem: str) -> re.Pattern[str]:
    return re.compile(rf"""{re.escape(stem)}(?=([A-Za-z0-9_.\-]{{0,48}}+)\\*["']\s*+[,}}])""")
