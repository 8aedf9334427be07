"""Texts that were seen to hold no secret: most come again."""


class Memory:
    """Of at most `most` texts of at most `longest` characters; when it is full it begins anew."""

    __slots__ = ("_longest", "_most", "texts")

    def __init__(self, most: int, longest: int) -> None:
        self._most = most
        self._longest = longest
        self.texts: set[str] = set()
        """To ask it, 13 ns; were this class a kind of set, 23, and with a method of its own 41."""

    def keep(self, text: str) -> None:
        """Remember `text`, unless it is too long."""
        if len(text) <= self._longest:
            if len(self.texts) >= self._most:
                self.texts.clear()
            self.texts.add(text)
