"""Which names are names of secrets.

A name is read word by word, however it is written: `apiKey`, `API-KEY`, `api_key`,
`openai.api_key` and `apikey` all end in "api key". The end decides: `user.password` names a secret,
`password_policy` does not.

before: openaiApiKey=abc password_policy=long
after:  openaiApiKey=[REDACTED] password_policy=long
"""

import re
from collections.abc import Callable, Iterable, Iterator
from json.encoder import encode_basestring_ascii
from typing import Final

from flujo_otel.redaction import vocabulary
from flujo_otel.redaction.naming import Naming
from flujo_otel.redaction.needles import any_of

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_NAME_LIMIT: Final = 256
_MOST_WORDS: Final = 4
_MOST_REMEMBERED: Final = 4096


class Keys:
    """The names of secrets: ours, and `own` ones, which are read word by word too.

    `is_secret` says whether a name is a secret itself.
    """

    __slots__ = ("_foreign", "_is_secret", "_own", "known", "may_be_in", "stems")

    def __init__(self, own: Iterable[str], is_secret: Callable[[str], bool]) -> None:
        self._is_secret = is_secret
        own = tuple(own)
        words = [split for name in own if name.isascii() and (split := _words(name))]
        self._own = frozenset("".join(split) for split in words)
        self._foreign = tuple(each for name in own if not name.isascii() for each in _written(name))
        """Names that have other letters, which are not read word by word."""
        longest = (max(split, key=len) for split in words)
        self.stems = (*vocabulary.STEMS, *longest, *self._foreign)
        self.may_be_in = any_of(self.stems)
        """Whether one of `stems` is in a text in lower case."""
        self.known: dict[str, Naming] = {}

    def naming(self, name: str) -> Naming:
        """What `name` says of its value. Remembered: names come again and again."""
        known = self.known.get(name)
        if known is None:
            if len(self.known) >= _MOST_REMEMBERED:
                self.known.clear()
            known = self.known[name] = self._read(name)
        return known

    def _read(self, name: str) -> Naming:
        if name in vocabulary.IDS:
            return Naming.ID
        if name in vocabulary.BESIDE:
            return Naming.BESIDE
        if self._is_secret(name):
            return Naming.LEAK
        if self._foreign and name.lower().endswith(self._foreign):
            return Naming.STRONG
        words = _words(name)
        while len(words) > 1 and (words[-1].isdigit() or words[-1] in vocabulary.TRAILING):
            if "".join(words[-2:]) in vocabulary.STRONG:
                break
            words.pop()
        return self._of_words(words) if words else Naming.ORDINARY

    def _of_words(self, words: list[str]) -> Naming:
        words = words[-_MOST_WORDS:]
        ends = ["".join(words[start:]) for start in range(len(words))]
        if not self._own.isdisjoint(ends) or not vocabulary.STRONG.isdisjoint(ends):
            return Naming.STRONG
        last = words[-1]
        if last in vocabulary.FAINT_WORDS or not vocabulary.FAINT.isdisjoint(ends):
            return Naming.FAINT
        if last in vocabulary.WEAK:
            before = words[-2] if len(words) > 1 else ""
            ordinary = last == "token" and before in vocabulary.NO_SECRET_TOKEN
            return Naming.ORDINARY if ordinary else Naming.WEAK
        return Naming.STRONG if last.endswith(vocabulary.GLUED) else Naming.ORDINARY


def joined(name: str) -> str:
    """The words of `name` as one: the same for each way to write it."""
    return "".join(_words(name))


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name[-_NAME_LIMIT:])]


def _written(name: str) -> Iterator[str]:
    """In lower case: as it is, and as JSON in ASCII has it in capitals, with one and without."""
    low = name.lower()
    yield low
    for each in (low, low.upper(), low.capitalize()):
        yield encode_basestring_ascii(each)[1:-1].lower()
