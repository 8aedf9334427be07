"""The text of an element of XML.

before: <password>hunter</password>
after:  <password>[REDACTED]</password>
"""

import re
from typing import Final

from flujo_otel.redaction.named_in_text.names import Name, Replacement
from flujo_otel.redaction.named_in_text.words import whole_value

_ONE_WORD: Final = re.compile(r"\S++")


def element_value(text: str, name: Name) -> Replacement | None:
    """It goes where it is one word."""
    end = text.index("<", name.value)
    value = text[name.value : end].removesuffix("]]>").rstrip()
    return whole_value(value, name.value, name) if _ONE_WORD.fullmatch(value) else None
