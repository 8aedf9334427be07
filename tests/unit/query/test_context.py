"""What each step changed: compared with what was recorded last before it."""

import json
from typing import Any

from flujo_otel.model import Event, Span
from flujo_otel.query.change import ABSENT, Change
from flujo_otel.query.context import changes_of
from unit.cli.scenes import MS, START_NS, a_span

ROOT, LOOP = 1, 50


def recorded(name: str, at_ms: float, context: object, *, is_copy: bool = False) -> Event:
    attributes: dict[str, Any] = {"flujo.context": json.dumps(context)}
    if is_copy:
        attributes["flujo.context.is_copy"] = True
    return Event(f"flujo.context.{name}", START_NS + int(at_ms * MS), attributes)


def root(context: object, after: object = None) -> Span:
    events = [recorded("before", 0, context)]
    if after is not None:
        events.append(recorded("after", 98, after))
    return a_span(ROOT, "pipeline_run", 0, 99, events=tuple(events), role=2)


def step(
    number: int,
    start_ms: float,
    end_ms: float,
    after: object = None,
    *,
    before: object = None,
    parent: int = ROOT,
    is_copy: bool = False,
) -> Span:
    events = []
    if before is not None:
        events.append(recorded("before", start_ms + 0.1, before, is_copy=is_copy))
    if after is not None:
        events.append(recorded("after", end_ms, after, is_copy=is_copy))
    return a_span(number, f"s{number}", start_ms, end_ms, parent, events=tuple(events))


def told(first: Span | None, *steps: Span) -> dict[int, list[tuple[str, Any, Any]]]:
    changes = changes_of(first, steps)
    return {
        int(span_id, 16): [(each.path, each.before, each.after) for each in found]
        for span_id, found in changes.items()
    }


def test_a_step_is_compared_with_the_one_before_that_changed_anything() -> None:
    steps = step(2, 1, 2, {"n": 1, "a": "x"}), step(3, 3, 4), step(4, 5, 6, {"n": 2, "a": "x"})
    assert told(root({"n": 0, "a": "x"}), *steps) == {2: [("n", 0, 1)], 4: [("n", 1, 2)]}


def test_what_comes_and_goes_is_named_by_its_path() -> None:
    before = {"pad": {"old": 1, "same": [0]}, "gone": True}
    after = {"pad": {"same": [0], "new": 2}}
    assert told(root(before), step(2, 1, 2, after)) == {
        2: [("pad.old", 1, ABSENT), ("pad.new", ABSENT, 2), ("gone", True, ABSENT)]
    }


def test_of_a_list_that_grew_there_is_what_was_added() -> None:
    assert Change("seen", [1], [1, 2, 3]).added == [2, 3]
    assert Change("seen", [1, 2], [2, 1, 3]).added is None
    assert Change("seen", [1, 2], [1]).added is None
    assert Change("seen", "a", "ab").added is None


def test_what_flujo_changes_by_a_step_s_output_is_the_step_s() -> None:
    steps = step(2, 1, 2), step(3, 3, 4, before={"n": 5}), step(4, 5, 6)
    assert told(root({"n": 0}), *steps) == {2: [("n", 0, 5)]}
    assert told(root({"n": 0}, after={"n": 7}), step(2, 1, 2), step(3, 3, 4)) == {3: [("n", 0, 7)]}
    both = step(2, 1, 2, {"n": 1}), step(3, 3, 4, {"n": 6}, before={"n": 5})
    assert told(root({"n": 0}), *both) == {2: [("n", 0, 5)], 3: [("n", 5, 6)]}


def test_a_copy_is_compared_with_itself_and_changes_nothing_outside() -> None:
    """flujo 0.4 begins each round of a loop with what the first began with."""
    loop = step(LOOP, 3, 20)
    rounds = [
        step(number, start, start + 1, {"n": 2}, before={"n": 1}, parent=LOOP, is_copy=True)
        for number, start in ((51, 4), (52, 6))
    ]
    same = step(53, 8, 9, before={"n": 1}, parent=LOOP, is_copy=True)
    after = step(3, 21, 22, {"n": 3})
    assert told(root({"n": 0}), step(2, 1, 2, {"n": 1}), loop, *rounds, same, after) == {
        2: [("n", 0, 1)],
        51: [("n", 1, 2)],
        52: [("n", 1, 2)],
        3: [("n", 1, 3)],
    }


def test_a_loop_that_takes_its_rounds_context_over_is_compared_with_what_was_before_it() -> None:
    loop = step(LOOP, 3, 20, {"n": 2})
    inside = step(51, 4, 5, {"n": 2}, before={"n": 1}, parent=LOOP, is_copy=True)
    assert told(root({"n": 1}), loop, inside) == {LOOP: [("n", 1, 2)], 51: [("n", 1, 2)]}


