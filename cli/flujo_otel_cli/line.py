"""A line of output: pieces of text, each with a style. What is not styled here is not styled."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from flujo_otel_cli.text import cell_len, cut, cut_within, wrapped

_WHOLE_REST_MOST, _CUT_REST_MOST = 2, 3
"""Of the room of a name that is cut, half at most goes to what follows; where that has to be cut
too, a third."""
_CUT_REST_LEAST = 4
"""Columns of it that are worth showing, its blanks among them."""


class Piece(NamedTuple):
    """Text fit for a terminal (already escaped) and how it looks: `bold`, `dim`, a colour."""

    text: str
    style: str = ""


class Command(Piece):
    """A command to copy: its line is never cut. Where there is no room for it the terminal itself
    goes on beneath, and still copies it as one line."""

    __slots__ = ()


class Name(Piece):
    """What something is called: where its line is cut, it keeps its end, which may be all that
    tells it from others."""

    __slots__ = ()


Line = list[Piece]


def is_to_copy(line: Iterable[Piece]) -> bool:
    """Whether there is a command in it."""
    return any(isinstance(piece, Command) for piece in line)


def plain(line: Iterable[Piece]) -> str:
    return "".join(piece.text for piece in line)


def width_of(line: Iterable[Piece]) -> int:
    """Columns that `line` takes."""
    return sum(cell_len(piece.text) for piece in line)


def cut_line(line: Line, width: int, ellipsis: str) -> Line:
    """`line` in at most `width` columns; what is cut off is marked."""
    if width_of(line) <= width:
        return line
    line = _with_names_cut(line, width, ellipsis)
    if width_of(line) <= width:
        return line
    kept: Line = []
    left = width
    for text, style in line:
        length = cell_len(text)
        # The last piece gives room to the mark, also where it would just have fitted itself.
        if length >= left:
            kept.append(Piece(cut(text + ellipsis, left, ellipsis), style))
            break
        kept.append(Piece(text, style))
        left -= length
    return kept


def _with_names_cut(line: Line, width: int, ellipsis: str) -> Line:
    """`line`, which is too wide, with its first name cut, where that gives room to all that
    follows, or there is none for the name itself."""
    at = next((index for index, piece in enumerate(line) if isinstance(piece, Name)), None)
    if at is None:
        return line
    name, room = line[at], width - width_of(line[:at])
    rest, length = width_of(line[at + 1 :]), cell_len(name.text)
    if rest <= room // _WHOLE_REST_MOST:
        most = room - rest
    elif length <= room - len(ellipsis):
        return line
    else:
        most = room - room // _CUT_REST_MOST
        if room - most < len(ellipsis) + _CUT_REST_LEAST:  # then the name's mark is for both
            cut_name = cut_within(name.text, min(room, length - 1), ellipsis)
            return [*line[:at], name._replace(text=cut_name)]
    cut_name = cut_within(name.text, most, ellipsis)
    return [*line[:at], name._replace(text=cut_name), *line[at + 1 :]]


def flowed(parts: Iterable[Line], width: int, between: Piece, indent: int = 0) -> Iterator[Line]:
    """`parts` in lines of `width` columns, as many on each as fit with `between` them, the further
    lines indented. A part that is wider than a line is broken between its words."""
    line: Line = []
    for joint, part in _fitting(parts, between, max(width - indent, 1)):
        if line and width_of([*line, joint, *part]) > width:
            yield line
            line = [Piece(" " * indent), *part]
        else:
            line = [*line, joint, *part] if line else part
    if line:
        yield line


def _fitting(parts: Iterable[Line], between: Piece, room: int) -> Iterator[tuple[Piece, Line]]:
    """What fits into `room`, and what joins it to what stands before it."""
    for part in parts:
        if width_of(part) <= room:
            yield between, part
            continue
        joint = between
        for text, style in part:
            words = (chunk for each in text.split() for chunk in wrapped(each, room))
            for word in filter(None, words):
                yield joint, [Piece(word, style)]
                joint = Piece(" ")


def padded(line: Line, width: int, *, right: bool = False) -> Line:
    """`line` filled up to `width` columns, on its left where it is aligned `right`."""
    gap = width - width_of(line)
    if gap <= 0:
        return line
    return [Piece(" " * gap), *line] if right else [*line, Piece(" " * gap)]
