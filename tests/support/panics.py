"""Values of extensions in Rust that panic when they are looked at (polars, tokenizers)."""

from typing import Any, NoReturn


class PanicException(BaseException):
    """As pyo3 has it: no Exception, so that `except Exception` lets it pass."""


def _panics(*_: Any) -> NoReturn:
    raise PanicException("called `Option::unwrap()` on a `None` value")


class Frame:
    """Cannot be shown, nor told."""

    __repr__ = _panics


class Array:
    """Has a `repr`, and data that cannot be read."""

    shape = (2,)
    tolist = _panics


class Speechless(Exception):
    """Cannot say what is wrong."""

    __str__ = _panics


NOT_SHOWN = "<Frame cannot be shown: PanicException>"
