"""Steps that are alike, as one entry."""

from flujo_otel.model import Step
from flujo_otel.query.alike import Alike, fold_alike
from flujo_otel.query.beneath import Placed
from flujo_otel.query.fold import FOLD_ABOVE, SIBLINGS_SHOWN
from unit.cli.scenes import a_span


def a_placed(
    name: str, depth: int = 0, status: str = "completed", *, fails: bool = False
) -> Placed:
    facts = (None, None, None, None, None, None)
    step = Step(name, "r", name, 0, status, 1, 2, *facts)
    return Placed(step, depth, [a_span(1, "chat", 0, 1, status="failed")] if fails else ())


def told(found: list[Placed]) -> list[str]:
    return [
        f"{each.name} x{len(each.steps)} +{each.within_count}"
        if isinstance(each, Alike)
        else each.step.step_name
        for each in fold_alike(found)
    ]


def test_a_few_stay_and_many_are_one() -> None:
    few = [a_placed(f"item {n}") for n in range(FOLD_ABOVE)]
    assert told(few) == [each.step.step_name for each in few]
    assert told([*few, a_placed("item x"), a_placed("item 99")]) == ["item * x21 +0", "item x"]


def test_those_of_one_name_keep_it_and_hide_what_is_within_them() -> None:
    found = []
    for _ in range(10_000):
        found += [a_placed("ask"), a_placed("think", 1), a_placed("deep", 2)]
    assert told(found) == ["ask x10000 +20000"]


def test_those_of_another_parent_are_others() -> None:
    loop = [a_placed("up", 1) for _ in range(21)]
    assert told([a_placed("climb"), *loop, a_placed("again"), *loop]) == [
        *("climb", "up x21 +0", "again", "up x21 +0")
    ]


def test_failed_ones_are_apart_and_what_fails_beneath_one_stays() -> None:
    fine = [a_placed(f"item {n}") for n in range(30)]
    failed = [a_placed(f"item {n}", status="failed") for n in range(30, 60)]
    assert told([*fine, *failed]) == ["item * x30 +0", "item * x30 +0"]
    assert told([*fine, a_placed("item 99", status="failed")]) == ["item * x30 +0", "item 99"]
    with_failure = [*fine, a_placed("item 77"), a_placed("chat", 1, fails=True)]
    assert told(with_failure) == ["item * x30 +0", "item 77", "chat"]


def test_of_many_with_a_failure_beneath_the_first_stay() -> None:
    found = []
    for number in range(100):
        found += [a_placed(f"item {number}"), a_placed("ask", 1, status="failed")]
    shown = told(found)
    assert shown[:3] == ["item 0", "ask", "item 1"]
    assert shown[-1] == "item * x80 +80"


def test_of_many_that_are_all_different_the_first_are_shown_and_what_failed() -> None:
    names = [chr(0x4E00 + n) for n in range(1000)]
    found = [a_placed(n, status="failed" if n == names[-1] else "completed") for n in names]
    shown = told(found)
    assert shown[:SIBLINGS_SHOWN] == names[:SIBLINGS_SHOWN]
    assert shown[SIBLINGS_SHOWN:] == [names[-1], f"others x{999 - SIBLINGS_SHOWN} +0"]
