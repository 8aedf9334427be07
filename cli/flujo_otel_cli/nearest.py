"""What was probably meant by a word that names nothing."""

from collections.abc import Iterable


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The one of `names` that looks most like `word`, in whatever case; None where none does."""
    import difflib  # only a mistyped word needs it

    by_lower = {name.lower(): name for name in names}
    found = difflib.get_close_matches(word.lower(), by_lower, 1)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """` Did you mean last?`; "" where nothing is near."""
    from flujo_otel_cli.text import brief_name

    name = nearest(word, names)
    return f" Did you mean {brief_name(name)}?" if name is not None else ""
