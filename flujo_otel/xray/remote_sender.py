"""Traces to another machine: by OTLP over HTTP, or by the seed's POST /api/traces (17.1.7)."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from flujo_otel.errors import SettingsError
from flujo_otel.forward.answer import Answer, Verdict
from flujo_otel.forward.destination import Destination, OTLPProtocol
from flujo_otel.forward.endpoint import endpoint_of
from flujo_otel.forward.request import encode
from flujo_otel.forward.sender import Sender, sender_to
from flujo_otel.model import SpanRecord
from flujo_otel.spanstore.destinations import Described, DueSpan
from flujo_otel.storage.trace_spans import RESOURCE, SCOPE, document_of
from flujo_otel.wire.message import of_columns
from flujo_otel.wire.transport import TRACES_PATH

API_PATH: Final = "/api/traces"
_JSON: Final = "application/json"
_UNKNOWN_PATH: Final = ("404 ", "405 ", "501 ")


class RemoteSender:
    """Speaks OTLP until the other machine says that it has no such path, then the other way.

    `token`: sent as `Authorization: Bearer`. Raises SettingsError for what is no http(s) URL, and
    MissingExtra.
    """

    def __init__(self, url: str, token: str | None) -> None:
        endpoint = endpoint_of(url, "remote_url")
        if endpoint.protocol is not OTLPProtocol.HTTP:
            raise SettingsError(f"remote_url is {url!r}: write it like http://host:4318.")
        authorization = {"authorization": f"Bearer {token}"} if token else {}
        otlp = Destination("xray", endpoint.url, headers={**endpoint.headers, **authorization})
        base = otlp.url.path.removesuffix(TRACES_PATH)
        api = replace(otlp, endpoint=otlp.url._replace(path=base + API_PATH).geturl())
        self.shown = otlp.shown.removesuffix(TRACES_PATH)
        self._timeout_seconds = otlp.timeout_seconds
        self._otlp: Sender = sender_to(otlp)
        self._api: Sender = sender_to(api)
        self._speaks_otlp: bool | None = None

    def send(self, records: Sequence[SpanRecord], timeout_seconds: float | None) -> Answer:
        """Send one trace, all of whose spans are `records`. None: 10 s."""
        timeout = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        if self._speaks_otlp is not False:
            answer = self._otlp.send(_request(records), timeout)
            if answer.verdict is Verdict.TAKEN:
                self._speaks_otlp = True
            # One that spoke it before: a proxy that is being set up, perhaps.
            if self._speaks_otlp or not _is_unknown(answer):
                return answer
        document = document_of(records)
        if document is None:
            return Answer(Verdict.REFUSED, "a step that ended after its trace was sent")
        answer = self._api.send(json.dumps(document).encode(), timeout, _JSON)
        if answer.verdict is Verdict.TAKEN:
            self._speaks_otlp = False
        return answer


def _is_unknown(answer: Answer) -> bool:
    return answer.verdict is Verdict.PAUSE and answer.words.startswith(_UNKNOWN_PATH)


def _request(records: Sequence[SpanRecord]) -> bytes:
    spans = [DueSpan(0, RESOURCE.resource_id, SCOPE.scope_id, _message(each)) for each in records]
    return encode(
        spans,
        lambda _: Described(RESOURCE.otlp, RESOURCE.schema_url),
        lambda _: Described(SCOPE.otlp, SCOPE.schema_url),
    )


def _message(record: SpanRecord) -> bytes:
    return of_columns(
        trace_id=record.trace_id,
        otel_span_id=record.otel_span_id,
        otel_parent_id=record.otel_parent_id,
        name=record.name,
        kind=record.kind,
        start_time_ns=record.start_time_ns,
        end_time_ns=record.end_time_ns,
        status_code=record.status_code,
        status_message=record.status_message,
        attributes=record.attributes,
        events=record.events,
        flags=record.flags,
    )
