"""The exporter as the SDK's own processors use it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExportResult,
)

from flujo_otel.errors import ForeignDatabase, UnsupportedUri
from flujo_otel_exporter.exporter import SQLiteSpanExporter
from support.fake_store import FakeStore


def span(name: str = "span") -> ReadableSpan:
    made = TracerProvider(shutdown_on_exit=False).get_tracer("t").start_span(name)
    made.end()
    return made._readable_span()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("processor", [BatchSpanProcessor, SimpleSpanProcessor])
def test_it_works_inside_the_stock_processors(
    exporter: SQLiteSpanExporter, store: FakeStore, processor: Callable[..., BatchSpanProcessor]
) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor(exporter))
    for number in range(5):
        provider.get_tracer("t").start_span(str(number)).end()
    provider.shutdown()
    assert sorted(store.names) == list("01234")


def test_export_succeeds_once_the_spans_are_accepted(
    exporter: SQLiteSpanExporter, store: FakeStore
) -> None:
    store.available = False
    assert exporter.export([span()]) is SpanExportResult.SUCCESS
    assert not exporter.force_flush(50)
    store.available = True
    assert exporter.force_flush(20_000)
    assert store.names == ["span"]


def test_export_fails_only_when_the_queue_is_full(
    make_exporter: Callable[..., SQLiteSpanExporter], store: FakeStore
) -> None:
    store.available = False
    exporter = make_exporter(queue_bytes=50_000)
    results = [exporter.export([span()]) for _ in range(100)]
    accepted = results.count(SpanExportResult.SUCCESS)
    assert 0 < accepted < 100
    store.available = True
    assert exporter.force_flush(20_000)
    assert len(store.names) == accepted
    assert exporter.export([span()]) is SpanExportResult.SUCCESS


def test_what_is_no_span_costs_no_other_and_is_counted(
    exporter: SQLiteSpanExporter, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUJO_OTEL_RAISE")
    given = [span("before"), object(), None, span("after")]
    assert exporter.export(given) is SpanExportResult.SUCCESS
    assert exporter.force_flush(20_000)
    assert store.names == ["before", "after"]
    counted = [(loss.detail, loss.count) for loss in store.losses if loss.reason == "rejected"]
    assert [count for _, count in counted] == [1, 1]
    assert all(detail.startswith("AttributeError: ") for detail, _ in counted)


def test_a_flush_is_not_true_where_the_file_is_another_programs(
    exporter: SQLiteSpanExporter, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUJO_OTEL_RAISE")
    store.failing = ForeignDatabase("not ours")
    exporter.export([span("lost")])
    assert not exporter.force_flush(20_000)
    store.failing = None
    exporter.export([span("kept")])
    assert exporter.force_flush(20_000)
    assert store.names == ["kept"]


def test_after_its_shutdown_it_accepts_nothing(
    exporter: SQLiteSpanExporter, store: FakeStore
) -> None:
    exporter.export([span("before")])
    exporter.shutdown()
    exporter.shutdown()
    assert exporter.export([span("after")]) is SpanExportResult.FAILURE
    assert store.names == ["before"]


def test_a_uri_that_names_no_database_of_ours_is_refused_at_once() -> None:
    with pytest.raises(UnsupportedUri):
        SQLiteSpanExporter("mysql://somewhere/spans")


def test_exporters_to_one_database_share_the_processs_one_writer(tmp_path: Path) -> None:
    one = SQLiteSpanExporter(tmp_path / "a.db")
    other = SQLiteSpanExporter(f"sqlite:///{tmp_path}/a.db")
    third = SQLiteSpanExporter(tmp_path / "b.db")
    assert one.writer is other.writer
    assert one.writer is not third.writer
