"""The options that pick what a command shows, on a real store: each leaves out what it should."""

import time
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.model import Event
from flujo_otel.model.record import Role
from flujo_otel.semconv import flujo
from unit.cli.lens import answer, document
from unit.cli.scenes import START_NS, a_span, store

HOUR_MS = 3_600_000
RUNS = (("r1", "triage", "completed"), ("r2", "triage", "failed"), ("r3", "nightly", "completed"))
"""The first is the oldest, each an hour after the one before."""


@pytest.fixture
def three(here: Path) -> None:
    for place, (run_id, pipeline, status) in enumerate(RUNS):
        at = place * HOUR_MS
        spans = [
            a_span(
                10 * place + 1, "root", at, at + 9, run_id=run_id, status=status, role=Role.RUN_ROOT
            ),
            a_span(10 * place + 2, f"in {run_id}", at, at + 5, 10 * place + 1, run_id=run_id),
        ]
        store(here / "flujo_otel.db", spans, **{flujo.PIPELINE_NAME: pipeline})


@pytest.mark.parametrize(
    ("options", "expected", "total"),
    [
        ((), ["r3", "r2", "r1"], 3),
        (("--status", "completed"), ["r3", "r1"], 2),
        (("--pipeline", "triage"), ["r2", "r1"], 2),
        (("--pipeline", "triage", "--status", "completed"), ["r1"], 1),
        (("--since", "2025-11-21T05:00:00Z"), ["r3", "r2"], 2),
        (("--limit", "2"), ["r3", "r2"], 3),
    ],
)
def test_list(
    three: None,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    expected: list[str],
    total: int,
) -> None:
    _, found = document(capsys, "list", *options)
    assert (expected, total) == ([run["run_id"] for run in found["runs"]], found["total"])
    rows = answer(capsys, "list", *options)[1].splitlines()[1:-1]
    assert expected == [row.split()[0] for row in rows]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--status", "failed"), ["pipeline_run", "answer"]),
        (("--name", "up"), ["up", "up", "up"]),
        (("--status", "failed", "--name", "answer"), ["answer"]),
        (("--status", "failed", "--name", "up"), []),
    ],
)
def test_spans(
    filled: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    expected: list[str],
) -> None:
    _, found = document(capsys, "spans", "last", *options)
    assert expected == [span["name"] for span in found["spans"]]


def hours_since(start_ms: float) -> str:
    """As --hours takes it."""
    return str((time.time_ns() - START_NS) / 3_600e9 - start_ms / HOUR_MS)


@pytest.mark.parametrize(
    ("options", "since_ms", "expected"),
    [
        ((), -HOUR_MS, {"root": 3, "in r1": 1, "in r2": 1, "in r3": 1}),
        (("--pipeline", "triage"), -HOUR_MS, {"root": 2, "in r1": 1, "in r2": 1}),
        ((), HOUR_MS / 2, {"root": 2, "in r2": 1, "in r3": 1}),
        (("--pipeline", "triage"), HOUR_MS / 2, {"root": 1, "in r2": 1}),
    ],
)
def test_stats(
    three: None,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    since_ms: float,
    expected: dict[str, int],
) -> None:
    _, found = document(capsys, "stats", "--hours", hours_since(since_ms), *options)
    assert expected == {row["name"]: row["count"] for row in found["statistics"]}


def test_trace_to_a_depth(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Below the header's root in the picture; in JSON, where that is a span, from it on."""
    whole, top = answer(capsys, "trace")[1], answer(capsys, "trace", "--depth", "1")[1]
    assert "history" in whole and "history" not in top
    assert "gather" in top
    depths = {span["depth"] for span in document(capsys, "trace", "--depth", "2")[1]["spans"]}
    assert {0, 1} == depths


@pytest.fixture
def told(here: Path) -> None:
    event = Event("cache.miss", START_NS, {"cache.key": "k-7"})
    spans = [
        a_span(1, "root", 0, 9, role=Role.RUN_ROOT),
        a_span(2, "load", 0, 9, 1, attributes={"shop.id": "s-5"}, events=(event,)),
    ]
    store(here / "flujo_otel.db", spans)


@pytest.mark.parametrize(
    ("options", "shown"),
    [((), set()), (("--attributes",), {"s-5"}), (("--events",), {"cache.miss", "k-7"})],
)
def test_trace_with_what_spans_say(
    told: None, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], shown: set[Any]
) -> None:
    out = answer(capsys, "trace", *options)[1]
    assert shown == {each for each in ("s-5", "cache.miss", "k-7") if each in out}


def test_trace_of_every_span(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = [a_span(number, f"item {number}", 0, 9, 1) for number in range(2, 102)]
    store(here / "flujo_otel.db", [a_span(1, "root", 0, 9, role=Role.RUN_ROOT), *many])
    assert answer(capsys, "trace")[1].count("item ") < 10
    assert 100 == answer(capsys, "trace", "--all")[1].count("item ")
