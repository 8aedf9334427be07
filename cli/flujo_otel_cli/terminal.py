"""The terminal, or the pipe, that is written to: its width, its colours, its characters."""

import io
import os
import shutil
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple, TextIO

from flujo_otel_cli import theme as themes
from flujo_otel_cli.line import Line, cut_line, is_to_copy, plain
from flujo_otel_cli.text import wrapped
from flujo_otel_cli.theme import Theme

PIPE_WIDTH = 120
"""Columns to lay out for where there is no terminal; nothing is cut to it."""

_WIDTH_DIGITS = 5
"""Of COLUMNS: no terminal is wider than 65,535, and a wider bar would fill the memory."""

_PLAIN_C = ("C", "POSIX")
_COERCED = ("C.UTF-8", "C.utf8", "UTF-8")
"""What Python makes of them."""

_SGR = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "magenta": "35",
    "cyan": "36",
}


class Terminal(NamedTuple):
    """Where lines go. `cuts`: a line is cut to the width, as it is on a terminal only."""

    stream: TextIO
    width: int
    cuts: bool
    colour: bool
    theme: Theme

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str] = os.environ) -> "Terminal":
        """What `stream` and the environment say: COLUMNS, NO_COLOR, FORCE_COLOR, TERM, LC_ALL."""
        is_terminal = stream.isatty()
        size = shutil.get_terminal_size((PIPE_WIDTH, 24)) if is_terminal else None
        columns = environ.get("COLUMNS", "")
        width = int(columns[:_WIDTH_DIGITS]) if columns.isdecimal() else 0
        return cls(
            stream,
            width=width or (size.columns if size else PIPE_WIDTH),
            cuts=is_terminal,
            colour=_wants_colour(is_terminal, environ),
            theme=themes.UNICODE if _speaks_unicode(stream, environ) else themes.ASCII,
        )

    def write(self, lines: Iterable[Line]) -> None:
        """Each line on its own, cut to the width where this is a terminal, but for commands."""
        self.stream.writelines(self.rendered(line) + "\n" for line in lines)

    def rendered(self, line: Line) -> str:
        """The text of a line, with its colours."""
        cuts = self.cuts and not is_to_copy(line)
        line = self.spelled(line)
        if cuts:
            line = cut_line(line, self.width, self.theme.ellipsis)
        if self.colour:
            return "".join(_painted(text, style) for text, style in line).rstrip()
        return plain(line).rstrip()

    def spelled(self, line: Line) -> Line:
        """Characters that the stream's encoding has not, as backslash escapes: whoever lays out
        columns asks for that before, since those are wider."""
        if self.theme is not themes.ASCII or all(piece.text.isascii() for piece in line):
            return line
        return [piece._replace(text=self.spelled_text(piece.text)) for piece in line]

    def wrapped(self, text: str, width: int) -> list[str]:
        """`text` escaped, in lines of at most `width` columns as they are written here."""
        return wrapped(self.spelled_text(text), width)

    def spelled_text(self, text: str) -> str:
        """The same of text that is in no line yet."""
        if self.theme is not themes.ASCII or text.isascii():
            return text
        encoding = "ascii" if _is_utf8(self.stream) else self.stream.encoding or "ascii"
        return text.encode(encoding, "backslashreplace").decode(encoding)


def buffered(stream: TextIO) -> TextIO:
    """`stream`, or under PYTHONUNBUFFERED one in its place: what an interrupted write has not got
    rid of, Python drops there."""
    raw = getattr(stream, "buffer", None)
    if not isinstance(raw, io.RawIOBase):
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, stream.errors, line_buffering=stream.isatty()
    )


def forget(stream: TextIO) -> None:
    """Nobody reads it any more: what is still in the buffer must not fail at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _painted(text: str, style: str) -> str:
    return f"\x1b[{_codes(style)}m{text}\x1b[0m" if style and text else text


@cache
def _codes(style: str) -> str:
    return ";".join(_SGR[word] for word in style.split())


def _wants_colour(is_terminal: bool, environ: Mapping[str, str]) -> bool:
    """NO_COLOR wins; TERM=dumb has none; FORCE_COLOR colours a pipe too."""
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return is_terminal or bool(environ.get("FORCE_COLOR"))


def _speaks_unicode(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """UTF-8, and neither a dumb terminal nor a locale that was set to plain C.

    Python itself writes UTF-8 under LC_ALL=C (PEP 540), so the encoding alone does not say it; and
    under LANG=C it sets LC_CTYPE (PEP 538), so that says nothing there.
    """
    named = [environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    if named[1] in _COERCED and named[2] in _PLAIN_C:
        del named[1]
    locale = next(filter(None, named), "")
    return _is_utf8(stream) and environ.get("TERM") != "dumb" and locale not in _PLAIN_C


def _is_utf8(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "").replace("_", "") == "utf8"
