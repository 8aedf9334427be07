"""In what two recorded values differ, by the path of each difference."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

DEPTH: Final = 4
"""Deeper differences are told as a whole."""
ABSENT: Final = object()
"""Stands for a value that is not there."""
_CUT: Final = "…"
"""The key that says how many more there are (`recording.json_text`)."""


class Change(NamedTuple):
    """Of one value, by its path (`scratchpad.count`). `ABSENT`: it was not there, or is gone."""

    path: str
    before: Any
    after: Any
    is_copy: bool = False
    """In a copy of the run's context: of a loop's round, of a branch."""
    is_lost: bool = False
    """The run's context was not changed there once that copy was done with."""

    @property
    def added(self) -> list[Any] | None:
        """What a list has more than before, at its end; None where that is not all."""
        before, after = self.before, self.after
        if not isinstance(before, list) or not isinstance(after, list):
            return None
        grown = len(after) > len(before) and after[: len(before)] == before
        return after[len(before) :] if grown else None


def changes_between(
    before: Any, after: Any, without: Collection[str] = (), *, path: str = "", depth: int = DEPTH
) -> Iterator[Change]:
    """The innermost differences of two JSON values, down to `depth` objects within one another.

    `without`: members of the outermost objects to leave out. Of what was cut for want of room
    nobody knows whether it differs: it is left out too.
    """
    if not (depth and isinstance(before, dict) and isinstance(after, dict)):
        is_blank = before is ABSENT and after is None
        if before != after and not is_blank:
            yield Change(path, before, after)
        return
    for name in {**before, **after}:
        if _is_cut_off(name, before) or _is_cut_off(name, after) or name in without:
            continue
        yield from changes_between(
            before.get(name, ABSENT),
            after.get(name, ABSENT),
            path=f"{path}.{name}" if path else name,
            depth=depth - 1,
        )


def touches(path: str, others: Sequence[str]) -> bool:
    """Whether `path` is one of `others`, in one of them or around one."""
    return any(
        path == other or f"{path}.".startswith(f"{other}.") or other.startswith(f"{path}.")
        for other in others
    )


def _is_cut_off(name: str, recorded: Mapping[str, Any]) -> bool:
    """Whether nobody knows if it is there: keys that there was no room for were left out."""
    return name == _CUT or (name not in recorded and _CUT in recorded)
