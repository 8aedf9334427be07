"""Forks of a process that has databases open.

SQLite's table of file locks belongs to the process image, and a forked child inherits it: the
child's own new connection is not safe where one of the parent's was open at the fork (measured: 50
of 50 rows lost, integrity_check ok; 29 of 60 children hung). Whoever has a file open therefore
closes it before a fork and opens it again afterwards.
"""

import os
from collections.abc import Callable
from threading import get_ident
from typing import Final, Protocol
from weakref import WeakValueDictionary

from flujo_otel.guard import guarded

PAUSE_SECONDS: Final = 0.25
"""A fork waits no longer than this for one that is at work."""


class Participant(Protocol):
    """What has a file open. Known by a weak reference."""

    def pause(self) -> bool:
        """Before a fork: close the file and let nobody open it. False where somebody is at work for
        longer than `PAUSE_SECONDS`; then nothing is paused."""
        ...

    def resume(self) -> None:
        """In the parent, after a `pause` that returned True."""
        ...

    def start_over(self, *, safe: bool) -> None:
        """In the child: what is held is the parent's, and locks may be held by threads that it has
        not got. Not `safe`: some file was open at the fork, and none must be opened here."""
        ...


_participants: WeakValueDictionary[int, Participant] = WeakValueDictionary()
_paused: dict[int, list[Participant]] = {}
"""By forking thread: several may fork at once, and each lets go only of what it paused itself."""


def join(participant: Participant) -> None:
    """Have `participant` told of each fork from now on."""
    _participants[id(participant)] = participant


def is_forking() -> bool:
    """Whether this thread is between the hooks before and after its fork."""
    return get_ident() in _paused


def leak(what: object) -> None:
    """Keep `what` from ever being finalised: closing the parent's connection in a child drops the
    locks that SQLite believes to have, and may unlink the parent's write-ahead log."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(what))


def _all() -> list[Participant]:
    # Other threads may make and drop some meanwhile: `values` itself would raise.
    found = [reference() for reference in _participants.valuerefs()]
    return [each for each in found if each is not None]


def _before() -> None:
    paused = _paused[get_ident()] = []
    for participant in _all():
        with guarded("pausing before a fork"):
            if participant.pause():
                paused.append(participant)


def _after_in_parent() -> None:
    for participant in _paused.pop(get_ident(), ()):
        with guarded("resuming after a fork"):
            participant.resume()


def _after_in_child() -> None:
    paused = {id(each) for each in _paused.get(get_ident(), ())}
    _paused.clear()
    participants = _all()
    # One that was open is enough: the table of file locks is the process's.
    safe = all(id(each) in paused for each in participants)
    for participant in participants:
        with guarded("starting over in a forked child"):
            participant.start_over(safe=safe)


def surround(**hooks: Callable[[], object]) -> None:
    """Have what `os.register_at_fork` takes called outside of all that is paused: before the first
    pause, after the last resumption."""
    # Python calls those before a fork in the reverse order of their registration.
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(**hooks)


surround(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
