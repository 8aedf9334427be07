"""Other people's text on our terminal: control codes shown instead of obeyed, widths in columns."""

import json
import re
from typing import Any

_UNSAFE = (
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL, C1: escape sequences, line breaks, bells
    "\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff"  # lone surrogates, which no terminal encoding can say
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
# Text that is one column a character for sure: spares importing rich's tables of widths.
_NARROW = re.compile("[ -~\xa0-\u02ff\u2010-\u2027\u2190-\u21ff\u2500-\u259f●✔✘✝]*")
_WITHIN_FROM = 8
"""Columns that both ends of a name need; in fewer it has its beginning alone."""
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape(text: str) -> str:
    r"""`text` on one line with nothing in it that a terminal obeys: `\n`, `\x1b`, `\u202e`."""
    # Nothing of the pattern is printable; most text is, and so `lens` mostly starts without it.
    return text if text.isprintable() else re.sub(_UNSAFE, _spelled, text)


def _spelled(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    if char in _NAMED:
        return _NAMED[char]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def cell_len(text: str) -> int:
    """Columns that `text` takes on a terminal."""
    if _NARROW.fullmatch(text):
        return len(text)
    from rich.cells import cell_len as measured

    return measured(text)


def cut(text: str, width: int, ellipsis: str) -> str:
    """`text` in at most `width` columns, its lost end marked by `ellipsis`."""
    if cell_len(text) <= width:
        return text
    room = width - len(ellipsis)
    if room <= 0:
        return ellipsis[: max(width, 0)]
    if _NARROW.fullmatch(text):
        return text[:room] + ellipsis
    from rich.cells import set_cell_size

    return set_cell_size(text, room).rstrip(" ") + ellipsis


def cut_within(text: str, width: int, ellipsis: str) -> str:
    """The same of a name, of which the end tells as much as the beginning: `ellipsis` stands for
    what lay between them."""
    room = width - len(ellipsis)
    if room < _WITHIN_FROM or cell_len(text) <= width:
        return cut(text, width, ellipsis)
    tail = _tail(text, room // 3)
    head_room = room - cell_len(tail)
    if _NARROW.fullmatch(text):
        return text[:head_room].rstrip(" ") + ellipsis + tail
    from rich.cells import set_cell_size

    return set_cell_size(text, head_room).rstrip(" ") + ellipsis + tail


def cut_before(text: str, width: int, ellipsis: str) -> str:
    """The same of a path, of which the end tells most."""
    return text if cell_len(text) <= width else ellipsis + _tail(text, width - len(ellipsis))


def _tail(text: str, width: int) -> str:
    """The end of `text` in at most `width` columns."""
    start = len(text)
    while start and cell_len(text[start - 1 :]) <= width:
        start -= 1
    while start < len(text) and not cell_len(text[start]):  # an accent without its letter
        start += 1
    return text[start:]


def value_text(value: Any) -> str:
    """An attribute's value on one line: text as it is, anything else as JSON."""
    return escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def head(text: str, width: int | None) -> str:
    """As much of a perhaps huge `text` as can matter to `width` columns, escaped; None: all."""
    return escape(text if width is None else text[: width + 1])


def brief(text: str, most: int = 200) -> str:
    """`text` escaped, at most so many characters of it: nobody reads a name of a megabyte."""
    return escape(text) if len(text) <= most else f"{escape(text[:most])}..."


def both_ends(text: str, width: int | None) -> str:
    """The same of a name, that `cut_within` may be given of it; None: all."""
    if width is None or len(text) <= 2 * width + 2:
        return escape(text)
    ends = escape(text[: width + 1]), escape(text[-width - 1 :])
    if min(map(cell_len, ends)) <= width:  # accents that take no column
        return escape(text)
    return "".join(ends)


def brief_name(text: str, most: int = 80) -> str:
    """A name escaped, at most so many characters of its beginning and its end."""
    if len(text) <= most:
        return escape(text)
    return f"{escape(text[: most - most // 3])}...{escape(text[-(most // 3) :])}"


def wrapped(text: str, width: int) -> list[str]:
    """`text` escaped, in lines of at most `width` columns; its own line breaks stay."""
    import textwrap  # only what is read at length needs it

    # Blanks end with their line, and textwrap takes quadratic time to find that out of a million.
    blanks = re.compile(f" {{{width + 1},}}")
    lines: list[str] = []
    for paragraph in text.splitlines():
        said = blanks.sub(" " * width, escape(paragraph))
        if all(cell_len(char) == 1 for char in set(said)):
            lines += textwrap.wrap(said, width, break_on_hyphens=False) or [""]
        else:
            lines += _wrapped_wide(said, width)
    return lines


def _wrapped_wide(text: str, width: int) -> list[str]:
    """The same for text with characters of two columns, which textwrap counts as one. A word of
    such may be broken anywhere: in Chinese and Japanese there are no blanks."""
    from rich.cells import chop_cells

    lines, line = [], ""
    for word in re.findall(" *[^ ]+", text):
        room = width - cell_len(line)
        length = cell_len(word)
        if length <= room:
            line += word
            continue
        is_broken = length > len(word) or length > width
        first = chop_cells(word, room)[0] if is_broken and room > 1 else ""
        lines.append((line + first).rstrip(" "))
        rest = word[len(first) :].lstrip(" ")
        *full, line = chop_cells(rest, width) or [rest]  # nothing of an accent alone
        lines += full
    return [*lines, line]
