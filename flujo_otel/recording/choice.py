"""Whether content is recorded, and how much of a value: as producers and configure() are told."""

from typing import Final, NamedTuple
from weakref import ReferenceType, ref

from flujo_otel import settings
from flujo_otel.guard import guarded


class Told(NamedTuple):
    """What somebody said; None: nothing of it."""

    content: bool | None = None
    value_limit_bytes: int | None = None


_process = Told()
_recordings: Final[list["ReferenceType[Recording]"]] = []
"""All there are: told of a change, each has at hand what is asked of it several times a step. A
list, of which a copy is one operation whatever other threads do; a WeakSet's is a loop."""


class Recording:
    """What of the content is recorded now: nothing where `content` is False.

    What its producer was `told` goes first, for good; then what configure() is given, which may be
    when the producer has long been at work, as under `lens run`; then what was given here.
    """

    __slots__ = ("__weakref__", "_told", "content", "value_limit_bytes")

    def __init__(
        self, content: bool = True, value_limit_bytes: int = 64 * 1024, *, told: Told | None = None
    ) -> None:
        """`told` None: both."""
        self.content = content
        self.value_limit_bytes = value_limit_bytes
        self._told = Told(content, value_limit_bytes) if told is None else told
        _recordings.append(ref(self, _recordings.remove))
        self.hear(_process)

    def hear(self, said: Told) -> None:
        """What configure() is given, as far as its producer was not told."""
        if self._told.content is None and said.content is not None:
            self.content = said.content
        if self._told.value_limit_bytes is None and said.value_limit_bytes is not None:
            self.value_limit_bytes = said.value_limit_bytes

    @classmethod
    def chosen(cls, content: bool | None, value_limit_bytes: int | None) -> "Recording":
        """Where an argument is None, what configure() is given, else what the settings say.
        Raises SettingsError."""
        chosen = settings.load(
            content=_process.content if content is None else content,
            value_limit_bytes=(
                _process.value_limit_bytes if value_limit_bytes is None else value_limit_bytes
            ),
        )
        told = Told(content, value_limit_bytes)
        return cls(chosen.content, chosen.value_limit_bytes, told=told)

    @classmethod
    def chosen_quietly(cls, content: bool | None, value_limit_bytes: int | None) -> "Recording":
        """The same; settings that cannot be read may have said that nothing is to be recorded, so
        then nothing is."""
        with guarded("reading the settings"):
            return cls.chosen(content, value_limit_bytes)
        return cls(content=False)


def settle(content: bool | None, value_limit_bytes: int | None) -> None:
    """What holds from now on in this process for producers that are not told themselves, those at
    work too. Of the limit the first that was said counts; that nothing is to be recorded counts
    whenever it is said, and for good."""
    global _process
    _process = Told(
        content if _process.content is None or content is False else _process.content,
        value_limit_bytes if _process.value_limit_bytes is None else _process.value_limit_bytes,
    )
    for reference in _recordings.copy():
        recording = reference()
        if recording is not None:
            recording.hear(_process)
