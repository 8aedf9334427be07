"""Whose spans may be open in a run that is over, however many writers and runs there are."""

from collections.abc import Sequence
from typing import Any

from flujo_otel.model import Process, Run, RunStatus
from flujo_otel.spanstore.sqlite.living_processes import LivingProcesses

SECOND_NS = 10**9
HOUR_NS = 3600 * SECOND_NS


class File:
    """A file's table of writers, and how often it was asked."""

    def __init__(self, *writers: tuple[int, int, int]) -> None:
        self.asked = 0
        self._writers = [
            (opened_ns, seen_ns, "here", pid, "then", "app.py")
            for opened_ns, seen_ns, pid in writers
        ]

    def rows(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        self.asked += 1
        return [row for row in self._writers if row[1] >= values[0]]


def left(start_ns: int, last_ns: int) -> Run:
    return Run(
        run_id="one",
        pipeline_name="p",
        pipeline_version="1",
        status=RunStatus.COMPLETED,
        start_time_ns=start_ns,
        end_time_ns=last_ns,
        last_time_ns=last_ns,
        total_cost_usd=None,
        total_tokens=None,
        span_count=2,
        error_count=0,
        trace_id=None,
        is_left_open=True,
    )


def is_left_open(file: File, run: Run) -> bool:
    living = LivingProcesses(file.rows, lambda process: process.pid == 1)
    return living.settled(run).is_left_open


def test_a_process_that_wrote_since_the_run_began_may_have_spans_in_it() -> None:
    run = left(HOUR_NS, HOUR_NS + 9 * SECOND_NS)
    assert not is_left_open(File((0, HOUR_NS + SECOND_NS, 1)), run)
    assert is_left_open(File((0, HOUR_NS + SECOND_NS, 2)), run)  # it is gone
    assert is_left_open(File((0, HOUR_NS - SECOND_NS, 1)), run)  # silent since before
    assert is_left_open(File((2 * HOUR_NS, 3 * HOUR_NS, 1)), run)  # it came later


def test_writers_are_asked_for_a_few_times_whatever_the_runs() -> None:
    file = File((0, HOUR_NS, 2))
    asked: list[Process] = []
    living = LivingProcesses(file.rows, lambda process: not asked.append(process))
    for number in range(10_000, 0, -1):
        living.settled(left(number * HOUR_NS, number * HOUR_NS))
    assert file.asked < 40
