r"""Values below their name, as YAML has it: a block (`|`, `>`), or items of a list.

before: password: |\n  hunter\nuser: ann
after:  password: |\n  [REDACTED]\nuser: ann
"""

import re
from typing import Final

from flujo_otel.redaction.evidence import looks_made
from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.named_in_text.names import Name, Replacement

_BREAK: Final = r"(?:\r?\n|(?:\\{1,8}r)?\\{1,8}n)"
"""In JSON a line ends with an escape."""
_BLOCK: Final = re.compile(rf"[|>][0-9+\-]{{0,2}}[ \t]*+(?:#[^\r\n\\]*+)?{_BREAK}")
_LINE: Final = re.compile(r"([ \t]*+)([^\r\n]*+)(\r?\n|)")
_ESCAPED_LINE: Final = re.compile(
    rf"([ \t]*+)((?!{_BREAK})(?:[^\r\n\\\"']|\\(?![rn\"']))*+)({_BREAK}|)"
)
_ITEM: Final = re.compile(r"-[ \t]++([^\s\"'`<>&;,\\]++)[ \t]*+(?:\Z|\r?\n[ \t]*+|\\)")
_MOST_INDENT: Final = 80
_INDENT_BEFORE: Final = re.compile(r"(?:\A|[\n\"'`]|\\n)([ \t]{0,80}+(?:-[ \t]{1,8})?)\Z")


def block_value(text: str, name: Name) -> Replacement | None:
    """The block, or the items, below `name`. None: there is no such."""
    header = _BLOCK.match(text, name.value)
    if header is not None:
        return _block(text, name, header)
    item = _ITEM.match(text, name.value)
    if item is None or not looks_made(item[1], name.naming):
        return None
    first, end = item.span(1)
    while item is not None and looks_made(item[1], name.naming):
        end = item.end(1)
        item = _ITEM.match(text, item.end())
    return first, end, REDACTED


def _block(text: str, name: Name, header: re.Match[str]) -> Replacement | None:
    """The lines that are indented more than the name is."""
    start = name.start + len(name.text) - len(name.text.lstrip(" -"))
    before = _INDENT_BEFORE.search(text, max(0, start - _MOST_INDENT), start)
    outer = len(before[1]) if before else 0
    pattern = _LINE if header[0].endswith("\n") else _ESCAPED_LINE
    position = header.end()
    first = end = -1
    while (line := pattern.match(text, position)) is not None and line.end() > position:
        if line[2]:
            if len(line[1]) <= outer:
                break
            first, end = (line.start(2) if first < 0 else first), line.end(2)
        position = line.end()
        if not line[3]:
            break
    return (first, end, REDACTED) if first >= 0 else None
