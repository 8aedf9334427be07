"""Places in the code, and stacks of them, on a terminal that is narrower than their paths."""

import os
import re
from collections.abc import Iterator

from flujo_otel.query.failure import CodeLocation
from flujo_otel_cli.text import cell_len, cut, cut_before, cut_within, escape, wrapped

_FRAME = re.compile(r'\s*(File "|at |from |in |#\d+ |[^\s"]*[/\\][^\s"]*:\d)')
"""How a line begins that names a place: of Python, JavaScript and the JVM, Ruby, .NET, C, Go."""
_PATH = re.compile(r'(?<=")[^"]*[/\\][^"]*(?=")|[^\s"(]*[/\\][^\s")]*')
_CODE_INDENT = 4
"""Columns before a line of the source, and the marks beneath it."""
_TAB = 4
_FILE = 15
"""Columns that a file's name keeps before what follows it is cut."""


def place(location: CodeLocation) -> str:
    """`app.py:41 in answer`, the file as seen from here."""
    file = location.file
    here = os.getcwd() + os.sep  # noqa: PTH109  (pathlib is slow to import)
    return escape(f"{file.removeprefix(here)}:{location.line} in {location.function}")


def place_lines(location: CodeLocation, room: int | None) -> list[str]:
    """`at app.py:41 in answer`, where that is wider than `room` (None: any) broken between the
    folders: it may be copied from here."""
    text = f"at {place(location)}"
    return [text] if room is None or cell_len(text) <= room else list(_folded(text, room))


def stack_lines(stack: str, room: int | None, ellipsis: str) -> Iterator[str]:
    """The lines of `stack`, each place and each line of the source on one: of a path that is too
    long the end, of the source the beginning. None: all, as it stands."""
    for text in stack.rstrip().split("\n"):
        line = escape(text.rstrip("\r").expandtabs(_TAB))
        if room is None or cell_len(line) <= room:
            yield line
        elif _FRAME.match(line):
            yield _shortened(line, room, ellipsis)
        elif line.startswith(" " * _CODE_INDENT):
            yield cut(line, room, ellipsis)
        else:
            yield from broken(line, room)


def broken(text: str, room: int) -> Iterator[str]:
    """`text`, which is escaped, in lines of `room` columns, the further ones indented."""
    first, *rest = wrapped(text, room)
    yield first
    if rest:
        left = text[len(first) :].lstrip()
        yield from (f"  {line}" for line in wrapped(left, room - 2))


def _shortened(line: str, room: int, ellipsis: str) -> str:
    """Without the first folders of its longest path, as many as it takes; where that is not enough,
    with the end of the file's name and the line that it names."""
    path = max(_PATH.finditer(line), key=lambda found: len(found[0]), default=None)
    if path is not None:
        front, back = line[: path.start()], line[path.end() :]
        for separator in re.finditer(r"[/\\]", path[0]):
            shorter = f"{front}{ellipsis}{path[0][separator.start() :]}{back}"
            if cell_len(shorter) <= room:
                return shorter
        left = max(room - cell_len(front + back), _FILE)
        if cell_len(front) + left <= room:
            name = re.split(r"[/\\]", path[0])[-1]
            return cut(f"{front}{cut_before(name, left, ellipsis)}{back}", room, ellipsis)
    return cut_within(line, room, ellipsis)


def _folded(text: str, room: int) -> Iterator[str]:
    line = ""
    for part in re.findall(r"[^/\\ ]*[/\\ ]|[^/\\ ]+", text):
        if line and cell_len((line + part).rstrip(" ")) > room:
            yield from broken(line.rstrip(" "), room)
            line = "  "
        line += part
    yield from broken(line, room)
