"""What programs do with an X-Ray by mistake: recorded as it was meant, or said."""

import re
from typing import Any

import pytest

from flujo_otel import XRay
from flujo_otel.query.decision import Evaluation, decision_of
from flujo_otel.storage.decisions import last_of_step
from flujo_otel.storage.sqlite import SQLiteStorage
from flujo_otel.xray import StepContext, mistake


@pytest.fixture(autouse=True)
def nothing_said_yet() -> None:
    mistake.say.cache_clear()


class Undecided:
    """As pandas' NA, and arrays."""

    def __bool__(self) -> bool:
        raise TypeError("the truth value is ambiguous")


def evaluated(step: StepContext) -> list[Evaluation]:
    """As readers see it."""
    found = decision_of(last_of_step(step.step))
    assert found is not None and not found.misshapen_evaluations
    return list(found.evaluations)


TRUE: list[Any] = [True, 1, 0.5, "yes", re.search("a", "a"), [0]]
FALSE: list[Any] = [False, 0, 0.0, "", re.search("a", "b"), None, []]


@pytest.mark.parametrize("given", TRUE + FALSE, ids=repr)
def test_passed_and_qualified_are_what_python_takes_them_for(
    traced: Any, caplog: pytest.LogCaptureFixture, given: Any
) -> None:
    with XRay().trace("t") as trace, trace.step("s") as step:
        step.add_evaluation("a", {}, [{"name": "f", "passed": given}], given)
        step.add_evaluation("b", {}, ({"name": "f", "passed": given},), not given)  # type: ignore[arg-type]
    expected = any(given is each for each in TRUE)
    first, second = evaluated(step)
    assert [expected, not expected] == [first.qualified, second.qualified]
    assert [expected, expected] == [each.verdicts[0].passed for each in (first, second)]
    assert [] == caplog.messages


def test_a_value_that_does_not_know_its_truth_is_said_and_keeps_its_item(
    traced: Any, caplog: pytest.LogCaptureFixture
) -> None:
    unknown: Any = Undecided()
    with XRay().trace("t") as trace, trace.step("s") as step:
        for _ in range(3):
            step.add_evaluation("a", {}, [{"name": "f", "passed": unknown}], True)
            step.add_evaluation("b", {}, [{"name": "f", "passed": True}], unknown)
    first, second = evaluated(step)[:2]
    assert (True, True) == (first.qualified, second.qualified)
    assert {"filters": [{"name": "f", "passed": None}]} == first.not_understood
    assert ["`passed` of a filter", "`qualified`"] == [
        words.removeprefix("flujo-otel: add_evaluation: ").split(" must be True or False")[0]
        for words in caplog.messages
    ]


@pytest.mark.parametrize("filters", [{"price": True}, ["price"], [{"name": "price"}], "price", 7])
def test_filters_of_another_shape_are_said_once_and_the_item_is_counted(
    traced: Any, caplog: pytest.LogCaptureFixture, filters: Any
) -> None:
    with XRay().trace("t") as trace, trace.step("s") as step:
        for qualified in (True, False, True):
            step.add_evaluation("a", {}, filters, qualified)
    assert [True, False, True] == [each.qualified for each in evaluated(step)]
    odd = filters if isinstance(filters, list) else [filters]
    assert [{"filters": odd}] * 3 == [each.not_understood for each in evaluated(step)]
    [words] = caplog.messages
    assert "add_evaluation: `filters` must be a list of dicts" in words


@pytest.mark.parametrize("filters", [None, [], (), {}])
def test_no_filters_are_no_mistake(
    traced: Any, caplog: pytest.LogCaptureFixture, filters: Any
) -> None:
    with XRay().trace("t") as trace, trace.step("s") as step:
        step.add_evaluation("a", {}, filters, True)
    assert [(True, {})] == [each[3::2] for each in evaluated(step)]
    assert [] == caplog.messages


USES: dict[str, tuple[Any, ...]] = {
    "set_input": ({"a": 1},),
    "set_output": ({"a": 1},),
    "set_reasoning": ("because",),
    "set_metadata": ({"a": 1},),
    "add_event": ("seen",),
    "add_evaluation": ("a", {}, [], True),
    "add_ranking": ("a", 1.0),
    "add_llm_metadata": ("gpt-4",),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("stored", [False, True], ids=["spans", "storage"])
def test_a_step_that_is_not_open_says_that_it_records_nothing(
    traced: Any, caplog: pytest.LogCaptureFixture, use: str, stored: bool
) -> None:
    xray = XRay(storage=SQLiteStorage(":memory:") if stored else None)
    with xray.trace("t") as trace:
        never = trace.step("never")
        with trace.step("over") as over:
            getattr(over, use)(*USES[use])
        assert [] == caplog.messages
        for step in (never, over, never, over):
            getattr(step, use)(*USES[use])
    assert [
        "flujo-otel: an X-Ray step is used outside of `with`: nothing of it is recorded until"
        " `with ... as step:` enters it (said once)",
        "flujo-otel: an X-Ray step is used after its `with`: nothing of that is recorded"
        " (said once)",
    ] == [each.getMessage() for each in caplog.records if each.name == "flujo_otel"]


def test_a_trace_that_is_not_entered_says_that_it_records_nothing(
    traced: Any, caplog: pytest.LogCaptureFixture
) -> None:
    XRay().trace("t").step("s")
    [words] = caplog.messages
    assert "an X-Ray trace is used outside of `with`" in words


def test_what_is_told_before_with_is_recorded_once_it_is_entered(traced: Any) -> None:
    with XRay().trace("t") as trace:
        step = trace.step("s")
        step.set_reasoning("because")
        with step:
            pass
    [kept] = traced.storage().get_all_traces()[0].steps
    assert "because" == kept.reasoning


def test_a_step_within_the_run_of_a_span_says_nothing(
    traced: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with traced.provider.get_tracer("t").start_as_current_span("s"), XRay().step("one") as step:
        step.set_input({"a": 1})
    assert [] == caplog.messages


@pytest.mark.parametrize("stored", [False, True], ids=["spans", "storage"])
def test_a_step_with_no_trace_open_says_nothing(
    traced: Any, caplog: pytest.LogCaptureFixture, stored: bool
) -> None:
    xray = XRay(storage=SQLiteStorage(":memory:") if stored else None)
    with xray.step("one") as step:
        step.set_input({"a": 1})
    assert 1 == xray.step(lambda: 1)()
    assert [] == caplog.messages


def test_a_free_step_that_is_not_entered_says_how_to() -> None:
    step: Any = XRay().step("x")
    with pytest.raises(AttributeError, match=r"'set_input'.* with xray\.step\(.*\) as step:"):
        step.set_input({})


@pytest.mark.parametrize("given", [[{"id": "a", "score": 1}], ("a", "b"), {"id": "a"}], ids=repr)
def test_a_whole_ranking_given_as_one_candidate_is_said_once(
    traced: Any, caplog: pytest.LogCaptureFixture, given: Any
) -> None:
    with XRay().trace("t") as trace, trace.step("s") as step:
        step.add_ranking("a", 1.0, "first")
        assert [] == caplog.messages
        step.add_ranking(given)
        step.add_ranking(given)
    [words] = caplog.messages
    assert "add_ranking: one candidate a call" in words
