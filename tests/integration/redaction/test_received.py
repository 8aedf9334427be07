"""`lens serve --redact`: what others send is rid of secrets before it is stored and sent on."""

from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from support import otlp
from support.backends import HttpBackend, wait_until
from support.collector import JSON, PROTOBUF, Collector, collector, request
from support.lens import Lens
from support.ordinary import ATTRIBUTES, TEXTS
from support.planted import Secret, found_in, secrets
from support.programs import losses, query

PLANTED = secrets(1000)
GROUP = 100
UNKNOWN = b"\xba\x3e\x04kept"
"""Field 999, which no version of OTLP has."""
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
WAYS = ("protobuf", "json", "grpc")


def text(value: str) -> AnyValue:
    return AnyValue(string_value=value)


def pair(key: str, value: AnyValue) -> KeyValue:
    return KeyValue(key=key, value=value)


def attributes(group: list[Secret]) -> list[KeyValue]:
    """Each secret as text, in arrays, maps and bytes, under its name, and as a key."""
    found = [pair(f"text.{number}", text(each.text)) for number, each in enumerate(group)]
    for each in group:
        value = text(each.value)
        if each.name is None:
            found.append(pair(each.value, AnyValue(int_value=1)))
            continue
        array = AnyValue(array_value=ArrayValue(values=[value]))
        inner = KeyValueList(values=[pair(each.name, value)])
        found += [pair(each.name, value), pair(f"x.{each.name}", array)]
        found.append(pair("map", AnyValue(kvlist_value=inner)))
        found.append(pair(f"b.{each.name}", AnyValue(bytes_value=each.value.encode())))
    texts = [text(each.text) for each in group]
    raw = "\n\n".join(each.text for each in group).encode()
    return [
        *found,
        pair("array", AnyValue(array_value=ArrayValue(values=texts))),
        pair("bytes", AnyValue(bytes_value=raw)),
    ]


def span(number: int, group: list[Secret]) -> Span:
    given = attributes(group)
    made = otlp.span(
        number,
        name=f"call {group[0].text}",
        attributes=given,
        events=[Span.Event(name=f"saw {group[1].text}", attributes=given)],
        links=[Span.Link(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, attributes=given)],
        status=Status(code=Status.STATUS_CODE_ERROR, message="; ".join(s.text for s in group)),
    )
    made.MergeFromString(UNKNOWN)
    return made


def planted() -> ExportTraceServiceRequest:
    groups = [PLANTED[start : start + GROUP] for start in range(0, len(PLANTED), GROUP)]
    message = otlp.request(*(span(number, group) for number, group in enumerate(groups, 1)))
    [of] = message.resource_spans
    of.resource.attributes.extend(attributes(PLANTED))
    of.scope_spans[0].scope.attributes.extend(attributes(PLANTED))
    of.schema_url = of.scope_spans[0].schema_url = "\n\n".join(each.text for each in PLANTED)
    return message


def send(running: Collector, message: ExportTraceServiceRequest, way: str) -> None:
    if way == "grpc":
        with grpc.insecure_channel(running.grpc_address) as channel:
            channel.unary_unary(EXPORT)(message.SerializeToString(), timeout=30)
    elif way == "json":
        assert 200 == running.post(otlp.json_body(message), JSON).status
    else:
        assert 200 == running.post(message.SerializeToString(), PROTOBUF).status


def stored(db: Path) -> list[Span]:
    return [Span.FromString(raw) for (raw,) in query(db, "SELECT otlp FROM spans ORDER BY name")]


