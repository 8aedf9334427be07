"""Values without quotes around them: of each, one word.

before: my password: hunter2, thanks
after:  my password: [REDACTED], thanks
"""

import re
from typing import Final

from flujo_otel.redaction.evidence import is_redacted, is_reference, looks_faint, looks_made
from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.named_in_text.names import Name, Replacement
from flujo_otel.redaction.naming import Naming

_WORD: Final = re.compile(r"""[^\s"'`<>&;]++""")
_END: Final = re.compile(r",(?=[A-Za-z_]{1,64}=)|\\[nrt]")
_NUMBER: Final = re.compile(r"[0-9](?:[ \-]?[0-9]){11,18}+(?![0-9A-Za-z])")
"""In groups, as cards have it."""
_INDENT: Final = 40
_LINE_BEFORE: Final = re.compile(r"""(?:\A|[\n"'`]|\\[nr])[ \t\-]{0,40}\Z""")
_LINE_AFTER: Final = re.compile(r"""[ \t,]{0,40}+(?:\Z|[\r\n"'`\\#])""")


def word_end(text: str, start: int) -> int:
    """Where the run of characters ends that begins at `start`."""
    word = _WORD.match(text, start)
    return word.end() if word else start


def word_value(text: str, name: Name) -> Replacement | None:
    """The word behind `name`, or the number in groups, if it is a secret as it stands there."""
    start = name.value
    number = _NUMBER.match(text, start) if name.naming is Naming.STRONG else None
    if number is not None:
        end = number.end()
        return start, end + len(_trimmed(text[end : word_end(text, end)])), REDACTED
    value = _trimmed(text[start : word_end(text, start)])
    end = start + len(value)
    return (start, end, REDACTED) if value and _is_secret(text, name, value, end) else None


def whole_value(value: str, start: int, name: Name) -> Replacement | None:
    """`value`, which stands at `start`, where nothing around it could be taken for a part of it."""
    if is_redacted(value):
        return None
    is_secret = name.naming is Naming.STRONG or looks_made(value, name.naming)
    return (start, start + len(value), REDACTED) if is_secret else None


def _is_secret(text: str, name: Name, value: str, end: int) -> bool:
    if is_redacted(value) or is_reference(value, text[end : end + 1], name.text):
        return False
    if looks_made(value, name.naming):
        return True
    if name.naming is Naming.FAINT:
        return looks_faint(value) and (name.tight or _is_own_line(text, name.start, end))
    if name.naming is not Naming.STRONG:
        return False
    is_said = name.sign == "->" or name.sign[0].isalpha()
    return name.tight or (not is_said and _is_own_line(text, name.start, end))


def _trimmed(value: str) -> str:
    return _END.split(value, maxsplit=1)[0].rstrip(",.)]}\\")


def _is_own_line(text: str, start: int, end: int) -> bool:
    """Nothing else stands on the line, or in the string, that the name and the value are in."""
    return bool(
        _LINE_BEFORE.search(text, max(0, start - _INDENT), start) and _LINE_AFTER.match(text, end)
    )
