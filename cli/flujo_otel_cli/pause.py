"""Waiting without work, and without missing that nobody listens any more."""

import select
import time
from typing import TextIO


def listened_to(stream: TextIO) -> None:
    """Raises BrokenPipeError where the reader of `stream` is gone."""
    pause(stream, 0)


def pause(stream: TextIO, seconds: float) -> None:
    """Wait so long. Raises BrokenPipeError at once where the reader of `stream` is gone."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)  # errors alone, which are always told
    except (AttributeError, OSError, ValueError):  # Windows, or no file of the system's
        time.sleep(seconds)
        return
    if poll.poll(seconds * 1000):
        raise BrokenPipeError