@pytest.mark.parametrize("way", WAYS)
def test_no_secret_is_stored_or_sent_on(way: str, tmp_path: Path) -> None:
    db = tmp_path / "otel.db"
    backend = HttpBackend()
    with collector(db, redact=True, forward=[backend.url]) as running:
        send(running, planted(), way)
        wait_until(lambda: len(backend.taken.spans) == len(PLANTED) // GROUP, "all are forwarded")
        seen = {path.name: path.read_bytes() for path in db.parent.glob("otel.db*")}
    seen["after it"] = db.read_bytes()
    seen["forwarded"] = b"".join(each.SerializeToString() for each in backend.taken.requests)
    backend.close()
    assert seen["otel.db-wal"]
    assert {} == {
        where: kinds for where, data in seen.items() if (kinds := found_in(data, PLANTED))
    }
    for where in ("after it", "forwarded"):
        assert seen[where].count(b"[REDACTED]") > 5 * len(PLANTED)


@pytest.mark.parametrize("way", ["protobuf", "grpc"])
def test_fields_that_nobody_knows_are_kept(way: str, tmp_path: Path) -> None:
    with collector(tmp_path / "otel.db", redact=True) as running:
        send(running, planted(), way)
        kept = query(running.db, "SELECT otlp FROM spans")
    assert len(PLANTED) // GROUP == len(kept)
    assert [] == [raw for (raw,) in kept if UNKNOWN not in raw]


@pytest.mark.parametrize("way", WAYS)
def test_spans_without_secrets_are_stored_to_the_byte(way: str, tmp_path: Path) -> None:
    given = [pair(name, text(str(value))) for name, value in ATTRIBUTES.items()]
    given += [pair(f"text.{number}", text(each)) for number, each in enumerate(TEXTS)]
    ordinary = otlp.span(
        1,
        attributes=given,
        events=[Span.Event(name="e", attributes=given)],
        status=Status(code=2, message=TEXTS[0]),
    )
    if way != "json":
        ordinary.MergeFromString(UNKNOWN)
    with collector(tmp_path / "otel.db", redact=True) as running:
        send(running, otlp.request(ordinary), way)
        assert [(ordinary.SerializeToString(),)] == query(running.db, "SELECT otlp FROM spans")


def test_without_the_flag_nothing_is_altered(tmp_path: Path) -> None:
    with collector(tmp_path / "otel.db") as running:
        message = planted()
        send(running, message, "protobuf")
        sent = sorted(
            each.SerializeToString() for each in message.resource_spans[0].scope_spans[0].spans
        )
        assert sent == sorted(raw for (raw,) in query(running.db, "SELECT otlp FROM spans"))


def test_a_request_that_is_taken_in_parts_is_redacted_too(tmp_path: Path) -> None:
    many = [span(number, PLANTED[:GROUP]) for number in range(1, 60)]
    message = otlp.request(*many)
    assert message.ByteSize() > 2 * 1024 * 1024
    with collector(tmp_path / "otel.db", redact=True) as running:
        send(running, message, "protobuf")
        assert [(59,)] == query(running.db, "SELECT COUNT(*) FROM spans")
    assert [] == found_in((tmp_path / "otel.db").read_bytes(), PLANTED)


def test_metrics_and_logs_are_not_sent_on_but_counted(tmp_path: Path) -> None:
    backend = HttpBackend()
    logs = ExportLogsServiceRequest()
    logs.resource_logs.add().scope_logs.add().log_records.add().body.string_value = "password=x1"
    with collector(tmp_path / "otel.db", redact=True, forward=[backend.url]) as running:
        raw = request(logs.SerializeToString(), {"content-type": PROTOBUF}, path="/v1/logs")
        assert 200 == running.send(raw).status
    backend.close()
    assert 0 == backend.seen
    assert {"logs_not_stored": 1} == losses(tmp_path / "otel.db")


def test_own_rules_hold_there_too(tmp_path: Path) -> None:
    (tmp_path / "flujo.toml").write_text(
        '[redaction]\nreceived = true\nkeys = ["ssn"]\npatterns = ["EMP-[0-9]+"]\n'
    )
    given = [pair("ssn", text("1")), pair("a", text("of EMP-7")), pair("b", text("c"))]
    with collector(tmp_path / "otel.db") as running:
        send(running, otlp.request(otlp.span(1, attributes=given)), "protobuf")
        [(kept,)] = query(running.db, "SELECT attributes FROM spans")
    assert '{"ssn":"[REDACTED]","a":"of [REDACTED]","b":"c"}' == kept


def test_the_command_says_that_it_redacts(tmp_path: Path) -> None:
    arguments = ("serve", "--redact", "--http-port", "0", "--grpc-port", "0", "--db", "otel.db")
    with Lens(*arguments, cwd=tmp_path) as lens:
        assert "metrics and logs are not sent on" in lens.until("redact")[-1]
