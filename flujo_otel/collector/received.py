"""A request of traces as it came."""

from typing import NamedTuple

from flujo_otel.collector.answers import Encoding
from flujo_otel.redaction import Redactor
from flujo_otel.wire.otlp import Decoded, decode_protobuf


class Received(NamedTuple):
    """An ExportTraceServiceRequest, uncompressed."""

    body: bytes
    encoding: Encoding = Encoding.PROTOBUF

    def decoded(self, redactor: Redactor | None = None) -> Decoded:
        """Its spans; with a `redactor` their secrets are redacted. Raises MalformedRequest."""
        if self.encoding is Encoding.PROTOBUF:
            return decode_protobuf(self.body, redactor)
        from flujo_otel.wire.otlp_json import decode_json  # few clients send it

        return decode_json(self.body, redactor)
