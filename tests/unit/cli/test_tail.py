"""Which changes `lens tail` tells of, and how it words them."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flujo_otel import process
from flujo_otel.errors import StoreUnavailable
from flujo_otel.model import Batch, RunStatus, SpanRecord
from flujo_otel.spanstore.changes import ChangeFeed, ChangeFilter, ChangePage, SpanChange
from flujo_otel.spanstore.factory import open_writer
from flujo_otel_cli import tail
from flujo_otel_cli.follower import Follower
from flujo_otel_cli.moment import RunMoment, SpanMoment
from flujo_otel_cli.tail import RunTail, SpanTail
from support.records import BASE_NS, TRACE, record
from unit.cli.lens import answer
from unit.cli.scenes import START_NS, a_run, a_span, exception
from unit.cli.screen import screen, shown

EVERYTHING = ChangeFilter()


class Following:
    """A follower of a store that is written to meanwhile."""

    def __init__(self, path: Path) -> None:
        self.writer = open_writer(path)
        self.write(record(99, trace_id="f" * 32, name="before"))
        self.follower = Follower(str(path))
        assert self.follower.open()

    def write(self, *records: SpanRecord) -> None:
        assert not self.writer.write(Batch(records)).rejected

    def told(self, tail: SpanTail | RunTail) -> list[str]:
        moments, is_all = tail.next(self.follower)
        assert is_all
        return [
            f"{m.change.span.name} {m.document()['event']}"
            if isinstance(m, SpanMoment)
            else f"{m.run.pipeline_name} {m.document()['event']}"
            for m in moments
        ]

    def close(self) -> None:
        self.follower.close()
        self.writer.close()


@pytest.fixture
def following(here: Path) -> Iterator[Following]:
    with closing(Following(here / "flujo_otel.db")) as opened:
        yield opened


def test_a_start_and_an_end_are_told_once_each(following: Following) -> None:
    tail = SpanTail(EVERYTHING, None)
    following.write(record(1, status="running"))
    assert following.told(tail) == ["span-1 started"]
    assert following.told(tail) == []
    following.write(record(1))
    assert following.told(tail) == ["span-1 ended"]


def test_a_span_that_only_moved_to_another_run_is_not_told_again(following: Following) -> None:
    tail = SpanTail(EVERYTHING, None)
    following.write(record(2, 1))
    assert following.told(tail) == ["span-2 ended"]
    following.write(record(1, run_id="named"))
    assert following.told(tail) == ["span-1 ended"]


def test_a_span_that_ended_before_its_run_was_named_is_told_once_the_run_has_it(
    following: Following,
) -> None:
    tail = SpanTail(ChangeFilter(run="named"), None)
    following.write(record(2, 1), record(3, 2))
    assert following.told(tail) == []
    following.write(record(1, run_id="named"))
    assert sorted(following.told(tail)) == ["span-1 ended", "span-2 ended", "span-3 ended"]
    following.write(record(4, 1))
    assert following.told(tail) == ["span-4 ended"]


def test_a_span_that_was_told_of_a_run_is_not_told_again_when_it_moves_within_its_name(
    following: Following,
) -> None:
    tail = SpanTail(ChangeFilter(run=TRACE[:4]), None)
    following.write(record(2, 1))
    assert following.told(tail) == ["span-2 ended"]
    following.write(record(1, run_id=f"{TRACE[:4]}-named"))
    assert following.told(tail) == ["span-1 ended"]


def test_what_was_over_before_the_run_is_followed_is_not_told_when_it_moves(
    here: Path, following: Following
) -> None:
    following.write(record(2, 1))
    with closing(Follower(str(here / "flujo_otel.db"))) as follower:
        assert follower.open()
        tail = SpanTail(ChangeFilter(run="named"), None)
        following.write(record(1, run_id="named"))
        moments, _ = tail.next(follower)
        assert [moment.change.span.name for moment in moments] == ["span-1"]


def test_spans_by_status_and_name(following: Following) -> None:
    failed = SpanTail(ChangeFilter(status="failed"), None)
    following.write(record(1), record(2, 1, status="failed"))
    assert following.told(failed) == ["span-2 ended"]
    following.write(record(3, 1), record(4, 1, name="span-3"))
    assert following.told(SpanTail(ChangeFilter(name="span-3"), None)) == ["span-3 ended"] * 2


def test_since_leaves_out_what_was_over_before(here: Path, following: Following) -> None:
    following.write(record(1), record(2, 1, start_time_ns=BASE_NS + 10**12))
    since_ns = BASE_NS + 10**11
    with closing(Follower(str(here / "flujo_otel.db"), since_ns)) as follower:
        moments, _ = SpanTail(EVERYTHING, since_ns).next(follower)
        assert [moment.change.span.name for moment in moments] == ["span-2"]


def test_another_file_is_begun_anew_also_where_the_old_one_could_not_be_read_to_its_end(
    here: Path, following: Following
) -> None:
    def unreadable(feed: ChangeFeed, position: int) -> ChangePage[SpanChange]:
        raise StoreUnavailable("just now")

    other = here / "other.db"
    with closing(open_writer(other)) as writer:
        now_ns = time.time_ns() + 10**9
        writer.write(Batch([record(1, name="of another", start_time_ns=now_ns)]))
    (here / "flujo_otel.db-wal").unlink()
    other.replace(here / "flujo_otel.db")
    assert ((), True) == following.follower.next(unreadable)
    moments, _ = SpanTail(EVERYTHING, None).next(following.follower)
    assert ["of another"] == [moment.change.span.name for moment in moments]


def test_a_run_is_told_when_its_status_changes_and_not_with_each_span(
    following: Following,
) -> None:
    tail = RunTail(EVERYTHING, None)
    following.write(record(1, status="running"))
    assert following.told(tail) == ["span-1 started"]
    following.write(record(2, 1), record(3, 1))
    assert following.told(tail) == []
    following.write(record(1, status="failed"))
    assert following.told(tail) == ["span-1 ended"]
    following.write(record(4, 1))
    assert following.told(tail) == []


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (ChangeFilter(run="run_"), ["run_b"]),
        (ChangeFilter(name="other"), ["run_b"]),
        (ChangeFilter(status="running"), [TRACE]),
    ],
)
def test_runs_by_id_name_and_status(
    following: Following, where: ChangeFilter, expected: list[str]
) -> None:
    following.write(record(1, status="running"), record(5, run_id="run_b", name="other"))
    with closing(Follower(None, 1)) as follower:
        moments, _ = RunTail(where, None).next(follower)
    assert [moment.run.run_id for moment in moments] == expected


def test_a_span_does_not_die(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = answer(capsys, "tail", "--status", "died")
    assert (code, "lens tail --runs --status died" in err) == (2, True)


def span_text(width: int = 100, **facts: object) -> str:
    span = a_span(1, "answer", 0, 640, **facts)  # type: ignore[arg-type]
    to = screen(width)
    return shown(to, [SpanMoment(SpanChange(7, 7, span)).line(to, START_NS)])


def test_a_span_s_line_has_time_run_status_duration_name_and_what_failed() -> None:
    sour = exception("ValueError", "sour\nmilk")
    line = span_text(status="failed", events=(sour,))
    time, rest = line[:12], line[12:]
    assert time.count(":") == 2 and time.endswith(".640")
    assert rest == "  7f3a91c20000  ✘   640 ms  answer  ValueError: sour\n"


def test_a_narrow_line_leaves_out_the_run() -> None:
    assert "7f3a91c2" not in span_text(59)
    assert "7f3a91c2" in span_text(60)


def test_a_pipe_gets_as_much_of_the_id_as_a_terminal() -> None:
    to = screen(cuts=False)
    line = SpanMoment(SpanChange(7, 7, a_span(1, "s", 0, 1))).line(to, START_NS)
    assert f"  {a_run().run_id[:12]}  " in shown(to, [line])


def test_what_one_look_finds_is_told_in_order_of_time(following: Following) -> None:
    tail = SpanTail(EVERYTHING, None)
    late = record(1, end_time_ns=BASE_NS + 10**9)
    following.write(late, record(2, 1, end_time_ns=BASE_NS + 10**8))
    following.write(record(3, 1, end_time_ns=BASE_NS + 10**7))
    assert following.told(tail) == ["span-3 ended", "span-2 ended", "span-1 ended"]


def test_a_run_s_line_has_its_cost_at_its_end() -> None:
    run = a_run([a_span(1, "s", 0, 900)], status=RunStatus.FAILED, total_cost_usd=0.5)
    to = screen()
    text = shown(to, [RunMoment(run).line(to, START_NS)])
    assert text.endswith("✘   900 ms  support-triage 1.2  1 span · $0.50\n")
    assert TRACE not in text


@pytest.mark.parametrize("looks", [0, 1])
def test_a_died_run_took_at_least_until_its_process_was_last_seen_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    """Not until its death was found out, which may be a while later."""
    monkeypatch.setattr(tail, "_SECONDS_TO_A_DEATH", 0.0)
    alive = [True]
    monkeypatch.setattr(process, "is_alive", lambda _: alive[0])
    following = Following(tmp_path / "spans.db")
    runs = RunTail(EVERYTHING, 0)
    following.write(record(1, status="running"))
    before_ns = time.time_ns()
    following.told(runs)
    for _ in range(looks):
        before_ns = time.time_ns()
        following.told(runs)
    after_ns = time.time_ns()
    alive[0] = False
    [moment], _ = runs.next(following.follower)
    assert isinstance(moment, RunMoment)
    assert moment.run.status is RunStatus.DIED
    assert before_ns <= moment.run.last_time_ns <= after_ns
