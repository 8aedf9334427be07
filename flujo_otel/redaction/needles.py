"""Whether one of several short texts is in another."""

from collections.abc import Callable, Iterable


def any_of(needles: Iterable[str]) -> Callable[[str], bool]:
    """Says of a text whether one of `needles`, of which there is one at least, is in it.

    Written out as one `in` after the other: over 15 of them and 23 characters that takes 0.21 us, a
    loop 0.30, closures of eight, four, two and one 0.30, a regular expression 0.30; of 130
    characters and 7 of them 0.32, 0.42, 0.53 and 0.92.
    """
    tests = " or ".join(f"{needle!r} in text" for needle in dict.fromkeys(needles))
    found: Callable[[str], bool] = eval(f"lambda text: {tests}", {})
    return found
