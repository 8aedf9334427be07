"""What changed, in words: more is said by a sign and a word, and only then by a colour."""

from typing import NamedTuple

from flujo_otel.query.comparison import NOISE_NS, Difference, is_noticeable
from flujo_otel_cli import amounts
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import brief
from flujo_otel_cli.theme import STYLES
from flujo_otel_cli.times import duration

WORSE, BETTER = STYLES["failed"], STYLES["completed"]
_FACT_MOST = 40
"""Characters of what is said of one run."""
_FROM_TIMES = 3
"""That many times as much is no percentage any more."""
_RANKS = {"completed": 0, "failed": 1, "died": 1}


class Words(NamedTuple):
    """For more and for less."""

    more: str
    less: str


SLOWER = Words("slower", "faster")
MORE = Words("more", "less")


def time_change(change_ns: int, micro: str) -> str:
    """`+618 ms`, `-1.20 s`."""
    return f"{'+' if change_ns > 0 else ''}{duration(change_ns, micro)}"


def ratio(base: float, other: float, times: str) -> str:
    """`+18 %`, `3.4×`; "" where there was nothing before."""
    if base <= 0 or other <= 0:
        return ""
    if other >= _FROM_TIMES * base:
        factor = other / base
        said = f"{factor:.1f}".removesuffix(".0") if factor < 9.95 else f"{factor:,.0f}"
        return f"{said}{times}"
    percent = round(100 * (other - base) / base)
    return f"{percent:+} %"


def verdict(base: float, other: float, said: str, words: Words, times: str) -> Line:
    """`+1.58 s  6.0×  slower`."""
    is_more = other > base
    parts = (said, ratio(base, other, times), words.more if is_more else words.less)
    return [Piece("  ".join(filter(None, parts)), WORSE if is_more else BETTER)]


def time_verdict(base_ns: int, other_ns: int, to: Terminal) -> Line:
    """The same of a time, without a word on it where it may be noise."""
    said = time_change(other_ns - base_ns, to.theme.micro)
    if is_noticeable(base_ns, other_ns):
        return verdict(base_ns, other_ns, said, SLOWER, to.theme.times)
    share = ratio(base_ns, other_ns, to.theme.times)
    is_told = abs(other_ns - base_ns) >= NOISE_NS and share not in ("+0 %", "")
    return [Piece(f"{said}  {share}" if is_told else "about the same", "dim")]


def status_change(base: str, other: str, to: Terminal) -> Line:
    """`✔ → ✘`, each in its colour."""
    theme = to.theme
    marks = ((theme.mark(status), STYLES.get(status, "")) for status in (base, other))
    before, after = (Piece(*each) for each in marks)
    return [before, Piece(theme.arrow, "dim"), after]


def status_verdict(base: str, other: str) -> Line:
    """Whether that is worse, or better; nothing of a run that is not over."""
    more = _RANKS[other] - _RANKS[base] if base in _RANKS and other in _RANKS else 0
    if not more:
        return []
    return [Piece("worse", WORSE) if more > 0 else Piece("better", BETTER)]


def notes(found: Difference, to: Terminal) -> list[Piece]:
    """What is different of a node but for its status and its time."""
    said = [_fact(fact.name, fact.base, fact.other, to) for fact in found.facts]
    if found.tokens:
        style = WORSE if found.tokens > 0 else BETTER
        said.append(Piece(f"{found.tokens:+,} tok", style))
    if found.cost_usd:
        sign, style = ("+", WORSE) if found.cost_usd > 0 else ("-", BETTER)
        said.append(Piece(f"{sign}{amounts.cost(abs(found.cost_usd))}", style))
    values = ", ".join(word for word in ("input", "output") if getattr(found, word))
    if values:
        verb = "differ" if found.input and found.output else "differs"
        said.append(Piece(f"{values} {verb}", STYLES["warning"]))
    return said


def _fact(name: str, base: object, other: object, to: Terminal) -> Piece:
    """`rounds 3 → 5`; `cached` where only that run is, `not cached` where only the base was."""
    if name == "called":
        from flujo_otel.redaction import redactor  # as notes.subject_notes does

        base, other = (
            None if each is None else redactor().text(str(each)) for each in (base, other)
        )
    if base is True or other is True:  # 1, which is equal to it, is a number of rounds
        return Piece(name if other is True else f"not {name}", STYLES["warning"])
    if name == "attempts":
        base, other = base or 1, other or 1
    was, now = (
        to.theme.none if each is None else brief(str(each), _FACT_MOST) for each in (base, other)
    )
    return Piece(f"{name} {was} {to.theme.arrow} {now}", STYLES["warning"])