def copies(*steps: Span) -> dict[int, list[tuple[str, bool, bool]]]:
    return {
        int(span_id, 16): [(each.path, each.is_copy, each.is_lost) for each in found]
        for span_id, found in changes_of(root({"seen": [], "n": 0, "m": 0}), steps).items()
    }


def test_what_a_copy_changed_is_lost_where_the_run_s_context_was_not_changed() -> None:
    before, after = {"seen": [], "n": 0, "m": 0}, {"seen": ["a"], "n": 1, "m": 0}
    inside = step(51, 4, 5, after, before=before, parent=LOOP, is_copy=True)
    lost = {51: [("seen", True, True), ("n", True, True)]}
    assert copies(step(LOOP, 3, 20), inside) == lost
    # Of what else the loop changed, nothing is what this round did.
    other = step(LOOP, 3, 20, {**before, "m": 5})
    assert copies(other, inside) == {LOOP: [("m", False, False)], **lost}


def test_what_was_taken_over_or_replaced_by_a_later_round_is_not_lost() -> None:
    before = {"seen": [], "n": 0, "m": 0}
    one, two = {"seen": ["a"], "n": 1, "m": 0}, {"seen": ["a", "b"], "n": 2, "m": 0}
    first = step(51, 4, 5, one, before=before, parent=LOOP, is_copy=True)
    # In a loop in the loop.
    inner = step(60, 6, 9, before=one, parent=LOOP, is_copy=True)
    second = step(61, 7, 8, two, before=one, parent=60, is_copy=True)
    found = copies(step(LOOP, 3, 20, two), first, inner, second)
    kept = [("seen", True, False), ("n", True, False)]
    assert (found[51], found[61]) == (kept, kept)
    assert found[LOOP] == [("seen", False, False), ("n", False, False)]


def test_of_a_copy_that_is_still_in_use_nobody_knows_whether_it_is_kept() -> None:
    before, after = {"seen": [], "n": 0, "m": 0}, {"seen": ["a"], "n": 0, "m": 0}
    inside = step(51, 4, 5, after, before=before, parent=LOOP, is_copy=True)
    running = step(LOOP, 3, 20)._replace(end_time_ns=None, status="running")
    assert copies(running, inside) == {51: [("seen", True, False)]}
    assert copies(inside) == {51: [("seen", True, False)]}


def test_what_flujo_notes_for_itself_is_nobody_s_change() -> None:
    after = {"current_step": "s2", "current_step_index": 1, "step_outputs": {"s2": 1}, "new": None}
    assert told(root({}), step(2, 1, 2, after)) == {}


def test_where_it_is_not_known_what_a_step_began_with_nothing_is_said() -> None:
    steps = step(2, 1, 2, {"n": 1}), step(3, 3, 4, {"n": 2})
    assert told(None, *steps) == {3: [("n", 1, 2)]}
    # A run that was resumed is under a span of its own.
    assert told(root({"n": 0}), step(2, 1, 2, {"n": 1}, parent=40)) == {}


def test_a_context_that_is_no_json_or_was_cut_is_told_as_a_whole() -> None:
    cut = a_span(
        2,
        "s2",
        1,
        2,
        ROOT,
        events=(Event("flujo.context.after", START_NS + 2 * MS, {"flujo.context": "{cut"}),),
    )
    assert told(root({"n": 0}), cut) == {2: [("", {"n": 0}, "{cut")]}


def test_keys_that_were_cut_off_are_not_told_as_gone() -> None:
    whole = {"a": 1, "b": {"x": 1, "y": 2}, "c": 3}
    cut = {"a": 2, "b": {"x": 5, "…": "1 more keys cut"}, "…": "1 more keys cut"}
    first, second = step(2, 0, 9, cut), step(3, 10, 19, whole)
    assert told(root(whole), first, second) == {
        2: [("a", 1, 2), ("b.x", 1, 5)],
        3: [("a", 2, 1), ("b.x", 5, 1)],
    }


def test_a_node_of_a_graph_changed_what_its_state_was_before_and_after_it() -> None:
    def node(number: int, *states: object) -> Span:
        events = [
            Event(f"graph.state.{name}", START_NS, {"graph.state": json.dumps(state)})
            for name, state in zip(("before", "after"), states, strict=False)
        ]
        return a_span(number, "node", 0, 1, ROOT, events=tuple(events))

    before, after = {"seen": [], "current_step": 1}, {"seen": ["a"], "current_step": 2}
    assert told(None, node(2, before, after), node(3, after, after), node(4, after)) == {
        2: [("seen", [], ["a"]), ("current_step", 1, 2)]
    }


def test_parents_in_a_circle_end_somewhere() -> None:
    one, other = step(2, 1, 2, {"n": 1}, parent=3), step(3, 3, 4, {"n": 2}, parent=2)
    assert told(root({"n": 0}), one, other) in ({}, {3: [("n", 1, 2)]})
