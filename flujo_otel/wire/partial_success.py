"""What became of a request's spans, as far as its sender should know."""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, Self

_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


class PartialSuccess(NamedTuple):
    """What an Export*ServiceResponse says under that name. All well: nothing in it."""

    refused: Mapping[str, int] = _NOTHING
    """How many of its spans cannot be stored, by the reason: an English phrase."""
    mended_texts: int = 0
    """So many texts in it were no UTF-8."""

    @property
    def rejected_spans(self) -> int:
        """Spans that are not stored."""
        return sum(self.refused.values())

    @property
    def error_message(self) -> str:
        """All of it in English; "" where there is nothing to say."""
        return " ".join(filter(None, (self._rejection(), self._warning())))

    def and_of(self, other: Self) -> "PartialSuccess":
        """Of this and of another part of the same request."""
        refused = Counter(self.refused)
        refused.update(other.refused)
        return PartialSuccess(refused, self.mended_texts + other.mended_texts)

    def _rejection(self) -> str:
        said = "; ".join(f"{count} for {reason}" for reason, count in self.refused.items())
        spans = "1 span" if self.rejected_spans == 1 else f"{self.rejected_spans} spans"
        return said and f"Rejected {spans}: {said}."

    def _warning(self) -> str:
        if not self.mended_texts:
            return ""
        return (
            f"Texts that are not UTF-8: {self.mended_texts}. "
            "Their bytes that are none are kept as escapes."
        )


ALL_WELL: Final = PartialSuccess()
