"""When in its run a node ran, and where the time went."""

from flujo_otel.query.timeline import Window, slowest_path, window_of
from flujo_otel.query.tree import build_tree
from unit.cli.scenes import MS, START_NS, a_span, support_triage

RUN = Window(START_NS, START_NS + 100 * MS)


def test_the_slowest_path_takes_the_longest_child_at_every_level() -> None:
    _, spans = support_triage()
    names = {node.name for node in slowest_path(build_tree(spans), START_NS)}
    assert names == {"pipeline_run", "climb", "up"}


def test_a_span_still_open_counts_until_now() -> None:
    roots = build_tree([a_span(1, "open", 0, None), a_span(2, "ended", 0, 50)])
    now_ns = START_NS + 100 * MS
    assert {node.name for node in slowest_path(roots, now_ns)} == {"open"}


def test_the_window_holds_what_ran_after_the_run_too() -> None:
    roots = build_tree([a_span(1, "background", 50, 150)])
    assert window_of(roots, RUN) == Window(START_NS, START_NS + 150 * MS)


def test_a_clock_that_is_far_off_does_not_squeeze_the_run_out_of_sight() -> None:
    roots = build_tree([a_span(1, "in 1970", -1_763_700_000_000, -1_763_699_999_000)])
    assert window_of(roots, RUN) == RUN


def test_a_window_of_no_length_has_all_at_its_start() -> None:
    assert Window(START_NS, START_NS).fraction(START_NS + 5) == 0.0
