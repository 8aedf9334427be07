"""A web request as opentelemetry-instrumentation-asgi tells of it, drawn."""

from flujo_otel.model import Event, RunStatus, Span
from flujo_otel.model.record import Role
from flujo_otel.query.tree import build_tree
from flujo_otel_cli.document import trace_document
from flujo_otel_cli.drawing import draw
from flujo_otel_cli.picture import Drawing
from unit.cli.scenes import MS, START_NS, a_run, a_span, exception
from unit.cli.screen import screen, shown

RAISED = exception("KeyError", "'no such order'", 'File "/srv/app.py", line 13, in order')
STATUS = {"http.status_code": 500}


def message(
    number: int, kind: str, at_ms: float, *, events: tuple[Event, ...] = (), **more: str
) -> Span:
    failed = more.get("status") == "failed"
    attributes = {"asgi.event.type": "http.response.body", **(STATUS if failed else {})}
    name = f"GET /order/{{n}} http {kind}"
    end_ms = None if more.get("status") == "running" else at_ms + 1
    return a_span(
        number,
        name,
        at_ms,
        end_ms,
        1,
        attributes=attributes,
        events=events,
        status=more.get("status"),
    )


def request(status: str = "completed", events: tuple[Event, ...] = ()) -> Span:
    attributes = STATUS if status == "failed" else {}
    return a_span(
        1,
        "GET /order/{n}",
        0,
        100,
        role=Role.RUN_ROOT,
        status=status,
        attributes=attributes,
        events=events,
    )


def drawn(spans: list[Span], **options: bool) -> str:
    run = a_run(spans, status=RunStatus(spans[0].status), pipeline_name=spans[0].name)
    drawing = Drawing(run.run_id[:8], "last", **options)  # type: ignore[arg-type]
    to = screen()
    return shown(to, draw(run, build_tree(spans), drawing, to, START_NS + 1000 * MS))


def test_its_messages_are_one_line() -> None:
    work = a_span(2, "work", 2, 3, 1)
    sends = [message(4 + n, "send", 50 + n) for n in range(3)]
    spans = [request(), message(3, "receive", 1), work, *sends]
    assert ["├─ ✔ http receive, http send ×4  --all unfolds", "└─ ✔ work"] == [
        line[:48].rstrip() for line in drawn(spans).splitlines()[-2:]
    ]
    assert 4 == drawn(spans, unfold=True).count("GET /order/{n} http")
    assert len(spans) == len(trace_document(a_run(spans), build_tree(spans), None)["spans"])


def test_an_exception_is_said_once_where_it_was_raised() -> None:
    query = a_span(2, "query", 2, 3, 1, status="failed", events=(RAISED,))
    sends = [message(3, "send", 4, status="failed"), message(4, "send", 6)]
    text = drawn([request("failed", (RAISED,)), query, *sends])
    assert 1 == text.count("KeyError")
    assert text.index("✘ query") < text.index("KeyError") < text.index("✘ http send ×2")
    assert 1 == text.count("HTTP 500")  # of the request


def test_what_failed_by_its_status_alone_is_said_of_the_request() -> None:
    text = drawn([request("failed"), message(3, "send", 4, status="failed")])
    assert 1 == text.count("HTTP 500")
    assert text.index("HTTP 500") < text.index("http send")


def test_one_that_raised_or_still_runs_is_shown() -> None:
    raised = message(3, "send", 4, status="failed", events=(RAISED,))
    running = message(4, "receive", 5, status="running")
    text = drawn([request(), raised, running, message(5, "send", 1), message(6, "send", 2)])
    assert "KeyError: 'no such order'" in text
    assert "GET /order/{n} http receive" in text
    assert "http send ×2" in text
